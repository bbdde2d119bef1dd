package apptest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target/targettest"
)

// require has the practice connect without a CA.
var require = Options{Connect: func(c *api.Credentials) { c.SSLMode, c.CAPEM = "require", "" }}

// TestPinnedKeys: under require the key seen at connect is remembered. A server
// with another key gets nothing until an operator has tested it again, after
// which both are known (T10, T12).
func TestPinnedKeys(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		t.Run(string(flavor), func(t *testing.T) {
			server := dbtest.Own(t, flavor)
			p := Published(t, dbtest.New(t, server), require)
			c, conv := p.Client(), p.Ring(t)
			calls := 0
			ask := func() api.ToolCallAnswer { calls++; return Ask(t, c, conv.ID, fmt.Sprint(calls)) }
			known := func(when string) {
				t.Helper()
				if a := ask(); a.Outcome != api.OutcomeOK {
					t.Errorf("%s: %s %s", when, a.Outcome, text(a.Reason))
				}
				if i, err := c.Integration(t.Context(), p.Kind); err != nil || i.Status != "connected" {
					t.Errorf("%s: the integration is %s: %v", when, i.Status, err)
				}
			}
			foreign := func(when string) {
				t.Helper()
				if a := ask(); a.Outcome != api.OutcomeUnavailable || text(a.Reason) != string(fault.ServerIdentity) {
					t.Errorf("%s: %s %s", when, a.Outcome, text(a.Reason))
				}
				if i, err := c.Integration(t.Context(), p.Kind); err != nil || i.Status != "identity_changed" {
					t.Errorf("%s: the integration is %s: %v", when, i.Status, err)
				}
				_, err := c.Discover(t.Context(), p.Kind)
				wantProblem(t, err, 422, string(fault.ServerIdentity))
			}
			known("the key of connect")

			was := keep(t, server)
			if err := server.Rekey(); err != nil {
				t.Fatal(err)
			}
			restart(t, server)
			foreign("a new key")
			creds := Credentials(p.DB, p.Login)
			require.Connect(&creds)
			if result, err := c.Test(t.Context(), p.Kind, creds); err != nil || !result.OK || result.Checks[0].Code != "server_key_pinned" {
				t.Errorf("a test of other credentials: %+v, %v", result.Checks, err)
			}
			foreign("after a test, which remembers nothing")

			var retest api.TestResult
			if err := c.Do(t.Context(), "POST", "/integrations/"+p.Kind+"/sql/retest", nil, &retest); err != nil || !retest.OK || retest.Checks[0].Code != "server_key_pinned" {
				t.Errorf("retest: %+v, %v", retest.Checks, err)
			}
			known("after the retest")
			was()
			restart(t, server)
			known("the first key again")

			impostor(t, server, schema.Kind(p.Kind), func() { foreign("an impostor") })
		})
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func restart(t *testing.T, server *privatedb.Server) {
	t.Helper()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// keep remembers the server's key and certificate, and puts them back.
func keep(t *testing.T, server *privatedb.Server) (putBack func()) {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"server.pem", "server-key.pem"} {
		path := filepath.Join(filepath.Dir(server.DataDir), name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = content
	}
	return func() {
		for path, content := range files {
			if err := os.WriteFile(path, content, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// impostor takes the server's place while f runs, and wants to hear nothing
// inside TLS.
func impostor(t *testing.T, server *privatedb.Server, kind schema.Kind, f func()) {
	t.Helper()
	if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	session := targettest.Recorded(t, targettest.Flavor(kind), targettest.Reading)
	var came, heard atomic.Int32
	rogue := targettest.NewRogue(t, kind, fmt.Sprintf("127.0.0.1:%d", server.Port), func(p *targettest.Peer) {
		came.Add(1)
		p.Secure(session)
		p.Listen()
		heard.Add(1)
	})
	f()
	rogue.Close()
	if came.Load() == 0 || heard.Load() != 0 {
		t.Errorf("%d connections came to the impostor, and %d said something to it", came.Load(), heard.Load())
	}
}
