package compile_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flowyte/internal/binding"
	"flowyte/internal/compile"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// mark is in everything that a person wrote and that must never get into a
// statement. No generated name of a catalogue holds it.
const mark = "zqzq"

// oddNames are those that quoting has to survive.
var oddNames = []string{`a"b`, "a`b", `a'b`, `a\b`, "a;b", "a--b", "/*", "*/", "a\nb", "$1", "?", ":p", "%s", "{{x}}", "select", "User", "user", "é", "日本", "a.b", " ", "t", "j1", `"`, "`", `\`, `"; DROP TABLE x; --`}

func names() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom(oddNames),
		rapid.StringMatching(`[a-y_]{1,12}`),
		rapid.StringN(1, 8, 80),
		rapid.Just(strings.Repeat("n", 63)+"1"),
	)
}

func fields(t *rapid.T, kind schema.Kind) []schema.Field {
	unique := rapid.SliceOfNDistinct(names(), 1, 6, strings.ToLower).Draw(t, "columns")
	list := make([]schema.Field, len(unique))
	types := []schema.Field{
		{Type: schema.Integer, BaseType: "int4", TypeOID: 23}, {Type: schema.Integer, BaseType: "bigint", Unsigned: true},
		{Type: schema.String, BaseType: "text"}, {Type: schema.String, BaseType: "varchar", Inexact: true, Collation: "latin1_swedish_ci"},
		{Type: schema.String, BaseType: "citext", TypeSchema: "ext", TypeName: "citext", Inexact: true},
		{Type: schema.Number, BaseType: "numeric", Precision: pointer(8), Scale: pointer(2)}, {Type: schema.Number, BaseType: "float8"},
		{Type: schema.Boolean, BaseType: "bool"}, {Type: schema.Date, BaseType: "date"}, {Type: schema.DateTime, BaseType: "timestamptz", Zoned: true},
		{Type: schema.UUID, BaseType: "uuid"}, {Type: schema.Enum, BaseType: "mood", EnumValues: []string{"a", "b"}},
		{Type: schema.JSON, BaseType: "jsonb"}, {Type: schema.Unsupported, BaseType: "box"},
	}
	for i, name := range unique {
		f := rapid.SampledFrom(types).Draw(t, "type")
		f.Name, f.Number = name, i+1
		f.Nullable, f.HasDefault = rapid.Bool().Draw(t, "nullable"), rapid.IntRange(0, 5).Draw(t, "default") > 0
		f.Generated = rapid.IntRange(0, 29).Draw(t, "generated") == 0
		list[i] = f
	}
	return list
}

func pointer(n int) *int { return &n }

func databases(t *rapid.T) *schema.Database {
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	db := &schema.Database{Kind: kind, DefaultSchema: "public", Server: schema.Server{Identity: "property"}}
	for _, name := range rapid.SliceOfNDistinct(names(), 1, 4, strings.ToLower).Draw(t, "objects") {
		o := schema.Object{
			Schema: rapid.SampledFrom([]string{"public", "public", "public", `odd"schema`, "a.b"}).Draw(t, "schema"), Name: name,
			Type:      rapid.SampledFrom([]schema.ObjectType{schema.Table, schema.Table, schema.Table, schema.View, schema.PartitionedTable}).Draw(t, "objectType"),
			Supported: true, Transactional: rapid.IntRange(0, 29).Draw(t, "transactional") > 0, CanInsert: true, CanUpdate: true,
			Fields: fields(t, kind),
		}
		for i := range o.Fields {
			if rapid.IntRange(0, 7).Draw(t, "indexed") > 0 {
				o.Indexes = append(o.Indexes, schema.Index{
					Name: fmt.Sprintf("ix%d", i), Columns: []string{o.Fields[i].Name}, Usable: rapid.IntRange(0, 19).Draw(t, "usable") > 0,
					Unique: rapid.Bool().Draw(t, "unique"), Immediate: true,
				})
			}
		}
		if rapid.Bool().Draw(t, "key") {
			o.PrimaryKey = []string{o.Fields[0].Name}
			o.Indexes = append(o.Indexes, schema.Index{Name: "pk", Columns: o.PrimaryKey, Unique: true, Primary: true, Immediate: true, Usable: true})
		}
		db.Objects = append(db.Objects, o)
	}
	for i := range db.Objects {
		o, target := &db.Objects[i], &db.Objects[rapid.IntRange(0, len(db.Objects)-1).Draw(t, "target")]
		if rapid.Bool().Draw(t, "reference") {
			o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{
				Name: fmt.Sprintf("fk%d", i), Columns: []string{o.Fields[len(o.Fields)-1].Name},
				TargetSchema: target.Schema, TargetObject: target.Name, TargetColumns: []string{target.Fields[0].Name},
			})
		}
	}
	schema.Relate(db)
	return db
}

