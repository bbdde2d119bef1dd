package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"flowyte/internal/schema"
)

func key(name, target string, columns ...string) schema.ForeignKey {
	return schema.ForeignKey{Name: name, Columns: columns, TargetSchema: "public", TargetObject: target, TargetColumns: columns}
}

func TestRelationshipNames(t *testing.T) {
	for _, test := range []struct {
		keys []schema.ForeignKey
		want []string
	}{
		{[]schema.ForeignKey{key("a", "t", "customer_id")}, []string{"customer"}},
		{[]schema.ForeignKey{key("a", "t", "customerId")}, []string{"customer"}},
		{[]schema.ForeignKey{key("a", "t", "CustomerID")}, []string{"Customer"}},
		{[]schema.ForeignKey{key("a", "t", "CUSTOMER_ID")}, []string{"CUSTOMER"}},
		{[]schema.ForeignKey{key("a", "t", "customer-id")}, []string{"customer"}},
		{[]schema.ForeignKey{key("a", "t", "country")}, []string{"country"}},
		{[]schema.ForeignKey{key("a", "t", "paid")}, []string{"paid"}},
		{[]schema.ForeignKey{key("a", "t", "PAID")}, []string{"PAID"}},
		{[]schema.ForeignKey{key("a", "t", "android")}, []string{"android"}},
		{[]schema.ForeignKey{key("a", "people", "id")}, []string{"people"}},
		{[]schema.ForeignKey{key("a", "people", "_id")}, []string{"people"}},
		{[]schema.ForeignKey{key("a", "one", "c_id"), key("b", "two", "c_id")}, []string{"c", "c_two"}},
		{[]schema.ForeignKey{key("a", "one", "c_id"), key("b", "one", "c_id"), key("c", "one", "c_id")}, []string{"c", "c_one", "c_one_2"}},
		{[]schema.ForeignKey{key("orders_home_region_fkey", "region", "a", "b")}, []string{"home_region"}},
		{[]schema.ForeignKey{key("FK_Orders_Region", "region", "a", "b")}, []string{"Region"}},
		{[]schema.ForeignKey{key("orders_ibfk_1", "region", "a", "b")}, []string{"region"}},
		{[]schema.ForeignKey{key("", "region", "a", "b")}, []string{"region"}},
	} {
		db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{{Schema: "public", Name: "orders", ForeignKeys: test.keys}}}
		schema.Relate(db)
		var got []string
		for _, fk := range db.Objects[0].ForeignKeys {
			got = append(got, fk.Relationship)
		}
		same(t, fmt.Sprint(test.keys[0].Columns), test.want, got)
	}
}

