package store

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// The test binary runs again as another process when this names what to do.
const roleVariable = "FLOWYTE_STORE_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := play(role, os.Args[len(os.Args)-1]); err != nil {
		fmt.Println(fault.CodeOf(err))
	}
}

// play is what another process does with the store in dir.
func play(role, dir string) error {
	ctx := context.Background()
	if role == "points" {
		return playPoints(ctx, dir)
	}
	s, err := Open(ctx, dir, Options{Serve: role != "command", LockWait: time.Second})
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println("open")
	switch role {
	case "write":
		return writeForever(ctx, s)
	case "journal":
		return journalForever(ctx, s)
	}
	_, err = io.ReadAll(os.Stdin) // until the parent lets go
	return err
}

// writeForever makes agents and batches of events, and tells of each only when
// the store has said that it is kept.
func writeForever(ctx context.Context, s *Store) error {
	org, err := s.EnsureOrg(ctx, "acme")
	if err != nil {
		return err
	}
	by := Actor{Org: org.ID}
	c := conversationOf(s, by)
	c.ID = "cnv_crash"
	for seq := int64(1); ; seq += 3 {
		a, err := s.CreateAgent(ctx, by, Agent{Name: "a"})
		if err != nil {
			return err
		}
		fmt.Println("agent", a.ID)
		if err := s.AppendBatch(ctx, []ConversationRecord{c}, eventsOf(c, seq, seq+2)); err != nil {
			return err
		}
		fmt.Println("events", seq+2)
	}
}

// other is a second process.
type other struct {
	cmd  *exec.Cmd
	in   io.Closer
	out  *bufio.Scanner
	dead bool
}

func start(t *testing.T, role, dir string, ordinary bool) *other {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe, dir)
	if ordinary && os.Getuid() == 0 {
		cmd.Path = publicCopy(t, exe)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	o := &other{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(o.end)
	return o
}

// publicCopy puts the test binary where an ordinary user finds it.
func publicCopy(t *testing.T, exe string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	text, err := os.ReadFile(exe)
	must(t, err)
	path := filepath.Join(dir, "store.test")
	must(t, os.WriteFile(path, text, 0o755))
	return path
}

func (o *other) line() string {
	o.out.Scan()
	return o.out.Text()
}

func (o *other) end() {
	if !o.dead {
		o.dead = true
		_ = o.in.Close()
		_ = o.cmd.Wait() // it may have been killed
	}
}

func TestOneServer(t *testing.T) {
	if lockWait >= 5*time.Second {
		t.Errorf("a second server is refused after %v", lockWait)
	}
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, "serve", dir, false)
	if got := first.line(); got != "open" {
		t.Fatalf("the first server says %q", got)
	}
	begun := time.Now()
	_, err := Open(t.Context(), dir, Options{Serve: true, LockWait: 200 * time.Millisecond})
	wantFault(t, err, fault.StoreLocked)
	if cause := fmt.Sprint(fault.Cause(err)); !strings.Contains(cause, strconv.Itoa(first.cmd.Process.Pid)) {
		t.Errorf("the cause %q does not name the holder", cause)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("refused after %v", took)
	}
	second := start(t, "serve", dir, false)
	if got := second.line(); got != string(fault.StoreLocked) {
		t.Errorf("a second server says %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ctx, dir, Options{Serve: true})
	wantFault(t, err, fault.StoreUnavailable)

	// Commands run beside it.
	command := start(t, "command", dir, false)
	if got := command.line(); got != "open" {
		t.Errorf("a command says %q", got)
	}
	beside := open(t, dir, Options{})
	newOrg(t, beside, "acme")

	// The next server waits for the first to go, and needs no farewell.
	must(t, first.cmd.Process.Kill())
	first.end()
	must(t, open(t, dir, Options{Serve: true}).Close())
	must(t, open(t, dir, Options{Serve: true}).Close()) // Close gives it free
}

// TestKillKeepsWhatWasAcked kills a writing process without warning.
func TestKillKeepsWhatWasAcked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	agents := map[id.Agent]bool{}
	lastSeq := int64(0)
	for round := range 3 {
		w := start(t, "write", dir, false)
		for range 20 + 7*round {
			switch kind, rest, _ := strings.Cut(w.line(), " "); kind {
			case "agent":
				agents[id.Agent(rest)] = true
			case "events":
				seq, err := strconv.ParseInt(rest, 10, 64)
				must(t, err)
				lastSeq = max(lastSeq, seq)
			case "open":
			default:
				t.Fatalf("the writer says %q", kind)
			}
		}
		must(t, w.cmd.Process.Kill())
		w.end()

		s := open(t, dir, Options{Serve: true})
		org, err := s.FindOrg(t.Context(), "acme")
		must(t, err)
		for a := range agents {
			if _, err := s.Agent(t.Context(), org.ID, a); err != nil {
				t.Errorf("an agent that was acked is gone: %v", err)
			}
		}
		events := readEvents(t, s, ConversationRecord{ID: "cnv_crash", OrgID: org.ID}, 200)
		if n := int64(len(events)); n%3 != 0 || n < lastSeq {
			t.Errorf("%d events are kept, %d were acked, in threes", n, lastSeq)
		}
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d has seq %d", i, e.Seq)
			}
		}
		var verdict string
		must(t, s.reader.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&verdict))
		if verdict != "ok" {
			t.Errorf("integrity: %s", verdict)
		}
		must(t, s.Close())
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "data")
	s := open(t, dir, Options{Serve: true})
	newOrg(t, s, "acme")
	must(t, s.Backup(t.Context(), filepath.Join(dir, "copy")))
	modes := func() {
		t.Helper()
		must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", filepath.Base(path), info.Mode())
			}
			return nil
		}))
	}
	modes()
	must(t, s.Close())

	// A folder of ours that others may enter is narrowed.
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Chmod(filepath.Join(dir, databaseName), 0o644))
	must(t, open(t, dir, Options{}).Close())
	modes()

	// So is a fresh volume; a folder with other things in it is refused.
	volume := t.TempDir()
	must(t, os.Mkdir(filepath.Join(volume, "lost+found"), 0o700))
	must(t, os.Chmod(volume, 0o777))
	must(t, open(t, volume, Options{}).Close())
	foreign := t.TempDir()
	must(t, os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o600))
	must(t, os.Chmod(foreign, 0o755))
	_, err := Open(t.Context(), foreign, Options{})
	wantFault(t, err, fault.DataFolderUnusable)
	if info, _ := os.Stat(foreign); info.Mode().Perm() != 0o755 {
		t.Error("a folder that is not ours was changed")
	}
	_, err = Open(t.Context(), filepath.Join(foreign, "letter.txt"), Options{})
	wantFault(t, err, fault.DataFolderUnusable)
	_, err = Open(t.Context(), filepath.Join(foreign, "letter.txt", "below"), Options{})
	wantFault(t, err, fault.DataFolderUnusable)

	// Names that mean something in a URI are names.
	must(t, open(t, filepath.Join(t.TempDir(), "a b%20?mode=memory#x&_pragma=1"), Options{}).Close())
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	top := t.TempDir()
	must(t, os.Chmod(filepath.Dir(top), 0o755)) // an ordinary user passes through
	dir := filepath.Join(top, "data")
	must(t, os.Mkdir(dir, 0o500))
	if os.Getuid() == 0 {
		must(t, os.Chown(dir, 65534, 65534))
	}
	if got := start(t, "serve", dir, true).line(); got != string(fault.DataFolderUnusable) {
		t.Errorf("a server on a read-only folder says %q", got)
	}
	must(t, os.Chmod(dir, 0o700))
	if got := start(t, "serve", dir, true).line(); got != "open" {
		t.Errorf("a server on its own folder says %q", got)
	}
}

