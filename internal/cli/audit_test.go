package cli

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAuditVerify proves a trail, changes it behind the program's back, and
// wants the place named and the command to fail.
func TestAuditVerify(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for range 3 {
		if code, _, errOut := flowyte(t, "keys", "create", "--org", "acme", "--data", data); code != 0 {
			t.Fatal(errOut)
		}
	}
	verify := func(wantCode int, wantOut, wantErr string) {
		t.Helper()
		code, out, errOut := flowyte(t, "audit", "verify", "--data", data)
		if code != wantCode || !regexp.MustCompile(wantOut).MatchString(out) || !regexp.MustCompile(wantErr).MatchString(errOut) {
			t.Errorf("exit %d\n%s\n%s", code, out, errOut)
		}
	}
	verify(0, `^receipts: nothing is kept\nchanges: links 1 to 3: intact, and the last one is [0-9a-f]{64}\nwrites: nothing is kept\n$`, `^$`)

	raw, err := sql.Open("sqlite", filepath.Join(data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{`DROP TRIGGER activity_is_not_changed`, `UPDATE activity SET key_id = 'key_x' WHERE link = 2`} {
		if _, err := raw.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	verify(1, `^receipts: nothing is kept\nchanges: link 2: what is kept here is not what was written`, `audit_trail_broken`)
}

// TestLookingMakesNothing: a command that only looks tells of a folder that is
// not the store, and leaves it as it was.
func TestLookingMakesNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "mistyped")
	for _, command := range [][]string{
		{"audit", "verify"}, {"keys", "list", "--org", "acme"}, {"keys", "revoke", "key_1"}, {"journal"}, {"backup", filepath.Join(t.TempDir(), "copy")},
	} {
		code, out, errOut := flowyte(t, append(command, "--data", data)...)
		if code == 0 || out != "" || !strings.Contains(errOut, "no_store") {
			t.Errorf("%v: exit %d\n%s\n%s", command, code, out, errOut)
		}
		if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v made the folder: %v", command, err)
		}
	}
}
