// Package grant writes the SQL with which an administrator makes the
// least-privilege users of a connection: one that reads, and one that also
// writes the tables it is told.
//
// A script is plain text for psql, the mysql client or a driver that takes
// several statements at once. Every name and the password are quoted for the
// place where they stand, so that any legal one may be passed, and a script can
// be run again: it then sets the password and the limits anew and, on
// PostgreSQL, leaves exactly the rights it lists on the schemas it names.
package grant

import (
	"slices"
	"strings"

	"flowyte/internal/secret"
)

// The users made when the caller names none.
const (
	defaultReader = "flowyte_ro"
	defaultWriter = "flowyte_rw"
	writerSuffix  = "_rw"
)

// Limits that the server itself keeps for the users, whatever their client
// asks for. Sessions of the service run with shorter statement limits.
const (
	readConnections  = 20
	writeConnections = 10
	statementSeconds = 5
)

// Input is what a script is written for.
type Input struct {
	// Database is the database's name, required.
	Database string
	// Schemas are the PostgreSQL schemas whose tables are read; none means
	// "public". The MySQL family has no schemas and refuses them.
	Schemas []string
	// Tables are written to. None means that no write script is wanted.
	Tables []string
	// ReadTables narrows what may be read; none means every table of Schemas.
	ReadTables []string
	// User is the reader's name, and with "_rw" after it the writer's. Empty
	// means flowyte_ro and flowyte_rw.
	User string
	// Password serves both users; empty means that one is generated.
	Password secret.Text
}

// Scripts is the answer. Its SQL contains the password.
type Scripts struct {
	ReadOnly Script
	// Write is nil when Input names no Tables.
	Write *Script
	// GeneratedPassword is set only when Input brought none.
	GeneratedPassword secret.Text
}

// Script makes one user.
type Script struct {
	User string
	SQL  string
	// Tables are those the user may insert into and update, as they were
	// named, each once. Empty for a reader.
	Tables []string
	// Notes are sentences for the administrator.
	Notes []string
}

// relation is a table with the schema, or on the MySQL family the database, it
// lies in.
type relation struct{ schema, name string }

// order is an Input that was judged.
type order struct {
	database   string
	schemas    []string
	tables     []relation
	readTables []relation
	named      []string // Tables as the caller wrote them, each once
	reader     string
	writer     string
	password   string
}

// spaces are the schemas that a script touches: those whose tables are read as
// a whole, then those of single tables.
func (o *order) spaces(tables ...[]relation) []string {
	var all []string
	if len(o.readTables) == 0 {
		all = append(all, o.schemas...)
	}
	for _, list := range append([][]relation{o.readTables}, tables...) {
		for _, t := range list {
			all = append(all, t.schema)
		}
	}
	return unique(all)
}

// passwords answers with the password to use, and the generated one when there
// was none.
func passwords(in Input) (use string, generated secret.Text) {
	if !in.Password.Empty() {
		return in.Password.Reveal(), secret.Text{}
	}
	use = newPassword()
	return use, secret.New(use)
}

// users are the names of the two users.
func users(in Input) (reader, writer string) {
	if in.User == "" {
		return defaultReader, defaultWriter
	}
	return in.User, in.User + writerSuffix
}

// split reads a table's name as the caller wrote it. A name that begins with
// one of the known schemas and a dot lies there; else the first dot ends the
// schema; a name without a dot lies in the first known schema. Every legal
// name can so be written, also one with dots in it, with its schema in front.
func split(name string, known []string) relation {
	var schema string
	for _, s := range known {
		if len(s) > len(schema) && len(name) > len(s)+1 && strings.HasPrefix(name, s+".") {
			schema = s
		}
	}
	if schema != "" {
		return relation{schema, name[len(schema)+1:]}
	}
	if schema, rest, ok := strings.Cut(name, "."); ok {
		return relation{schema, rest}
	}
	return relation{known[0], name}
}

// unique drops repetitions and keeps the order.
func unique[T comparable](list []T) []T {
	var out []T
	for _, item := range list {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}

// lines joins the statements of a script.
func lines(parts ...[]string) string {
	return strings.Join(slices.Concat(parts...), "\n") + "\n"
}
