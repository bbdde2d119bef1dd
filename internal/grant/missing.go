package grant

import (
	"fmt"
	"strings"

	"flowyte/internal/dialect"
	"flowyte/internal/schema"
)

// Rights are what an existing user is to be given on one table.
type Rights struct {
	Account string // the role; on the MySQL family user@host, as the server says it
	Table   schema.ColumnRef
	Usage   bool     // of the table's schema
	OnTable []string // SELECT, INSERT, UPDATE
	// Sequences are to be used.
	Sequences []schema.ColumnRef
}

// Statements are the GRANTs that give the rights, to be run as they stand. There
// are none where a name cannot be quoted.
func (r Rights) Statements(kind schema.Kind) []string {
	d := dialect.For(kind)
	to, ok := account(kind, r.Account)
	for _, name := range r.names() {
		ok = ok && d.LegalName(name)
	}
	if !ok {
		return nil
	}
	var list []string
	add := func(right, on string) { list = append(list, fmt.Sprintf("GRANT %s ON %s TO %s;", right, on, to)) }
	if r.Usage {
		add("USAGE", "SCHEMA "+d.Quote(r.Table.Schema))
	}
	if len(r.OnTable) > 0 {
		add(strings.Join(r.OnTable, ", "), d.Qualify(r.Table.Schema, r.Table.Object))
	}
	for _, s := range r.Sequences {
		add("USAGE", "SEQUENCE "+d.Qualify(s.Schema, s.Object))
	}
	return list
}

func (r Rights) names() []string {
	names := []string{r.Table.Schema, r.Table.Object}
	for _, s := range r.Sequences {
		names = append(names, s.Schema, s.Object)
	}
	return names
}

// account quotes a user. On the MySQL family the host follows the last @.
func account(kind schema.Kind, name string) (quoted string, ok bool) {
	if kind == schema.Postgres {
		if ok = pg.LegalName(name); ok {
			quoted = pg.Quote(name)
		}
		return quoted, ok
	}
	at := strings.LastIndexByte(name, '@')
	if at < 0 || !my.LegalName(name[:at]) || !my.LegalName(name[at+1:]) {
		return "", false
	}
	return my.Quote(name[:at]) + "@" + my.Quote(name[at+1:]), true
}
