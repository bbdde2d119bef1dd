package schema_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/schema"
)

func TestApply(t *testing.T) {
	all := names(shop())
	for _, test := range []struct {
		name  string
		scope schema.Scope
		gone  []string            // objects
		left  map[string][]string // fields of objects that lost some
	}{
		{"nothing", schema.Scope{}, nil, nil},
		{"unqualified table, other case", schema.Scope{BlockedTables: []string{"PAYMENTS"}}, []string{"billing.payments", "v_unknown"}, nil},
		{"qualified table", schema.Scope{BlockedTables: []string{"Billing.Payments"}}, []string{"billing.payments", "v_unknown"}, nil},
		{"another schema's table", schema.Scope{BlockedTables: []string{"public.payments"}}, []string{"v_unknown"}, nil},
		{"unknown table", schema.Scope{BlockedTables: []string{"nowhere"}}, []string{"v_unknown"}, nil},
		{"allowed view", schema.Scope{BlockedTables: []string{"nowhere"}, AllowedViews: []string{"V_Unknown"}}, nil, nil},
		{
			"column", schema.Scope{BlockedColumns: map[string][]string{"customers": {"SSN"}}},
			[]string{"v_ssn", "v_over", "v_whole", "v_unknown"}, map[string][]string{"customers": {"id", "email", "name"}},
		},
		{
			"column everywhere", schema.Scope{BlockedColumns: map[string][]string{"*": {"ip", "name"}}},
			[]string{"v_names", "v_unknown", "v_whole"}, map[string][]string{"customers": {"id", "email", "ssn", "ssn_hint", "hint_upper"}, "events": {"id"}, "events_1": {"id"}, "events_2": {"id"}},
		},
		{"view's column", schema.Scope{BlockedColumns: map[string][]string{"v_ssn": {"s"}}}, []string{"v_over", "v_unknown"}, map[string][]string{"v_ssn": {}}},
		{"parent", schema.Scope{BlockedTables: []string{"events"}}, []string{"events", "events_1", "events_2", "v_events", "v_unknown"}, nil},
		{"child", schema.Scope{BlockedTables: []string{"events_1"}}, []string{"events", "events_1", "v_events", "v_unknown"}, nil},
		{
			"child's column", schema.Scope{BlockedColumns: map[string][]string{"events_1": {"ip"}}},
			[]string{"v_unknown"}, map[string][]string{"events": {"id"}, "events_1": {"id"}},
		},
		{
			"parent's column", schema.Scope{BlockedColumns: map[string][]string{"events": {"id"}}},
			[]string{"v_events", "v_unknown"}, map[string][]string{"events": {"ip"}, "events_1": {"ip"}, "events_2": {"ip"}},
		},
		{"table that only a view can see", schema.Scope{BlockedTables: []string{"salaries"}}, []string{"v_secret", "v_unknown"}, nil},
		{"column that only a view can see", schema.Scope{BlockedColumns: map[string][]string{"hr.salaries": {"amount"}}}, []string{"v_secret", "v_unknown"}, nil},
		{"any column that only a view can see", schema.Scope{BlockedColumns: map[string][]string{"*": {"amount"}}}, []string{"v_secret", "v_unknown"}, nil},
		{
			"column that only a generated one can see", schema.Scope{BlockedColumns: map[string][]string{"log": {"raw"}}},
			[]string{"v_unknown"}, map[string][]string{"log": {"id"}},
		},
		{"hidden child", schema.Scope{BlockedTables: []string{"log_old"}}, []string{"log", "v_unknown"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := shop()
			scoped := schema.Apply(before, test.scope)
			want := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(test.gone, n) })
			same(t, "objects", want, names(scoped))
			for i := range scoped.Objects {
				o := &scoped.Objects[i]
				want, ok := test.left[scoped.PublicName(o)]
				if !ok {
					want = fieldNames(shop().Lookup(o.Schema, o.Name))
				}
				same(t, o.Name, want, fieldNames(o))
			}
			same(t, "the database itself is untouched", shop(), before)
			agree(t, test.scope, scoped)
		})
	}
}

