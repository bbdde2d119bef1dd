package grant

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"flowyte/internal/dialect"
	"flowyte/internal/schema"
)

var mysqlRules = rules{
	object: nameRule{max: 64, unit: "characters", length: utf8.RuneCountInString, basic: true},
	// MariaDB takes longer ones; MySQL does not.
	user: nameRule{max: 32, unit: "characters", length: utf8.RuneCountInString, basic: true},
	// caching_sha2_password takes no more.
	password:       nameRule{max: 256, unit: "bytes", length: byteLength, endSpace: true},
	reservedUser:   reservedAccount,
	reservedSchema: systemDatabase,
}

func reservedAccount(name string) bool {
	switch strings.ToLower(name) {
	case "root", "public", "event_scheduler", "mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys":
		return true
	}
	return false
}

func systemDatabase(name string) bool {
	switch strings.ToLower(name) {
	case "mysql", "sys", "information_schema", "performance_schema":
		return true
	}
	return false
}

// MySQL writes the scripts for MySQL 9 and MariaDB 10.11 and newer; the same
// text runs on both. The error is the fault script_input_invalid and names the
// fields at fault: database, schema, tables[i], readTables[i], user, password.
func MySQL(in Input) (Scripts, error) {
	o, err := check(mysqlRules, in)
	if err != nil {
		return Scripts{}, err
	}
	var out Scripts
	o.password, out.GeneratedPassword = passwords(in)
	out.ReadOnly = Script{
		User:  o.reader,
		SQL:   lines(myOpening(o, o.reader, readConnections), myReads(o, o.reader), myClosing(o, o.reader)),
		Notes: myNotes(o),
	}
	if len(o.tables) > 0 {
		out.Write = &Script{
			User:   o.writer,
			SQL:    lines(myOpening(o, o.writer, writeConnections), myReads(o, o.writer), myWrites(o), myClosing(o, o.writer)),
			Tables: o.named,
			Notes:  append(myNotes(o), "The user may insert into and update the listed tables and no others; it may not delete."),
		}
	}
	return out, nil
}

// myOpening makes the user or sets an existing one anew. The session's modes
// come first: under NO_BACKSLASH_ESCAPES the password's literal would mean
// something else.
func myOpening(o *order, user string, connections int) []string {
	account := myAccount(user)
	how := fmt.Sprintf("IDENTIFIED BY %s REQUIRE SSL WITH MAX_USER_CONNECTIONS %d /*M!100108 MAX_STATEMENT_TIME %d */",
		myText(o.password), connections, statementSeconds)
	return []string{
		"-- Run this as an administrator.",
		"SET NAMES utf8mb4;",
		"SET @flowyte_sql_mode = @@SESSION.sql_mode;",
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES';",
		fmt.Sprintf("CREATE USER IF NOT EXISTS %s %s;", account, how),
		fmt.Sprintf("ALTER USER %s %s;", account, how),
	}
}

func myReads(o *order, user string) []string {
	if len(o.readTables) == 0 {
		return []string{fmt.Sprintf("GRANT SELECT ON %s.* TO %s;", myPattern(o.database), myAccount(user))}
	}
	return myTableGrants("SELECT", o.readTables, user)
}

func myWrites(o *order) []string { return myTableGrants("SELECT, INSERT, UPDATE", o.tables, o.writer) }

func myTableGrants(rights string, tables []relation, user string) []string {
	all := make([]string, len(tables))
	for i, t := range tables {
		all[i] = fmt.Sprintf("GRANT %s ON %s TO %s;", rights, my.Qualify(t.schema, t.name), myAccount(user))
	}
	return all
}

// myClosing ends with a statement: a comment alone at the end of a batch is an
// error on these servers.
func myClosing(o *order, user string) []string {
	return []string{
		"-- Optional: see the notes before you remove the dashes.",
		fmt.Sprintf("-- GRANT SHOW VIEW ON %s.* TO %s;", myPattern(o.database), myAccount(user)),
		"SET SESSION sql_mode = @flowyte_sql_mode;",
	}
}

func myNotes(o *order) []string {
	notes := []string{
		"Run the script as an administrator who may create users. It may be run again at any time; that sets the password and the limits anew. Rights that the user already holds stay: to start over, drop the user first.",
		"The user may come from any host (`%`) and only over TLS. To narrow the hosts, replace the `%` after each @.",
		"While anything is blocked by scoping, views are blocked too unless the user may see what they read; SHOW VIEW, in the commented line, lets the service look. It shows the text of every view of the database.",
		"The script contains the password: keep it out of shell histories and shared files.",
	}
	if len(o.readTables) == 0 {
		notes = append(notes, "Tables that are created later in the database are readable as well.")
	}
	return notes
}

var my = dialect.For(schema.MySQL)

// myAccount is the user from any host. Identifiers quote the same under every
// sql_mode, where strings do not.
func myAccount(user string) string { return my.Quote(user) + "@`%`" }

// myPattern quotes a database for a grant on all of its tables, the one place
// where the server reads a name as a pattern. The pattern may be longer than a
// name.
func myPattern(database string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`, "`", "``").Replace(database)
	return "`" + escaped + "`"
}

// myText quotes a string for a session without NO_BACKSLASH_ESCAPES.
func myText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}
