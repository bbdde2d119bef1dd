package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"flowyte/internal/fault"
)

// nextFormats are the formats of a release to come.
func nextFormats(t *testing.T, step string) fs.FS {
	t.Helper()
	steps, err := fs.Glob(formats(), "*.sql")
	must(t, err)
	next := fstest.MapFS{fmt.Sprintf("%05d_next.sql", len(steps)+1): {Data: []byte("-- +goose Up\n" + step)}}
	for _, name := range steps {
		data, err := fs.ReadFile(formats(), name)
		must(t, err)
		next[name] = &fstest.MapFile{Data: data}
	}
	return next
}

func copies(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.copy"))
	must(t, err)
	return found
}

func TestMigration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Options{Serve: true})
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "kept")
	if len(copies(t, dir)) != 0 {
		t.Error("a copy was made of a store that was empty")
	}
	next := nextFormats(t, `ALTER TABLE agents ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';`)

	// A command of another release does not change the format under a server.
	_, err := Open(t.Context(), dir, Options{formats: next, LockWait: 100 * time.Millisecond})
	wantFault(t, err, fault.StoreLocked)
	must(t, s.Close())

	// A step that fails changes nothing, and the copy is there.
	_, err = Open(t.Context(), dir, Options{Serve: true, formats: nextFormats(t, "CREATE TABLE half (x TEXT);\nALTER TABLE no_such_table ADD COLUMN x TEXT;")})
	wantFault(t, err, fault.StoreUnavailable)
	s = open(t, dir, Options{Serve: true})
	if got, err := s.Agent(t.Context(), by.Org, a.ID); err != nil || got.Name != "kept" {
		t.Errorf("after a failed step: %+v, %v", got, err)
	}
	var half int
	must(t, s.reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM sqlite_master WHERE name = 'half'`).Scan(&half))
	if half != 0 {
		t.Error("a failed step left something behind")
	}
	must(t, s.Close())

	w := newWall()
	s = open(t, dir, Options{formats: next, Now: w.Now}) // a command alone may
	var colour string
	must(t, s.reader.QueryRowContext(t.Context(), `SELECT colour FROM agents`).Scan(&colour))
	must(t, s.Close())
	steps, err := fs.Glob(formats(), "*.sql")
	must(t, err)
	made := filepath.Join(dir, fmt.Sprintf("flowyte.db.format%d.20260501T090000Z.copy", len(steps)))
	if got := copies(t, dir); len(got) != 2 {
		t.Errorf("copies: %v", got)
	}

	// The old release refuses the new format, and reads the copy.
	_, err = Open(t.Context(), dir, Options{Serve: true})
	wantFault(t, err, fault.StoreNewer)
	back := filepath.Join(t.TempDir(), "back")
	must(t, os.Mkdir(back, 0o700))
	must(t, os.Rename(made, filepath.Join(back, databaseName)))
	s = open(t, back, Options{Serve: true})
	got, err := s.Agent(t.Context(), by.Org, a.ID)
	must(t, err)
	same(t, a, got)
}

func TestOpenedAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	results := make(chan error, 4)
	for range cap(results) {
		go func() {
			s, err := Open(t.Context(), dir, Options{})
			if err == nil {
				_, err = s.EnsureOrg(t.Context(), "acme")
				err = errors.Join(err, s.Close())
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Errorf("%v (cause %v)", err, fault.Cause(err))
		}
	}
}

func TestBackup(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	key := filepath.Join(s.dir, "master.key")
	_, _, err := s.Keyring(t.Context(), key)
	must(t, err)
	target := filepath.Join(t.TempDir(), "out", databaseName)
	wantFault(t, s.Backup(t.Context(), target), fault.StoreUnavailable) // no such folder
	must(t, os.Mkdir(filepath.Dir(target), 0o700))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantFault(t, s.Backup(ctx, target), fault.StoreUnavailable)
	if _, err := os.Stat(target); err == nil {
		t.Error("a backup that failed left a file behind")
	}
	must(t, s.Backup(t.Context(), target))
	before, err := os.ReadFile(target)
	must(t, err)
	wantFault(t, s.Backup(t.Context(), target), fault.BackupExists)
	if after, _ := os.ReadFile(target); string(after) != string(before) {
		t.Error("a refused backup changed the file")
	}
	if entries, _ := os.ReadDir(filepath.Dir(target)); len(entries) != 1 {
		t.Errorf("a backup of %d files", len(entries))
	}

	copied := open(t, filepath.Dir(target), Options{Serve: true})
	got, err := copied.Agent(t.Context(), by.Org, a.ID)
	must(t, err)
	same(t, a, got)
	_, _, err = copied.Keyring(t.Context(), filepath.Join(filepath.Dir(target), "master.key"))
	wantFault(t, err, fault.MasterKeyMissing) // it is not in the backup, and no new one is made
	if _, made, err := copied.Keyring(t.Context(), key); err != nil || made {
		t.Errorf("the backup does not open with its key: %v", err)
	}
}

func TestBackupWhileWriting(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	c := conversationOf(s, by)
	must(t, s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, 1, 2)))
	done := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		for seq := int64(3); ; seq += 2 {
			if err := s.AppendBatch(t.Context(), []ConversationRecord{c}, eventsOf(c, seq, seq+1)); err != nil {
				written <- err
				return
			}
			select {
			case <-done:
				written <- nil
				return
			default:
			}
		}
	}()
	target := filepath.Join(t.TempDir(), databaseName)
	must(t, s.Backup(t.Context(), target))
	close(done)
	must(t, <-written)
	must(t, os.Chmod(filepath.Dir(target), 0o700))
	copied := open(t, filepath.Dir(target), Options{})
	if n := len(readEvents(t, copied, c, 200)); n == 0 || n%2 != 0 {
		t.Errorf("the backup holds half a batch: %d events", n)
	}
}
