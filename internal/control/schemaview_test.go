package control

import (
	"slices"
	"testing"

	"flowyte/api"
	"flowyte/internal/schema"
)

// TestOperationsListWhatBindingsTake: an index does not make a column that
// cannot be compared with a value a filter or a key.
func TestOperationsListWhatBindingsTake(t *testing.T) {
	made := func(name string, typ schema.Type, base string) (schema.Field, schema.Index) {
		return schema.Field{Name: name, Type: typ, BaseType: base, CanInsert: true, CanUpdate: true},
			schema.Index{Name: "one_" + name, Columns: []string{name}, Unique: true, Immediate: true, Usable: true, NullsDistinct: true}
	}
	o := schema.Object{Schema: "public", Name: "rates", Type: schema.Table, Supported: true, Transactional: true, CanInsert: true, CanUpdate: true}
	for _, c := range []struct {
		name string
		typ  schema.Type
		base string
	}{
		{"id", schema.Integer, "int4"}, {"exact", schema.Number, "numeric"}, {"rough", schema.Number, "float8"}, {"raw", schema.Bytes, "bytea"},
		{"cut", schema.String, "name"}, {"code", schema.String, "text"}, {"choice", schema.String, "set"}, {"list", schema.Array, "array"},
	} {
		f, ix := made(c.name, c.typ, c.base)
		o.Fields, o.Indexes = append(o.Fields, f), append(o.Indexes, ix)
	}
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public", Objects: []schema.Object{o}}
	names := func(operation string) (list []string) {
		ops := operations(db, &db.Objects[0])
		i := slices.IndexFunc(ops, func(op api.Operation) bool { return op.Name == operation })
		for _, a := range ops[i].Arguments {
			list = append(list, a.Name)
		}
		return list
	}
	want := []string{"id", "exact", "code"}
	for _, operation := range []string{"rates.read", "rates.update"} {
		if got := names(operation); !slices.Equal(got, want) {
			t.Errorf("%s takes %v, want %v", operation, got, want)
		}
	}
	if got := names("rates.insert"); len(got) != len(o.Fields) {
		t.Errorf("an insert takes %v", got)
	}
	only, ix := made("rough", schema.Number, "float8")
	o.Fields, o.Indexes = []schema.Field{only}, []schema.Index{ix}
	if got := capabilities(&o); slices.Contains(got, "update") {
		t.Errorf("a table whose only key is a float can %v", got)
	}
}
