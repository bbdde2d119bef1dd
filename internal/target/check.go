package target

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"flowyte/api"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
)

const (
	// testLimit bounds a whole test, stepLimit one check after connecting.
	testLimit = 10 * time.Second
	stepLimit = 3 * time.Second
	// latencyReserve is kept free at the end of a test for closing.
	latencyReserve = 300 * time.Millisecond
	samples        = 20
	// The verdicts on the 95th percentile, for a caller who is waiting.
	liveReady   = 150 * time.Millisecond
	needsFiller = 400 * time.Millisecond
	// expiresSoon is how long before its end a certificate is warned about. Some
	// authorities renew theirs every few days, which is no reason to worry.
	expiresSoon = 24 * time.Hour
)

// Codes of warnings. Those of failures are the fault table's.
const (
	WarnKeyPinned       = "server_key_pinned"
	WarnExpiresSoon     = "certificate_expires_soon"
	WarnWiderPrivileges = "wider_privileges"
	WarnRoleCanWrite    = "role_can_write"
	WarnTooSlow         = "too_slow"
)

// steps are the checks of a test, in order.
var steps = []api.Check{
	{ID: "reachability_tls", Name: "Reachability and TLS"},
	{ID: "authentication", Name: "Authentication"},
	{ID: "schema_read", Name: "Reading the schema"},
	{ID: "read_probe", Name: "Read probe"},
	{ID: "read_only_session", Name: "Read-only session"},
	{ID: "latency", Name: "Latency for live calls"},
}

// Report is the outcome of a test.
type Report struct {
	// Result is what the test route answers. Its checks are always all six.
	Result api.TestResult
	// Pin is the key that the server proved to hold; zero when no session was
	// opened. Under `require` it is to be remembered.
	Pin egress.Pin
	// Server is what the server said of itself, identity included; zero when no
	// session was opened.
	Server schema.Server

	failure *fault.Error
}

// Fault is what connect answers: the fault of the first failed check, or nil.
func (r *Report) Fault() *fault.Error { return r.failure }

// Refused is the report on credentials that ParseCredentials refused: the
// first check fails, the others are skipped.
func Refused(err error) *Report {
	t := newTester(nil)
	t.fail(0, err, 0)
	return t.report
}

// Test runs the six checks with a session of its own, in at most 10 s. Nothing
// is stored and nothing is left behind.
func Test(ctx context.Context, driver Driver, guard *egress.Guard, creds *Credentials) *Report {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	t := newTester(creds)
	defer t.close()
	if t.connect(ctx, driver, guard) {
		_ = t.step(ctx, 2, t.schemaRead) && t.step(ctx, 3, t.probe) && t.step(ctx, 4, t.readOnly) && t.step(ctx, 5, t.latency)
	}
	return t.report
}

// tester fills a report.
type tester struct {
	creds  *Credentials
	report *Report
	read   *member
	write  *member // nil when writes use the same user
}

func newTester(creds *Credentials) *tester {
	t := &tester{creds: creds, report: &Report{}}
	t.report.Result.OK = true
	t.report.Result.Checks = slices.Clone(steps)
	for i := range t.report.Result.Checks {
		t.report.Result.Checks[i].Status = "skipped"
		t.report.Result.Checks[i].Detail = "Skipped because an earlier check failed."
	}
	return t
}

func (t *tester) close() {
	for _, m := range []*member{t.read, t.write} {
		if m != nil {
			_ = m.call(func(s Session) error { s.Close(); return nil })
		}
	}
}

// remark is what a check found when it did not fail.
type remark struct {
	detail       string
	warning, fix string
}

func (t *tester) pass(i int, r remark, took time.Duration) {
	c := &t.report.Result.Checks[i]
	c.Status, c.Code, c.Detail, c.Fix = "passed", r.warning, r.detail, r.fix
	if r.warning != "" {
		c.Status = "warning"
	}
	c.DurationMs = took.Milliseconds()
}

func (t *tester) fail(i int, err error, took time.Duration) {
	f, ok := fault.As(err)
	if !ok {
		f = fault.Wrap(fault.Internal, err)
	}
	def, _ := fault.Lookup(f.Code)
	c := &t.report.Result.Checks[i]
	c.Status, c.Code, c.Detail, c.Fix = "failed", string(f.Code), def.Detail, def.Fix
	if f.Detail != "" {
		c.Detail = f.Detail
	}
	c.DurationMs = took.Milliseconds()
	t.report.Result.OK = false
	t.report.failure = f
}

