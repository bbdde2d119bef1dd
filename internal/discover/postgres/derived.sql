-- What generated columns are computed from. The dependency hangs on the column
-- before PostgreSQL 15 and on its expression since.
SELECT a.attrelid::pg_catalog.int8,
       a.attname::pg_catalog.text,
       s.attname::pg_catalog.text
FROM visible v
JOIN pg_catalog.pg_attribute a ON a.attrelid = v.oid AND a.attgenerated <> '' AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
JOIN pg_catalog.pg_depend d
  ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = a.attrelid AND d.refobjsubid > 0
  AND (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum
    OR d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid)
JOIN pg_catalog.pg_attribute s ON s.attrelid = a.attrelid AND s.attnum = d.refobjsubid
WHERE s.attnum <> a.attnum
GROUP BY a.attrelid, a.attname, s.attname
ORDER BY a.attrelid, a.attname, s.attname
