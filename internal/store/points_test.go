package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"modernc.org/sqlite"

	"flowyte/internal/id"
)

// pointVariable is the number of the point at which the process that works
// through the points is killed.
const pointVariable = "FLOWYTE_STORE_TEST_POINT"

// points counts what a process comes by: every change of a row, every commit
// before it is durable, and every answer before it is told.
type points struct{ left int }

// pass kills the process at its point, after it was named.
func (p *points) pass(name string) {
	if p.left--; p.left != 0 {
		return
	}
	fmt.Println("point", name)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // nothing comes after it
	select {}
}

// watch has every connection opened from now on pass its changes and commits.
func (p *points) watch() {
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, _ string) error {
		hooked, ok := c.(sqlite.HookRegisterer)
		if !ok {
			return fmt.Errorf("%T has no hooks", c)
		}
		hooked.RegisterPreUpdateHook(func(d sqlite.SQLitePreUpdateData) { p.pass("change of " + d.TableName) })
		hooked.RegisterCommitHook(func() int32 { p.pass("commit"); return 0 })
		return nil
	})
}

// workThrough does one thing of each sort with the store in dir, and tells of
// each when the store has said that it is kept.
func workThrough(ctx context.Context, s *Store, p *points) error {
	if _, _, err := s.Keyring(ctx, filepath.Join(s.dir, "master.key")); err != nil {
		return err
	}
	org, err := s.EnsureOrg(ctx, "acme")
	if err != nil {
		return err
	}
	by := Actor{Org: org.ID, Key: id.New[id.Key]()}
	tell := func(what string, id any) {
		p.pass("answer of " + what)
		fmt.Println(what, id)
	}
	tell("organisation", org.ID)
	if _, err := s.PutConnection(ctx, by, connectionOf(s)); err != nil {
		return err
	}
	tell("connection", "postgres")
	a, err := s.CreateAgent(ctx, by, Agent{Name: "a", Channels: []string{"voice"}})
	if err != nil {
		return err
	}
	tell("agent", a.ID)
	k, err := s.CreateSkill(ctx, by, Skill{AgentID: a.ID, Kind: "postgres", Name: "x", ToolName: "x", Binding: []byte(`{}`)})
	if err != nil {
		return err
	}
	tell("skill", k.ID)
	a, err = s.Agent(ctx, org.ID, a.ID)
	if err != nil {
		return err
	}
	v, err := s.Publish(ctx, by, Publication{AgentID: a.ID, Revision: a.Revision, Compiled: []byte(`{"v":1}`), Skills: []Skill{k}})
	if err != nil {
		return err
	}
	tell("version", v.ID)
	c := conversationOf(s, by)
	c.ID = "cnv_points"
	if err := s.AppendBatch(ctx, []ConversationRecord{c}, eventsOf(c, 1, 3)); err != nil {
		return err
	}
	tell("events", 3)
	if _, err := s.CreateKey(ctx, by, NewKey{MAC: mac(7), LastFour: "abcd", Scopes: []string{"agents:read"}}); err != nil {
		return err
	}
	tell("key", "abcd")
	return nil
}

// playPoints is the other process.
func playPoints(ctx context.Context, dir string) error {
	n, err := strconv.Atoi(os.Getenv(pointVariable))
	if err != nil {
		return err
	}
	s, err := Open(ctx, dir, Options{Serve: true})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil { // the making of the store is no point
		return err
	}
	p := &points{left: n}
	p.watch()
	if s, err = Open(ctx, dir, Options{Serve: true}); err != nil {
		return err
	}
	if err := workThrough(ctx, s, p); err != nil {
		return err
	}
	fmt.Println("done")
	return nil
}

// TestKilledAtEveryPoint is K03: the process is killed at every change, every
// commit and every answer of a day's work. What was acknowledged is there, what
// was not is there whole or not at all, and the chains hold.
func TestKilledAtEveryPoint(t *testing.T) {
	const least, most = 20, 200
	seen := map[string]bool{}
	for n := 1; ; n++ {
		if n > most {
			t.Fatal("the work never ends")
		}
		dir := filepath.Join(t.TempDir(), "data")
		t.Setenv(pointVariable, strconv.Itoa(n))
		w := start(t, "points", dir, false)
		acked := map[string]string{}
		point, done := "", false
		for w.out.Scan() {
			what, rest, _ := strings.Cut(w.out.Text(), " ")
			switch what {
			case "point":
				point = rest
			case "done":
				done = true
			case "open":
			default:
				acked[what] = rest
			}
		}
		w.end()
		if point == "" && !done {
			t.Fatalf("at point %d the process ended by itself", n)
		}
		seen[point] = true
		wantKept(t, dir, fmt.Sprintf("killed at point %d, %s", n, point), acked)
		if done {
			if n <= least || len(acked) != 7 {
				t.Errorf("%d points, and %d things acknowledged at the end", n, len(acked))
			}
			t.Logf("%d points, of %d sorts", n-1, len(seen)-1)
			return
		}
	}
}

// wantKept opens what a killed process left.
func wantKept(t *testing.T, dir, when string, acked map[string]string) {
	t.Helper()
	s := open(t, dir, Options{Serve: true})
	defer s.Close()
	if _, _, err := s.Keyring(t.Context(), filepath.Join(dir, "master.key")); err != nil {
		t.Fatalf("%s: the keyring: %v", when, err)
	}
	var verdict string
	must(t, s.reader.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict))
	if verdict != "ok" {
		t.Errorf("%s: integrity is %s", when, verdict)
	}
	receipts, changes := audited(t, s)
	for _, chain := range []ChainReport{receipts, changes} {
		if chain.Breaks != nil {
			t.Errorf("%s: the chain of %s is broken: %+v", when, chain.Name, chain.Breaks)
		}
	}
	count := func(query string) (n int) {
		must(t, s.reader.QueryRowContext(t.Context(), query).Scan(&n))
		return n
	}
	for what, query := range map[string]string{
		"organisation": `SELECT COUNT(*) FROM orgs`, "connection": `SELECT COUNT(*) FROM connections`, "agent": `SELECT COUNT(*) FROM agents`,
		"skill": `SELECT COUNT(*) FROM skills`, "version": `SELECT COUNT(*) FROM versions`, "key": `SELECT COUNT(*) FROM api_keys`,
	} {
		if n := count(query); n > 1 || acked[what] != "" && n != 1 {
			t.Errorf("%s: %d of %s, acknowledged %q", when, n, what, acked[what])
		}
	}
	if n := count(`SELECT COUNT(*) FROM agents WHERE published_version_id IS NOT NULL`); n != count(`SELECT COUNT(*) FROM versions`) {
		t.Errorf("%s: a version is there and not live, or live and not there", when)
	}
	if count(`SELECT COUNT(*) FROM conversations`) == 0 {
		if acked["events"] != "" {
			t.Errorf("%s: the conversation is gone", when)
		}
		return
	}
	events := readEvents(t, s, ConversationRecord{ID: "cnv_points", OrgID: id.Org(acked["organisation"])}, 200)
	if n := len(events); n != 0 && n != 3 || acked["events"] != "" && n != 3 {
		t.Errorf("%s: %d events", when, n)
	}
}
