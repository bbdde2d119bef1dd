package control

import (
	"slices"
	"testing"

	"flowyte/internal/schema"
)

// TestIndexesOf: a plan's index that depends on a blocked column is told as the
// one that would serve without it, and one that nobody discovered is not told.
func TestIndexesOf(t *testing.T) {
	index := func(name string, columns ...string) schema.Index {
		return schema.Index{Name: name, Columns: columns, Usable: true}
	}
	database := func(indexes ...schema.Index) *schema.Database {
		return &schema.Database{DefaultSchema: "public", Objects: []schema.Object{{Schema: "public", Name: "customers", Indexes: indexes}}}
	}
	c := &catalog{
		whole:  database(index("email_ssn", "email", "ssn"), index("by_email", "email"), index("by_ssn", "ssn"), index("by_phone", "phone")),
		scoped: database(index("by_email", "email"), index("by_phone", "phone")),
	}
	for _, test := range []struct{ used, want []string }{
		{[]string{"by_phone"}, []string{"by_phone"}},
		{[]string{"email_ssn"}, []string{"by_email"}},
		{[]string{"email_ssn", "by_email"}, []string{"by_email"}},
		{[]string{"by_ssn"}, []string{}},
		{[]string{"made_since"}, []string{}},
		{nil, []string{}},
	} {
		if got := c.indexesOf(schema.ColumnRef{Schema: "public", Object: "customers"}, test.used); !slices.Equal(got, test.want) || got == nil {
			t.Errorf("%v is told as %v, want %v", test.used, got, test.want)
		}
	}
}
