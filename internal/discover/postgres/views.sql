-- Every view outside the system, also those that the role may not select from,
-- since visible ones may read them. Dependencies on functions and operators are
-- recorded unless these came with the server; of those that did, some run a
-- text or read files, and some views read the catalogue, whose statistics hold
-- values of any table: both are found in the stored tree. A whole-row reference
-- (to_jsonb(t)) is recorded as no column at all, so it is looked for too.
SELECT r.ev_class::pg_catalog.int8,
       EXISTS (
         SELECT FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
           AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))
         OR t.tree ~ ' :relid ([1-9][0-9]{0,3}|1[0-5][0-9]{3}|16[0-2][0-9]{2}|163[0-7][0-9]|1638[0-3]) '
         OR t.tree ~ f.readers,
       t.tree ~ ' :varattno 0 ',
       t.tree ~ f.volatile OR EXISTS (
         SELECT FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
           AND (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid IN (
                  SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.provolatile = 'v')
             OR d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND d.refobjid IN (
                  SELECT o.oid FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode WHERE p.provolatile = 'v')))
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm')
CROSS JOIN LATERAL (SELECT r.ev_action::pg_catalog.text AS tree) t
CROSS JOIN (
  SELECT ' :(funcid|opfuncid|aggfnoid|winfnoid) (' || COALESCE(pg_catalog.string_agg(p.oid::pg_catalog.text, '|') FILTER (
           WHERE p.proname IN ('ts_stat', 'ts_rewrite', 'lo_get', 'lo_export', 'lo_import')
              OR p.proname ~ '^(query|cursor|table|schema|database)_to_xml' OR p.proname ~ '^pg_(read|ls|stat)_'), '0') || ') ' AS readers,
         ' :(funcid|opfuncid|aggfnoid|winfnoid) (' || COALESCE(pg_catalog.string_agg(p.oid::pg_catalog.text, '|') FILTER (
           WHERE p.provolatile = 'v'), '0') || ') ' AS volatile
  FROM pg_catalog.pg_proc p
  WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
) f
WHERE c.oid >= 16384 AND r.ev_type = '1'
ORDER BY r.ev_class
