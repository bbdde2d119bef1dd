package compile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// core are the servers whose discovered schemas the corpus keeps.
var core = map[schema.Kind]privatedb.Flavor{schema.Postgres: privatedb.Postgres, schema.MySQL: privatedb.MariaDB}

// TestLive builds every world on every server, compares what discovery finds
// with what the corpus keeps, and has every statement explained and run.
func TestLive(t *testing.T) {
	byWorld := map[*world][]*testCase{}
	var worlds []*world
	for _, c := range loadCorpus(t) {
		if byWorld[c.world] == nil {
			worlds = append(worlds, c.world)
		}
		byWorld[c.world] = append(byWorld[c.world], c)
	}
	for _, flavor := range privatedb.Flavors() {
		t.Run(string(flavor), func(t *testing.T) {
			for _, w := range worlds {
				t.Run(w.name, func(t *testing.T) { liveWorld(t, flavor, w, byWorld[w]) })
			}
		})
	}
}

func kindOf(flavor privatedb.Flavor) schema.Kind {
	switch flavor {
	case privatedb.MariaDB, privatedb.MariaDB118, privatedb.MySQL:
		return schema.MySQL
	}
	return schema.Postgres
}

func liveWorld(t *testing.T, flavor privatedb.Flavor, w *world, cases []*testCase) {
	kind := kindOf(flavor)
	if w.ddl[kind] == "" {
		return
	}
	if only := header(cases[0].archive, "flavors"); only != "" && !slices.Contains(strings.Fields(only), string(flavor)) {
		return
	}
	db := dbtest.On(t, flavor)
	for _, statement := range strings.Split(w.ddl[kind], ";\n") {
		if strings.TrimSpace(statement) != "" {
			db.Exec(t, strings.ReplaceAll(statement, "@database", db.Name))
		}
	}
	login := db.Admin()
	if grants, ok := cases[0].file("grants"); ok {
		login = db.User(t, strings.Split(strings.TrimSpace(string(grants)), "\n")...)
	}
	l := open(t, db, login)
	found := l.discover(t)
	if flavor == core[kind] {
		keep(t, w, kind, found, db.Name)
	}
	for _, c := range cases {
		if slices.Contains(c.kinds, kind) {
			t.Run(c.name, func(t *testing.T) { l.check(t, c, found) })
		}
	}
}

// live is a session of a reader and the administrator's own way in.
type live struct {
	db      *dbtest.Database
	session target.Session
}

func open(t *testing.T, db *dbtest.Database, login privatedb.Login) *live {
	t.Helper()
	return &live{db: db, session: openAs(t, db, login, target.ForCatalog)}
}

func openAs(t *testing.T, db *dbtest.Database, login privatedb.Login, purpose target.Purpose) target.Session {
	t.Helper()
	var driver target.Driver = postgres.Driver{}
	if db.Kind == string(schema.MySQL) {
		driver = mysql.Driver{}
	}
	creds := targettest.Credentials(t, db.Server, db.Name, login)
	session, err := driver.Open(t.Context(), targettest.Guard(t), creds, purpose)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

func (l *live) discover(t *testing.T) *schema.Database {
	t.Helper()
	server := l.session.Server()
	server.Identity = "corpus"
	found, err := discover.Discover(t.Context(), l.session, schema.Kind(l.db.Kind), discover.Options{Server: server})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// keep compares a discovered schema with the one in the corpus, after what
// differs from run to run is taken out.
func keep(t *testing.T, w *world, kind schema.Kind, found *schema.Database, name string) {
	t.Helper()
	got := snapshot(t, found, name)
	if !*update {
		if diff := cmp.Diff(string(w.json[kind]), string(got)); diff != "" {
			t.Errorf("the schema of %s in the corpus is not what %s has (-corpus +found):\n%s", w.name, kind, diff)
		}
		return
	}
	if filepath.Ext(w.path) == ".txtar" {
		archive, err := txtar.ParseFile(w.path)
		if err != nil {
			t.Fatal(err)
		}
		name := string(kind) + ".json"
		archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
		at := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "binding.json" })
		archive.Files = slices.Insert(archive.Files, at, txtar.File{Name: name, Data: got})
		writeArchive(t, w.path, archive)
		return
	}
	if err := os.WriteFile(filepath.Join(w.path, string(kind)+".json"), got, 0o644); err != nil {
		t.Fatal(err)
	}
}

// snapshot writes a schema with one line a field, index and key, without oids,
// which are other ones every time.
func snapshot(t *testing.T, found *schema.Database, name string) []byte {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(b), name, "app")
	}
	db := *found
	db.Server = schema.Server{Product: db.Server.Product, Flavor: db.Server.Flavor, Identity: db.Server.Identity, CaseInsensitiveNames: db.Server.CaseInsensitiveNames}
	db.DiscoveredAt = time.Time{}
	db.Objects = nil
	db.Inherits = slices.Clone(found.Inherits)
	for i := range db.Inherits {
		db.Inherits[i].Child.ID, db.Inherits[i].Parent.ID = 0, 0
	}
	head, tail, _ := strings.Cut(encode(db), "null")
	var b strings.Builder
	b.WriteString(head + "[")
	for i := range found.Objects {
		o := found.Objects[i]
		o.Sources = slices.Clone(o.Sources)
		for j := range o.Sources {
			o.Sources[j].ID = 0
		}
		b.WriteString(flagged(i > 0, ",") + "\n")
		fields, indexes, keys := o.Fields, o.Indexes, o.ForeignKeys
		o.ID, o.EstimatedRows, o.Fields, o.Indexes, o.ForeignKeys = 0, 0, nil, nil, nil
		b.WriteString(strings.TrimSuffix(strings.Replace(encode(o), `,"fields":null`, "", 1), "}"))
		lines(&b, "fields", fields, func(f schema.Field) string {
			if f.TypeOID > 16000 { // made by the DDL, and another one every time
				f.TypeOID = 16000
			}
			return encode(f)
		})
		lines(&b, "indexes", indexes, func(ix schema.Index) string { return encode(ix) })
		lines(&b, "foreignKeys", keys, func(fk schema.ForeignKey) string { return encode(fk) })
		b.WriteString("}")
	}
	b.WriteString("]" + tail + "\n")
	return []byte(b.String())
}

