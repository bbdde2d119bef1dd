-- Run this as an administrator who is connected to the database itself.
BEGIN;
SET LOCAL client_encoding = 'UTF8';
-- Names below mean the system's own functions, whatever the schemas hold.
SET LOCAL search_path = pg_catalog, pg_temp;
DO $flowyte$
BEGIN
  IF current_database() <> 'app_db' THEN
    RAISE EXCEPTION 'connect to the database that the script was made for, and run it there';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'agent') THEN
    CREATE ROLE "agent" LOGIN;
  ELSIF EXISTS (
    SELECT FROM pg_roles r WHERE r.rolname = 'agent' AND (
      r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
      OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
      OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'))
  ) THEN
    RAISE EXCEPTION 'a role of this name exists, owns objects or has powers of its own: make the script for another user';
  END IF;
END
$flowyte$;
ALTER ROLE "agent" WITH LOGIN NOINHERIT CONNECTION LIMIT 20 PASSWORD 'x';
GRANT CONNECT ON DATABASE "app_db" TO "agent";
-- A script that was run before may have given more.
REVOKE ALL ON ALL TABLES IN SCHEMA "public" FROM "agent";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA "public" FROM "agent";
GRANT USAGE ON SCHEMA "public" TO "agent";
GRANT SELECT ON TABLE "public"."customers" TO "agent";
ALTER ROLE "agent" SET default_transaction_read_only = on;
ALTER ROLE "agent" SET statement_timeout = '5s';
ALTER ROLE "agent" SET lock_timeout = '5s';
ALTER ROLE "agent" SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE "agent" SET search_path = "public", "sales", pg_temp;
COMMIT;
-- Optional, and for EVERY role of this database: see the notes before you remove the dashes.
-- REVOKE TEMPORARY ON DATABASE "app_db" FROM PUBLIC;
-- REVOKE CREATE ON SCHEMA "public", "sales" FROM PUBLIC;
