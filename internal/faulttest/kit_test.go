package faulttest

import (
	"os"
	"strconv"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/privatedb"
	"flowyte/internal/wiretest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role))
	}
	dbtest.Main(m)
}

const (
	// deadline is the tool's; slack is what a busy machine may add.
	deadline = time.Second
	slack    = 250 * time.Millisecond
	// recovery is how long after a database is back the first good answer may
	// take.
	recovery = time.Second
)

// practice is a clinic whose database lies behind a proxy.
type practice struct {
	*apptest.Practice
	proxy *faultproxy.Proxy
	tap   *wiretest.Wiretap // nil for most
	conv  string
	calls int
}

// behind publishes a clinic through a proxy and rings once.
func behind(t *testing.T, db *dbtest.Database, options ...apptest.Options) *practice {
	t.Helper()
	return publish(t, db, &practice{proxy: proxyTo(t, faultproxy.Address(0), db.Server)}, options...)
}

// overheard is behind with a tap between proxy and database, for judge.
func overheard(t *testing.T, db *dbtest.Database, options ...apptest.Options) *practice {
	t.Helper()
	tap := wiretest.New(t, db.Server)
	return publish(t, db, &practice{tap: tap, proxy: listen(t, faultproxy.Address(0), tap.Port)}, options...)
}

// judge holds what an overheard practice said to its database against what may
// be said (INV4).
func (p *practice) judge(t *testing.T) {
	t.Helper()
	p.tap.Check(t, p.Compiled(t))
}

func publish(t *testing.T, db *dbtest.Database, p *practice, options ...apptest.Options) *practice {
	t.Helper()
	var o apptest.Options
	if len(options) > 0 {
		o = options[0]
	}
	connect := o.Connect
	o.Connect = func(c *api.Credentials) {
		c.Port = api.Port(strconv.Itoa(p.proxy.Port()))
		if connect != nil {
			connect(c)
		}
	}
	p.Practice = apptest.Published(t, db, o)
	p.conv = p.Ring(t).ID
	p.wantOK(t)
	return p
}

func proxyTo(t testing.TB, addr string, server *privatedb.Server) *faultproxy.Proxy {
	t.Helper()
	return listen(t, addr, server.Port)
}

// listen puts a proxy before a port.
func listen(t testing.TB, addr string, port int) *faultproxy.Proxy {
	t.Helper()
	proxy, err := faultproxy.Listen(t.Context(), addr, faultproxy.Address(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	return proxy
}

// ask calls the look-up and measures as the client does.
func (p *practice) ask(t testing.TB) (api.ToolCallAnswer, time.Duration) {
	t.Helper()
	p.calls++
	begun := time.Now()
	a := apptest.Ask(t, p.Client(), p.conv, "call-"+strconv.Itoa(p.calls))
	return a, time.Since(begun)
}

// wantOK wants the clinic's two appointments.
func (p *practice) wantOK(t testing.TB) {
	t.Helper()
	a, took := p.ask(t)
	wantOutcome(t, a, api.OutcomeOK, "")
	wantWhole(t, a)
	if took > deadline+slack {
		t.Errorf("the answer came after %v", took)
	}
}

// wantWhole wants an ok answer to be the whole truth.
func wantWhole(t testing.TB, a api.ToolCallAnswer) {
	t.Helper()
	if a.Outcome != api.OutcomeOK {
		return
	}
	rows := rowsOf(t, a)
	if len(rows) != 2 || rows[0]["customer_name"] != "Anna "+apptest.CanaryRow || rows[1]["appointment_status"] != "scheduled" {
		t.Errorf("a wrong answer: %s", a.Result)
	}
}

// wantOutcome wants a sentence, too, wherever there is nothing to tell.
func wantOutcome(t testing.TB, a api.ToolCallAnswer, want api.Outcome, reason string) {
	t.Helper()
	got := ""
	if a.Reason != nil {
		got = *a.Reason
	}
	if a.Outcome != want || got != reason {
		t.Errorf("the answer is %s (%s), want %s (%s)", a.Outcome, got, want, reason)
	}
	if want != api.OutcomeOK && (a.Say == nil || *a.Say == "") {
		t.Errorf("%s says nothing", a.Outcome)
	}
}

// recovers waits for the first good answer.
func (p *practice) recovers(t testing.TB) {
	t.Helper()
	begun := time.Now()
	for {
		a, _ := p.ask(t)
		took := time.Since(begun)
		if a.Outcome == api.OutcomeOK {
			wantWhole(t, a)
			if took > recovery+slack {
				t.Errorf("the first good answer came after %v", took)
			}
			return
		}
		if took > 10*time.Second {
			t.Fatalf("no good answer after %v, the last one is %s", took, a.Outcome)
		}
	}
}

// owned runs a test on a server of its own of each kind.
func owned(t *testing.T, test func(t *testing.T, db *dbtest.Database)) {
	t.Helper()
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) { test(t, dbtest.New(t, dbtest.Own(t, flavor))) })
	}
}
