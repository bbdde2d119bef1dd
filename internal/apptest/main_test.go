package apptest

import (
	"bufio"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"flowyte/internal/dbtest"
)

// lockEnv makes the test binary hold the write lock of a store until its
// standard input closes.
const lockEnv = "FLOWYTE_TEST_LOCK_STORE"

func TestMain(m *testing.M) {
	if file := os.Getenv(lockEnv); file != "" {
		if err := holdLock(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	dbtest.Main(m)
}

func holdLock(file string) error {
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE"); err != nil {
		return err
	}
	fmt.Println("locked")
	bufio.NewReader(os.Stdin).ReadByte()
	return nil
}

// lockStore lets another process hold the store's write lock.
func lockStore(t *testing.T, file string) (release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockEnv+"="+file)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process did not lock the store: %q %v", line, err)
	}
	done := false
	release = func() {
		if !done {
			done = true
			in.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("the locking process: %v", err)
			}
		}
	}
	t.Cleanup(release)
	return release
}
