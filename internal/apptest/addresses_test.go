package apptest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/serve"
)

// publicName stands for a database on the internet.
const publicName = "db.example.com"

// world is a service for which 127.0.0.1 and 127.0.0.3 are the internet, all
// other addresses of this machine are places where it must not go, and whose
// nameserver answers by script.
type world struct {
	dns   *egresstest.DNS
	traps []*egresstest.Listener

	mu    sync.Mutex
	dials []netip.AddrPort
}

// newWorld sets traps at the port.
func newWorld(t *testing.T, port int) *world {
	t.Helper()
	w := &world{dns: egresstest.NewDNS(t)}
	for _, at := range []string{"127.0.0.2", "127.255.255.254", "[::1]"} {
		w.traps = append(w.traps, egresstest.Listen(t, fmt.Sprintf("%s:%d", at, port), nil))
	}
	return w
}

func (w *world) options() Options {
	return Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("127.0.0.3/32")},
		Serve: func(o *serve.Options) {
			o.Resolver = egress.ResolverOptions{Servers: []netip.AddrPort{w.dns.Addr()}}
			o.Dialing = []egress.GuardOption{egress.OnDial(w.dialled)}
		},
		// The server's certificate does not name the public name.
		Connect: func(c *api.Credentials) { c.Host, c.SSLMode = publicName, "verify-ca" },
	}
}

func (w *world) dialled(to netip.AddrPort) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials = append(w.dials, to)
}

// take gives the addresses dialled since it was last called.
func (w *world) take() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.dials = nil }()
	return slices.Clone(w.dials)
}

// untouched wants that nobody ever came to a forbidden place.
func (w *world) untouched(t *testing.T) {
	t.Helper()
	for _, trap := range w.traps {
		if n := trap.Accepts(); n != 0 {
			t.Errorf("%v was reached %d times", trap.Addr(), n)
		}
	}
}

// forbiddenHosts are hosts that lead where the service must not go, with what
// the nameserver says of those that are names.
func forbiddenHosts(self netip.AddrPort) map[string][]string {
	hosts := map[string][]string{
		"loop.example.com": {"127.0.0.2"}, "six.example.com": {"::1"}, "far.example.com": {"127.255.255.254"},
		"mixed.example.com": {"127.0.0.1", "127.0.0.2"}, "mixed2.example.com": {"127.0.0.2", "127.0.0.1"},
		"both.example.com": {"127.0.0.1", "::1"}, "private.example.com": {"10.0.0.1"}, "mapped.example.com": {"::ffff:127.0.0.1"},
		"metadata.example.com": {"169.254.169.254"}, "azure.example.com": {"168.63.129.16"}, "nat64.example.com": {"64:ff9b::7f00:1"},
		"public.internal": {"8.8.8.8"}, "metadata.google.internal": {"169.254.169.254"}, "postgres": {"127.0.0.2"}, "db.local": {"127.0.0.2"},
	}
	for _, literal := range strings.Fields(`127.0.0.2 127.255.255.254 ::1 [::1] 0:0:0:0:0:0:0:1 0.0.0.0 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1
		169.254.169.254 100.100.100.200 168.63.129.16 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1:: 2001:0:7f00:1:: fd00:ec2::254 fe80::1`) {
		hosts[literal] = nil
	}
	return hosts
}

// TestForbiddenHosts: a host that resolves to a private, loopback or metadata
// address is refused by test and by connect, before a packet leaves, and the
// refusal is the same whatever was found (S01, S08–S17, S20, S21, S27, S28, S41).
func TestForbiddenHosts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWorld(t, db.Server.Port)
		app := New(t, w.options())
		login := Clinic(t, db)
		self := app.Server.Addr().(*net.TCPAddr).AddrPort()
		hosts := forbiddenHosts(self)
		refusals := map[string]string{}
		refuse := func(host string, creds api.Credentials) {
			_, err := app.Client().Connect(t.Context(), string(db.Kind), creds)
			p := problem(t, err)
			if p.Status != 422 || p.Code != string(fault.HostNotAllowed) {
				t.Errorf("connect to %s answers %d %s", host, p.Status, p.Code)
			}
			refusals[fmt.Sprint(p.Type, p.Title, p.Detail, p.Fixes, p.Errors)] = host
			result, err := app.Client().Test(t.Context(), string(db.Kind), creds)
			if err != nil {
				t.Fatalf("test of %s: %v", host, err)
			}
			wantFailedCheck(t, result, "reachability_tls", string(fault.HostNotAllowed))
		}
		for host, answer := range hosts {
			if answer != nil {
				w.dns.Script(host, egresstest.Answer(answer...))
			}
			creds := Credentials(db, login)
			creds.Host = host
			refuse(host, creds)
		}
		own := Credentials(db, login)
		own.Host, own.Port = self.Addr().String(), api.Port(fmt.Sprint(self.Port()))
		refuse("the service itself", own)
		if len(refusals) != 1 {
			t.Errorf("the refusals differ: %v", refusals)
		}
		if dials := w.take(); len(dials) != 0 {
			t.Errorf("dialled %v", dials)
		}
		w.untouched(t)
	})
}