func lines[T any](b *strings.Builder, name string, list []T, encode func(T) string) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, ",\n %q: [", name)
	for i, v := range list {
		b.WriteString(flagged(i > 0, ",") + "\n  " + encode(v))
	}
	b.WriteString("]")
}

// check compiles a case against the live schema and runs what comes of it.
func (l *live) check(t *testing.T, c *testCase, found *schema.Database) {
	p, findings := c.run(found)
	if want, ok := c.want(found.Kind); ok && !*update {
		// Other servers may know types and indexes by other names, but whether
		// it compiles, and to which statement, is the same on all.
		got := strings.ReplaceAll(render(p, findings), l.db.Name, "app")
		if diff := cmp.Diff(firstLine(want), firstLine(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	if p == nil {
		return
	}
	if p.Action != plan.Read {
		l.write(t, c, p)
		return
	}
	explanation, err := l.session.Explain(t.Context(), p)
	if err != nil {
		t.Fatalf("the server does not accept the statement: %v\n%s", err, p.Statement)
	}
	if !explanation.UsesIndex && header(c.archive, "index") != "none" {
		t.Errorf("no index serves the filter: %+v\n%s", explanation, p.Statement)
	}
	args, want, ok := c.call(t, p)
	if !ok {
		return
	}
	var rows targettest.Rows
	if err := l.session.Run(t.Context(), p, args, &rows); err != nil {
		t.Fatalf("%v\n%s", err, p.Statement)
	}
	independent := l.db.Query(t, want)
	if len(rows) == 0 && len(independent) == 0 {
		return
	}
	if diff := cmp.Diff(independent, [][]string(rows)); diff != "" {
		t.Errorf("the independent query and the statement differ (-query +statement):\n%s", diff)
	}
}

// firstLine is the statement, or the first finding without its wording.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	if strings.HasPrefix(line, "error ") {
		line, _, _ = strings.Cut(line, ":")
	}
	return line
}

// call is what a case says about a call: its arguments, judged, and the query
// that an administrator would have asked instead.
func (c *testCase) call(t *testing.T, p *plan.Plan) (values []target.Value, check string, ok bool) {
	t.Helper()
	query, ok := c.file("check.sql")
	if !ok {
		return nil, "", false
	}
	var args struct {
		Country   string                     `json:"country"`
		Arguments map[string]json.RawMessage `json:"arguments"`
		Subject   map[string]string          `json:"subject"`
		System    map[string]string          `json:"system"`
	}
	c.decode(t, "call.json", &args, true)
	texts, params := map[string]string{}, map[string]*plan.Param{}
	for i := range p.Params {
		q := &p.Params[i]
		raw, given := args.Arguments[q.Name]
		if !given {
			continue
		}
		text, want, judged := plan.Judge(q, raw, args.Country, time.UTC)
		if !judged {
			t.Fatalf("%s is not %s", q.Name, want)
		}
		texts[q.Name], params[q.Name] = text, q
	}
	values = make([]target.Value, len(p.Slots))
	for i := range p.Slots {
		s, v := &p.Slots[i], &values[i]
		switch s.Source {
		case plan.FromConst:
			v.Text = s.Const
		case plan.FromSubject:
			v.Text = args.Subject[s.Name]
		case plan.FromSystem:
			v.Text = args.System[s.Name]
		case plan.FromParam:
			text, given := texts[s.Name]
			if v.Null = !given; !given {
				continue
			}
			forms, _ := params[s.Name].Forms(text, args.Country)
			switch {
			case params[s.Name].Format == plan.Plain:
				v.Text = text
			case s.Variant == plan.AllVariants:
				v.All = forms[:]
			default:
				v.Text = forms[s.Variant]
			}
		}
	}
	return values, string(query), true
}

// write prepares a write on the server, runs it in a transaction, looks at what
// it did from inside, and rolls back.
func (l *live) write(t *testing.T, c *testCase, p *plan.Plan) {
	args, check, ok := c.call(t, p)
	if !ok {
		t.Fatal("a write of the corpus needs call.json and check.sql")
	}
	session := openAs(t, l.db, l.db.Admin(), target.ForWrites)
	if explanation, err := session.Explain(t.Context(), p); err != nil {
		t.Errorf("the server does not accept the statement: %v\n%s", err, p.Statement)
	} else if p.Action == plan.Update && !explanation.UsesIndex {
		t.Errorf("no index serves the key: %+v\n%s", explanation, p.Statement)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w := openWriter(t, ctx, l.db)
	defer w.rollback(ctx)
	affected, err := w.exec(ctx, p, args)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Statement)
	}
	if affected != 1 {
		t.Errorf("%d rows instead of one", affected)
	}
	got, err := w.query(ctx, check)
	if err != nil {
		t.Fatal(err)
	}
	if expected, ok := c.file("check.want"); !ok || strings.TrimSpace(string(expected)) != got {
		t.Errorf("after the write the check gives %q, not %q", got, strings.TrimSpace(string(expected)))
	}
}
