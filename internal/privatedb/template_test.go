package privatedb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"flowyte/internal/privatedb"

	"github.com/google/go-cmp/cmp"
)

// TestTemplateIsMadeOnce starts servers at once on an empty cache: they share
// one initialised folder, and none of them has another's password.
func TestTemplateIsMadeOnce(t *testing.T) {
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		cache := t.TempDir()
		t.Setenv("FLOWYTE_DB_CACHE", cache)
		servers := make([]*privatedb.Server, 3)
		var group sync.WaitGroup
		for i := range servers {
			group.Go(func() {
				server, err := privatedb.Start(t.Context(), install, privatedb.Options{NoSync: true})
				if err != nil {
					t.Error(err)
					return
				}
				servers[i] = server
				t.Cleanup(func() { server.Close() })
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		passwords := map[string]bool{}
		for _, server := range servers {
			query(t, server, "SELECT 1")
			passwords[server.AdminPassword] = true
		}
		if len(passwords) != len(servers) {
			t.Error("servers share a password")
		}
		made, err := filepath.Glob(filepath.Join(cache, "templates", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range made {
			made[i] = filepath.Base(path)
		}
		name := string(install.Flavor) + "-" + install.Version + "-1"
		if diff := cmp.Diff([]string{name, name + ".lock"}, made); diff != "" {
			t.Error(diff)
		}
	})
}

// TestInterruptedTemplateIsMadeAnew leaves half a folder behind.
func TestInterruptedTemplateIsMadeAnew(t *testing.T) {
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		cache := t.TempDir()
		t.Setenv("FLOWYTE_DB_CACHE", cache)
		start(t, install, privatedb.Options{NoSync: true})
		made, err := filepath.Glob(filepath.Join(cache, "templates", "*", "*-1"))
		if err != nil || len(made) != 1 {
			t.Fatal(made, err)
		}
		if err := os.Rename(made[0], made[0]+".partial"); err != nil {
			t.Fatal(err)
		}
		for _, half := range []string{"mysql", "base"} {
			if err := os.RemoveAll(filepath.Join(made[0]+".partial", "data", half)); err != nil {
				t.Fatal(err)
			}
		}
		// The second start makes the template, the third one uses it.
		query(t, start(t, install, privatedb.Options{NoSync: true}), "SELECT 1")
		query(t, start(t, install, privatedb.Options{NoSync: true}), "SELECT 1")
	})
}

// TestStartWithoutCache has a file where the cache folder should be.
func TestStartWithoutCache(t *testing.T) {
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		blocked := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(blocked, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("FLOWYTE_DB_CACHE", blocked)
		query(t, start(t, install, privatedb.Options{NoSync: true}), "SELECT 1")
	})
}

func TestFindSaysHowToFetch(t *testing.T) {
	t.Setenv("FLOWYTE_DB_CACHE", t.TempDir())
	t.Setenv("PATH", "")
	// No machine has one of these where packages are installed.
	_, err := privatedb.Find(privatedb.PgBouncer)
	if err == nil {
		t.Skip("a PgBouncer is installed on this machine")
	}
	if !strings.Contains(err.Error(), "scripts/fetch-databases.sh pgbouncer") {
		t.Errorf("no instruction: %v", err)
	}
}

// TestFetchScriptAgreesWithFind holds the script's table and the one in Go
// together: what the one finds the other finds.
func TestFetchScriptAgreesWithFind(t *testing.T) {
	for _, flavor := range append(privatedb.Flavors(), privatedb.PgBouncer) {
		t.Run(string(flavor), func(t *testing.T) {
			install, err := privatedb.Find(flavor)
			if err != nil {
				t.Skip(err)
			}
			out, err := exec.Command("../../scripts/fetch-databases.sh", string(flavor)).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if _, told, _ := strings.Cut(strings.TrimSpace(string(out)), ", "); told != install.Program {
				t.Errorf("the script says %q, Find says %s", out, install.Program)
			}
		})
	}
}

// TestFetchWithoutApt runs the script where nothing can be fetched.
func TestFetchWithoutApt(t *testing.T) {
	tools := t.TempDir()
	for _, name := range []string{"sh", "id", "basename", "readlink", "grep", "mkdir", "mktemp", "chmod", "rm", "flock"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", tools)
	t.Setenv("FLOWYTE_DB_CACHE", t.TempDir())
	if _, err := privatedb.Find(privatedb.MySQL); err == nil {
		t.Skip("a MySQL is installed on this machine")
	}
	out, err := exec.Command("../../scripts/fetch-databases.sh", "mysql").CombinedOutput()
	if err != nil {
		t.Errorf("a server that is not core fails the run: %v", err)
	}
	if !strings.Contains(string(out), "mysql: CANNOT BE HAD: this machine has no apt-get") {
		t.Errorf("no reason: %s", out)
	}
}
