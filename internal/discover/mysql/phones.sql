-- The shapes of at most 1,000 values of a phone column. Every digit becomes a 9
-- on the server, but for up to two zeros at the beginning, which are a prefix
-- and tell nobody apart. What does not look like a telephone number is '', so
-- that no other text leaves the server.
SELECT s.shape, COUNT(*)
FROM (
  SELECT CASE WHEN p.v REGEXP '^[+(]{0,2}[0-9][-0-9 ().+/]{3,37}[0-9)]( *(x|ext[.]?|#) *[0-9]{1,6})?$'
         THEN CONCAT(p.zeros, REGEXP_REPLACE(SUBSTRING(p.v, CHAR_LENGTH(p.zeros) + 1), '[0-8]', '9'))
         ELSE '' END AS shape
  FROM (
    SELECT r.v, COALESCE(REGEXP_SUBSTR(r.v, '^[(]?0{1,2}'), '') AS zeros
    FROM (SELECT LEFT(CONVERT(t.{column} USING utf8mb4), 64) AS v FROM {object} AS t LIMIT 1000) AS r
    WHERE r.v IS NOT NULL
  ) AS p
) AS s
GROUP BY s.shape
