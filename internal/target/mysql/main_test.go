package mysql

import (
	"context"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// each runs test on every server of the family that is on this machine.
func each(t *testing.T, test func(t *testing.T, db *dbtest.Database)) {
	t.Helper()
	for _, flavor := range []privatedb.Flavor{privatedb.MariaDB, privatedb.MySQL, privatedb.MariaDB118} {
		t.Run(string(flavor), func(t *testing.T) { test(t, dbtest.On(t, flavor)) })
	}
}

// openWith opens a session that is closed at the end of the test.
func openWith(t testing.TB, creds *target.Credentials, purpose target.Purpose, options ...egress.GuardOption) *Session {
	t.Helper()
	s, err := Driver{}.Open(t.Context(), targettest.Guard(t, options...), creds, purpose)
	if err != nil {
		t.Fatalf("open: %v: %v", err, fault.Cause(err))
	}
	t.Cleanup(s.Close)
	return s.(*Session)
}

// open opens a session of a user who holds the grants.
func open(t testing.TB, db *dbtest.Database, purpose target.Purpose, grants ...string) *Session {
	t.Helper()
	if len(grants) == 0 {
		grants = []string{"SELECT"}
	}
	return openWith(t, targettest.Credentials(t, db.Server, db.Name, db.User(t, grants...)), purpose)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v: %v", err, fault.Cause(err))
	}
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("got %v (%v), want %s", err, fault.Cause(err), code)
	}
}

func deadline(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// column is the type of a result's column or of a slot.
type column struct {
	base  string
	is    schema.Type
	zoned bool
}

var (
	integer = column{base: "int", is: schema.Integer}
	varchar = column{base: "varchar", is: schema.String}
)

func (c column) valueType() plan.ValueType {
	return plan.ValueType{Type: c.is, BaseType: c.base, Zoned: c.zoned}
}

// read is a plan of a statement with these slots and results.
func read(statement string, slots, results []column, maxRows int) *plan.Plan {
	p := &plan.Plan{
		Format: plan.Format, Kind: schema.MySQL, Operation: "test.read", Action: plan.Read,
		Statement: statement, MaxRows: maxRows, TimeoutMs: 1000,
	}
	for _, c := range slots {
		p.Slots = append(p.Slots, plan.Slot{Source: plan.FromParam, Type: c.valueType()})
	}
	for _, c := range results {
		p.Results = append(p.Results, plan.Result{Type: c.valueType()})
	}
	return p
}

// query gives the first column of every row of a text.
func query(t testing.TB, s *Session, text string) []any {
	t.Helper()
	var first []any
	must(t, s.Select(t.Context(), text, nil, func(cells []any) error {
		first = append(first, cells[0])
		return nil
	}))
	return first
}