// TestMalformedHosts: what is no host resolves nothing and reaches nobody, and
// what no form may hold is a request that is wrong (S02–S04, S23, S25, C01–C03).
func TestMalformedHosts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWorld(t, db.Server.Port)
		app := New(t, w.options())
		login := Clinic(t, db)
		for host, want := range map[string]struct {
			status int
			code   fault.Code
		}{
			"2130706433": {422, fault.HostInvalid}, "0x7f000001": {422, fault.HostInvalid}, "0x7f.1": {422, fault.HostInvalid}, "0177.0.0.1": {422, fault.HostInvalid},
			"127.1": {422, fault.HostInvalid}, "127.0.0.1.": {422, fault.HostInvalid}, "1.2.3.4.5": {422, fault.HostInvalid}, "127。0。0。1": {422, fault.HostInvalid},
			"ⓛocalhost": {422, fault.HostInvalid}, "fe80::1%eth0": {422, fault.HostInvalid}, "": {422, fault.HostInvalid}, "a b.example.com": {422, fault.HostInvalid},
			"db%00.example.com": {422, fault.HostInvalid}, `db"'\.example.com`: {422, fault.HostInvalid}, "/var/run/postgresql": {422, fault.HostInvalid}, "./x": {422, fault.HostInvalid},
			"@abstract": {422, fault.HostInvalid}, `C:\x`: {422, fault.HostInvalid}, publicName + ",127.0.0.1": {422, fault.HostInvalid}, "postgres://" + publicName + "/d": {422, fault.HostInvalid},
			"db\t.example.com": {400, fault.InvalidRequest}, "db.example.com\r\n": {400, fault.InvalidRequest}, "db\x00.example.com": {400, fault.InvalidRequest},
			strings.Repeat("a.", 200) + "com": {400, fault.InvalidRequest},
		} {
			creds := Credentials(db, login)
			creds.Host = host
			_, err := app.Client().Connect(t.Context(), string(db.Kind), creds)
			if p := problem(t, err); p.Status != want.status || p.Code != string(want.code) {
				t.Errorf("connect to %q answers %d %s, want %d %s", host, p.Status, p.Code, want.status, want.code)
			}
			result, err := app.Client().Test(t.Context(), string(db.Kind), creds)
			switch {
			case want.status == 400:
				if p := problem(t, err); p.Status != 400 {
					t.Errorf("test of %q answers %d %s, want 400", host, p.Status, p.Code)
				}
			case err != nil:
				t.Errorf("test of %q: %v", host, err)
			default:
				wantFailedCheck(t, result, "reachability_tls", string(want.code))
			}
		}
		if n := w.dns.Total(); n != 0 {
			t.Errorf("the nameserver was asked %d questions", n)
		}
		if dials := w.take(); len(dials) != 0 {
			t.Errorf("dialled %v", dials)
		}
		w.untouched(t)
	})
}

// named is a practice whose database is known by a public name.
func named(t *testing.T, db *dbtest.Database) (*world, *Practice) {
	t.Helper()
	w := newWorld(t, db.Server.Port)
	w.dns.Script(publicName, egresstest.Answer("127.0.0.1"))
	return w, Published(t, db, w.options())
}

// cutOff ends all sessions of the practice on the server.
func (p *Practice) cutOff(t *testing.T) {
	t.Helper()
	if p.Kind == "postgres" {
		p.DB.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+p.Login.User+"'")
		return
	}
	for _, row := range p.DB.Query(t, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '"+p.Login.User+"'") {
		p.DB.Exec(t, "KILL "+row[0])
	}
}