// agree checks that Blocked, after Refresh, says of every object and column
// what Apply did with it.
func agree(t *testing.T, scope schema.Scope, scoped *schema.Database) {
	t.Helper()
	db := shop()
	fresh, _ := scope.Refresh(db)
	for i := range db.Objects {
		o := &db.Objects[i]
		left := scoped.Lookup(o.Schema, o.Name)
		if fresh.Blocked(o.Schema, o.Name, "") != (left == nil) {
			t.Errorf("Blocked(%s) is %t", o.Name, left != nil)
		}
		for j := range o.Fields {
			column := o.Fields[j].Name
			gone := left == nil || left.Field(column) == nil
			if fresh.Blocked(o.Schema, o.Name, column) != gone {
				t.Errorf("Blocked(%s.%s) is %t", o.Name, column, !gone)
			}
			_, use := fresh.BlockedUse([]schema.Use{{Schema: "public", Object: "log", Columns: []string{"nothing"}}, {Schema: o.Schema, Object: o.Name, Columns: []string{column}}})
			if want := gone || fresh.Blocked("public", "log", "nothing"); use != want {
				t.Errorf("BlockedUse(%s.%s) is %t", o.Name, column, use)
			}
		}
	}
}

func TestApplyLeavesNoTrace(t *testing.T) {
	for _, test := range []struct {
		scope  schema.Scope
		traces []string
	}{
		{schema.Scope{BlockedColumns: map[string][]string{"customers": {"ssn"}}}, []string{"ssn"}},
		{schema.Scope{BlockedTables: []string{"payments"}}, []string{"payments", "billing"}},
		{schema.Scope{BlockedTables: []string{"events"}}, []string{"events"}},
		{schema.Scope{BlockedTables: []string{"log_old"}}, []string{"archive", `"log"`}},
	} {
		text, err := json.Marshal(schema.Apply(shop(), test.scope))
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range test.traces {
			if strings.Contains(string(text), trace) {
				t.Errorf("with %+v blocked the schema still speaks of %s", test.scope, trace)
			}
		}
	}
	scoped := schema.Apply(shop(), schema.Scope{BlockedColumns: map[string][]string{"customers": {"id"}}})
	if o := scoped.Find("customers"); o.PrimaryKey != nil {
		t.Errorf("the primary key over a blocked column is %v", o.PrimaryKey)
	}
	for _, fk := range scoped.Find("orders").ForeignKeys {
		if fk.TargetObject == "customers" {
			t.Errorf("a key to a blocked column is left: %+v", fk)
		}
	}
	scoped = schema.Apply(shop(), schema.Scope{BlockedTables: []string{"events_1"}})
	if got := scoped.Find("events_2").PartitionOf; got != "" {
		t.Errorf("the sibling of a blocked partition tells its parent %s", got)
	}
}

// What a database with a blocked thing shows must be what one without it shows,
// down to names that are made unique and relationships that are inferred.
func TestApplyShowsWhatADatabaseWithoutItShows(t *testing.T) {
	with := shop()
	orders := with.Find("orders")
	orders.ForeignKeys = append(orders.ForeignKeys, schema.ForeignKey{
		Name: "a_first", Columns: []string{"customer_id"}, TargetSchema: "billing", TargetObject: "payments", TargetColumns: []string{"id"},
	})
	orders.Fields = append(orders.Fields, column("log_id", schema.Integer))
	with.Objects = append(with.Objects, schema.Object{Schema: "public", Name: "logs", Type: schema.Table, Fields: fields(column("id", schema.Integer)), PrimaryKey: []string{"id"}})
	with.Find("log").PrimaryKey = []string{"id"}
	schema.Relate(with)

	without := schema.Apply(with, schema.Scope{BlockedTables: []string{"payments", "logs"}})
	names := map[string]string{}
	for _, fk := range without.Find("orders").ForeignKeys {
		names[fk.Relationship] = fk.TargetObject
	}
	same(t, "relationships", map[string]string{"customer": "customers", "log": "log"}, names)
	same(t, "stated twice", schema.Digest(without), schema.Digest(schema.Apply(without, schema.Scope{BlockedTables: []string{"payments", "logs"}})))
}

