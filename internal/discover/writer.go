package discover

import (
	"context"
	_ "embed"
	"slices"

	"flowyte/internal/schema"
)

//go:embed postgres/writer.sql
var pgWriter string

//go:embed mysql/writer.sql
var myWriter string

// Columns are those that a write selects, inserts and updates.
type Columns struct{ Select, Insert, Update []string }

// Lacking is what a user needs, and does not hold, for one write.
type Lacking struct {
	// Account is the user as the server names it: a role, or user@host.
	Account string
	Usage   bool     // of the schema
	Rights  []string // on the table: SELECT, INSERT, UPDATE
	// Sequences number the rows of an insert and may not be used. Each comes with
	// the column that it numbers.
	Sequences []schema.ColumnRef
	// Transactional is false where the table's engine cannot undo a write, as
	// far as the user may see.
	Transactional bool
}

// Nothing tells whether the user may write.
func (l *Lacking) Nothing() bool { return !l.Usage && len(l.Rights)+len(l.Sequences) == 0 }

// WriteRight asks what the user of q lacks for a write of the table, as things
// are now. It costs one query.
func WriteRight(ctx context.Context, q Querier, kind schema.Kind, table schema.ColumnRef, columns Columns) (Lacking, error) {
	l := Lacking{Transactional: true}
	r := newReader(ctx, q, Options{})
	if kind == schema.Postgres {
		err := r.all([]stage{{"writer", pgWriter, []any{
			table.Schema, table.Object, notNil(columns.Select), notNil(columns.Insert), notNil(columns.Update),
		}, func(c *cells) error { return l.postgres(c) }}})
		return l, err
	}
	held := map[string]string{} // privileges by column
	err := r.all([]stage{{"writer", myWriter, []any{table.Schema, table.Object}, func(c *cells) error {
		l.Account = c.text(0)
		if !c.null(1) {
			held[c.text(1)] = c.text(2)
			l.Transactional = c.flag(3)
		}
		return nil
	}}})
	for _, need := range []struct {
		right   string
		columns []string
	}{{"SELECT", columns.Select}, {"INSERT", columns.Insert}, {"UPDATE", columns.Update}} {
		if slices.ContainsFunc(need.columns, func(name string) bool { return !holds(held[name], need.right) }) {
			l.Rights = append(l.Rights, need.right)
		}
	}
	return l, err
}

func (l *Lacking) postgres(c *cells) error {
	l.Account, l.Usage = c.text(0), c.flag(1)
	for i, right := range []string{"SELECT", "INSERT", "UPDATE"} {
		if c.flag(2 + i) {
			l.Rights = append(l.Rights, right)
		}
	}
	schemas, names, columns := c.list(5), c.list(6), c.list(7)
	if len(schemas) != len(names) || len(names) != len(columns) {
		c.bad()
		return nil
	}
	for i := range schemas {
		l.Sequences = append(l.Sequences, schema.ColumnRef{Schema: schemas[i], Object: names[i], Column: columns[i]})
	}
	return nil
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
