package grant

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"flowyte/internal/dialect"
	"flowyte/internal/schema"
)

var postgresRules = rules{
	// Longer names are cut by the server without an error, and then collide.
	object:         nameRule{max: 63, unit: "bytes", length: byteLength, endSpace: true},
	user:           nameRule{max: 63, unit: "bytes", length: byteLength, endSpace: true},
	password:       nameRule{max: 1024, unit: "bytes", length: byteLength, endSpace: true},
	secret:         judgePostgresPassword,
	schemas:        true,
	reservedUser:   reservedRole,
	reservedSchema: func(name string) bool { return strings.HasPrefix(name, "pg_") || name == "information_schema" },
}

// reservedRole knows the names that the server keeps for itself, quoted or not,
// and its administrator.
func reservedRole(name string) bool {
	switch name {
	case "public", "none", "postgres":
		return true
	}
	return strings.HasPrefix(name, "pg_")
}

// judgePostgresPassword finds passwords that the server would store as
// something else than what the client later proves to know. "" is none.
func judgePostgresPassword(password string) string {
	digest, md5 := strings.CutPrefix(password, "md5")
	switch {
	case strings.HasPrefix(password, "SCRAM-SHA-256$"),
		md5 && len(digest) == 32 && strings.Trim(digest, "0123456789abcdef") == "":
		return "has the form of a password hash, and the server would take it for one"
	case !norm.NFKC.IsNormalString(password) || strings.ContainsFunc(password, unstable):
		return "contains characters that servers and clients normalise differently, such as ligatures, full-width letters or invisible ones"
	}
	return ""
}

// unstable characters are mapped to nothing or to a space by SASLprep, which
// the server applies, and not by its successor, which clients apply.
func unstable(c rune) bool {
	return unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Variation_Selector, c) ||
		c == '\u034f' || c != ' ' && unicode.Is(unicode.Zs, c)
}

// Postgres writes the scripts for PostgreSQL 13 and newer. The error is the
// fault script_input_invalid and names the fields at fault: database, schema[i],
// tables[i], readTables[i], user, password.
func Postgres(in Input) (Scripts, error) {
	o, err := check(postgresRules, in)
	if err != nil {
		return Scripts{}, err
	}
	var out Scripts
	o.password, out.GeneratedPassword = passwords(in)
	out.ReadOnly = Script{
		User: o.reader,
		SQL: lines(pgOpening(o, o.reader, readConnections, nil), pgReads(o, o.reader),
			pgDefaults(o, o.reader, "on"), pgClosing(o)),
		Notes: pgNotes(o),
	}
	if len(o.tables) > 0 {
		out.Write = &Script{
			User: o.writer,
			SQL: lines(pgOpening(o, o.writer, writeConnections, o.tables), pgReads(o, o.writer), pgWrites(o),
				pgDefaults(o, o.writer, "off"), pgClosing(o)),
			Tables: o.named,
			Notes:  append(pgNotes(o), pgWriteNotes()...),
		}
	}
	return out, nil
}

// pgOpening makes the user, or takes an existing one over and clears the rights
// it holds in the schemas at hand. Everything up to COMMIT happens together or
// not at all, so a running service sees no moment without rights.
func pgOpening(o *order, user string, connections int, tables []relation) []string {
	role := pg.Quote(user)
	spaces := pgNames(o.spaces(tables))
	return []string{
		"-- Run this as an administrator who is connected to the database itself.",
		"BEGIN;",
		"SET LOCAL client_encoding = 'UTF8';",
		"-- Names below mean the system's own functions, whatever the schemas hold.",
		"SET LOCAL search_path = pg_catalog, pg_temp;",
		pgDo(pgMakeRole(o.database, user)),
		fmt.Sprintf("ALTER ROLE %s WITH LOGIN NOINHERIT CONNECTION LIMIT %d PASSWORD %s;", role, connections, pgText(o.password)),
		fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s;", pg.Quote(o.database), role),
		"-- A script that was run before may have given more.",
		fmt.Sprintf("REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM %s;", spaces, role),
		fmt.Sprintf("REVOKE ALL ON ALL SEQUENCES IN SCHEMA %s FROM %s;", spaces, role),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", spaces, role),
	}
}

// pgMakeRole is the body of a block that stops in the wrong database and before
// a role that is more than one of ours.
func pgMakeRole(database, user string) string {
	return fmt.Sprintf(`BEGIN
  IF current_database() <> %[1]s THEN
    RAISE EXCEPTION 'connect to the database that the script was made for, and run it there';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %[2]s) THEN
    CREATE ROLE %[3]s LOGIN;
  ELSIF EXISTS (
    SELECT FROM pg_roles r WHERE r.rolname = %[2]s AND (
      r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls
      OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)
      OR EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'))
  ) THEN
    RAISE EXCEPTION 'a role of this name exists, owns objects or has powers of its own: make the script for another user';
  END IF;
END`, pgText(database), pgText(user), pg.Quote(user))
}

