package compile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"flowyte/api"
	"flowyte/internal/binding"
	"flowyte/internal/compile"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// update rewrites what the corpus expects: the schemas in the live test, the
// statements and findings in the pure one. Read the difference before it is
// committed.
var update = flag.Bool("update", false, "rewrite the corpus")

var kinds = []schema.Kind{schema.Postgres, schema.MySQL}

// world is a database that cases are compiled against: DDL for either kind and
// what discovery made of it. It lies in testdata/schemas for several cases, or
// in the case itself.
type world struct {
	name string
	ddl  map[schema.Kind]string
	json map[schema.Kind][]byte
	path string // the folder, or the case's file
}

// testCase is one file of testdata/cases; testdata/README.md says what is in it.
type testCase struct {
	name    string
	path    string
	archive *txtar.Archive
	world   *world
	kinds   []schema.Kind
	scope   schema.Scope
	request api.BindingRequest
	phones  map[string][]string // forms by object.column of the default schema
}

func (c *testCase) file(name string) ([]byte, bool) {
	for _, f := range c.archive.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// header reads `name: value` lines of the comment that begins the file.
func header(a *txtar.Archive, name string) string {
	for line := range strings.Lines(string(a.Comment)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func loadCorpus(t testing.TB) []*testCase {
	t.Helper()
	paths, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatal("the corpus is gone")
	}
	worlds := loadWorlds(t)
	cases := make([]*testCase, 0, len(paths))
	for _, path := range paths {
		cases = append(cases, loadCase(t, path, worlds))
	}
	return cases
}

func loadWorlds(t testing.TB) map[string]*world {
	t.Helper()
	folders, err := filepath.Glob("testdata/schemas/*")
	if err != nil {
		t.Fatal(err)
	}
	worlds := map[string]*world{}
	for _, folder := range folders {
		w := &world{name: filepath.Base(folder), path: folder, ddl: map[schema.Kind]string{}, json: map[schema.Kind][]byte{}}
		for _, kind := range kinds {
			if ddl, err := os.ReadFile(filepath.Join(folder, string(kind)+".sql")); err == nil {
				w.ddl[kind] = string(ddl)
			}
			if data, err := os.ReadFile(filepath.Join(folder, string(kind)+".json")); err == nil {
				w.json[kind] = data
			}
		}
		worlds[w.name] = w
	}
	return worlds
}

func loadCase(t testing.TB, path string, worlds map[string]*world) *testCase {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), path: path, archive: archive}
	if name := header(archive, "schema"); name != "" {
		if c.world = worlds[name]; c.world == nil {
			t.Fatalf("%s: no schema %s", path, name)
		}
	} else {
		c.world = ownWorld(c)
	}
	for _, kind := range kinds {
		if only := header(archive, "kind"); (c.world.ddl[kind] != "" || c.world.json[kind] != nil) && (only == "" || only == string(kind)) {
			c.kinds = append(c.kinds, kind)
		}
	}
	if len(c.kinds) == 0 {
		t.Fatalf("%s: no schema for any kind", path)
	}
	c.decode(t, "binding.json", &c.request, true)
	c.decode(t, "scope.json", &c.scope, false)
	c.decode(t, "phones.json", &c.phones, false)
	return c
}

func ownWorld(c *testCase) *world {
	w := &world{name: c.name, path: c.path, ddl: map[schema.Kind]string{}, json: map[schema.Kind][]byte{}}
	for _, kind := range kinds {
		if ddl, ok := c.file(string(kind) + ".sql"); ok {
			w.ddl[kind] = string(ddl)
		}
		if data, ok := c.file(string(kind) + ".json"); ok {
			w.json[kind] = data
		}
	}
	return w
}

func (c *testCase) decode(t testing.TB, name string, into any, needed bool) {
	t.Helper()
	data, ok := c.file(name)
	if !ok {
		if needed {
			t.Fatalf("%s: no %s", c.path, name)
		}
		return
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %s: %v", c.path, name, err)
	}
}

// database is the world as it was discovered on a live server.
func (w *world) database(t testing.TB, kind schema.Kind) *schema.Database {
	t.Helper()
	var db schema.Database
	if err := json.Unmarshal(w.json[kind], &db); err != nil {
		t.Fatalf("%s: %s.json: %v (run the live test with -update)", w.name, kind, err)
	}
	return &db
}

// run takes the request the whole way: form first, then the database.
func (c *testCase) run(db *schema.Database) (*plan.Plan, []binding.Finding) {
	b, findings := binding.FromRequest(c.request)
	// What is compiled again at publish is what was kept.
	kept, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	var again binding.Binding
	if err := json.Unmarshal(kept, &again); err != nil {
		panic(err)
	}
	if b.Filter != nil {
		again.Filter.Path = b.Filter.Path
	}
	for name, forms := range c.phones {
		object, column, _ := strings.Cut(name, ".")
		db = db.WithPhoneForms(schema.ColumnRef{Schema: db.DefaultSchema, Object: object, Column: column}, forms)
	}
	p, more := compile.Compile(again, db, c.scope)
	if findings = append(findings, more...); binding.Rejected(findings) {
		p = nil
	}
	return p, findings
}

