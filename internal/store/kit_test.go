package store

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// wall is a clock that tests turn.
type wall struct {
	mu  sync.Mutex
	now time.Time
}

func newWall() *wall { return &wall{now: time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)} }

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *wall) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// open opens a store for the length of the test.
func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, o)
	if err != nil {
		t.Fatalf("open: %v (cause %v)", err, fault.Cause(err))
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t testing.TB) (*Store, *wall) {
	t.Helper()
	w := newWall()
	return open(t, filepath.Join(t.TempDir(), "data"), Options{Serve: true, Now: w.Now}), w
}

// newOrg makes an organisation and somebody in it.
func newOrg(t testing.TB, s *Store, name string) Actor {
	t.Helper()
	org, err := s.EnsureOrg(t.Context(), name)
	must(t, err)
	return Actor{Org: org.ID, Key: id.New[id.Key]()}
}

func newAgent(t testing.TB, s *Store, by Actor, name string) Agent {
	t.Helper()
	a, err := s.CreateAgent(t.Context(), by, Agent{Name: name, Channels: []string{"voice"}})
	must(t, err)
	return a
}

func newSkill(t testing.TB, s *Store, by Actor, agent id.Agent, name string) Skill {
	t.Helper()
	k, err := s.CreateSkill(t.Context(), by, Skill{AgentID: agent, Kind: "postgres", Name: name, ToolName: fold(name), Binding: []byte(`{}`)})
	must(t, err)
	return k
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (cause %v)", err, fault.Cause(err))
	}
}

func wantFault(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("error is %v (cause %v), want %s", err, fault.Cause(err), code)
	}
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func mac(b byte) secret.MAC {
	var m secret.MAC
	m[0] = b
	return m
}

// alter changes the file behind the store's back.
func alter(t testing.TB, s *Store, query string, args ...any) {
	t.Helper()
	_, err := s.writer.ExecContext(t.Context(), query, args...)
	must(t, err)
}
