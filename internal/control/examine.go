package control

import (
	"context"
	"slices"
	"strings"

	"flowyte/api"
	"flowyte/internal/binding"
	"flowyte/internal/compile"
	"flowyte/internal/discover"
	"flowyte/internal/fault"
	"flowyte/internal/grant"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// examined is what the compiler and the live server say of a binding, as things
// are now.
type examined struct {
	plan     *plan.Plan // nil when the binding is rejected
	findings []binding.Finding
	// query is the server's plan, nil where the server did not say.
	query *api.QueryPlan
	// grants are the statements that give the user of writes what it lacks.
	lacking bool
	grants  []string
	// trouble is why the server could not be asked.
	trouble error
}

func (e *examined) rejected() bool { return binding.Rejected(e.findings) }

// question is a binding with what is found out about it.
type question struct {
	catalog *catalog
	binding binding.Binding
	*examined
}

// examine compiles a binding and asks the live server about its statement, as
// the user who will run it. found is what is wrong with the request already.
func (s *Service) examine(ctx context.Context, org id.Org, kind schema.Kind, c *catalog, b binding.Binding, found []binding.Finding) *examined {
	q := compiled(c, b, found)
	s.ask(ctx, org, kind, []*question{q})
	return q.examined
}

// compiled is the first half of examine: what is known without the server.
func compiled(c *catalog, b binding.Binding, found []binding.Finding) *question {
	p, more := compile.Compile(b, c.whole, c.scope)
	return &question{catalog: c, binding: b, examined: &examined{plan: p, findings: append(found, more...)}}
}

// ask is the second half: it asks the live server about the statements of one
// connection, all that one user runs on one session, since opening a session
// takes far longer than asking.
func (s *Service) ask(ctx context.Context, org id.Org, kind schema.Kind, questions []*question) {
	var reads, writes []*question
	for _, q := range questions {
		switch {
		case q.rejected():
		case q.plan.Action == plan.Read:
			reads = append(reads, q)
		default:
			writes = append(writes, q)
		}
	}
	s.askOn(ctx, org, kind, target.ForCatalog, reads, s.askRead)
	s.askOn(ctx, org, kind, target.ForWrites, writes, s.askWrite)
}

// askOn asks on sessions of one purpose: on one, unless it breaks. A question
// that breaks its session is answered with that trouble, and each of the others
// is asked all the same.
func (s *Service) askOn(ctx context.Context, org id.Org, kind schema.Kind, purpose target.Purpose, questions []*question, ask func(context.Context, target.Session, *question) error) {
	for len(questions) > 0 {
		err := s.withSession(ctx, org, kind, purpose, func(session target.Session) error {
			for { // one at least, or a server whose sessions are all broken would be opened for ever
				q := questions[0]
				q.trouble = ask(ctx, session, q)
				if questions = questions[1:]; len(questions) == 0 || session.Broken() {
					return nil
				}
			}
		})
		if err == nil {
			continue
		}
		for _, q := range questions {
			q.trouble = err
		}
		return
	}
}

// withSession lends a session on the organisation's connection.
func (s *Service) withSession(ctx context.Context, org id.Org, kind schema.Kind, purpose target.Purpose, f func(target.Session) error) error {
	conn, err := s.store.Connection(ctx, org, kind)
	if err != nil {
		return err
	}
	pool, ok := s.fleet.Get(conn.ID)
	if !ok {
		return fault.New(fault.CredentialCorrupt)
	}
	return pool.WithSession(ctx, purpose, f)
}

// askRead adds what the server says of a read: whether an index serves it, and
// whether many rows share each value of its filter.
func (s *Service) askRead(ctx context.Context, session target.Session, q *question) error {
	c, b, e := q.catalog, &q.binding, q.examined
	if err := e.explain(ctx, session, c); err != nil {
		return err
	}
	e.findings = binding.Prove(e.findings, e.query.UsesIndex)
	column, ok := columnOf(c, e.plan, b.Filter.Column)
	if !ok || e.found(binding.LowSelectivity) || c.whole.Lookup(column.Schema, column.Object).UniqueColumn(column.Column) {
		return nil
	}
	// What the statistics say is worth a warning, and failing to read them none.
	if spread, err := discover.SpreadOf(ctx, session, c.whole.Kind, column); err == nil && spread.Few() {
		e.findings = append(e.findings, binding.Found(binding.LowSelectivity, filterPath(b)))
	}
	return nil
}

// askWrite adds what the server says of a write: whether the user may, whether
// the table can undo it, and whether the statement is accepted.
func (s *Service) askWrite(ctx context.Context, session target.Session, q *question) error {
	c, e := q.catalog, q.examined
	kind := c.whole.Kind
	lacking, err := discover.WriteRight(ctx, session, kind, e.plan.Object, columnsOf(e.plan))
	if err != nil {
		return err
	}
	lacking.Sequences = slices.DeleteFunc(lacking.Sequences, func(s schema.ColumnRef) bool { return hidden(c, e.plan.Object, s.Column) })
	// What the user holds now counts, and not what it held at discovery.
	e.drop(binding.PrivilegeMissing)
	if !lacking.Transactional {
		e.findings = append(e.findings, binding.Found(binding.NotTransactional, "operation"))
		return nil
	}
	if lacking.Nothing() {
		return e.explain(ctx, session, c)
	}
	e.lacking = true
	e.grants = grant.Rights{
		Account: lacking.Account, Table: e.plan.Object, Usage: lacking.Usage, OnTable: lacking.Rights, Sequences: lacking.Sequences,
	}.Statements(kind)
	finding := binding.Found(binding.PrivilegeMissing, "operation", "the table")
	if len(e.grants) > 0 {
		finding = finding.Advising("%s", strings.Join(e.grants, " "))
	}
	e.findings = append(e.findings, finding)
	return nil
}

// hidden tells whether scoping keeps a column from being named.
func hidden(c *catalog, object schema.ColumnRef, column string) bool {
	whole, scoped := c.whole.Lookup(object.Schema, object.Object), c.scoped.Lookup(object.Schema, object.Object)
	return whole != nil && scoped != nil && whole.Field(column) != nil && scoped.Field(column) == nil
}

func (e *examined) explain(ctx context.Context, session target.Session, c *catalog) error {
	x, err := session.Explain(ctx, e.plan)
	if err == nil {
		e.query = &api.QueryPlan{UsesIndex: x.UsesIndex, Indexes: c.indexesOf(e.plan.Object, x.Indexes), Nodes: orEmpty(x.Nodes)}
	}
	return err
}

func (e *examined) found(code binding.Code) bool {
	for _, f := range e.findings {
		if binding.Code(f.Code) == code {
			return true
		}
	}
	return false
}

func (e *examined) drop(code binding.Code) {
	kept := e.findings[:0]
	for _, f := range e.findings {
		if binding.Code(f.Code) != code {
			kept = append(kept, f)
		}
	}
	e.findings = kept
}

// columnsOf are the columns that a write selects, inserts and updates. The MySQL
// family also reads the row again that was written.
func columnsOf(p *plan.Plan) discover.Columns {
	var c discover.Columns
	written := map[string]bool{}
	for i := range p.Slots {
		if name := p.Slots[i].Column; name != "" {
			written[name] = true
			if p.Action == plan.Insert {
				c.Insert = append(c.Insert, name)
			} else {
				c.Update = append(c.Update, name)
			}
		}
	}
	for i := range p.Uses {
		for _, name := range p.Uses[i].Columns {
			if p.Kind == schema.MySQL || !written[name] {
				c.Select = append(c.Select, name)
			}
		}
	}
	for i := range p.Results {
		c.Select = append(c.Select, p.Results[i].From.Column)
	}
	return c
}

// columnOf is a column of the statement's object by the name that a binding
// gives it, which on the MySQL family may differ in case.
func columnOf(c *catalog, p *plan.Plan, name string) (schema.ColumnRef, bool) {
	o := c.scoped.Lookup(p.Object.Schema, p.Object.Object)
	if o == nil {
		return schema.ColumnRef{}, false
	}
	f := o.Field(name)
	for i := range o.Fields {
		if f == nil && p.Kind == schema.MySQL && strings.EqualFold(o.Fields[i].Name, name) {
			f = &o.Fields[i]
		}
	}
	if f == nil {
		return schema.ColumnRef{}, false
	}
	return schema.ColumnRef{Schema: o.Schema, Object: o.Name, Column: f.Name}, true
}

// filterPath is where in the request the filter stands.
func filterPath(b *binding.Binding) string {
	if b.Filter.Path != "" {
		return b.Filter.Path
	}
	return "sqlSearch.column"
}