func TestHowTheFileIsKept(t *testing.T) {
	s, _ := newStore(t)
	for pragma, want := range map[string]string{
		"journal_mode":   "wal",
		"synchronous":    "2", // FULL
		"foreign_keys":   "1",
		"secure_delete":  "1",
		"trusted_schema": "0",
		"temp_store":     "2", // memory
		"busy_timeout":   "5000",
	} {
		for _, db := range []*sql.DB{s.writer, s.reader} {
			var got string
			must(t, db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
		}
	}
	if _, err := s.reader.ExecContext(t.Context(), `DELETE FROM meta`); err == nil {
		t.Error("a reader may write")
	}
	// After credentials were destroyed the writer waits as before.
	by := newOrg(t, s, "acme")
	_, err := s.PutConnection(t.Context(), by, connectionOf(s))
	must(t, err)
	var got string
	must(t, s.writer.QueryRowContext(t.Context(), "PRAGMA busy_timeout").Scan(&got))
	if got != "5000" {
		t.Errorf("the writer waits %s ms", got)
	}
}

func TestDamagedFileIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, databaseName), []byte(strings.Repeat("no database ", 1000)), 0o600))
	_, err := Open(t.Context(), dir, Options{Serve: true})
	wantFault(t, err, fault.StoreDamaged)
	// What a crash leaves between making the file and filling it is a new store.
	must(t, os.WriteFile(filepath.Join(dir, databaseName), nil, 0o600))
	must(t, open(t, dir, Options{Serve: true}).Close())
}

func TestFullDisk(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "kept")
	var pages int
	must(t, s.writer.QueryRowContext(t.Context(), `PRAGMA page_count`).Scan(&pages))
	alter(t, s, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+1))
	_, err := s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 1, Compiled: make([]byte, 1<<20)})
	wantFault(t, err, fault.StoreUnavailable)
	if f, _ := fault.As(err); strings.Contains(fmt.Sprint(f.Detail, f.Fixes, f.Fields), "versions") {
		t.Errorf("the fault shows SQL: %+v", f)
	}
	got, err := s.Agent(t.Context(), by.Org, a.ID)
	must(t, err)
	same(t, a, got) // nothing half done
	must(t, s.Ping(t.Context()))
	alter(t, s, `PRAGMA max_page_count = 1073741823`)
	_, err = s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 1, Compiled: make([]byte, 1<<20)})
	must(t, err)
}

func TestClosedStore(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	must(t, s.Close())
	_, err := s.Agents(t.Context(), by.Org, Page{})
	wantFault(t, err, fault.StoreUnavailable)
	_, err = s.CreateAgent(t.Context(), by, Agent{})
	wantFault(t, err, fault.StoreUnavailable)
	wantFault(t, s.Ping(t.Context()), fault.StoreUnavailable)
}

// BenchmarkStart opens a store with 1,000 published skills and reads what the
// live path wants at start.
func BenchmarkStart(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	s := open(b, dir, Options{})
	by := newOrg(b, s, "acme")
	for range 50 {
		a := newAgent(b, s, by, "a")
		_, err := s.Publish(b.Context(), by, Publication{AgentID: a.ID, Revision: 1, Compiled: make([]byte, 20*4096)})
		must(b, err)
	}
	must(b, s.Close())
	for b.Loop() {
		s := open(b, dir, Options{Serve: true})
		must(b, s.LoadPublished(b.Context(), func(Version, error) {}))
		must(b, s.Close())
	}
}