func TestCorpus(t *testing.T) {
	for _, c := range loadCorpus(t) {
		t.Run(c.name, func(t *testing.T) {
			got := map[schema.Kind]string{}
			for _, kind := range c.kinds {
				db := c.world.database(t, kind)
				p, findings := c.run(db)
				got[kind] = render(p, findings)
				if again, _ := c.run(db); p != nil && (again == nil || again.Digest() != p.Digest()) {
					t.Errorf("%s: compiled twice, two plans", kind)
				}
			}
			if *update {
				c.rewrite(t, got)
				return
			}
			for _, kind := range c.kinds {
				want, ok := c.want(kind)
				if !ok {
					t.Fatalf("nothing is expected for %s; it gives\n%s", kind, got[kind])
				}
				if diff := cmp.Diff(want, got[kind]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
}

// TestEveryFindingHasACase keeps catalogue and corpus together: what the
// compiler can say is shown by a case.
func TestEveryFindingHasACase(t *testing.T) {
	shown := map[string]bool{}
	for _, c := range loadCorpus(t) {
		for _, kind := range c.kinds {
			_, findings := c.run(c.world.database(t, kind))
			for _, f := range findings {
				shown[f.Code] = true
			}
		}
	}
	for _, d := range binding.Catalogue() {
		// Only a live server that is away can bring this one about.
		if d.Code != binding.NotVerifiedLive && !shown[string(d.Code)] {
			t.Errorf("no case of the corpus has the finding %s", d.Code)
		}
	}
}

// want is what the case expects: a statement, or findings, which may be the
// same for either kind.
func (c *testCase) want(kind schema.Kind) (string, bool) {
	for _, name := range []string{"want." + string(kind) + ".sql", "want." + string(kind) + ".findings", "want.findings"} {
		if data, ok := c.file(name); ok {
			return string(data), true
		}
	}
	return "", false
}

func (c *testCase) rewrite(t *testing.T, got map[schema.Kind]string) {
	t.Helper()
	c.archive.Files = slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want.") })
	add := func(name, text string) {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: name, Data: []byte(text)})
	}
	isPlan := func(text string) bool { return !strings.HasPrefix(text, "error") }
	if a, b := got[schema.Postgres], got[schema.MySQL]; a == b && !isPlan(a) {
		add("want.findings", a)
	} else {
		for _, kind := range c.kinds {
			ending := ".findings"
			if isPlan(got[kind]) {
				ending = ".sql"
			}
			add("want."+string(kind)+ending, got[kind])
		}
	}
	writeArchive(t, c.path, c.archive)
}

func writeArchive(t testing.TB, path string, a *txtar.Archive) {
	t.Helper()
	if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

// render writes a plan as its statement and what belongs to it as SQL comments,
// or else the findings.
func render(p *plan.Plan, findings []binding.Finding) string {
	var b strings.Builder
	if p != nil {
		renderPlan(&b, p)
	}
	for _, f := range findings {
		if p != nil {
			b.WriteString("-- ")
		}
		fmt.Fprintf(&b, "%s %s at %s: %s", f.Severity, f.Code, f.Path, f.Message)
		if d, _ := binding.Lookup(binding.Code(f.Code)); d.Fix != f.Fix {
			fmt.Fprintf(&b, " %s", f.Fix)
		}
		if len(f.Candidates) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(f.Candidates, ", "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func renderPlan(b *strings.Builder, p *plan.Plan) {
	fmt.Fprintf(b, "%s\n", p.Statement)
	for i, s := range p.Slots {
		fmt.Fprintf(b, "-- %d: %s %s", i+1, s.Source, s.Name+s.Const)
		switch {
		case s.Variant == plan.AllVariants:
			b.WriteString(" (all forms)")
		case s.Variant > 0 || i+1 < len(p.Slots) && p.Slots[i+1].Variant == 1:
			fmt.Fprintf(b, " (form %d)", s.Variant)
		}
		fmt.Fprintf(b, " as %s\n", valueType(s.Type))
	}
	if p.Check != nil {
		fmt.Fprintf(b, "-- check %v: %s\n", p.Check.Slots, p.Check.Statement)
	}
	for _, q := range p.Params {
		fmt.Fprintf(b, "-- parameter %s: %s%s%s%s\n", q.Name, valueType(q.Type), flagged(q.Format != "", " "+string(q.Format)), flagged(q.Required, " required"), flagged(q.CallerOnly, " caller-only")+flagged(q.Stored != nil, " stored as "+strings.Join(q.Stored, " | ")))
	}
	for _, r := range p.Results {
		fmt.Fprintf(b, "-- leaf %s: %s from %s.%s.%s%s%s\n", r.Leaf, valueType(r.Type), r.From.Schema, r.From.Object, r.From.Column, flagged(r.Key, " key"), flagged(r.Slot > 0, fmt.Sprintf(" = slot %d", r.Slot)))
	}
	for _, u := range p.Uses {
		fmt.Fprintf(b, "-- uses %s.%s (%s)\n", u.Schema, u.Object, strings.Join(u.Columns, ", "))
	}
	if p.OwnedBy {
		b.WriteString("-- owned by the caller\n")
	}
}

func flagged(on bool, text string) string {
	if on {
		return text
	}
	return ""
}

func valueType(t plan.ValueType) string {
	return string(t.Type) + "/" + t.BaseType + flagged(t.Unsigned, " unsigned") + flagged(t.Charset != "", " in "+t.Charset)
}
