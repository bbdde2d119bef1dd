package discover_test

import (
	"fmt"
	"strings"
	"testing"

	"flowyte/internal/schema"

	"github.com/google/go-cmp/cmp"
)

// object finds a discovered object of the default schema or fails.
func object(t testing.TB, db *schema.Database, name string) *schema.Object {
	t.Helper()
	o := db.Find(name)
	if o == nil {
		t.Fatalf("%s was not discovered; there are %v", name, names(db))
	}
	return o
}

func names(db *schema.Database) []string {
	list := []string{}
	for i := range db.Objects {
		list = append(list, db.PublicName(&db.Objects[i]))
	}
	return list
}

func field(t testing.TB, o *schema.Object, name string) *schema.Field {
	t.Helper()
	f := o.Field(name)
	if f == nil {
		t.Fatalf("%s.%s was not discovered", o.Name, name)
	}
	return f
}

// indexes writes the indexes of an object one a line, by name:
// "name(columns) flags [reason]".
func indexes(o *schema.Object) []string {
	list := []string{}
	for i := range o.Indexes {
		ix := &o.Indexes[i]
		var flags []string
		for _, flag := range []struct {
			on   bool
			word string
		}{
			{ix.Unique, "unique"}, {ix.Primary, "primary"}, {!ix.Immediate, "deferred"}, {ix.EqualityOnly, "equality"},
			{!ix.NullsDistinct, "nulls"}, {ix.Usable, "usable"}, {!ix.Usable, "not:" + ix.Reason},
		} {
			if flag.on {
				flags = append(flags, flag.word)
			}
		}
		touches := ""
		if len(ix.Touches) > 0 {
			touches = "+" + strings.Join(ix.Touches, ",")
		}
		list = append(list, fmt.Sprintf("%s(%s)%s %s %s", ix.Name, strings.Join(ix.Columns, ","), touches, ix.Method, strings.Join(flags, " ")))
	}
	return list
}

// fieldLine writes what the type of a field says.
func fieldLine(f *schema.Field) string {
	parts := []string{string(f.Type), f.BaseType}
	add := func(on bool, word string) {
		if on {
			parts = append(parts, word)
		}
	}
	number := func(name string, n *int) {
		if n != nil {
			parts = append(parts, fmt.Sprintf("%s=%d", name, *n))
		}
	}
	add(f.Unsigned, "unsigned")
	add(f.Zoned, "zoned")
	number("length", f.MaxLength)
	number("precision", f.Precision)
	number("scale", f.Scale)
	add(!f.Nullable, "required")
	add(f.HasDefault, "default")
	add(f.Generated, "generated")
	add(f.Identity, "identity")
	add(f.Invisible, "invisible")
	add(f.Inexact, "inexact")
	add(len(f.EnumValues) > 0, fmt.Sprintf("%q", f.EnumValues))
	add(len(f.DerivedFrom) > 0, "from:"+strings.Join(f.DerivedFrom, ","))
	return strings.Join(parts, " ")
}

func fieldLines(o *schema.Object) map[string]string {
	lines := map[string]string{}
	for i := range o.Fields {
		lines[o.Fields[i].Name] = fieldLine(&o.Fields[i])
	}
	return lines
}

func sources(o *schema.Object) []string {
	list := []string{}
	for _, s := range o.Sources {
		list = append(list, strings.TrimSuffix(s.Schema+"."+s.Object+"."+s.Column, "."))
	}
	return list
}

func relationships(o *schema.Object) []string {
	list := []string{}
	for i := range o.ForeignKeys {
		fk := &o.ForeignKeys[i]
		line := fmt.Sprintf("%s: %s -> %s(%s) %s", fk.Relationship, strings.Join(fk.Columns, ","), fk.TargetObject,
			strings.Join(fk.TargetColumns, ","), o.Cardinality(fk))
		if fk.Inferred {
			line += " inferred"
		}
		list = append(list, line)
	}
	return list
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
