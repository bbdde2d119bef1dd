-- How many different values the indexes beginning with a column hold, as the
-- server estimates it, and how many rows there are.
SELECT CAST(MAX(s.CARDINALITY) AS SIGNED), CAST(MAX(t.TABLE_ROWS) AS SIGNED)
FROM information_schema.STATISTICS s
JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = s.TABLE_SCHEMA AND t.TABLE_NAME = s.TABLE_NAME
WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME = ? AND s.COLUMN_NAME = ? AND s.SEQ_IN_INDEX = 1
