SELECT a.attrelid::pg_catalog.int8,
       a.attnum::pg_catalog.int8,
       a.attname::pg_catalog.text,
       a.atttypid::pg_catalog.int8,
       a.atttypmod::pg_catalog.int8,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       a.atthasdef,
       a.attidentity <> '',
       a.attgenerated <> '',
       c.collname::pg_catalog.text,
       NOT c.collisdeterministic,
       pg_catalog.left(d.description, 1024),
       v.inserts OR v.relkind IN ('r', 'p') AND a.attacl IS NOT NULL AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT'),
       v.updates OR v.relkind IN ('r', 'p') AND a.attacl IS NOT NULL AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE')
FROM visible v
JOIN pg_catalog.pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
LEFT JOIN pg_catalog.pg_description d
  ON d.objoid = a.attrelid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = a.attnum
WHERE v.whole OR a.attacl IS NOT NULL AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
ORDER BY a.attrelid, a.attnum