// TestPoolJudgesAgain: when the answer of the name changes later, sessions that
// are open serve on, and every new one, of the pool, of discovery and of a
// retest, is judged anew (S33, S34).
func TestPoolJudgesAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w, p := named(t, db)
		c, conv := p.Client(), p.Ring(t)
		ask := func(call string) api.ToolCallAnswer { return Ask(t, c, conv.ID, call) }
		if a := ask("before"); a.Outcome != api.OutcomeOK {
			t.Fatalf("before: %s", a.Outcome)
		}
		w.dns.Script(publicName, egresstest.Answer("127.0.0.2"))
		if a := ask("warm"); a.Outcome != api.OutcomeOK {
			t.Errorf("an open session: %s", a.Outcome)
		}
		w.take()
		p.cutOff(t)
		if a := ask("forbidden"); a.Outcome != api.OutcomeUnavailable {
			t.Errorf("a new session to a forbidden place: %s", a.Outcome)
		}
		if log := p.Log.String(); !strings.Contains(log, string(fault.HostNotAllowed)) {
			t.Error("the log does not tell of the refusal")
		}
		_, err := c.Discover(t.Context(), p.Kind)
		wantProblem(t, err, 422, string(fault.HostNotAllowed))
		var retest api.TestResult
		if err := c.Do(t.Context(), "POST", "/integrations/"+p.Kind+"/sql/retest", nil, &retest); err != nil {
			t.Fatal(err)
		}
		wantFailedCheck(t, retest, "reachability_tls", string(fault.HostNotAllowed))
		if dials := w.take(); len(dials) != 0 {
			t.Errorf("dialled %v", dials)
		}
		w.untouched(t)

		// The database moves to another public address, and is followed there.
		moved := egresstest.Listen(t, fmt.Sprintf("127.0.0.3:%d", db.Server.Port), func(conn net.Conn) { forward(conn, db.Server.Port) })
		w.dns.Script(publicName, egresstest.Answer("127.0.0.3"))
		asked := 0
		eventually(t, "an answer from the new address", func() bool {
			if moved.Accepts() == 0 {
				p.cutOff(t) // a session that was just being opened may have outlived the first time
			}
			asked++
			return ask(fmt.Sprint("moved", asked)).Outcome == api.OutcomeOK && moved.Accepts() > 0
		})
		w.untouched(t)
	})
}

// forward passes a connection on to the database.
func forward(conn net.Conn, port int) {
	server, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, conn)
		server.Close()
	}()
	_, _ = io.Copy(conn, server)
}

// TestStoppingPassesTheDoor: what stops a statement goes through the same
// dialer, to the address of the session and without asking for the name again,
// whatever that leads to by now (S35).
func TestStoppingPassesTheDoor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w, p := named(t, db)
		conv := p.Ring(t)
		if a := Ask(t, p.Client(), conv.ID, "warm"); a.Outcome != api.OutcomeOK {
			t.Fatalf("warm: %s", a.Outcome)
		}
		w.dns.Script(publicName, egresstest.Answer("127.0.0.2"))
		asked := w.dns.Asked(publicName, dnsmessage.TypeA)
		w.take()
		release := p.lock(t)
		if p.Kind == "postgres" {
			// The server itself ends what has run out of time: stopped is the
			// statement of a caller who leaves before that.
			ctx, leave := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer leave()
			if a, err := p.Client().Call(ctx, conv.ID, api.ToolCallRequest{ToolCallID: "stuck", Tool: "look_up_an_appointment"}); err == nil {
				t.Errorf("a look-up that waits for a lock: %s", a.Outcome)
			}
		} else if a := Ask(t, p.Client(), conv.ID, "stuck"); a.Outcome != api.OutcomeTimedOut {
			t.Errorf("a look-up that waits for a lock: %s", a.Outcome)
		}
		var dials []netip.AddrPort
		eventually(t, "the second connection", func() bool { dials = append(dials, w.take()...); return len(dials) > 0 })
		release()
		want := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(db.Server.Port))
		if len(dials) != 1 || dials[0] != want {
			t.Errorf("dialled %v, want %v once", dials, want)
		}
		if n := w.dns.Asked(publicName, dnsmessage.TypeA); n != asked {
			t.Errorf("the name was looked up %d times for it", n-asked)
		}
		w.untouched(t)
	})
}

// lock makes look-ups wait for three seconds, or until they are released.
func (p *Practice) lock(t *testing.T) (release func()) {
	t.Helper()
	text, waits := "BEGIN; LOCK TABLE appointments IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3)", "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)' AND wait_event = 'PgSleep' AND datname = '"+p.DB.Name+"'"
	if p.Kind == "mysql" {
		text, waits = "LOCK TABLES appointments WRITE; SELECT SLEEP(3)", "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO = 'SELECT SLEEP(3)' AND DB = '"+p.DB.Name+"'"
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.DB.Server.Exec(t.Context(), p.DB.Name, text)
	}()
	eventually(t, "the lock", func() bool { return len(p.DB.Query(t, waits)) > 0 })
	return func() { <-done }
}
