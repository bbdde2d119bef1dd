// Package dialect is what the statement texts of PostgreSQL and of the MySQL
// family differ in: quoting, placeholders and which names are legal. It knows
// no driver and does no I/O.
package dialect

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"flowyte/internal/schema"
)

// Dialect is one way of writing SQL. The zero value is not usable; see For.
type Dialect struct{ kind schema.Kind }

// For is the dialect of a kind of database.
func For(kind schema.Kind) Dialect { return Dialect{kind} }

// The longest names. PostgreSQL counts bytes and cuts longer ones off without a
// word, so that two of them may become one; the MySQL family counts characters.
const (
	maxPostgresBytes = 63
	maxMySQLRunes    = 64
)

// LegalName tells whether the server takes the name, quoted, for exactly the
// identifier it is: not empty, valid UTF-8, no NUL, within the server's length,
// and on the MySQL family without characters beyond the basic plane and without
// a space at the end.
func (d Dialect) LegalName(name string) bool {
	if name == "" || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return false
	}
	if d.kind == schema.Postgres {
		return len(name) <= maxPostgresBytes
	}
	for _, r := range name {
		if r > 0xffff {
			return false
		}
	}
	return utf8.RuneCountInString(name) <= maxMySQLRunes && !strings.HasSuffix(name, " ")
}

// Quote writes a legal name as a quoted identifier. It panics for a name that
// is not legal, since such a text must never be sent.
func (d Dialect) Quote(name string) string {
	if !d.LegalName(name) {
		panic("dialect: name cannot be quoted")
	}
	q := `"`
	if d.kind == schema.MySQL {
		q = "`"
	}
	return q + strings.ReplaceAll(name, q, q+q) + q
}

// Qualify writes schema.name with both parts quoted.
func (d Dialect) Qualify(schemaName, name string) string {
	return d.Quote(schemaName) + "." + d.Quote(name)
}

// Placeholder writes the nth parameter, counted from 1.
func (d Dialect) Placeholder(n int) string {
	if d.kind == schema.Postgres {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// FoldsColumns tells whether the server compares column names without regard
// to case.
func (d Dialect) FoldsColumns() bool { return d.kind == schema.MySQL }
