-- The relations that the role may select from, wholly or in part. What an
-- extension owns is left out, and so are other sessions' temporary tables.
-- $1 asks for all of them, else $2 and $3 are the schemas and names of those
-- wanted. "whole" and the write rights are those on the table itself; the rights on
-- single columns are asked for only where a column has grants of its own.
WITH visible AS MATERIALIZED (
  SELECT c.oid, c.relnamespace, c.relname, c.relkind, c.relispartition, c.reltuples, c.relrowsecurity, c.relhasrules,
         pg_catalog.has_table_privilege(c.oid, 'SELECT') AS whole,
         c.relkind IN ('r', 'p') AND pg_catalog.has_table_privilege(c.oid, 'INSERT') AS inserts,
         c.relkind IN ('r', 'p') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') AS updates
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p')
    AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND ($1::pg_catalog.bool OR (n.nspname::pg_catalog.text, c.relname::pg_catalog.text) IN (
      SELECT w.s, w.t FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[])) AS w (s, t)))
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
    AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))
    AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend e
      WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
)
