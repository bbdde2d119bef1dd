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
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flowyte_ro') THEN
    CREATE ROLE "flowyte_ro" LOGIN;
  ELSIF EXISTS (
    SELECT FROM pg_roles r WHERE r.rolname = 'flowyte_ro' AND (
      r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
      OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
      OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'))
  ) THEN
    RAISE EXCEPTION 'a role of this name exists, owns objects or has powers of its own: make the script for another user';
  END IF;
END
$flowyte$;
ALTER ROLE "flowyte_ro" WITH LOGIN NOINHERIT CONNECTION LIMIT 20 PASSWORD E'pa''ss\\word';
GRANT CONNECT ON DATABASE "appdb" TO "flowyte_ro";
-- A script that was run before may have given more.
REVOKE ALL ON ALL TABLES IN SCHEMA "public", "sales" FROM "flowyte_ro";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA "public", "sales" FROM "flowyte_ro";
GRANT USAGE ON SCHEMA "public", "sales" TO "flowyte_ro";
GRANT SELECT ON ALL TABLES IN SCHEMA "public", "sales" TO "flowyte_ro";
ALTER ROLE "flowyte_ro" SET default_transaction_read_only = on;
ALTER ROLE "flowyte_ro" SET statement_timeout = '5s';
ALTER ROLE "flowyte_ro" SET lock_timeout = '5s';
ALTER ROLE "flowyte_ro" SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE "flowyte_ro" SET search_path = "public", "sales", pg_temp;
COMMIT;
-- Optional, and for EVERY role of this database: see the notes before you remove the dashes.
-- REVOKE TEMPORARY ON DATABASE "appdb" FROM PUBLIC;
-- REVOKE CREATE ON SCHEMA "public", "sales" FROM PUBLIC;