// step runs one check that needs a session, and tells whether it passed.
func (t *tester) step(ctx context.Context, i int, check func(context.Context) (remark, error)) bool {
	begun := time.Now()
	r, err := check(ctx)
	took := time.Since(begun)
	if err != nil {
		t.fail(i, err, took)
		return false
	}
	t.pass(i, r, took)
	return true
}

// ask calls the driver within a step's time.
func ask(ctx context.Context, m *member, f func(context.Context, Session) error) error {
	ctx, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return m.call(func(s Session) error { return f(ctx, s) })
}

// connect opens the sessions, which is two checks: the moment at which TLS
// accepts the server divides them.
func (t *tester) connect(ctx context.Context, driver Driver, guard *egress.Guard) bool {
	var mu sync.Mutex
	var accepted time.Time
	var peer egress.Peer
	creds := *t.creds
	creds.TLS.Observe = func(p egress.Peer) {
		mu.Lock()
		defer mu.Unlock()
		if accepted.IsZero() {
			accepted, peer = time.Now(), p
		}
	}
	begun := time.Now()
	session, server, err := openSession(ctx, driver, guard, &creds, ForReads)
	mu.Lock()
	secured := accepted
	mu.Unlock()
	if err != nil && (secured.IsZero() || beforeLogin(err)) {
		if fault.Is(err, fault.Unreachable) {
			outwait(ctx, begun.Add(ConnectLimit))
		}
		t.fail(0, err, time.Since(begun))
		return false
	}
	t.pass(0, t.describeTLS(peer), secured.Sub(begun))
	if err == nil {
		t.read = &member{session: session}
		t.report.Pin, t.report.Server = session.ServerKey(), server
		t.report.Result.Server = &api.Server{Product: server.Product, Version: server.Version, Replica: server.Replica}
		err = t.connectWriter(ctx, driver, guard)
	}
	if err != nil {
		t.fail(1, err, time.Since(secured))
		return false
	}
	detail := "The server accepted the user and the password."
	if t.write != nil {
		detail = "The server accepted both users and their passwords."
	}
	t.pass(1, remark{detail: detail}, time.Since(secured))
	return true
}

func (t *tester) connectWriter(ctx context.Context, driver Driver, guard *egress.Guard) error {
	if t.creds.WriteUser == t.creds.User {
		return nil
	}
	creds := *t.creds
	if creds.TLS.Mode == egress.Require {
		// The first contact is over: the other password is for the same key.
		creds.TLS.Pins = []egress.Pin{t.report.Pin}
	}
	session, _, err := openSession(ctx, driver, guard, &creds, ForWrites)
	if f, ok := fault.As(err); ok {
		return f.WithField("credentials.writeUser", "could not log in")
	}
	if err == nil {
		t.write = &member{session: session}
	}
	return err
}

