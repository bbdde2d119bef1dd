-- The columns that views read, by attribute number; 0 stands for a relation of
-- which no single column is read.
SELECT r.ev_class::pg_catalog.int8,
       s.oid::pg_catalog.int8,
       n.nspname::pg_catalog.text,
       s.relname::pg_catalog.text,
       d.refobjsubid::pg_catalog.int8,
       a.attname::pg_catalog.text
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm')
JOIN pg_catalog.pg_depend d
  ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
JOIN pg_catalog.pg_class s ON s.oid = d.refobjid
JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = s.oid AND a.attnum = d.refobjsubid AND a.attnum > 0
WHERE c.oid >= 16384 AND r.ev_type = '1'
GROUP BY r.ev_class, s.oid, n.nspname, s.relname, d.refobjsubid, a.attname
ORDER BY r.ev_class, n.nspname, s.relname, d.refobjsubid
