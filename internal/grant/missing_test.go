package grant_test

import (
	"testing"

	"flowyte/internal/grant"
	"flowyte/internal/schema"

	"github.com/google/go-cmp/cmp"
)

func TestMissingRights(t *testing.T) {
	table := schema.ColumnRef{Schema: "public", Object: `book"ings`}
	for _, c := range []struct {
		name   string
		kind   schema.Kind
		rights grant.Rights
		want   []string
	}{
		{"a table", schema.Postgres, grant.Rights{Account: "flowyte_rw", Table: table, OnTable: []string{"SELECT", "INSERT"}},
			[]string{`GRANT SELECT, INSERT ON "public"."book""ings" TO "flowyte_rw";`}},
		{"schema and sequence", schema.Postgres, grant.Rights{Account: `a"b`, Table: table, Usage: true, OnTable: []string{"INSERT"}, Sequences: []schema.ColumnRef{{Schema: "s", Object: "n"}}},
			[]string{`GRANT USAGE ON SCHEMA "public" TO "a""b";`, `GRANT INSERT ON "public"."book""ings" TO "a""b";`, `GRANT USAGE ON SEQUENCE "s"."n" TO "a""b";`}},
		{"an account with its host", schema.MySQL, grant.Rights{Account: "r@w@%", Table: schema.ColumnRef{Schema: "app_db", Object: "a`b"}, OnTable: []string{"UPDATE"}},
			[]string{"GRANT UPDATE ON `app_db`.`a``b` TO `r@w`@`%`;"}},
		{"nothing", schema.Postgres, grant.Rights{Account: "a", Table: table}, nil},
		{"a name that cannot be quoted", schema.Postgres, grant.Rights{Account: "a\x00", Table: table, OnTable: []string{"INSERT"}}, nil},
		{"an account without a host", schema.MySQL, grant.Rights{Account: "a", Table: table, OnTable: []string{"INSERT"}}, nil},
	} {
		if diff := cmp.Diff(c.want, c.rights.Statements(c.kind)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}
