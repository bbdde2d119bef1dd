package mysql

import (
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"unicode"

	"flowyte/internal/dialect"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// Explain implements target.Session. The statement is prepared, which proves
// that the server accepts it, and explained with a value of the right type in
// every slot, while searches in an index cost next to nothing, so that the
// answer does not depend on how many rows a table has today. An insert searches
// nothing and is only prepared.
func (s *Session) Explain(ctx context.Context, p *plan.Plan) (e *target.Explanation, err error) {
	defer s.protect(&err)
	if err := s.accepts(ctx, p); err != nil {
		return nil, err
	}
	if p.Action == plan.Insert {
		return &target.Explanation{Nodes: []string{"INSERT"}}, nil
	}
	if err := s.exec(ctx, "SET SESSION max_seeks_for_key = 1"); err != nil {
		return nil, err
	}
	var tables []access
	err = s.explained(ctx, p, func(columns []string, cells []any) error {
		t, err := readAccess(columns, cells)
		tables = append(tables, t)
		return err
	})
	if !s.broken {
		if restored := s.exec(ctx, "SET SESSION max_seeks_for_key = DEFAULT"); restored != nil {
			return nil, restored
		}
	}
	if err != nil {
		return nil, err
	}
	return explanation(tables, alias(p)), nil
}

// accepts has the server parse the statement.
func (s *Session) accepts(ctx context.Context, p *plan.Plan) error {
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	_, err = s.prepare(ctx, p.Statement, len(p.Slots))
	return err
}

func (s *Session) explained(ctx context.Context, p *plan.Plan, row func(columns []string, cells []any) error) error {
	args := make([]target.Value, len(p.Slots))
	for i := range p.Slots {
		args[i].Text = sample(&p.Slots[i].Type)
	}
	values, err := s.memory.encode(p.Slots, args)
	if err != nil {
		return err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	stmt, err := s.conn.PrepareContext(forever, "EXPLAIN FORMAT=TRADITIONAL "+p.Statement)
	if err != nil {
		return s.failed(ctx, err)
	}
	var found driver.Rows
	if found, err = s.query(ctx, stmt, values); err == nil {
		columns := found.Columns()
		err = s.selected(ctx, found, func(cells []any) error { return row(columns, cells) })
	}
	if !s.broken {
		if closed := stmt.Close(); closed != nil {
			return s.failed(ctx, closed)
		}
	}
	return err
}

// sample is some value of a type. Slots of one type get the same, so that
// conditions on one column do not contradict each other.
func sample(t *plan.ValueType) string {
	switch t.Type {
	case schema.Integer:
		if t.BaseType == "year" {
			return "2000"
		}
		return "1"
	case schema.Number:
		return "1"
	case schema.Boolean:
		return "true"
	case schema.Date:
		return "2000-01-01"
	case schema.Time:
		return "12:00:00"
	case schema.DateTime:
		return "2000-01-01T12:00:00"
	case schema.UUID:
		return "00000000-0000-4000-8000-000000000000"
	case schema.Enum:
		if len(t.EnumValues) > 0 {
			return t.EnumValues[0]
		}
	}
	return "x"
}

// access is how the server reaches one table.
type access struct {
	table  string // its alias in the statement, "" when it was not needed
	method string
	key    string // the index that is searched
	able   bool   // an index could be searched
}

// readAccess takes one line of the server's answer.
func readAccess(columns []string, cells []any) (access, error) {
	line := map[string]string{}
	for i, name := range columns {
		line[strings.ToLower(name)] = text(cells[i])
	}
	a := access{table: line["table"], method: clean(line["type"], 64), key: clean(line["key"], 256)}
	if a.table == "" {
		// A unique key was searched for the sample while planning, and did not
		// hold it; no plan was needed after that.
		a.method = "const"
	}
	if a.method == "" {
		return a, fault.Wrap(fault.ProtocolError, errCell)
	}
	scan := a.method == "ALL" || a.method == "index"
	a.able = !scan || line["possible_keys"] != ""
	return a, nil
}

// explanation judges the object's own line. Views have none, and what they
// consist of stands for them.
func explanation(tables []access, object string) *target.Explanation {
	e := &target.Explanation{}
	own := slices.ContainsFunc(tables, func(a access) bool { return a.table == object })
	able := len(tables) > 0
	for _, a := range tables {
		e.Nodes = append(e.Nodes, a.method)
		if own && a.table != object {
			continue
		}
		able = able && a.able
		if a.key != "" && !slices.Contains(e.Indexes, a.key) {
			e.Indexes = append(e.Indexes, a.key)
		}
	}
	e.UsesIndex = able
	return e
}

// alias is what the statement calls its object.
func alias(p *plan.Plan) string {
	whole := dialect.For(schema.MySQL).Qualify(p.Object.Schema, p.Object.Object)
	_, after, found := strings.Cut(p.Statement, whole+" AS ")
	if !found {
		return p.Object.Object
	}
	name, _, _ := strings.Cut(after, " ")
	return name
}

// clean makes a server's text safe to show: valid UTF-8, without control
// characters or those that change how text reads without being seen, and at
// most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