func TestBlockedComesBeforeExistence(t *testing.T) {
	scope := schema.Scope{BlockedTables: []string{"payments", "hr.Staff", "a.b.c"}, BlockedColumns: map[string][]string{"*": {"ssn"}, "orders": {"note"}, "x.y": {"z"}}}
	for _, test := range []struct {
		schema, object, column string
		want                   bool
	}{
		{"public", "payments", "", true}, {"any", "Payments", "x", true}, {"hr", "staff", "", true}, {"public", "staff", "", false},
		{"public", "nowhere", "SSN", true}, {"public", "nowhere", "", false}, {"public", "orders", "note", true}, {"public", "orders", "notes", false},
		{"a", "b.c", "", true}, {"a.b", "c", "", true}, {"public", "a.b.c", "", true}, {"b", "c", "", false}, {"x", "y", "z", true}, {"x", "Y", "Z", true}, {"w", "y", "z", false},
	} {
		if got := scope.Blocked(test.schema, test.object, test.column); got != test.want {
			t.Errorf("Blocked(%q, %q, %q) is %t", test.schema, test.object, test.column, got)
		}
	}
	for name, want := range map[string]bool{"payments": true, "billing.payments": true, "hr.staff": true, "staff": false, "b.c": false, "a.b.c": true, "x.payments.y": false} {
		if got := scope.BlockedName("public", name, ""); got != want {
			t.Errorf("BlockedName(%q) is %t", name, got)
		}
	}
	if !scope.BlockedName("public", "x.y", "z") || scope.BlockedName("public", "y", "z") {
		t.Error("BlockedName does not look at the column")
	}
}

func TestRenamesKeepTheirBlock(t *testing.T) {
	scope := schema.Scope{BlockedTables: []string{"Payments", "salaries", "archive.log_old"}, BlockedColumns: map[string][]string{"customers": {"ssn"}}}
	scope, told := scope.Refresh(shop())
	same(t, "nothing renamed yet", []schema.Rename(nil), told)

	renamed := shop()
	renamed.Lookup("billing", "payments").Name = "pay2"
	renamed.Find("customers").Field("ssn").Name = "social"
	renamed.Find("customers").Field("ssn_hint").DerivedFrom = []string{"social"}
	renamed.Find("v_secret").Sources[0].Object = "wages"
	renamed.Inherits[2].Child.Object = "log_ancient"
	scope, told = scope.Refresh(renamed)
	same(t, "renames", []schema.Rename{
		{RuleTable: "Payments", Schema: "billing", Object: "pay2"},
		{RuleTable: "archive.log_old", Schema: "archive", Object: "log_ancient"},
		{RuleTable: "customers", RuleColumn: "ssn", Schema: "public", Object: "customers", Column: "social"},
		{RuleTable: "salaries", Schema: "hr", Object: "wages"},
	}, sortedRenames(told))
	for _, b := range [][3]string{{"billing", "pay2", ""}, {"billing", "pay2", "card"}, {"public", "customers", "social"}, {"public", "customers", "ssn_hint"}, {"billing", "payments", ""}, {"public", "v_secret", ""}, {"public", "log", ""}} {
		if !scope.Blocked(b[0], b[1], b[2]) {
			t.Errorf("%v is not blocked after the rename", b)
		}
	}
	scoped := schema.Apply(renamed, scope)
	if scoped.Lookup("billing", "pay2") != nil || scoped.Find("customers").Field("social") != nil || scoped.Find("v_secret") != nil {
		t.Error("Apply lost a block over a rename")
	}
	same(t, "unmatched: a block that followed a rename still matches", []string{}, scope.Unmatched(renamed))

	again, told := scope.Refresh(renamed)
	same(t, "a rename is told once", []schema.Rename(nil), told)
	same(t, "refreshing again changes nothing", scope, again)

	t.Run("removing the entry lifts the block", func(t *testing.T) {
		lifted := again
		lifted.BlockedTables = []string{"salaries"}
		lifted, _ = lifted.Refresh(renamed)
		if lifted.Blocked("billing", "pay2", "") || !lifted.Blocked("public", "customers", "social") {
			t.Error("the wrong block was lifted")
		}
	})
	t.Run("another database's ids mean nothing", func(t *testing.T) {
		other := shop()
		other.Server.Identity = "two"
		other.Lookup("billing", "payments").Name = "innocent"
		elsewhere, _ := again.Refresh(other)
		if elsewhere.Blocked("billing", "innocent", "") {
			t.Error("an oid of another database blocks")
		}
		back, _ := elsewhere.Refresh(renamed)
		if !back.Blocked("billing", "pay2", "") {
			t.Error("the block is lost after connecting elsewhere and back")
		}
	})
	t.Run("a table out of sight keeps its block", func(t *testing.T) {
		hidden := shop()
		hidden.Objects = slices.DeleteFunc(hidden.Objects, func(o schema.Object) bool { return o.Name == "payments" })
		out, _ := again.Refresh(hidden)
		in, _ := out.Refresh(renamed)
		if !in.Blocked("billing", "pay2", "") {
			t.Error("the block is lost after the table was out of sight")
		}
	})
}

