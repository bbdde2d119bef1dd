package schema_test

import (
	"slices"
	"testing"

	"flowyte/internal/schema"
)

// What was learnt of a phone column survives a discovery that finds the column
// as it was, and no other; and it is no change of the schema.
func TestPhoneFormsSurviveDiscovery(t *testing.T) {
	forms := []string{"(999) 999-9999"}
	of := func(db *schema.Database) schema.ColumnRef {
		o := customers(db)
		return schema.ColumnRef{Schema: o.Schema, Object: o.Name, Column: "email"}
	}
	before := shop()
	learnt := before.WithPhoneForms(of(before), forms)
	if customers(before).Field("email").PhoneForms != nil {
		t.Error("the original was changed")
	}
	if schema.Digest(before) != schema.Digest(learnt) || schema.ObjectDigest(customers(before), []string{"email"}) != schema.ObjectDigest(customers(learnt), []string{"email"}) {
		t.Error("learning looks like a change of the schema")
	}
	if d := schema.Diff(before, learnt); !d.Empty() {
		t.Errorf("learning is told as %+v", d)
	}
	for name, c := range map[string]struct {
		change func(db *schema.Database)
		kept   bool
	}{
		"nothing":        {func(*schema.Database) {}, true},
		"another column": {func(db *schema.Database) { customers(db).Field("name").NativeType = "text" }, true},
		"a comment":      {func(db *schema.Database) { customers(db).Field("email").Comment = "new" }, true},
		"its type":       {func(db *schema.Database) { customers(db).Field("email").NativeType = "varchar(99)" }, false},
		"its name":       {func(db *schema.Database) { customers(db).Field("email").Name = "mail" }, false},
		"the database":   {func(db *schema.Database) { db.Server.Identity = "another" }, false},
	} {
		now := shop()
		c.change(now)
		schema.KeepPhoneForms(learnt, now)
		kept := false
		for _, f := range customers(now).Fields {
			kept = kept || slices.Equal(f.PhoneForms, forms)
		}
		if kept != c.kept {
			t.Errorf("after a change of %s the forms are kept: %t", name, kept)
		}
	}
	schema.KeepPhoneForms(nil, shop())
}
