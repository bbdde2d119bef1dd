-- The shapes of at most 1,000 values of a phone column. Every digit becomes a 9
-- on the server, but for up to two zeros at the beginning, which are a prefix
-- and tell nobody apart. What does not look like a telephone number is '', so
-- that no other text leaves the server.
SELECT s.shape, pg_catalog.count(*)
FROM (
  SELECT CASE WHEN p.v ~ '^[+(]{0,2}[0-9][-0-9 ().+/]{3,37}[0-9)]( *(x|ext[.]?|#) *[0-9]{1,6})?$'
         THEN pg_catalog.concat(p.zeros, pg_catalog.translate(pg_catalog.substr(p.v, pg_catalog.length(p.zeros) + 1), '012345678', '999999999'))
         ELSE '' END AS shape
  FROM (
    SELECT r.v, COALESCE(pg_catalog.substring(r.v, '^[(]?0{1,2}'), '') AS zeros
    FROM (SELECT pg_catalog.left(CAST(t.{column} AS pg_catalog.text), 64) COLLATE pg_catalog."C" AS v FROM {object} AS t LIMIT 1000) AS r
    WHERE r.v IS NOT NULL
  ) AS p
) AS s
GROUP BY s.shape
