SELECT v.oid::pg_catalog.int8,
       n.nspname::pg_catalog.text,
       v.relname::pg_catalog.text,
       v.relkind::pg_catalog.text,
       v.reltuples::pg_catalog.float8,
       pg_catalog.left(d.description, 1024),
       v.relrowsecurity,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = v.oid AND NOT t.tgisinternal),
       v.relhasrules AND EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = v.oid AND r.rulename <> '_RETURN'),
       v.inserts OR v.relkind IN ('r', 'p') AND pg_catalog.has_any_column_privilege(v.oid, 'INSERT'),
       v.updates OR v.relkind IN ('r', 'p') AND pg_catalog.has_any_column_privilege(v.oid, 'UPDATE'),
       v.relispartition,
       p.partattrs::pg_catalog.text
FROM visible v
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = v.oid
LEFT JOIN pg_catalog.pg_description d
  ON d.objoid = v.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
ORDER BY n.nspname, v.relname
