package faulttest

import (
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// kick ends every session of the practice's user.
func (p *practice) kick(t *testing.T) {
	t.Helper()
	if p.Kind == "postgres" {
		p.DB.Exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '`+p.Login.User+`'`)
	} else {
		p.DB.Exec(t, `KILL USER `+p.Login.User)
	}
}

// TestPasswordRotated is F14: the old password is sent once and not again,
// however often somebody asks, and the new one works as soon as it is told.
func TestPasswordRotated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		const changed = "changed-at-noon"
		if p.Kind == "postgres" {
			db.Exec(t, `ALTER ROLE `+p.Login.User+` PASSWORD '`+changed+`'`)
		} else {
			db.Exec(t, `ALTER USER '`+p.Login.User+`'@'%' IDENTIFIED BY '`+changed+`'`)
		}
		p.kick(t)
		before := p.proxy.Accepted()
		for range 30 {
			a, took := p.ask(t)
			wantOutcome(t, a, api.OutcomeUnavailable, "credentials_rejected")
			if took > deadline+slack {
				t.Errorf("refused after %v", took)
			}
		}
		if n := p.proxy.Accepted() - before; n != 1 {
			t.Errorf("the server was asked %d times", n)
		}
		creds := apptest.Credentials(db, privatedb.Login{User: p.Login.User, Password: changed})
		if _, err := p.Client().Connect(t.Context(), p.Kind, creds); err != nil {
			t.Fatal(err)
		}
		p.recovers(t)
	})
}

// full lets nobody of the practice's in, and ends the sessions that are.
func full(t *testing.T, p *practice) (room func()) {
	t.Helper()
	if p.Kind == "postgres" { // 53300
		p.DB.Exec(t, `ALTER ROLE `+p.Login.User+` CONNECTION LIMIT 0`)
		p.kick(t)
		return func() { p.DB.Exec(t, `ALTER ROLE `+p.Login.User+` CONNECTION LIMIT -1`) }
	}
	p.DB.Exec(t, `GRANT USAGE ON *.* TO '`+p.Login.User+`'@'%' WITH MAX_CONNECTIONS_PER_HOUR 1`) // 1226
	p.kick(t)
	return func() {
		p.DB.Exec(t, `GRANT USAGE ON *.* TO '`+p.Login.User+`'@'%' WITH MAX_CONNECTIONS_PER_HOUR 0`)
	}
}

// TestFullServer is F08: a server that is full is said to be, is not asked at
// every call, and is found again within a second of having room.
func TestFullServer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		room := full(t, p)
		p.ask(t) // may be the last that the hour allows
		p.kick(t)
		before, begun := p.proxy.Accepted(), time.Now()
		for range 40 {
			a, took := p.ask(t)
			wantOutcome(t, a, api.OutcomeBusy, "server_full")
			if a.RetryAfterMs == nil || *a.RetryAfterMs <= 0 || took > deadline+slack {
				t.Errorf("busy after %v, and comes again in %v ms", took, a.RetryAfterMs)
			}
		}
		if n := p.proxy.Accepted() - before; float64(n) > 6+3*time.Since(begun).Seconds() {
			t.Errorf("the server was asked %d times in %v", n, time.Since(begun))
		}
		room()
		p.recovers(t)
	})
}

// TestStartingAndStopping is F08: while a server starts or stops (57P03, 57P01,
// 1053), and through a restart that takes its time, callers are told within
// their time and the service comes back by itself.
func TestStartingAndStopping(t *testing.T) {
	owned(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		done := make(chan error, 1)
		go func() { done <- db.Server.Restart(t.Context()) }()
		for up := false; !up; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				up = true
			default:
				if a, took := p.ask(t); took > deadline+slack || a.Outcome == api.OutcomeFailed {
					t.Errorf("%s after %v", a.Outcome, took)
				}
			}
		}
		p.recovers(t)
	})
}