func sortedRenames(list []schema.Rename) []schema.Rename {
	slices.SortFunc(list, func(a, b schema.Rename) int { return strings.Compare(a.RuleTable, b.RuleTable) })
	return list
}

func TestUnmatched(t *testing.T) {
	scope := schema.Scope{
		BlockedTables: []string{"orders", "Nowhere", "public.payments"}, BlockedColumns: map[string][]string{"customers": {"ssn", "nope"}, "gone": {"x"}, "*": {"card", "lost"}},
		AllowedViews: []string{"v_unknown", "no_view"}, ColumnClasses: map[string]map[string]string{"customers": {"email": "none", "fax": "contact"}},
	}
	same(t, "unmatched", []string{"*.lost", "Nowhere", "customers.fax", "customers.nope", "gone.x", "no_view", "public.payments"}, scope.Unmatched(shop()))
}

func TestClassOverrides(t *testing.T) {
	db := shop()
	o := db.Find("customers")
	scope := schema.Scope{ColumnClasses: map[string]map[string]string{
		"*": {"email": "health", "NAME": "none"}, "Customers": {"EMAIL": "credential"}, "public.customers": {"ssn": "none"},
	}}
	got := map[string]string{}
	for _, name := range []string{"email", "name", "ssn", "id"} {
		got[name] = scope.Class(o, o.Field(name))
	}
	same(t, "classes", map[string]string{"email": "credential", "name": "", "ssn": "", "id": ""}, got)
	if (&schema.Scope{}).Class(o, o.Field("ssn")) != schema.ClassGovernmentID {
		t.Error("without an override the class is not the found one")
	}
}

func TestParseScope(t *testing.T) {
	scope, problems := schema.ParseScope([]string{"a", "A", "b.c"}, map[string][]string{"*": {"x", "X"}, "t": {}}, []string{"v"}, map[string]map[string]string{"*": {"c": "none"}, "t": {"d": "health"}})
	same(t, "problems", []schema.ScopeProblem(nil), problems)
	same(t, "scope", schema.Scope{
		BlockedTables: []string{"a", "b.c"}, BlockedColumns: map[string][]string{"*": {"x"}}, AllowedViews: []string{"v"},
		ColumnClasses: map[string]map[string]string{"*": {"c": "none"}, "t": {"d": "health"}},
	}, scope)
	for name, parse := range map[string]func() (schema.Scope, []schema.ScopeProblem){
		"empty name": func() (schema.Scope, []schema.ScopeProblem) { return schema.ParseScope([]string{" "}, nil, nil, nil) },
		"control": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope(nil, map[string][]string{"t": {"a\x00"}}, nil, nil)
		},
		"invalid text": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope(nil, nil, []string{"\xff"}, nil)
		},
		"long": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope([]string{strings.Repeat("x", 301)}, nil, nil, nil)
		},
		"every table": func() (schema.Scope, []schema.ScopeProblem) { return schema.ParseScope([]string{"*"}, nil, nil, nil) },
		"every column": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope(nil, map[string][]string{"t": {"*"}}, nil, nil)
		},
		"unknown class": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope(nil, nil, nil, map[string]map[string]string{"t": {"c": "secret"}})
		},
		"too many": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope(slices.Repeat([]string{"a"}, 10_001), nil, nil, nil)
		},
		"table of class": func() (schema.Scope, []schema.ScopeProblem) {
			return schema.ParseScope(nil, nil, nil, map[string]map[string]string{"": {"c": "none"}})
		},
	} {
		scope, problems := parse()
		if len(problems) != 1 || scope.Any() {
			t.Errorf("%s: problems %v", name, problems)
		}
		for _, p := range problems {
			if strings.Contains(p.Message, "secret") || strings.Contains(p.Message, "xxx") {
				t.Errorf("%s: the message repeats the entry: %s", name, p.Message)
			}
		}
	}
}
