// Package dbtest gives tests real databases on private servers.
//
// A package that uses it has
//
//	func TestMain(m *testing.M) { dbtest.Main(m) }
//
// and each test asks for a database of its own:
//
//	db := dbtest.Postgres(t)
//	db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY)")
//	reader := db.User(t, "SELECT")
//
// One server a flavour is shared by the tests of a process. Tests that stop,
// freeze or kill a server take one of their own with Own.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"flowyte/internal/privatedb"
)

// MissingLanes names the environment variable that holds the path of a file.
// Every server that is not core and not on this machine adds a line to it, so
// that the run can say at its end what it did not cover.
const MissingLanes = "FLOWYTE_MISSING_LANES"

// adminTimeout bounds one administrator's statement on a busy machine.
const adminTimeout = 60 * time.Second

// shared are the servers of this process, started on first use.
var shared struct {
	sync.Mutex
	open    bool // Main runs and will close them
	servers map[privatedb.Flavor]*lazyServer
}

type lazyServer struct {
	once    sync.Once
	missing error // the server is not on this machine
	server  *privatedb.Server
	err     error // it did not start
}

// Main runs the tests of a package, ends the servers they shared, and exits.
func Main(m *testing.M) {
	shared.Lock()
	shared.open = true
	shared.servers = map[privatedb.Flavor]*lazyServer{}
	shared.Unlock()
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func closeShared() error {
	shared.Lock()
	defer shared.Unlock()
	shared.open = false
	var all error
	for _, lazy := range shared.servers {
		if lazy.server != nil {
			all = errors.Join(all, lazy.server.Close())
		}
	}
	return all
}

// Own starts a server for this test alone and closes it at the test's end.
func Own(t testing.TB, flavor privatedb.Flavor, options ...privatedb.Options) *privatedb.Server {
	t.Helper()
	install, err := privatedb.Find(flavor)
	if err != nil {
		doWithout(t, flavor, err)
	}
	chosen := privatedb.Options{NoSync: true}
	if len(options) > 0 {
		chosen = options[0]
	}
	server, err := privatedb.Start(t.Context(), install, chosen)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// doWithout fails the test when a core server is missing; when another one
// is, it skips the test and records the lane.
func doWithout(t testing.TB, flavor privatedb.Flavor, missing error) {
	t.Helper()
	if flavor.Core() {
		t.Fatal(missing)
	}
	if err := recordMissing(os.Getenv(MissingLanes), flavor, missing); err != nil {
		t.Error(err)
	}
	t.Skip(missing)
}

// recordMissing appends one line; an empty path means nobody asked.
func recordMissing(path string, flavor privatedb.Flavor, reason error) error {
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("dbtest: record missing server: %w", err)
	}
	_, err = fmt.Fprintf(file, "%s: %v\n", flavor, reason)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("dbtest: record missing server: %w", err)
	}
	return nil
}

// sharedServer starts the flavour's server the first time it is asked for.
func sharedServer(t testing.TB, flavor privatedb.Flavor) *privatedb.Server {
	t.Helper()
	shared.Lock()
	if !shared.open {
		shared.Unlock()
		t.Fatal("dbtest: add func TestMain(m *testing.M) { dbtest.Main(m) } to this package")
	}
	lazy := shared.servers[flavor]
	if lazy == nil {
		lazy = &lazyServer{}
		shared.servers[flavor] = lazy
	}
	shared.Unlock()
	lazy.once.Do(func() {
		var install privatedb.Install
		if install, lazy.missing = privatedb.Find(flavor); lazy.missing != nil {
			return
		}
		// Not the test's context: the server outlives it.
		lazy.server, lazy.err = privatedb.Start(context.Background(), install, privatedb.Options{NoSync: true})
	})
	if lazy.missing != nil {
		doWithout(t, flavor, lazy.missing)
	}
	if lazy.err != nil {
		t.Fatal(lazy.err)
	}
	return lazy.server
}

// PgBouncer starts a pooler in transaction mode before db's server for this
// test alone, and closes it at the test's end. It lets in the given users and
// the administrator. Where PgBouncer is not on this machine the test is
// skipped and recorded.
func PgBouncer(t testing.TB, db *Database, users ...privatedb.Login) *privatedb.Pooler {
	t.Helper()
	install, err := privatedb.Find(privatedb.PgBouncer)
	if err != nil {
		doWithout(t, privatedb.PgBouncer, err)
	}
	pooler, err := privatedb.StartPgBouncer(t.Context(), install, db.Server, users...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Close(); err != nil {
			t.Error(err)
		}
	})
	return pooler
}
