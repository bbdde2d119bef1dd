package faulttest

import (
	"database/sql"
	"encoding/json"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
)

// flip changes one bit of the sealed credentials in a stopped service's store.
func flip(t *testing.T, data string) {
	t.Helper()
	raw, err := sql.Open("sqlite", filepath.Join(data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	var sealed []byte
	if err := raw.QueryRowContext(t.Context(), `SELECT sealed FROM connections`).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	bit := rand.IntN(8 * len(sealed))
	sealed[bit/8] ^= 1 << (bit % 8)
	if _, err := raw.ExecContext(t.Context(), `UPDATE connections SET sealed = ?`, sealed); err != nil {
		t.Fatal(err)
	}
	t.Logf("bit %d of %d", bit, 8*len(sealed))
}

// TestFlippedBit is K04: credentials with one changed bit are not used, not even
// tried; reads say so, and what an operator asks is answered with the reason.
func TestFlippedBit(t *testing.T) {
	p := behind(t, dbtest.Postgres(t))
	p.Stop()
	flip(t, p.Data)
	before := p.proxy.Accepted()
	p.apart(t)
	a, _ := p.ask(t)
	wantOutcome(t, a, api.OutcomeUnavailable, "not_connected")
	if _, err := p.Client().Discover(t.Context(), p.Kind); err == nil || !strings.Contains(err.Error(), "credential_corrupt") {
		t.Errorf("discovery with them: %v", err)
	}
	if n := p.proxy.Accepted() - before; n != 0 {
		t.Errorf("the server was connected to %d times", n)
	}
}

// TestDriversAreSilent is L08: whatever happens to their connections, drivers
// write nothing of their own. The process's standard error is its log, one JSON
// object a line, without users and secrets.
func TestDriversAreSilent(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		one := p.apart(t, "FLOWYTE_LOG_LEVEL=debug")
		for _, f := range []faultproxy.Faults{{CutAfter: 3}, {CutAfter: 40, Reset: true}, {Refuse: true}, {CutAfter: 900}, {CutAfter: 2500, Reset: true}} {
			p.proxy.Set(f)
			for range 3 {
				p.ask(t)
			}
			p.proxy.Cut()
			p.proxy.Set(faultproxy.Faults{})
			p.recovers(t)
		}
		p.kick(t)
		p.ask(t)
		one.stop(t)
		lines := strings.Split(strings.TrimSpace(one.log.String()), "\n")
		if len(lines) < 20 {
			t.Fatalf("%d lines; the test proves nothing", len(lines))
		}
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("somebody else writes %q", line)
			}
			for _, canary := range []string{p.Login.User, p.Login.Password, p.Key, apptest.CanaryRow, "5550177", db.Name} {
				if strings.Contains(line, canary) {
					t.Errorf("the log holds %q: %s", canary, line)
				}
			}
		}
	})
}
