package targettest

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"github.com/google/go-cmp/cmp"
)

var record = flag.Bool("record", false, "write what the real servers say to sessions/")

// flavors are the servers whose sessions are kept.
var flavors = []privatedb.Flavor{privatedb.Postgres, privatedb.Postgres18, privatedb.MariaDB, privatedb.MySQL}

// TestRecordedSessions has the product use real servers through a tap, and the
// recorded sessions in their place: both must give the same rows and pass the
// same checks. With -record it keeps what the real servers said.
func TestRecordedSessions(t *testing.T) {
	for _, flavor := range flavors {
		t.Run(string(flavor), func(t *testing.T) {
			db := dbtest.On(t, flavor)
			db.Exec(t, People)
			login := db.User(t, "SELECT")
			kind := schema.Kind(db.Kind)
			for use, do := range map[string]func(*testing.T, *target.Credentials){Reading: reading, Testing: checking} {
				t.Run(use, func(t *testing.T) {
					do(t, Credentials(t, db.Server, db.Name, login)) // MySQL's first login of a user is another one
					tap := NewTap(t, db.Server)
					c := API(db.Server, db.Name, login)
					c.Port = api.Port(strconv.Itoa(tap.Port))
					do(t, Parse(t, c, kind))
					real := SessionOf(kind, tap.Wires()[0])
					if *record {
						if err := os.WriteFile("sessions/"+string(flavor)+"-"+use+".txt", []byte(anonymous(t, db, real).String()), 0o644); err != nil {
							t.Fatal(err)
						}
					}
					for name, session := range map[string]Session{"the one just heard": real, "the recorded one": Recorded(t, string(flavor), use)} {
						t.Log(name)
						rogue := NewRogue(t, kind, "127.0.0.1:0", func(p *Peer) { p.Secure(session); p.Replay(session) })
						do(t, Parse(t, rogue.API(), kind))
					}
				})
			}
		})
	}
}

// anonymous takes the name of this machine and of the server's folder out of a
// session; what stands for them is as long.
func anonymous(t *testing.T, db *dbtest.Database, s Session) Session {
	t.Helper()
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	hide := func(text, name string) string {
		return strings.ReplaceAll(text, name, name[:1]+strings.Repeat("x", len(name)-1))
	}
	for i, turn := range s.Turns {
		// The machine's name may be a common word, so its length comes along.
		text := hide(string(turn), string(rune(len(machine)))+machine)
		s.Turns[i] = []byte(hide(text, db.Server.DataDir))
	}
	return s
}

// reading is the use of the sessions called so.
func reading(t *testing.T, creds *target.Credentials) {
	t.Helper()
	s, err := drivers[creds.Kind].Open(t.Context(), Guard(t), creds, target.ForReads)
	if err != nil {
		t.Fatalf("%v: %v", err, fault.Cause(err))
	}
	defer s.Close()
	p, args, want := LookUp(creds.Kind, s.Server().Identity)
	for range 3 {
		var got Rows
		if err := s.Run(t.Context(), p, args, &got); err != nil {
			t.Fatalf("%v: %v", err, fault.Cause(err))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	}
	if s.Broken() {
		t.Error("the session is broken")
	}
}

// checking is the use of the sessions called testing.
func checking(t *testing.T, creds *target.Credentials) {
	t.Helper()
	begun := time.Now()
	r := target.Test(t.Context(), drivers[creds.Kind], Guard(t), creds)
	if !r.Result.OK {
		t.Errorf("%+v after %v: %v", r.Result.Checks, time.Since(begun), fault.Cause(r.Fault()))
	}
}

func TestSessionForm(t *testing.T) {
	want := Session{Kind: schema.MySQL, Greeting: []byte("a\x00\xff\""), Turns: [][]byte{[]byte("ü\n"), {}}}
	got, err := ParseSession(want.String())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	for _, text := range []string{"turn x", "word \"x\"", "turn"} {
		if _, err := ParseSession(text); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
