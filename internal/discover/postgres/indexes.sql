-- Indexes with their columns as attribute numbers, 0 for an expression. The
-- leading column's operator class serves an equality when its "=" is the one
-- that the type's own class of this method has; a class made for another type
-- does not when the column's type has a class of its own.
SELECT i.indrelid::pg_catalog.int8,
       x.relname::pg_catalog.text,
       m.amname::pg_catalog.text,
       i.indkey::pg_catalog.text,
       i.indnkeyatts::pg_catalog.int8,
       i.indisunique,
       i.indisprimary,
       i.indimmediate,
       i.indisvalid AND i.indisready AND i.indislive,
       i.indpred IS NOT NULL,
       COALESCE((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::pg_catalog.bool, false),
       o.opcdefault,
       o.opcdefault OR EXISTS (
         SELECT FROM pg_catalog.pg_opclass t
         JOIN pg_catalog.pg_amop own ON own.amopfamily = t.opcfamily AND own.amoplefttype = t.opcintype AND own.amoprighttype = t.opcintype
         JOIN pg_catalog.pg_amop has ON has.amopfamily = o.opcfamily AND has.amopopr = own.amopopr AND has.amopstrategy = own.amopstrategy
         WHERE t.opcmethod = o.opcmethod AND t.opcdefault AND t.opcintype = o.opcintype
           AND own.amopstrategy = CASE m.amname WHEN 'btree' THEN 3 ELSE 1 END),
       a.atttypid IS NULL OR o.opcintype = b.base OR NOT EXISTS (
         SELECT FROM pg_catalog.pg_opclass t
         WHERE t.opcmethod = o.opcmethod AND t.opcdefault AND t.opcintype = b.base),
       a.atttypid IS NULL OR i.indcollation[0] = a.attcollation,
       CASE WHEN i.indpred IS NOT NULL OR i.indexprs IS NOT NULL THEN (
         SELECT pg_catalog.string_agg(d.refobjsubid::pg_catalog.text, ' ' ORDER BY d.refobjsubid)
         FROM pg_catalog.pg_depend d
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = i.indrelid AND d.refobjsubid > 0)
       END
FROM visible v
JOIN pg_catalog.pg_index i ON i.indrelid = v.oid
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_am m ON m.oid = x.relam
JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[0]
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attnum > 0
LEFT JOIN LATERAL (
  SELECT COALESCE(NULLIF(t.typbasetype, 0), t.oid) AS base FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
) b ON true
ORDER BY i.indrelid, x.relname
