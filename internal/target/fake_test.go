package target_test

import (
	"cmp"
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/target"
)

// driver is a database that behaves as told. Unset functions do the ordinary.
type driver struct {
	target.Driver
	open func(ctx context.Context, p target.Purpose) error
	run  func(ctx context.Context, s *session, sink target.RowSink) error
	// write stands for all of a write before the caller's own functions.
	write func(ctx context.Context, s *session) error

	mu       sync.Mutex
	attempts int
	pins     [][]egress.Pin // of each attempt
	opened   []*session
	observed egress.Peer
	identity string // "here" when it is empty

	prove      target.ReadOnlyProof
	rights     map[target.Purpose]target.Privileges
	tables     int
	probe      func(ctx context.Context) error
	failProof  error
	closePanic bool
}

// Open implements target.Driver.
func (d *driver) Open(ctx context.Context, _ *egress.Guard, c *target.Credentials, p target.Purpose) (target.Session, error) {
	d.mu.Lock()
	d.attempts++
	d.pins = append(d.pins, c.TLS.Pins)
	d.mu.Unlock()
	if c.TLS.Observe != nil && d.observed != (egress.Peer{}) {
		c.TLS.Observe(d.observed)
	}
	if d.open != nil {
		if err := d.open(ctx, p); err != nil {
			return nil, err
		}
	}
	s := &session{driver: d, purpose: p, identity: cmp.Or(d.identity, "here")}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = append(d.opened, s)
	return s, nil
}

// tries is how often somebody tried to connect.
func (d *driver) tries() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.attempts
}

// hold makes every statement wait until the channel is closed. It must be
// called in the bubble whose time is to stand still meanwhile.
func (d *driver) hold() chan struct{} {
	release := make(chan struct{})
	d.run = func(_ context.Context, _ *session, sink target.RowSink) error { <-release; return sink.Row(nil) }
	return release
}

// living are the sessions that are not closed.
func (d *driver) living() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, s := range d.opened {
		if !s.closed {
			n++
		}
	}
	return n
}

type session struct {
	target.Session
	driver   *driver
	purpose  target.Purpose
	identity string
	broken   bool
	closed   bool // guarded by driver.mu
}

func (s *session) Server() schema.Server {
	return schema.Server{Product: "Fake", Version: "1", Identity: s.identity}
}
func (s *session) ServerKey() egress.Pin { return egress.Pin{7} }
func (s *session) Broken() bool          { return s.broken }

func (s *session) Close() {
	s.driver.mu.Lock()
	s.closed = true
	s.driver.mu.Unlock()
	if s.driver.closePanic {
		panic("hostile bytes")
	}
}

func (s *session) Run(ctx context.Context, p *plan.Plan, _ []target.Value, sink target.RowSink) error {
	if s.driver.run != nil {
		return s.driver.run(ctx, s, sink)
	}
	return sink.Row([][]byte{[]byte("1")})
}

func (s *session) SchemaReadable(context.Context) (int, error) { return s.driver.tables, nil }
func (s *session) Probe(ctx context.Context) error {
	if s.driver.probe != nil {
		return s.driver.probe(ctx)
	}
	return nil
}
func (s *session) ProveReadOnly(context.Context) (target.ReadOnlyProof, error) {
	return s.driver.prove, s.driver.failProof
}
func (s *session) Privileges(context.Context) (target.Privileges, error) {
	return s.driver.rights[s.purpose], nil
}

// lose ends the session as a killed backend does.
func (s *session) lose() error {
	s.broken = true
	return fault.New(fault.ConnectionLost)
}

// rows counts what a sink got.
type rows struct{ n int }

func (r *rows) Row([][]byte) error { r.n++; return nil }

var aPlan = &plan.Plan{Action: plan.Read, Identity: "here", MaxRows: 5}

const (
	firstOrg  id.Org = "org_first"
	secondOrg id.Org = "org_second"
)

func someone() *target.Credentials {
	return &target.Credentials{User: "u", Password: secret.New("p"), WriteUser: "u", WritePassword: secret.New("p")}
}

// inFleet runs a test in a bubble of its own time, with a fleet that is shut
// down at its end.
func inFleet(t *testing.T, o target.Options, test func(t *testing.T, f *target.Fleet)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := target.NewFleet(nil, o)
		test(t, f)
		f.Shutdown()
	})
}

// one opens one database of the first organisation.
func one(t *testing.T, o target.Options, d *driver, test func(t *testing.T, db *target.Database)) {
	t.Helper()
	inFleet(t, o, func(t *testing.T, f *target.Fleet) {
		test(t, f.Open("con_1", firstOrg, d, someone()))
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// pass lets the bubble's time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func ask(t *testing.T, db *target.Database) error {
	t.Helper()
	_, err := db.Run(within(t, time.Second), aPlan, nil, &rows{})
	return err
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("%q instead of %q (%v, %v)", got, want, err, fault.Cause(err))
	}
}