// outwait waits until the moment at which the slowest of those who are no
// database would have been given up. A closed port answers at once, a filtered
// one never, and other services in between: told sooner, the time would tell
// which, and a test would be a scan of somebody's network.
func outwait(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// beforeLogin recognises handshakes that failed although the certificate was
// accepted.
func beforeLogin(err error) bool {
	switch fault.CodeOf(err) {
	case fault.TLSFailed, fault.TLSVersion:
		return true
	}
	return false
}

func (t *tester) describeTLS(peer egress.Peer) remark {
	var r remark
	switch t.creds.TLS.Mode {
	case egress.Require:
		if len(t.creds.TLS.Pins) > 0 {
			return remark{detail: "TLS is up, and the server's key is one of those remembered."}
		}
		return remark{
			detail:  "TLS is up, but under `require` the certificate is not verified. The server's key is remembered at connect, and any other key is refused afterwards.",
			warning: WarnKeyPinned,
			fix:     "Prefer verify-full, with ca_pem when the database uses a private CA.",
		}
	case egress.VerifyCA:
		r.detail = "TLS is up, and the certificate is signed by the given authority. Its host name was not compared."
	case egress.VerifyFull:
		r.detail = "TLS is up, and the certificate is trusted and names the host."
	}
	if time.Until(peer.NotAfter) < expiresSoon {
		r.detail += " It expires on " + peer.NotAfter.UTC().Format(time.DateOnly) + "."
		r.warning, r.fix = WarnExpiresSoon, "Renew the database server's certificate."
	}
	return r
}

func (t *tester) schemaRead(ctx context.Context) (remark, error) {
	var tables int
	err := ask(ctx, t.read, func(ctx context.Context, s Session) (err error) {
		tables, err = s.SchemaReadable(ctx)
		return err
	})
	switch {
	case err != nil:
		return remark{}, err
	case tables == 0:
		return remark{}, fault.New(fault.SchemaUnreadable)
	}
	// Not how many: what scoping blocks would be counted in.
	return remark{detail: "The user may read tables and views."}, nil
}

func (t *tester) probe(ctx context.Context) (remark, error) {
	err := ask(ctx, t.read, func(ctx context.Context, s Session) error { return s.Probe(ctx) })
	return remark{detail: "A read of one row succeeded."}, err
}

// readOnly reports the facts apart: what the session may do, what the role may
// do, and what the server would refuse anyway.
func (t *tester) readOnly(ctx context.Context) (remark, error) {
	var proof ReadOnlyProof
	var rights Privileges
	err := ask(ctx, t.read, func(ctx context.Context, s Session) (err error) {
		if proof, err = s.ProveReadOnly(ctx); err == nil {
			rights, err = s.Privileges(ctx)
		}
		return err
	})
	if err != nil {
		return remark{}, err
	}
	if !proof.SessionReadOnly {
		return remark{}, fault.New(fault.NotReadOnly)
	}
	if err := refuse(rights); err != nil {
		return remark{}, err
	}
	if t.write != nil {
		if err := t.judgeWriter(ctx); err != nil {
			return remark{}, err
		}
	}
	return describeRights(proof, rights), nil
}

func (t *tester) judgeWriter(ctx context.Context) error {
	var rights Privileges
	err := ask(ctx, t.write, func(ctx context.Context, s Session) (err error) {
		rights, err = s.Privileges(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return refuse(rights)
}

// refuse makes the fault of rights that no agent's user may have.
func refuse(rights Privileges) error {
	if len(rights.Superuser) == 0 {
		return nil
	}
	return fault.New(fault.OverPrivileged).
		WithDetail("The user has rights that reach beyond its tables: %s.", enumerate(rights.Superuser))
}

// mostNames is how many rights an answer names: the list is the server's own
// word, and may be as long as it likes.
const mostNames = 20

// enumerate names the first of them, and says how many more there are.
func enumerate(names []string) string {
	if len(names) <= mostNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNames], ", "), len(names)-mostNames)
}

func describeRights(proof ReadOnlyProof, rights Privileges) remark {
	const script = "Create a least-privilege user with the SQL of GET /integrations/{kind}/sql/scripts."
	said := []string{"The session is read-only: the server refused to create a table."}
	var r remark
	if proof.RoleCanWrite {
		said = append(said, "The user itself could write to tables.")
		r.warning, r.fix = WarnRoleCanWrite, script
	} else {
		said = append(said, "The user itself cannot write to any table.")
	}
	if proof.Replica {
		said = append(said, "The server is a replica and refuses writes anyway.")
	}
	if len(rights.Wider) > 0 {
		said = append(said, "Rights beyond the script: "+enumerate(rights.Wider)+".")
		r.warning, r.fix = WarnWiderPrivileges, script
	}
	if len(rights.Public) > 0 {
		said = append(said, "Every user of this database has: "+enumerate(rights.Public)+".")
	}
	r.detail = strings.Join(said, " ")
	return r
}

// latency times one-row reads on the session, which is warm by now. On a slow
// line it makes do with what fits into the test's time.
func (t *tester) latency(ctx context.Context) (remark, error) {
	end, _ := ctx.Deadline()
	var took []time.Duration
	for len(took) < samples && (len(took) == 0 || time.Until(end) > latencyReserve+2*slices.Max(took)) {
		begun := time.Now()
		if err := ask(ctx, t.read, func(ctx context.Context, s Session) error { return s.Probe(ctx) }); err != nil {
			return remark{}, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	p50, p95 := percentile(took, 50), percentile(took, 95)
	l := &api.Latency{P50Ms: inMs(p50), P95Ms: inMs(p95), Samples: len(took)}
	t.report.Result.Latency = l
	switch {
	case p95 <= liveReady:
		l.Verdict = "live_ready"
		return remark{detail: "Fast enough for a caller who is waiting."}, nil
	case p95 <= needsFiller:
		l.Verdict = "needs_filler"
		return remark{detail: "Usable on a call when the agent says something meanwhile."}, nil
	}
	l.Verdict = "too_slow"
	return remark{
		detail:  "Too slow for a caller who is waiting.",
		warning: WarnTooSlow,
		fix:     "Run this service closer to the database, or connect a replica that is closer.",
	}, nil
}

// percentile is the nearest-rank percentile of sorted values.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

// inMs is milliseconds with two decimals.
func inMs(d time.Duration) float64 {
	return math.Round(float64(d)/float64(10*time.Microsecond)) / 100
}
