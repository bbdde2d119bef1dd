package apptest

import (
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"
)

// stall is a server that stops at some point of a connection test.
type stall struct {
	name string
	play func(p *targettest.Peer, s targettest.Session)
	// The check that fails in the test, and its code, which is connect's too.
	// "" is none.
	check, code string
}

// at is a stall in a turn of the recorded session, after so many of its bytes,
// from its end when the number is negative.
func at(turn, bytes int) func(*targettest.Peer, targettest.Session) {
	return func(p *targettest.Peer, s targettest.Session) {
		p.Secure(s)
		p.Until(s, turn)
		said := p.Turn(s, turn)
		if bytes < 0 {
			bytes += len(said)
		}
		p.Hush(bytes)
		p.Send(said)
	}
}

// everything plays the whole session and then says nothing, not even on the
// client's goodbye.
func everything(p *targettest.Peer, s targettest.Session) {
	p.Secure(s)
	p.Until(s, len(s.Turns)-1)
	p.Send(p.Turn(s, len(s.Turns)-1))
	p.Silence()
}

func dripping(p *targettest.Peer, s targettest.Session) {
	p.Secure(s)
	p.Drip(300 * time.Millisecond)
	p.Replay(s)
}

const (
	reachability = "reachability_tls"
	login        = "authentication"
	unreachable  = "unreachable_or_not_a_database"
	timeout      = "database_timeout"
)

// before are the stalls that both kinds have in common.
var before = []stall{
	{"accepts and says nothing", func(p *targettest.Peer, _ targettest.Session) { p.Silence() }, reachability, unreachable},
	{"after the TLS request", func(p *targettest.Peer, s targettest.Session) { p.Send(s.Greeting); p.Request(); p.Silence() }, reachability, unreachable},
	{"in the handshake", func(p *targettest.Peer, s targettest.Session) { p.Hush(len(s.Greeting) + 200); p.Secure(s) }, reachability, unreachable},
	{"after startup", at(0, 0), login, timeout},
	{"on goodbye", everything, "", ""},
	{"a byte in 300 ms", dripping, login, timeout},
	{"a byte in 300 ms, from the first on", func(p *targettest.Peer, s targettest.Session) { p.Drip(300 * time.Millisecond); p.Secure(s) }, reachability, unreachable},
}

// stalls are the points at which a server falls silent (R01, R02). PostgreSQL's
// last two messages are 14 and 6 bytes long, MySQL's last packet 11.
var stalls = map[schema.Kind][]stall{
	schema.Postgres: append([]stall{
		{"after the auth request", at(1, 0), login, timeout},
		{"before ready", at(2, -6), login, timeout},
		{"after Parse", at(3, 0), login, timeout},
		{"inside a row", at(3, -25), login, timeout},
		{"before CommandComplete", at(3, -20), login, timeout},
		{"inside the schema's row", at(4, -25), "schema_read", timeout},
		{"before the probe's reply", at(5, 0), "read_probe", timeout},
		{"before the end of the proof's transaction", at(8, 0), "read_only_session", "connection_lost"},
		{"before the reply to a sample", at(12, 0), "latency", timeout},
	}, before...),
	schema.MySQL: append([]stall{
		{"inside the login", at(0, 1), login, timeout},
		{"before ready", at(1, 0), login, timeout},
		{"after the question", at(2, 0), login, timeout},
		{"inside a row", at(2, -15), login, timeout},
		{"before the end of the rows", at(2, -11), login, timeout},
		{"inside the schema's row", at(3, -12), "schema_read", timeout},
		{"before the probe's reply", at(4, 0), "read_probe", timeout},
		{"before the refusal of the proof", at(6, 0), "read_only_session", timeout},
		{"before the reply to a sample", at(12, 0), "latency", timeout},
	}, before...),
}

// TestSilence has servers fall silent at every stage, and one that sends a byte
// now and then: a test ends with the right check failed, and connect with 422
// and the same code, both in their time.
func TestSilence(t *testing.T) {
	// What a busy machine may add.
	const slack = 1500 * time.Millisecond
	app := New(t)
	var all sync.WaitGroup
	for kind, list := range stalls {
		session := targettest.Recorded(t, targettest.Flavor(kind), targettest.Testing)
		for _, s := range list {
			rogue := targettest.NewRogue(t, kind, "127.0.0.1:0", func(p *targettest.Peer) { s.play(p, session) })
			limit := 10 * time.Second
			if s.check == reachability || s.check == login {
				limit = target.ConnectLimit
			}
			all.Go(func() {
				begun := time.Now()
				result, err := app.Client().Test(t.Context(), string(kind), rogue.API())
				if took := time.Since(begun); err != nil || took > limit+slack {
					t.Errorf("%s, %s: test took %v: %v", kind, s.name, took, err)
				}
				judgeStall(t, kind, s, result)
			})
			all.Go(func() {
				begun := time.Now()
				_, err := app.Client().Connect(t.Context(), string(kind), rogue.API())
				if took := time.Since(begun); took > limit+slack {
					t.Errorf("%s, %s: connect took %v", kind, s.name, took)
				}
				if s.code == "" {
					if err != nil {
						t.Errorf("%s, %s: connect answers %v", kind, s.name, err)
					}
				} else if err == nil {
					t.Errorf("%s, %s: connected", kind, s.name)
				} else if p := problem(t, err); p.Status != 422 || p.Code != s.code {
					t.Errorf("%s, %s: connect answers %d %s, want 422 %s", kind, s.name, p.Status, p.Code, s.code)
				}
			})
		}
	}
	all.Wait()
}

func judgeStall(t *testing.T, kind schema.Kind, s stall, result api.TestResult) {
	if result.OK != (s.code == "") {
		t.Errorf("%s, %s: the test says %v", kind, s.name, result.OK)
	}
	for _, c := range result.Checks {
		if c.ID == s.check {
			if c.Status != "failed" || c.Code != s.code {
				t.Errorf("%s, %s: %s is %s with %q, want failed with %q", kind, s.name, c.ID, c.Status, c.Code, s.code)
			}
		} else if c.Status == "failed" {
			t.Errorf("%s, %s: %s failed with %s, not %s", kind, s.name, c.ID, c.Code, s.check)
		}
	}
}
