package search

import (
	"testing"

	"flowyte/internal/schema"
)

func clinic() *schema.Database {
	object := func(name string, fields ...string) schema.Object {
		o := schema.Object{Schema: "public", Name: name, Type: schema.Table, Supported: true}
		for _, f := range fields {
			o.Fields = append(o.Fields, schema.Field{Name: f, Type: schema.String})
		}
		return o
	}
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public", Objects: []schema.Object{
		object("appointments", "id", "customer_id", "phone", "starts_at", "status"),
		object("customers", "id", "fullName", "email_addr", "dob"),
		object("order_items", "id", "orderNo", "qty"),
	}}
	db.Objects[0].ForeignKeys = []schema.ForeignKey{{Columns: []string{"customer_id"}, TargetSchema: "public", TargetObject: "customers"}}
	db.Objects[2].Fields[2].Comment = "How many pieces were bought."
	return db
}

func TestSearch(t *testing.T) {
	ix := Build(clinic(), func(o *schema.Object) []string { return []string{o.Name + ".read"} })
	for _, c := range []struct {
		query string
		only  HitType
		want  Hit
	}{
		{"appointment status", Field, Hit{Object: "appointments", Field: "status"}},
		{"appointment status", Object, Hit{Object: "appointments"}},
		{"appt", Object, Hit{Object: "appointments"}},
		{"bookings", Object, Hit{Object: "appointments"}},
		{"telephone number", Field, Hit{Object: "appointments", Field: "phone"}},
		{"full name", Field, Hit{Object: "customers", Field: "fullName"}},
		{"date of birth", Field, Hit{Object: "customers", Field: "dob"}},
		{"order number", Field, Hit{Object: "order_items", Field: "orderNo"}},
		{"pieces", Field, Hit{Object: "order_items", Field: "qty"}},
		{"custmer email", Field, Hit{Object: "customers", Field: "email_addr"}},
		{"read appointments", Operation, Hit{Object: "appointments", Operation: "appointments.read"}},
	} {
		hits := ix.Search(c.query, c.only, 5)
		if len(hits) == 0 {
			t.Errorf("%q (%s): nothing found", c.query, c.only)
			continue
		}
		if got := hits[0]; got.Object != c.want.Object || got.Field != c.want.Field || got.Operation != c.want.Operation {
			t.Errorf("%q (%s): first hit %+v, want %+v", c.query, c.only, got, c.want)
		}
		if hits[0].Why == "" || hits[0].Score != 1 {
			t.Errorf("%q: the first hit has score %v, why %q", c.query, hits[0].Score, hits[0].Why)
		}
	}
}

func TestSearchFindsNothingForNoise(t *testing.T) {
	ix := Build(clinic(), func(*schema.Object) []string { return nil })
	for _, q := range []string{"", "the of", "zzzzzz"} {
		if hits := ix.Search(q, "", 5); len(hits) != 0 {
			t.Errorf("%q found %v", q, hits)
		}
	}
}

func TestSearchIsStable(t *testing.T) {
	ix := Build(clinic(), func(*schema.Object) []string { return nil })
	first := ix.Search("customer appointment phone", "", 50)
	for range 20 {
		again := ix.Search("customer appointment phone", "", 50)
		for i := range first {
			if first[i] != again[i] {
				t.Fatalf("hit %d differs between two equal searches: %+v and %+v", i, first[i], again[i])
			}
		}
	}
}

func TestNear(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"custom", "custom", true}, {"custmer", "customer", true}, {"cusotmer", "customer", true},
		{"customar", "customer", true}, {"customerr", "customer", true}, {"cat", "car", false}, {"phone", "photo", false},
	} {
		if got := near(c.a, c.b); got != c.want {
			t.Errorf("near(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
