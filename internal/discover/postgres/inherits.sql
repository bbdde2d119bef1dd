-- Partitions and inheriting tables with their parents, also those that the role
-- may not select from: a parent shows its children's rows.
SELECT c.oid::pg_catalog.int8, cn.nspname::pg_catalog.text, c.relname::pg_catalog.text,
       p.oid::pg_catalog.int8, pn.nspname::pg_catalog.text, p.relname::pg_catalog.text
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p', 'f')
JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
ORDER BY pn.nspname, p.relname, cn.nspname, c.relname