func TestInference(t *testing.T) {
	table := func(schemaName, name, primary string, list ...schema.Field) schema.Object {
		return schema.Object{Schema: schemaName, Name: name, Type: schema.Table, Supported: true, Fields: fields(list...), PrimaryKey: []string{primary}}
	}
	typed := func(name string, t schema.Type) schema.Field { return column(name, t) }
	id := typed("id", schema.Integer)
	db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		table("public", "customers", "id", id),
		table("public", "Addresses", "AddressID", typed("AddressID", schema.Integer), typed("customer_id", schema.Integer)),
		table("public", "movies", "movie_code", typed("movie_code", schema.String)),
		table("public", "staff_member", "uuid", typed("uuid", schema.UUID)),
		table("public", "branch", "id", id), table("sales", "branch", "id", id), table("hr", "branch", "id", id),
		table("public", "order", "id", id), table("public", "orders", "id", id),
		{Schema: "public", Name: "view_thing", Type: schema.View, Fields: fields(id), PrimaryKey: []string{"id"}},
		{Schema: "public", Name: "pair", Type: schema.Table, Fields: fields(id, typed("b", schema.Integer)), PrimaryKey: []string{"id", "b"}},
		{Schema: "public", Name: "bookings", Type: schema.Table, Fields: fields(id,
			typed("customer_id", schema.Integer), typed("CustomerUuid", schema.UUID), typed("billingAddressId", schema.Integer), typed("address_id", schema.String),
			typed("movie_code", schema.String), typed("movie_id", schema.Integer), typed("staff_member_uuid", schema.UUID), typed("branch_id", schema.Integer),
			typed("order_id", schema.Integer), typed("view_thing_id", schema.Integer), typed("pair_id", schema.Integer), typed("booking_id", schema.Integer), typed("declared_customer_id", schema.Integer),
			typed("customer_name", schema.String), typed("no", schema.Integer)),
			PrimaryKey:  []string{"id"},
			ForeignKeys: []schema.ForeignKey{{Name: "d", Columns: []string{"declared_customer_id"}, TargetSchema: "public", TargetObject: "customers", TargetColumns: []string{"id"}}}},
		{Schema: "other", Name: "uses", Type: schema.Table, Fields: fields(typed("branch_id", schema.Integer))},
	}}
	schema.Relate(db)
	schema.Relate(db) // a second time changes nothing
	got := map[string]string{}
	for _, fk := range db.Find("bookings").ForeignKeys {
		got[fk.Columns[0]] = fk.TargetSchema + "." + fk.TargetObject + "." + fk.TargetColumns[0]
		if fk.Inferred != (fk.Name == "") || fk.Inferred != (fk.Reason != "") {
			t.Errorf("%+v: inferred, unnamed and explained must go together", fk)
		}
	}
	same(t, "bookings", map[string]string{
		"customer_id": "public.customers.id", "billingAddressId": "public.Addresses.AddressID", "movie_code": "public.movies.movie_code",
		"staff_member_uuid": "public.staff_member.uuid", "branch_id": "public.branch.id", "declared_customer_id": "public.customers.id", "booking_id": "public.bookings.id",
	}, got)
	if fks := db.Lookup("other", "uses").ForeignKeys; len(fks) != 0 {
		t.Errorf("one of three branches was picked: %+v", fks)
	}
	if o := db.Find("Addresses"); len(o.ForeignKeys) != 1 || o.ForeignKeys[0].TargetObject != "customers" {
		t.Errorf("addresses: %+v", o.ForeignKeys)
	}
}

func TestCardinalityAndUniqueKeys(t *testing.T) {
	o := &schema.Object{Name: "o", Indexes: []schema.Index{
		index("pk", true, "id"), index("again", true, "id"), index("pair", true, "a", "b"), index("plain", false, "c"),
		{Name: "part", Columns: []string{"d"}, Unique: true, Reason: schema.ReasonPartial},
		{Name: "expr", Columns: []string{"e", ""}, Unique: true, Usable: true},
		{Name: "broken", Columns: []string{"f"}, Unique: true, Reason: schema.ReasonInvalid},
		{Name: "unseen", Columns: []string{"g"}, Unique: true, Reason: schema.ReasonInvisible},
	}}
	same(t, "keys", [][]string{{"id"}, {"a", "b"}, {"g"}}, o.UniqueKeys())
	for columns, want := range map[string]string{
		"id": schema.OneToOne, "a": schema.ManyToOne, "a b": schema.OneToOne, "b a c": schema.OneToOne, "c": schema.ManyToOne,
		"d": schema.ManyToOne, "e": schema.ManyToOne, "f": schema.ManyToOne, "g": schema.OneToOne,
	} {
		if got := o.Cardinality(&schema.ForeignKey{Columns: strings.Fields(columns)}); got != want {
			t.Errorf("a key over %s is %s", columns, got)
		}
	}
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{
		"customer_id": "customer id", "customerID": "customer id", "CustomerId": "customer id", "CUSTOMER-ID": "customer id", "HTTPServer": "http server",
		"SSNLast4": "ssn last 4", "line2": "line 2", "a.b c": "a b c", "": "", "__": "", "straßeNummer": "straße nummer", "ID": "id",
		"the IDs": "the ids", "parseURLsFast": "parse urls fast", "VINs2": "vins 2", "IDStatus": "id status",
	} {
		if got := strings.Join(schema.Words(name), " "); got != want {
			t.Errorf("Words(%q) is %q", name, got)
		}
	}
	for plural, want := range map[string]string{
		"categories": "category", "boxes": "box", "addresses": "address", "statuses": "status", "houses": "house", "purchases": "purchase", "watches": "watch",
		"customers": "customer", "status": "status", "analysis": "analysis", "class": "class", "gas": "ga", "CITIES": "CITY", "s": "s", "as": "as",
	} {
		if got := schema.Singular(plural); got != want {
			t.Errorf("Singular(%q) is %q", plural, got)
		}
	}
}