func pgReads(o *order, user string) []string {
	if len(o.readTables) == 0 {
		return []string{fmt.Sprintf("GRANT SELECT ON ALL TABLES IN SCHEMA %s TO %s;", pgNames(o.schemas), pg.Quote(user))}
	}
	return []string{fmt.Sprintf("GRANT SELECT ON TABLE %s TO %s;", pgRelations(o.readTables), pg.Quote(user))}
}

func pgWrites(o *order) []string {
	return []string{
		fmt.Sprintf("GRANT SELECT, INSERT, UPDATE ON TABLE %s TO %s;", pgRelations(o.tables), pg.Quote(o.writer)),
		"-- The sequences that number the rows of these tables.",
		pgDo(pgSequences(o)),
	}
}

// pgSequences is the body of a block that finds the sequences which the tables
// own, through serial columns, identity columns or OWNED BY.
func pgSequences(o *order) string {
	names := make([]string, len(o.tables))
	for i, t := range o.tables {
		names[i] = pgText(pgRelations([]relation{t}))
	}
	return fmt.Sprintf(`DECLARE
  sequence regclass;
BEGIN
  FOR sequence IN
    SELECT d.objid::regclass FROM pg_depend d
    JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
      AND d.refobjid IN (SELECT t::regclass::oid FROM unnest(ARRAY[%s]) AS t)
  LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %%s TO %%I', sequence, %s);
  END LOOP;
END`, strings.Join(names, ", "), pgText(o.writer))
}

// pgDefaults are the limits that every session of the user starts with.
func pgDefaults(o *order, user, readOnly string) []string {
	role := pg.Quote(user)
	return []string{
		fmt.Sprintf("ALTER ROLE %s SET default_transaction_read_only = %s;", role, readOnly),
		fmt.Sprintf("ALTER ROLE %s SET statement_timeout = '%ds';", role, statementSeconds),
		fmt.Sprintf("ALTER ROLE %s SET lock_timeout = '%ds';", role, statementSeconds),
		fmt.Sprintf("ALTER ROLE %s SET idle_in_transaction_session_timeout = '%ds';", role, 2*statementSeconds),
		// Temporary tables last: a name never means one of them first.
		fmt.Sprintf("ALTER ROLE %s SET search_path = %s, pg_temp;", role, pgNames(o.schemas)),
	}
}

func pgClosing(o *order) []string {
	return []string{
		"COMMIT;",
		"-- Optional, and for EVERY role of this database: see the notes before you remove the dashes.",
		"-- REVOKE TEMPORARY ON DATABASE " + pg.Quote(o.database) + " FROM PUBLIC;",
		"-- REVOKE CREATE ON SCHEMA " + pgNames(o.schemas) + " FROM PUBLIC;",
	}
}

func pgNotes(o *order) []string {
	notes := []string{
		"Run the script as a superuser or as the owner of the tables, connected to the database it was made for. It may be run again at any time; that sets the password anew.",
		"PUBLIC, which is every role, may by default create temporary tables, and before PostgreSQL 15 also tables in the schema public. The script leaves that as it is; the commented lines at its end take it away from every role.",
		"The service connects with TLS only. Let pg_hba.conf admit this user through a hostssl line.",
		"The script contains the password: keep it out of shell histories and shared files.",
	}
	if len(o.readTables) == 0 {
		notes = append(notes, "Tables that are created later are not readable until the script is run again.")
	}
	return notes
}

func pgWriteNotes() []string {
	return []string{
		"The user may insert into and update the listed tables and no others; it may not delete.",
		"A default that draws from a sequence which the table does not own needs USAGE on that sequence as well.",
	}
}

// pgDo wraps a block between dollar quotes that do not occur in it.
func pgDo(body string) string {
	tag := "$flowyte$"
	for n := 1; strings.Contains(body, tag); n++ {
		tag = fmt.Sprintf("$flowyte%d$", n)
	}
	return "DO " + tag + "\n" + body + "\n" + tag + ";"
}

var pg = dialect.For(schema.Postgres)

func pgNames(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = pg.Quote(name)
	}
	return strings.Join(quoted, ", ")
}

func pgRelations(tables []relation) string {
	quoted := make([]string, len(tables))
	for i, t := range tables {
		quoted[i] = pg.Qualify(t.schema, t.name)
	}
	return strings.Join(quoted, ", ")
}

// pgText quotes a string so that it means the same whatever
// standard_conforming_strings says.
func pgText(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return "E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}
