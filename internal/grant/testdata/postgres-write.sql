-- Run this as an administrator who is connected to the database itself.
BEGIN;
SET LOCAL client_encoding = 'UTF8';
-- Names below mean the system's own functions, whatever the schemas hold.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $flowyte$
BEGIN
  IF current_database() <> 'appdb' THEN
    RAISE EXCEPTION 'connect to the database that the script was made for, and run it there';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flowyte_rw') THEN
    CREATE ROLE "flowyte_rw" LOGIN;
  ELSIF EXISTS (
    SELECT FROM pg_roles r WHERE r.rolname = 'flowyte_rw' AND (
      r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
      OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
      OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'))
  ) THEN
    RAISE EXCEPTION 'a role of this name exists, owns objects or has powers of its own: make the script for another user';
  END IF;
END
$flowyte$;
ALTER ROLE "flowyte_rw" WITH LOGIN NOINHERIT CONNECTION LIMIT 10 PASSWORD E'pa''ss\\word';
GRANT CONNECT ON DATABASE "appdb" TO "flowyte_rw";
-- A script that was run before may have given more.
REVOKE ALL ON ALL TABLES IN SCHEMA "public", "sales" FROM "flowyte_rw";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA "public", "sales" FROM "flowyte_rw";
GRANT USAGE ON SCHEMA "public", "sales" TO "flowyte_rw";
GRANT SELECT ON ALL TABLES IN SCHEMA "public", "sales" TO "flowyte_rw";
GRANT SELECT, INSERT, UPDATE ON TABLE "public"."appointments", "sales"."orders" TO "flowyte_rw";
-- The sequences that number the rows of these tables.
DO $flowyte$
DECLARE
  sequence regclass;
BEGIN
  FOR sequence IN
    SELECT d.objid::regclass FROM pg_depend d
    JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
      AND d.refobjid IN (SELECT t::regclass::oid FROM unnest(ARRAY['"public"."appointments"', '"sales"."orders"']) AS t)
  LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', sequence, 'flowyte_rw');
  END LOOP;
END
$flowyte$;
ALTER ROLE "flowyte_rw" SET default_transaction_read_only = off;
ALTER ROLE "flowyte_rw" SET statement_timeout = '5s';
ALTER ROLE "flowyte_rw" SET lock_timeout = '5s';
ALTER ROLE "flowyte_rw" SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE "flowyte_rw" SET search_path = "public", "sales", pg_temp;
COMMIT;
-- Optional, and for EVERY role of this database: see the notes before you remove the dashes.
-- REVOKE TEMPORARY ON DATABASE "appdb" FROM PUBLIC;
-- REVOKE CREATE ON SCHEMA "public", "sales" FROM PUBLIC;
