package schema_test

import (
	"fmt"
	"testing"

	"flowyte/internal/schema"
)

// large is a database of 10,000 tables and 100,000 columns.
func large() *schema.Database {
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public", Server: schema.Server{Identity: "one"}}
	for i := range 10_000 {
		o := schema.Object{
			Schema: "public", Name: fmt.Sprintf("table_%05d", i), ID: uint32(20_000 + i), Type: schema.Table, Supported: true,
			PrimaryKey: []string{"id"}, Indexes: []schema.Index{index("pk", true, "id"), index("by_email", false, "email")},
			Fields: fields(column("id", schema.Integer), column("email", schema.String), column("full_name", schema.String), column("status", schema.String), column("created_at", schema.DateTime),
				column("amount", schema.Number), column("parent_id", schema.Integer), column("note", schema.String), column("flag", schema.Boolean), column("code", schema.String)),
		}
		if i%2 == 1 {
			o.ForeignKeys = []schema.ForeignKey{{Name: "fk", Columns: []string{"parent_id"}, TargetSchema: "public", TargetObject: fmt.Sprintf("table_%05d", i-1), TargetColumns: []string{"id"}}}
		}
		db.Objects = append(db.Objects, o)
	}
	schema.Relate(db)
	return db
}

func BenchmarkLarge(b *testing.B) {
	db := large()
	scope := schema.Scope{BlockedTables: []string{"table_00007"}, BlockedColumns: map[string][]string{"*": {"note"}}}
	fresh, _ := scope.Refresh(db)
	for name, work := range map[string]func(){
		"Apply":   func() { schema.Apply(db, scope) },
		"Refresh": func() { scope.Refresh(db) },
		"Reapply": func() { schema.Apply(db, fresh) },
		"Digest":  func() { schema.Digest(db) },
		"Diff":    func() { schema.Diff(db, db) },
		"Relate":  func() { schema.Relate(db) },
		"Blocked": func() { fresh.Blocked("public", "table_09999", "email") },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				work()
			}
		})
	}
}
