-- Keys between relations that the role may select from. A key to a partitioned
-- table has a row for each partition too, and these are left out, as are keys
-- over periods, which are no equality.
SELECT k.conrelid::pg_catalog.int8,
       k.conname::pg_catalog.text,
       pg_catalog.array_to_string(k.conkey, ' '),
       k.confrelid::pg_catalog.int8,
       pg_catalog.array_to_string(k.confkey, ' ')
FROM pg_catalog.pg_constraint k
JOIN visible v ON v.oid = k.conrelid
JOIN visible w ON w.oid = k.confrelid
LEFT JOIN pg_catalog.pg_constraint up ON up.oid = k.conparentid
WHERE k.contype = 'f'
  AND (up.oid IS NULL OR up.conrelid <> k.conrelid)
  AND NOT COALESCE((pg_catalog.to_jsonb(k) ->> 'conperiod')::pg_catalog.bool, false)
ORDER BY k.conrelid, k.conname
