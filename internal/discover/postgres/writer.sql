-- What the role lacks for a write: USAGE of the schema, SELECT on the columns of
-- $3, INSERT on those of $4, UPDATE on those of $5, and the use of the sequences
-- that number the columns an insert leaves out.
SELECT current_user::pg_catalog.text,
       NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
       EXISTS (SELECT FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attname::pg_catalog.text = ANY ($3::pg_catalog.text[]) AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')),
       EXISTS (SELECT FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attname::pg_catalog.text = ANY ($4::pg_catalog.text[]) AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'INSERT')),
       EXISTS (SELECT FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = c.oid AND a.attname::pg_catalog.text = ANY ($5::pg_catalog.text[]) AND NOT pg_catalog.has_column_privilege(c.oid, a.attnum, 'UPDATE')),
       q.schemas,
       q.names,
       q.columns
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT pg_catalog.array_agg(sn.nspname::pg_catalog.text ORDER BY sn.nspname, s.relname) AS schemas,
         pg_catalog.array_agg(s.relname::pg_catalog.text ORDER BY sn.nspname, s.relname) AS names,
         pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY sn.nspname, s.relname) AS columns
  FROM pg_catalog.pg_attrdef e
  JOIN pg_catalog.pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = e.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  JOIN pg_catalog.pg_class s ON s.oid = d.refobjid
  JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
  WHERE e.adrelid = c.oid AND pg_catalog.cardinality($4::pg_catalog.text[]) > 0 AND a.attname::pg_catalog.text <> ALL ($4::pg_catalog.text[])
    -- Asked of another relation, the function is an error.
    AND CASE WHEN s.relkind = 'S' THEN NOT (pg_catalog.has_sequence_privilege(s.oid, 'USAGE') OR pg_catalog.has_sequence_privilege(s.oid, 'UPDATE')) END
) AS q
WHERE n.nspname::pg_catalog.text = $1::pg_catalog.text AND c.relname::pg_catalog.text = $2::pg_catalog.text