// writer of bindings: names that exist, mostly.
func bindings(t *rapid.T, db *schema.Database) binding.Binding {
	o := &db.Objects[rapid.IntRange(0, len(db.Objects)-1).Draw(t, "object")]
	column := func(of *schema.Object) string {
		if rapid.IntRange(0, 49).Draw(t, "known") == 0 {
			return mark + rapid.StringN(0, 5, 20).Draw(t, "unknown")
		}
		return of.Fields[rapid.IntRange(0, len(of.Fields)-1).Draw(t, "column")].Name
	}
	owner := func() *binding.OwnedBy {
		if rapid.IntRange(0, 3).Draw(t, "owned") > 0 {
			return nil
		}
		return &binding.OwnedBy{Column: column(o), Subject: mark + "_subject"}
	}
	action := rapid.SampledFrom([]string{"read", "read", "insert", "update"}).Draw(t, "action")
	b := binding.Binding{ToolName: mark, Description: mark, Operation: db.PublicName(o) + "." + action}
	switch action {
	case "read":
		b.Filter = &binding.Filter{
			Column: column(o), Param: rapid.SampledFrom([]string{mark + "_p", "caller_phone", "caller_email"}).Draw(t, "param"),
			Description: mark, MaxRows: rapid.IntRange(1, 25).Draw(t, "rows"), OwnedBy: owner(),
		}
		if rapid.Bool().Draw(t, "ordered") {
			b.Filter.OrderBy = &binding.OrderBy{Column: column(o), Direction: rapid.SampledFrom([]string{"asc", "desc"}).Draw(t, "direction")}
		}
		for i := range rapid.IntRange(1, 5).Draw(t, "leaves") {
			path := []string{column(o)}
			if len(o.ForeignKeys) > 0 && rapid.Bool().Draw(t, "hop") {
				fk := &o.ForeignKeys[0]
				path = []string{fk.Relationship, column(db.Lookup(fk.TargetSchema, fk.TargetObject))}
			}
			b.Projection = append(b.Projection, binding.Projection{Path: path, Leaf: fmt.Sprintf("%s_%d", mark, i)})
		}
	default:
		b.IsWrite = true
		if action == "update" {
			b.Key = &binding.Key{Column: column(o), Param: mark + "_key", OwnedBy: owner()}
		}
		for i := range rapid.IntRange(1, 4).Draw(t, "assignments") {
			a := binding.Assignment{Field: column(o)}
			switch rapid.IntRange(0, 2).Draw(t, "source") {
			case 0:
				a.Param, a.Required = fmt.Sprintf("%s_%d", mark, i), true
			case 1:
				text := rapid.SampledFrom([]string{`"` + mark + `"`, `42`, `true`, `"a"`}).Draw(t, "constant")
				a.Const = &text
			case 2:
				a.System = "now"
			}
			b.Set = append(b.Set, a)
		}
	}
	return b
}

// TestProperties: any schema × any binding gives a deterministic plan of one
// statement that an independent parser reads as it was meant, without anything
// a person wrote in its text; or findings of the catalogue, without a value.
func TestProperties(t *testing.T) {
	// One in ten compiles, so the library's hundred would be few.
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("3000"); err != nil {
			t.Fatal(err)
		}
	}
	compiled, rejected := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		if property(t) {
			compiled++
		} else {
			rejected++
		}
	})
	if compiled < 100 || rejected < 100 {
		t.Errorf("%d compiled and %d rejected: the property saw too little", compiled, rejected)
	}
}

// FuzzCompile is the same property, led by coverage.
func FuzzCompile(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { property(t) }))
}

// property checks one database and one binding, and tells whether it compiled.
func property(t *rapid.T) bool {
	db := databases(t)
	b := bindings(t, db)
	before := encode(t, db, b)
	p, findings := compile.Compile(b, db, schema.Scope{})
	if encode(t, db, b) != before {
		t.Fatal("compiling changed its input")
	}
	again, sameFindings := compile.Compile(b, db, schema.Scope{})
	if encode(t, p, findings) != encode(t, again, sameFindings) {
		t.Fatal("compiled twice, two answers")
	}
	if (p == nil) != binding.Rejected(findings) {
		t.Fatalf("a plan and its findings disagree: %v, %v", p, findings)
	}
	for _, f := range findings {
		if _, ok := binding.Lookup(binding.Code(f.Code)); !ok || strings.Contains(f.Message+f.Fix+strings.Join(f.Candidates, ""), mark) {
			t.Fatalf("finding %+v", f)
		}
	}
	if p != nil {
		checkPlan(t, p)
	}
	return p != nil
}

func checkPlan(t *rapid.T, p *plan.Plan) {
	if strings.Contains(p.Statement, mark) || p.Check != nil && strings.Contains(p.Check.Statement, mark) {
		t.Fatalf("what a person wrote is in the statement: %s", p.Statement)
	}
	if err := judge(p); err != nil {
		t.Fatalf("%v\n%s", err, p.Statement)
	}
	for i := range p.Slots {
		s := &p.Slots[i]
		if s.Source == plan.FromParam {
			found := false
			for j := range p.Params {
				found = found || p.Params[j].Name == s.Name
			}
			if !found {
				t.Fatalf("slot %d takes a parameter that the tool does not have", i)
			}
		}
	}
}

func encode(t *rapid.T, values ...any) string {
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
