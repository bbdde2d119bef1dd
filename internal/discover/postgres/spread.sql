-- How many different values a column has, as the last ANALYZE saw it: a count,
-- or as a negative number the share of the rows. With it how many rows there are.
SELECT s.n_distinct::pg_catalog.float8, c.reltuples::pg_catalog.float8
FROM pg_catalog.pg_stats s
JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE s.schemaname::pg_catalog.text = $1::pg_catalog.text AND s.tablename::pg_catalog.text = $2::pg_catalog.text AND s.attname::pg_catalog.text = $3::pg_catalog.text
ORDER BY s.inherited DESC
LIMIT 1
