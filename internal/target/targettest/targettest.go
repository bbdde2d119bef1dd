// Package targettest holds what tests of the drivers share: a way out that
// leads to loopback only, credentials for a test's database, a sink, and a
// patient look at what happens elsewhere.
package targettest

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/egress"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// Guard makes a dialer that admits 127.0.0.0/8 beside public addresses.
func Guard(t testing.TB, options ...egress.GuardOption) *egress.Guard {
	t.Helper()
	policy, err := egress.NewPolicy(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	return egress.NewGuard(policy, egress.ResolverOptions{}, options...)
}

// API makes the credentials of a login as an operator would send them, with
// the server's own CA and verify-full.
func API(server *privatedb.Server, database string, login privatedb.Login) api.Credentials {
	return api.Credentials{
		Host: server.Host, Port: api.Port(strconv.Itoa(server.Port)), Database: database,
		User: login.User, Password: login.Password,
		SSLMode: string(egress.VerifyFull), CAPEM: server.CAPEM,
	}
}

// Credentials parses what API makes.
func Credentials(t testing.TB, server *privatedb.Server, database string, login privatedb.Login) *target.Credentials {
	t.Helper()
	return Parse(t, API(server, database, login), schema.Kind(server.Kind()))
}

// Parse parses credentials that must be acceptable.
func Parse(t testing.TB, c api.Credentials, kind schema.Kind) *target.Credentials {
	t.Helper()
	creds, err := target.ParseCredentials(c, kind)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

// Rows is a sink that keeps every row, NULL as "NULL".
type Rows [][]string

// Row implements target.RowSink.
func (r *Rows) Row(cells [][]byte) error {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = "NULL"
		if cell != nil {
			row[i] = string(cell)
		}
	}
	*r = append(*r, row)
	return nil
}

// Discard is a sink that keeps nothing.
type Discard struct{}

// Row implements target.RowSink.
func (Discard) Row([][]byte) error { return nil }

// Text makes arguments of canonical texts.
func Text(texts ...string) []target.Value {
	values := make([]target.Value, len(texts))
	for i, text := range texts {
		values[i].Text = text
	}
	return values
}

// Eventually waits until done holds, and fails the test after limit.
func Eventually(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	const step = 5 * time.Millisecond
	end := time.After(limit)
	tick := time.NewTicker(step)
	defer tick.Stop()
	for !done() {
		select {
		case <-end:
			t.Fatalf("after %v: still not %s", limit, what)
		case <-tick.C:
		}
	}
}
