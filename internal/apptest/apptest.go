// Package apptest opens a whole service in one call, for tests that speak to
// it as a client does: over HTTP, with real databases behind it.
package apptest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/auth"
	"flowyte/internal/config"
	"flowyte/internal/dbtest"
	"flowyte/internal/oplog"
	"flowyte/internal/privatedb"
	"flowyte/internal/serve"
	"flowyte/internal/store"
)

// Loopback is what tests admit, since their databases listen there.
var Loopback = netip.MustParsePrefix("127.0.0.0/8")

// App is a running service. Its log is kept, so that tests can look for what
// must not be in it.
type App struct {
	Server *serve.Server
	URL    string
	Data   string
	Log    *Log
	HTTP   *http.Client
	Key    string // all scopes, organisation "acme"

	connect func(*api.Credentials)
	t       testing.TB
}

// Options change how the service is opened.
type Options struct {
	Data  string         // an existing folder, to open a service again
	Allow []netip.Prefix // nil admits loopback
	Serve func(*serve.Options)
	// Connect changes the credentials that Connected connects with.
	Connect func(*api.Credentials)
}

// New opens a service with an organisation and a key, and closes it at the end
// of the test.
func New(t testing.TB, options ...Options) *App {
	t.Helper()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	if o.Allow == nil {
		o.Allow = []netip.Prefix{Loopback}
	}
	a := &App{Data: o.Data, Log: &Log{}, connect: o.Connect, t: t, HTTP: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	a.Key = a.NewKey(t, "acme")
	so := serve.Options{
		Settings: config.Settings{Addr: "127.0.0.1:0", Data: o.Data, AllowTargets: o.Allow, TestsPerMinute: 10_000, MaxConnections: 1000},
		Version:  "test",
		Log:      oplog.New(a.Log, slog.LevelDebug),
	}
	if o.Serve != nil {
		o.Serve(&so)
	}
	server, err := serve.Open(t.Context(), so)
	if err != nil {
		t.Fatalf("open the service: %v (%v)", err, a.Log.String())
	}
	a.Server, a.URL = server, "http://"+server.Addr().String()
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { a.close(t) }) })
	return a
}

func (a *App) close(t testing.TB) {
	a.HTTP.CloseIdleConnections()
	if a.Server == nil {
		return
	}
	if err := a.Server.Close(); err != nil {
		t.Errorf("close the service: %v", err)
	}
	a.Server = nil
}

// Stop closes the service before the end of the test.
func (a *App) Stop() { a.close(a.t) }

// NewKey makes a key of an organisation; no scopes means all.
func (a *App) NewKey(t testing.TB, org string, scopes ...string) string {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, a.Data, store.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer s.Close()
	ring, _, err := s.Keyring(ctx, a.Data+"/"+serve.MasterKeyName)
	if err != nil {
		t.Fatalf("open the keyring: %v", err)
	}
	o, err := s.EnsureOrg(ctx, org)
	if err != nil {
		t.Fatal(err)
	}
	set := auth.ScopesOf(auth.AllScopes()...)
	if len(scopes) > 0 {
		if set, err = auth.ParseScopes(strings.Join(scopes, ",")); err != nil {
			t.Fatal(err)
		}
	}
	issued := auth.Issue(ring)
	if _, err := s.CreateKey(ctx, store.Actor{Org: o.ID}, store.NewKey{MAC: issued.MAC, LastFour: issued.LastFour, Scopes: set.Names()}); err != nil {
		t.Fatal(err)
	}
	key := issued.Secret.Reveal()
	a.awaitKey(t, key)
	return key
}

// awaitKey waits until a running service accepts a key made beside it.
func (a *App) awaitKey(t testing.TB, key string) {
	t.Helper()
	if a.Server == nil {
		return
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.URL+api.Base+"/integrations/catalog", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := a.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			return
		}
	}
	t.Fatal("the service does not accept a new key within 5 s")
}

// Client speaks to the service with the key of organisation "acme".
func (a *App) Client() *client.Client { return client.New(a.URL, a.Key, a.HTTP) }

// ClientWith speaks with another key.
func (a *App) ClientWith(key string) *client.Client { return client.New(a.URL, key, a.HTTP) }

// Credentials are those of a login on a test database, verify-full.
func Credentials(db *dbtest.Database, login privatedb.Login) api.Credentials {
	return api.Credentials{
		Host: db.Server.Host, Port: api.Port(strconv.Itoa(db.Server.Port)), Database: db.Name, User: login.User, Password: login.Password,
		SSLMode: "verify-full", CAPEM: db.Server.CAPEM,
	}
}

// Log collects what the service logs.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Compiled lists the statements of all skills of the service.
func (a *App) Compiled(t testing.TB) []string {
	t.Helper()
	var agents []api.Agent
	if err := a.Client().Do(t.Context(), "GET", "/agents", nil, &agents); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, agent := range agents {
		var skills []api.Skill
		if err := a.Client().Do(t.Context(), "GET", "/agents/"+agent.ID+"/skills", nil, &skills); err != nil {
			t.Fatal(err)
		}
		for _, s := range skills {
			if s.ExecutionConfig != nil {
				all = append(all, s.ExecutionConfig.Statement)
				if check := s.ExecutionConfig.CheckStatement; check != "" {
					all = append(all, check)
				}
			}
		}
	}
	return all
}
