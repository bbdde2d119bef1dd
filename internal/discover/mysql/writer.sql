-- What the user may do with each column of a table, and whether the table's
-- engine can undo a write. Without any right there is one row without a column.
SELECT u.account, c.COLUMN_NAME, c.PRIVILEGES, e.TRANSACTIONS = 'YES'
FROM (SELECT CURRENT_USER() AS account) AS u
LEFT JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = ? AND c.TABLE_NAME = ?
LEFT JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE
