package mysql

import (
	"context"
	"database/sql/driver"
	"strings"

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
	read := reading{able: true}
	err = s.explained(ctx, p, read.row)
	if !s.broken {
		if restored := s.exec(ctx, "SET SESSION max_seeks_for_key = DEFAULT"); restored != nil {
			return nil, restored
		}
	}
	if err != nil {
		return nil, err
	}
	return &target.Explanation{UsesIndex: read.able && len(read.nodes) > 0, Indexes: read.indexes, Nodes: read.nodes}, nil
}

// accepts has the server parse the statement.
func (s *Session) accepts(ctx context.Context, p *plan.Plan) error {
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	_, err = s.prepare(ctx, p)
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
	ctx, cancel, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	stmt, err := s.conn.PrepareContext(ctx, "EXPLAIN FORMAT=TRADITIONAL "+p.Statement)
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

// reading collects what the server says about the statement's tables, in the
// order in which it reads them.
type reading struct {
	able    bool // every table can be searched through an index
	indexes []string
	nodes   []string
}

// row takes one line of the server's answer, which stands for one table.
func (r *reading) row(columns []string, cells []any) error {
	line := map[string]string{}
	for i, name := range columns {
		line[strings.ToLower(name)] = text(cells[i])
	}
	access := line["type"]
	if line["table"] == "" {
		// A unique key was searched for the sample while planning, and did not
		// hold it; no plan was needed after that.
		access = "const"
	}
	if access == "" {
		return fault.Wrap(fault.ProtocolError, errCell)
	}
	r.nodes = append(r.nodes, clean(access, 64))
	if key := line["key"]; key != "" {
		r.indexes = unique(append(r.indexes, clean(key, 256)))
	}
	if (access == "ALL" || access == "index") && line["possible_keys"] == "" {
		r.able = false
	}
	return nil
}

// clean makes a server's text safe to keep: valid UTF-8, no control
// characters, at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
