package assist_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var update = flag.Bool("update", false, "write what discovery finds beside the schemas of testdata")

// core are the servers whose discovered schemas the goals are judged on.
var core = map[schema.Kind]privatedb.Flavor{schema.Postgres: privatedb.Postgres, schema.MySQL: privatedb.MariaDB}

var kinds = []schema.Kind{schema.Postgres, schema.MySQL}

// companies are the schemas of our own, by folder, and strangers those that
// came after everything had been tuned.
var (
	companies = []string{"clinic", "garage", "insurance", "restaurant", "school", "telecom"}
	strangers = []string{"council", "energy", "gym", "hotel", "library", "logistics", "property", "salon", "travel"}
)

// TestSchemasAreDiscovered builds every schema of our own on a live server and
// compares what discovery finds with the file that the other tests read.
func TestSchemasAreDiscovered(t *testing.T) {
	for _, kind := range kinds {
		for _, name := range slices.Concat(companies, strangers) {
			t.Run(fmt.Sprintf("%s/%s", kind, name), func(t *testing.T) {
				db := dbtest.On(t, core[kind])
				folder := filepath.Join("testdata", "schemas", name)
				ddl, err := os.ReadFile(filepath.Join(folder, string(kind)+".sql"))
				if err != nil {
					t.Fatal(err)
				}
				db.Exec(t, string(ddl))
				got := snapshot(t, discovered(t, db), db.Name)
				path := filepath.Join(folder, string(kind)+".json")
				if *update {
					if err := os.WriteFile(path, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("%s is not what discovery finds; run this test with -update (-file +found):\n%s", path, diff)
				}
			})
		}
	}
}

func discovered(t *testing.T, db *dbtest.Database) *schema.Database {
	t.Helper()
	var driver target.Driver = postgres.Driver{}
	if db.Kind == string(schema.MySQL) {
		driver = mysql.Driver{}
	}
	creds := targettest.Credentials(t, db.Server, db.Name, db.Admin())
	session, err := driver.Open(t.Context(), targettest.Guard(t), creds, target.ForCatalog)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	found, err := discover.Discover(t.Context(), session, schema.Kind(db.Kind), discover.Options{Server: session.Server()})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// snapshot is a schema as JSON without what differs from run to run.
func snapshot(t *testing.T, found *schema.Database, name string) []byte {
	t.Helper()
	db := *found
	db.Server = schema.Server{Product: db.Server.Product, Flavor: db.Server.Flavor, Identity: "test", CaseInsensitiveNames: db.Server.CaseInsensitiveNames}
	db.DiscoveredAt = time.Time{}
	for i := range db.Objects {
		o := &db.Objects[i]
		o.ID, o.EstimatedRows = 0, 0
		for j := range o.Fields {
			if f := &o.Fields[j]; f.TypeOID > 16000 { // made by the DDL, and another one every time
				f.TypeOID = 16000
			}
		}
	}
	objects := db.Objects
	db.Objects = nil
	head, tail, _ := strings.Cut(encode(t, db), "null")
	var b strings.Builder
	b.WriteString(head + "[")
	for i := range objects {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n")
		b.WriteString(strings.ReplaceAll(encode(t, objects[i]), `{"name"`, "\n  "+`{"name"`))
	}
	b.WriteString("]" + tail + "\n")
	return []byte(strings.ReplaceAll(b.String(), name, "app"))
}

func encode(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// company reads a schema of our own as discovery found it.
func company(t testing.TB, name string, kind schema.Kind) *schema.Database {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "schemas", name, string(kind)+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var db schema.Database
	if err := json.Unmarshal(b, &db); err != nil {
		t.Fatal(err)
	}
	return &db
}
