package dbtest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"flowyte/internal/privatedb"

	"github.com/google/go-cmp/cmp"
)

// probe is a test that is watched: it tells how it ended.
type probe struct {
	testing.TB
	end     string
	message string
}

type ended struct{}

func (p *probe) stop(end string, words ...any) {
	p.end = end
	for _, word := range words {
		switch word := word.(type) {
		case error:
			p.message = word.Error()
		case string:
			p.message = word
		}
	}
	panic(ended{})
}

func (p *probe) Fatal(words ...any) { p.stop("fatal", words...) }
func (p *probe) Skip(words ...any)  { p.stop("skip", words...) }

// watchTest runs test under a probe.
func watchTest(t *testing.T, test func(t testing.TB)) *probe {
	t.Helper()
	p := &probe{TB: t, end: "passed"}
	func() {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(ended); !ok {
					panic(r)
				}
			}
		}()
		test(p)
	}()
	return p
}

func TestMissingServer(t *testing.T) {
	missing := errors.New("run scripts/fetch-databases.sh some")
	tests := []struct {
		flavor privatedb.Flavor
		end    string
		lanes  string
	}{
		{privatedb.Postgres, "fatal", ""},
		{privatedb.MariaDB, "fatal", ""},
		{privatedb.Postgres13, "skip", "postgres13: run scripts/fetch-databases.sh some\n"},
		{privatedb.MySQL, "skip", "mysql: run scripts/fetch-databases.sh some\n"},
		{privatedb.PgBouncer, "skip", "pgbouncer: run scripts/fetch-databases.sh some\n"},
	}
	for _, test := range tests {
		t.Run(string(test.flavor), func(t *testing.T) {
			lanes := filepath.Join(t.TempDir(), "lanes")
			if err := os.WriteFile(lanes, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv(MissingLanes, lanes)
			p := watchTest(t, func(t testing.TB) { doWithout(t, test.flavor, missing) })
			if p.end != test.end || p.message != missing.Error() {
				t.Errorf("the test ended with %s %q", p.end, p.message)
			}
			written, err := os.ReadFile(lanes)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.lanes, string(written)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAbsentFlavor asks for a server where none was ever fetched.
func TestAbsentFlavor(t *testing.T) {
	t.Setenv("FLOWYTE_DB_CACHE", t.TempDir())
	if _, err := privatedb.Find(privatedb.Postgres13); err == nil {
		t.Skip("PostgreSQL 13 is installed on this machine")
	}
	t.Setenv(MissingLanes, "")
	for name, ask := range map[string]func(t testing.TB){
		"Own": func(t testing.TB) { Own(t, privatedb.Postgres13) },
		"On": func(t testing.TB) {
			// What an earlier test found is forgotten for this one.
			shared.Lock()
			kept := shared.servers
			shared.servers = map[privatedb.Flavor]*lazyServer{}
			shared.Unlock()
			defer func() { shared.Lock(); shared.servers = kept; shared.Unlock() }()
			On(t, privatedb.Postgres13)
		},
	} {
		if p := watchTest(t, ask); p.end != "skip" {
			t.Errorf("%s: the test ended with %s", name, p.end)
		}
	}
}

func TestPackageWithoutMain(t *testing.T) {
	shared.Lock()
	shared.open = false
	shared.Unlock()
	defer func() { shared.Lock(); shared.open = true; shared.Unlock() }()
	if p := watchTest(t, func(t testing.TB) { Postgres(t) }); p.end != "fatal" {
		t.Errorf("servers that nobody closes are started: %s", p.end)
	}
}
