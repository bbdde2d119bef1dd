package schema_test

import (
	"slices"
	"testing"

	"flowyte/internal/schema"

	"github.com/google/go-cmp/cmp"
)

// shop is a database with one of everything that scoping and digests look at.
func shop() *schema.Database {
	db := &schema.Database{
		Kind: schema.Postgres, Name: "shop", DefaultSchema: "public", Server: schema.Server{Identity: "one", Flavor: schema.FlavorPostgres},
		Objects: []schema.Object{
			{
				Schema: "public", Name: "customers", ID: 1, Type: schema.Table, Supported: true, Transactional: true,
				Fields:     fields(column("id", schema.Integer), column("email", schema.String), column("ssn", schema.String), column("name", schema.String), derived("ssn_hint", "ssn"), derived("hint_upper", "ssn_hint")),
				PrimaryKey: []string{"id"},
				Indexes: []schema.Index{
					index("customers_pkey", true, "id"), index("customers_ssn_key", true, "ssn"), index("email_ssn", false, "email", "ssn"), index("by_email", false, "email"),
					{Name: "lower_ssn", Columns: []string{""}, Touches: []string{"ssn"}, Reason: schema.ReasonExpression},
				},
			},
			{
				Schema: "public", Name: "orders", ID: 2, Type: schema.Table, Supported: true, Transactional: true,
				Fields:     fields(column("id", schema.Integer), column("customer_id", schema.Integer), column("payment_id", schema.Integer), column("region", schema.String), column("note", schema.String)),
				PrimaryKey: []string{"id"},
				Indexes:    []schema.Index{index("orders_pkey", true, "id"), index("by_payment", true, "payment_id")},
				ForeignKeys: []schema.ForeignKey{
					{Name: "orders_customer_id_fkey", Columns: []string{"customer_id"}, TargetSchema: "public", TargetObject: "customers", TargetColumns: []string{"id"}},
					{Name: "orders_payment_id_fkey", Columns: []string{"payment_id"}, TargetSchema: "billing", TargetObject: "payments", TargetColumns: []string{"id"}},
				},
			},
			{
				Schema: "billing", Name: "payments", ID: 3, Type: schema.Table, Supported: true, Transactional: true,
				Fields: fields(column("id", schema.Integer), column("card", schema.String)), PrimaryKey: []string{"id"}, Indexes: []schema.Index{index("payments_pkey", true, "id")},
			},
			{Schema: "public", Name: "v_names", ID: 4, Type: schema.View, Supported: true, Fields: fields(column("name", schema.String)), Sources: []schema.Source{source("public", "customers", "name", 1, 4)}},
			{Schema: "public", Name: "v_ssn", ID: 5, Type: schema.View, Supported: true, Fields: fields(column("s", schema.String)), Sources: []schema.Source{source("public", "customers", "ssn", 1, 3)}},
			{Schema: "public", Name: "v_over", ID: 6, Type: schema.View, Supported: true, Fields: fields(column("s", schema.String)), Sources: []schema.Source{source("public", "v_ssn", "s", 5, 1)}},
			{Schema: "public", Name: "v_whole", ID: 7, Type: schema.View, Supported: true, Fields: fields(column("doc", schema.JSON)), Sources: []schema.Source{source("public", "customers", "", 1, 0)}},
			{Schema: "public", Name: "v_unknown", ID: 8, Type: schema.View, Supported: true, SourcesUnknown: true, Fields: fields(column("x", schema.String))},
			{Schema: "public", Name: "v_secret", ID: 9, Type: schema.View, Supported: true, Fields: fields(column("x", schema.String)), Sources: []schema.Source{source("hr", "salaries", "amount", 77, 2)}},
			{Schema: "public", Name: "events", ID: 10, Type: schema.PartitionedTable, Supported: true, Fields: fields(column("id", schema.Integer), column("ip", schema.String))},
			{Schema: "public", Name: "events_1", ID: 11, Type: schema.Table, PartitionOf: "public.events", Supported: true, Fields: fields(column("id", schema.Integer), column("ip", schema.String))},
			{Schema: "public", Name: "events_2", ID: 12, Type: schema.Table, PartitionOf: "public.events", Supported: true, Fields: fields(column("id", schema.Integer), column("ip", schema.String))},
			{Schema: "public", Name: "v_events", ID: 13, Type: schema.View, Supported: true, Fields: fields(column("id", schema.Integer)), Sources: []schema.Source{source("public", "events", "id", 10, 1)}},
			{Schema: "public", Name: "log", ID: 14, Type: schema.PartitionedTable, Supported: true, Fields: fields(column("id", schema.Integer), derived("short", "raw"))},
		},
		Inherits: []schema.Inheritance{
			{Child: source("public", "events_1", "", 11, 0), Parent: source("public", "events", "", 10, 0)},
			{Child: source("public", "events_2", "", 12, 0), Parent: source("public", "events", "", 10, 0)},
			{Child: source("archive", "log_old", "", 88, 0), Parent: source("public", "log", "", 14, 0)},
		},
	}
	schema.Relate(db)
	return db
}

func fields(list ...schema.Field) []schema.Field {
	for i := range list {
		list[i].Number = i + 1
	}
	return list
}

func column(name string, t schema.Type) schema.Field {
	return schema.Field{Name: name, Type: t, NativeType: string(t), BaseType: string(t), Nullable: true}
}

func derived(name string, from ...string) schema.Field {
	f := column(name, schema.String)
	f.Generated, f.DerivedFrom = true, from
	return f
}

func index(name string, unique bool, columns ...string) schema.Index {
	return schema.Index{Name: name, Columns: columns, Unique: unique, Immediate: true, Usable: true, Method: "btree", NullsDistinct: true}
}

func source(schemaName, object, column string, id uint32, number int) schema.Source {
	return schema.Source{ColumnRef: schema.ColumnRef{Schema: schemaName, Object: object, Column: column}, ID: id, Number: number}
}

func names(db *schema.Database) []string {
	list := []string{}
	for i := range db.Objects {
		list = append(list, db.PublicName(&db.Objects[i]))
	}
	slices.Sort(list)
	return list
}

func fieldNames(o *schema.Object) []string {
	list := []string{}
	for i := range o.Fields {
		list = append(list, o.Fields[i].Name)
	}
	return list
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
