package grant

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/secret"
)

var update = flag.Bool("update", false, "write the golden scripts anew")

func TestMain(m *testing.M) { dbtest.Main(m) }

// TestGolden holds the scripts as an administrator reads them.
func TestGolden(t *testing.T) {
	plain := Input{Database: "appdb", Tables: []string{"appointments", "sales.orders"}, Password: secret.New("pa'ss\\word")}
	narrow := Input{Database: "app_db", ReadTables: []string{"customers"}, User: "agent", Password: secret.New("x")}
	postgres := func(in Input) (Scripts, error) { in.Schemas = []string{"public", "sales"}; return Postgres(in) }
	for _, c := range []struct {
		name  string
		write func(Input) (Scripts, error)
		in    Input
	}{
		{"postgres", postgres, plain}, {"postgres-narrow", postgres, narrow},
		{"mysql", MySQL, plain}, {"mysql-narrow", MySQL, narrow},
	} {
		t.Run(c.name, func(t *testing.T) {
			scripts, err := c.write(c.in)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, c.name+"-read.sql", scripts.ReadOnly.SQL)
			if scripts.Write != nil {
				golden(t, c.name+"-write.sql", scripts.Write.SQL)
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestUsersTablesAndPassword(t *testing.T) {
	for name, write := range kinds {
		t.Run(name, func(t *testing.T) {
			scripts, err := write(Input{Database: "appdb"})
			if err != nil {
				t.Fatal(err)
			}
			if scripts.Write != nil {
				t.Error("a write script although no table was named")
			}
			if scripts.ReadOnly.User != "flowyte_ro" || !strings.Contains(scripts.ReadOnly.SQL, scripts.GeneratedPassword.Reveal()) || scripts.GeneratedPassword.Empty() {
				t.Error("the reader must be flowyte_ro and have the generated password")
			}
			scripts, err = write(Input{Database: "appdb", Tables: []string{"a", "b", "a"}, User: "agent", Password: secret.New("given")})
			if err != nil {
				t.Fatal(err)
			}
			if !scripts.GeneratedPassword.Empty() {
				t.Error("a password was generated although one was given")
			}
			got := []any{scripts.ReadOnly.User, scripts.ReadOnly.Tables, scripts.Write.User, scripts.Write.Tables}
			if diff := cmp.Diff([]any{"agent", []string(nil), "agent_rw", []string{"a", "b"}}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(scripts.ReadOnly.Notes) == 0 || len(scripts.Write.Notes) <= len(scripts.ReadOnly.Notes) {
				t.Error("notes are missing")
			}
		})
	}
}

var kinds = map[string]func(Input) (Scripts, error){"postgres": Postgres, "mysql": MySQL}

func TestPublicIsTold(t *testing.T) {
	scripts, err := Postgres(Input{Database: "appdb"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(scripts.ReadOnly.Notes, "\n"), "PUBLIC") {
		t.Error("the notes do not speak of PUBLIC")
	}
	for _, line := range strings.Split(scripts.ReadOnly.SQL, "\n") {
		if strings.Contains(line, "FROM PUBLIC") && !strings.HasPrefix(line, "-- ") {
			t.Errorf("takes a right from everybody: %s", line)
		}
	}
}

func TestRefusals(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	many := make([]string, maxNames+1)
	for i := range many {
		many[i] = "t"
	}
	with := func(change func(*Input)) Input {
		in := Input{Database: "appdb"}
		change(&in)
		return in
	}
	for _, c := range []struct {
		name   string
		kinds  string
		in     Input
		fields []string
	}{
		{"no database", "both", Input{}, []string{"database"}},
		{"control", "both", Input{Database: "a\nb"}, []string{"database"}},
		{"NUL", "both", Input{Database: "a\x00b"}, []string{"database"}},
		{"not UTF-8", "both", Input{Database: "a\xffb"}, []string{"database"}},
		{"bidirectional", "both", Input{Database: "a\u202eb"}, []string{"database"}},
		{"PG name too long", "postgres", Input{Database: long(64)}, []string{"database"}},
		{"PG name too long in bytes", "postgres", Input{Database: strings.Repeat("é", 32)}, []string{"database"}},
		{"MySQL name too long", "mysql", Input{Database: long(65)}, []string{"database"}},
		{"MySQL supplementary", "mysql", Input{Database: "a😀"}, []string{"database"}},
		{"MySQL trailing space", "mysql", Input{Database: "a "}, []string{"database"}},
		{"MySQL system database", "mysql", Input{Database: "MySQL"}, []string{"database"}},
		{"PG system schema", "postgres", with(func(in *Input) { in.Schemas = []string{"public", "pg_catalog"} }), []string{"schema[1]"}},
		{"PG information schema", "postgres", with(func(in *Input) { in.Tables = []string{"information_schema.tables"} }), []string{"tables[0]"}},
		{"MySQL schema", "mysql", with(func(in *Input) { in.Schemas = []string{"public"} }), []string{"schema"}},
		{"MySQL other system database", "mysql", with(func(in *Input) { in.ReadTables = []string{"mysql.user"} }), []string{"readTables[0]"}},
		{"empty table", "both", with(func(in *Input) { in.Tables = []string{"a", ""} }), []string{"tables[1]"}},
		{"empty parts", "both", with(func(in *Input) { in.Tables = []string{"a.", ".b"} }), []string{"tables[0]", "tables[1]"}},
		{"too many", "both", with(func(in *Input) { in.Tables = many }), []string{"tables"}},
		{"PG reserved user", "postgres", with(func(in *Input) { in.User = "pg_monitor" }), []string{"user"}},
		{"PG public", "postgres", with(func(in *Input) { in.User = "public" }), []string{"user"}},
		{"PG administrator", "postgres", with(func(in *Input) { in.User = "postgres" }), []string{"user"}},
		{"MySQL root", "mysql", with(func(in *Input) { in.User = "Root" }), []string{"user"}},
		{"MySQL user too long", "mysql", with(func(in *Input) { in.User = long(33) }), []string{"user"}},
		{"writer too long", "mysql", with(func(in *Input) { in.User = long(30); in.Tables = []string{"a"} }), []string{"user"}},
		{"password hash", "postgres", with(func(in *Input) { in.Password = secret.New("md5" + strings.Repeat("0f", 16)) }), []string{"password"}},
		{"password verifier", "postgres", with(func(in *Input) { in.Password = secret.New("SCRAM-SHA-256$4096:a$b:c") }), []string{"password"}},
		{"password ligature", "postgres", with(func(in *Input) { in.Password = secret.New("ef\ufb01cient") }), []string{"password"}},
		{"password invisible", "postgres", with(func(in *Input) { in.Password = secret.New("a\u200bb") }), []string{"password"}},
		{"password variation selector", "postgres", with(func(in *Input) { in.Password = secret.New("❤\ufe0f") }), []string{"password"}},
		{"password wide space", "postgres", with(func(in *Input) { in.Password = secret.New("a\u1680b") }), []string{"password"}},
		{"password control", "both", with(func(in *Input) { in.Password = secret.New("a\x00b") }), []string{"password"}},
		{"password too long", "mysql", with(func(in *Input) { in.Password = secret.New(long(257)) }), []string{"password"}},
		{"all at once", "both", Input{Tables: []string{"\t"}, User: "\x01", Password: secret.New("\n")}, []string{"database", "tables[0]", "user", "password"}},
	} {
		for name, write := range kinds {
			if c.kinds != "both" && c.kinds != name {
				continue
			}
			t.Run(c.name+"/"+name, func(t *testing.T) {
				_, err := write(c.in)
				if !fault.Is(err, fault.ScriptInvalid) {
					t.Fatalf("got %v, want %s", err, fault.ScriptInvalid)
				}
				f, _ := fault.As(err)
				var fields []string
				for _, field := range f.Fields {
					fields = append(fields, field.Field)
				}
				if diff := cmp.Diff(c.fields, unique(fields)); diff != "" {
					t.Errorf("fields (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestSplit(t *testing.T) {
	known := []string{"public", "a.b"}
	for name, want := range map[string]relation{
		"t": {"public", "t"}, "public.t": {"public", "t"}, "other.t": {"other", "t"},
		"a.b.t": {"a.b", "t"}, "public.t.u": {"public", "t.u"}, "x.y.z": {"x", "y.z"},
		"public.": {"public", ""}, ".t": {"", "t"}, "a.b": {"a", "b"},
	} {
		if got := split(name, known); got != want {
			t.Errorf("split(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestGeneratedPasswords(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		password := newPassword()
		if seen[password] {
			t.Fatal("the same password twice")
		}
		seen[password] = true
		if len(password) != 27 || strings.Trim(password, alphabet+"-") != "" {
			t.Fatalf("unexpected form: %d characters", len(password))
		}
		for _, class := range []string{"abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-"} {
			if !strings.ContainsAny(password, class) {
				t.Fatalf("no character of %s", class)
			}
		}
	}
}

func TestDollarQuotesDoNotMeetTheBody(t *testing.T) {
	got := pgDo("x $flowyte$ y $flowyte1$")
	if want := "DO $flowyte2$\nx $flowyte$ y $flowyte1$\n$flowyte2$;"; got != want {
		t.Errorf("got %s", got)
	}
}
