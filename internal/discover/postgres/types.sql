-- Every type but those of rows and arrays, which are told by how they are
-- written. Domains over arrays are here.
SELECT t.oid::pg_catalog.int8,
       n.nspname::pg_catalog.text,
       t.typname::pg_catalog.text,
       t.typtype::pg_catalog.text,
       t.typcategory::pg_catalog.text,
       t.typbasetype::pg_catalog.int8,
       t.typtypmod::pg_catalog.int8,
       t.typnotnull,
       t.typdefault IS NOT NULL,
       (SELECT pg_catalog.array_agg(e.enumlabel::pg_catalog.text ORDER BY e.enumsortorder)
        FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
FROM pg_catalog.pg_type t
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype = 'd' OR t.typtype IN ('b', 'e', 'r', 'm') AND t.typcategory <> 'A'
