package privatedb_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"flowyte/internal/privatedb"
)

// victimFlavor, in the environment, makes the test binary a process that
// starts a server and dies without closing it.
const victimFlavor = "FLOWYTE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if flavor := os.Getenv(victimFlavor); flavor != "" {
		if err := victim(privatedb.Flavor(flavor), len(os.Args) > 1); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// victim starts a server, pauses it if asked to, prints its data folder and
// waits to be killed.
func victim(flavor privatedb.Flavor, pause bool) error {
	install, err := privatedb.Find(flavor)
	if err != nil {
		return err
	}
	server, err := privatedb.Start(context.Background(), install, privatedb.Options{})
	if err != nil {
		return err
	}
	if pause {
		if err := server.Pause(); err != nil {
			return err
		}
	}
	fmt.Println(server.DataDir)
	select {}
}

// openTemp is a temporary folder that servers may enter when the tests run as
// root: they do not, and t.TempDir is closed to others.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "privatedb-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// eventually waits until ready answers true, and fails the test if it never does.
func eventually(t *testing.T, what string, ready func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func TestStartSaysWhichFolderIsClosed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("servers run as the user of the tests, who may enter any folder of theirs")
	}
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		closed := t.TempDir()
		t.Setenv("TMPDIR", closed)
		_, err := privatedb.Start(t.Context(), install, privatedb.Options{})
		if err == nil || !strings.Contains(err.Error(), filepath.Dir(closed)) {
			t.Errorf("the folder is not named: %v", err)
		}
		if left, _ := os.ReadDir(closed); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

func TestServerDiesWithItsProcess(t *testing.T) {
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		for _, state := range []string{"running", "paused"} {
			t.Run(state, func(t *testing.T) {
				cmd := exec.Command(os.Args[0])
				if state == "paused" {
					cmd.Args = append(cmd.Args, "pause")
				}
				temp := openTemp(t)
				cmd.Env = append(os.Environ(), victimFlavor+"="+string(install.Flavor), "TMPDIR="+temp)
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				line, err := bufio.NewReader(out).ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				data := strings.TrimSpace(line)
				if len(processesOf(t, data)) == 0 {
					t.Fatal("the server's process is not to be seen")
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Wait()
				eventually(t, "the server ends", func() bool { return processesOf(t, data) == nil })
				if state == "paused" {
					removedByTheNextServer(t, install, temp, filepath.Dir(data))
				}
			})
		}
	})
}

// removedByTheNextServer looks whether a new server in temp removes the folder
// that a dead process left, once it is old enough not to be a young one.
func removedByTheNextServer(t *testing.T, install privatedb.Install, temp, left string) {
	t.Helper()
	t.Setenv("TMPDIR", temp)
	start(t, install, privatedb.Options{})
	if _, err := os.Stat(left); err != nil {
		t.Fatalf("a young folder is gone: %v", err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(left, "lock"), old, old); err != nil {
		t.Fatal(err)
	}
	running := start(t, install, privatedb.Options{})
	if err := os.Chtimes(filepath.Join(filepath.Dir(running.DataDir), "lock"), old, old); err != nil {
		t.Fatal(err)
	}
	start(t, install, privatedb.Options{})
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a dead process left stays: %v", err)
	}
	query(t, running, "SELECT 1")
}

// segments lists the System V shared memory of the account that servers run as.
func segments(t *testing.T, server *privatedb.Server) []string {
	t.Helper()
	owner, err := os.Stat(server.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	uid := fmt.Sprint(owner.Sys().(*syscall.Stat_t).Uid)
	raw, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(raw)) {
		const id, user = 1, 7
		if fields := strings.Fields(line); fields[user] == uid {
			found = append(found, fields[id])
		}
	}
	return found
}

func TestKilledServerLeavesNoSharedMemory(t *testing.T) {
	install, err := privatedb.Find(privatedb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, install, privatedb.Options{NoSync: true})
	raw, err := os.ReadFile(filepath.Join(server.DataDir, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Fields(strings.Split(string(raw), "\n")[6])[1]
	if !slices.Contains(segments(t, server), own) {
		t.Fatalf("segment %s is not to be seen", own)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(segments(t, server), own) {
		t.Errorf("segment %s stays", own)
	}
}

// processesOf lists the processes that name dir or work in it.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, line := range lines {
		// PostgreSQL's children show a title of their own, but work in the folder.
		place, _ := os.Readlink(filepath.Join(filepath.Dir(line), "cwd"))
		raw, err := os.ReadFile(line)
		if err == nil && (strings.Contains(string(raw), dir) || strings.Contains(place, dir)) {
			found = append(found, line)
		}
	}
	return found
}

func TestCloseLeavesNothing(t *testing.T) {
	endings := map[string]func(*privatedb.Server) error{
		"running": func(*privatedb.Server) error { return nil },
		"paused":  (*privatedb.Server).Pause,
		"killed":  (*privatedb.Server).Kill,
		"stopped": func(s *privatedb.Server) error { return s.Stop(context.Background()) },
	}
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		for name, end := range endings {
			t.Run(name, func(t *testing.T) {
				server := start(t, install, privatedb.Options{NoSync: true})
				if len(processesOf(t, server.DataDir)) == 0 {
					t.Fatal("the server's process is not to be seen")
				}
				if err := end(server); err != nil {
					t.Fatal(err)
				}
				if err := server.Close(); err != nil {
					t.Fatal(err)
				}
				if left := processesOf(t, server.DataDir); left != nil {
					t.Errorf("processes stay: %v", left)
				}
				if _, err := os.Stat(filepath.Dir(server.DataDir)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("the folder stays: %v", err)
				}
				if err := server.Close(); err != nil {
					t.Errorf("a second Close: %v", err)
				}
			})
		}
	})
}
