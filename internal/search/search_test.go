package search

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/schema"
)

// made builds an object of fields written "name", "name:type" or
// "name->object" for a reference.
func made(name string, fields ...string) schema.Object {
	o := schema.Object{Schema: "public", Name: name, Type: schema.Table, Supported: true}
	for _, f := range fields {
		f, target, refers := strings.Cut(f, "->")
		f, kind, _ := strings.Cut(f, ":")
		if kind == "" {
			kind = string(schema.String)
		}
		if f == "id" {
			o.PrimaryKey = []string{f}
		}
		o.Fields = append(o.Fields, schema.Field{Name: f, Type: schema.Type(kind)})
		if refers {
			o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{
				Columns: []string{f}, TargetSchema: "public", TargetObject: target, TargetColumns: []string{"id"},
			})
		}
	}
	return o
}

// practice is the database of a veterinary practice with a shop, called by names
// in all the ways in which people write names.
func practice() *schema.Database {
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public", Objects: []schema.Object{
		made("appointments", "id", "pet_id->pets", "vet_id->staff", "starts_at:datetime", "status", "crtd_ts:datetime"),
		made("custAddr", "id", "owner_id->owners", "street", "city", "zipcode"),
		made("owners", "id", "first_name", "lastname", "emailAddress", "tel", "dob:date"),
		made("pets", "id", "owner_id->owners", "pet_name", "species", "weight_kg:number"),
		made("PurchaseOrders", "id", "orderNo", "supplier_id->suppliers", "totalAmt:number"),
		made("purchase_order_items", "id", "order_id->PurchaseOrders", "qty:integer", "unit_price:number"),
		made("staff", "id", "full_name", "mgr_id->staff", "hire_date:date"),
		made("suppliers", "id", "company", "iban", "strg_area"),
		made("visits_log", "id", "appointment_id->appointments", "outcome", "proto"),
	}}
	set := func(object, field, comment string, values ...string) {
		f := db.Find(object).Field(field)
		f.Comment, f.EnumValues = comment, values
	}
	set("purchase_order_items", "qty", "How many packages were ordered.")
	set("pets", "species", "Dog, cat, hamster and so on.")
	set("appointments", "status", "", "requested", "confirmed", "no_show")
	db.Find("visits_log").Comment = "What the veterinarian found and prescribed."
	return db
}

func allOf(o *schema.Object) []string {
	return []string{o.Name + ".read", o.Name + ".insert", o.Name + ".update"}
}

// TestFirstHit has for each way of finding the search that must lead to the first hit.
func TestFirstHit(t *testing.T) {
	ix := Build(practice(), allOf)
	for _, c := range []struct {
		way, query string
		only       HitType
		want       string
	}{
		{"snake case", "pet name", Field, "pets.pet_name"},
		{"camel case", "order no", Field, "PurchaseOrders.orderNo"},
		{"camel case of the query", "petName", Field, "pets.pet_name"},
		{"run together in the schema", "last name", Field, "owners.lastname"},
		{"run together in the query", "firstname", Field, "owners.first_name"},
		{"run together, of words in other names", "petspecies", Field, "pets.species"},
		{"plural of the query", "suppliers", Object, "suppliers"},
		{"singular of the query", "supplier", Object, "suppliers"},
		{"inflection", "hiring date", Field, "staff.hire_date"},
		{"plural of an abbreviation in capitals", "POs and DOBs", Field, "owners.dob"},
		{"who does it", "who supplies it", Object, "suppliers"},
		{"superlative", "the heaviest pet", Field, "pets.weight_kg"},
		{"accents", "spécies", Field, "pets.species"},
		{"abbreviation in the schema: qty", "quantity", Field, "purchase_order_items.qty"},
		{"abbreviation in the schema: amt", "total amount", Field, "PurchaseOrders.totalAmt"},
		{"abbreviation in the schema: addr", "address", Object, "custAddr"},
		{"abbreviation in the schema: cust", "customer address", Object, "custAddr"},
		{"abbreviation in the schema: mgr", "manager", Field, "staff.mgr_id"},
		{"abbreviation in the schema: dob", "date of birth", Field, "owners.dob"},
		{"abbreviation in the query: appt", "appt", Object, "appointments"},
		{"abbreviation in the schema: crtd", "created", Field, "appointments.crtd_ts"},
		{"abbreviation that nobody wrote down", "storage", Field, "suppliers.strg_area"},
		{"abbreviation that nobody wrote down: the beginning", "protocol", Field, "visits_log.proto"},
		{"abbreviation that nobody wrote down, in the query", "spcs", Field, "pets.species"},
		{"synonym", "bookings", Object, "appointments"},
		{"synonym: telephone", "phone number of the owner", Field, "owners.tel"},
		{"synonym of a phrase", "surname", Field, "owners.lastname"},
		{"synonym: vendor", "vendor", Object, "suppliers"},
		{"comment of a field", "hamster", Field, "pets.species"},
		{"comment of an object", "prescribed", Object, "visits_log"},
		{"value of an enum", "confirmed", Field, "appointments.status"},
		{"type", "appointment time", Field, "appointments.starts_at"},
		{"type: when", "when is the appointment", Field, "appointments.starts_at"},
		{"relationship of a field", "pets of owners", Field, "pets.owner_id"},
		{"relationship of a field whose name does not tell", "staff of appointments", Field, "appointments.vet_id"},
		{"letter left out", "suplier", Object, "suppliers"},
		{"letter added", "appointmment", Object, "appointments"},
		{"letter changed", "speciez", Field, "pets.species"},
		{"letters swapped", "onwer", Object, "owners"},
		{"first letter wrong", "zpecies", Field, "pets.species"},
		{"typing error in a synonym", "telephome", Field, "owners.tel"},
		{"typing error in a plural", "suplliers", Object, "suppliers"},
		{"operation by verb", "cancel an appointment", Operation, "appointments.update"},
		{"operation by another verb", "add a supplier", Operation, "suppliers.insert"},
		{"operation to read", "look up a pet", Operation, "pets.read"},
		{"object before its fields", "owners", "", "owners"},
		{"object before its fields, of which it has few", "visits log", "", "visits_log"},
		{"field before its object", "appointment status", "", "appointments.status"},
		{"words side by side", "owner city and supplier company", Field, "suppliers.company"},
	} {
		hits := ix.Search(c.query, c.only, 5)
		if len(hits) == 0 {
			t.Errorf("%s: %q found nothing", c.way, c.query)
			continue
		}
		if got := named(hits[0]); got != c.want {
			t.Errorf("%s: %q found %s first (%s), want %s", c.way, c.query, got, hits[0].Why, c.want)
		}
		if hits[0].Score != 1 || hits[0].Why == "" {
			t.Errorf("%s: %q: the first hit has score %v and why %q", c.way, c.query, hits[0].Score, hits[0].Why)
		}
	}
}

func named(h Hit) string {
	switch h.Type {
	case Field:
		return h.Object + "." + h.Field
	case Operation:
		return h.Operation
	}
	return h.Object
}

func TestFindsNeighbours(t *testing.T) {
	hits := Build(practice(), allOf).Search("species", Object, 3)
	want := []string{"pets", "appointments", "owners"}
	var got []string
	for _, h := range hits {
		got = append(got, h.Object)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("objects are %v, want %v: one relationship away from pets", got, want)
	}
	if hits[1].Why != "related to pets" {
		t.Errorf("why is %q", hits[1].Why)
	}
}

// TestFindsNeighboursByName has no relationship but a field called like the key of
// another object.
func TestFindsNeighboursByName(t *testing.T) {
	lots := made("lots", "lot_code", "expires")
	lots.PrimaryKey = []string{"lot_code"}
	db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{made("deliveries", "id", "lot_code"), lots}}
	hits := Build(db, allOf).Search("expires", Object, 5)
	if len(hits) != 2 || hits[1].Object != "deliveries" || hits[1].Why != "related to lots" {
		t.Errorf("found %+v", hits)
	}
}

// TestAtTheEdge: of two objects that are equally near, the one that leads nowhere
// comes last, unless a word means it.
func TestAtTheEdge(t *testing.T) {
	ix := Build(&schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		made("alpha", "id", "species_id->species"), made("beta", "id", "species_id->species", "gamma_id->gamma"), made("gamma", "id"), made("species", "id"),
	}}, allOf)
	for query, want := range map[string]string{"species": "beta", "species alpha": "alpha"} {
		if hits := ix.Search(query, Object, 4); len(hits) < 3 || hits[0].Object != want && hits[1].Object != want {
			t.Errorf("%q found %+v", query, hits)
		}
	}
}

// TestTwoRelationshipsAway has the object that only its neighbour leads to.
func TestTwoRelationshipsAway(t *testing.T) {
	hits := Build(&schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		made("alpha", "id", "beta_id->beta"), made("beta", "id", "species_id->species"), made("species", "id"),
	}}, allOf).Search("species", Object, 5)
	if len(hits) != 3 || hits[2].Object != "alpha" || hits[2].Why != "related to beta" {
		t.Errorf("found %+v", hits)
	}
}

// TestBetween: of two objects two relationships away, the one that leads on to
// another object that was asked for comes first.
func TestBetween(t *testing.T) {
	hits := Build(&schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		made("chips", "id", "sets_id->sets"), made("links", "id", "sets_id->sets", "routes_id->routes"), made("mixes", "id", "routes_id->routes", "chips_id->chips"),
		made("pumps", "id", "stops_id->stops"), made("routes", "id"), made("sets", "id"), made("stops", "id", "routes_id->routes"),
	}}, allOf).Search("sets pumps", Object, 10)
	place := map[string]int{}
	for i, h := range hits {
		place[h.Object] = i + 1
	}
	at := place["routes"]
	if at == 0 || place["mixes"] < at || hits[at-1].Why != "between pumps and sets" {
		t.Errorf("found %+v", hits)
	}
}

// TestJoins: what joins two objects that were asked for comes before their other
// fields, and after those that a word means.
func TestJoins(t *testing.T) {
	ix := Build(&schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		made("clerks", "id", "phone", "email", "grade"), made("tours", "id", "length", "price", "place", "guide->clerks"),
	}}, allOf)
	hits := ix.Search("length of tours", Field, 5)
	if named(hits[0]) != "tours.length" {
		t.Errorf("found %+v", hits)
	}
	hits = ix.Search("tours and clerks email", Field, 4)
	if !slices.ContainsFunc(hits, func(h Hit) bool { return named(h) == "tours.guide" }) || named(hits[0]) != "clerks.email" {
		t.Errorf("found %+v", hits)
	}
	hits = ix.Search("email", Field, 20)
	i := slices.IndexFunc(hits, func(h Hit) bool { return named(h) == "tours.guide" })
	if i < 1 || hits[i].Why != "joins tours and clerks" {
		t.Errorf("found %+v", hits)
	}
}

// TestReferencesSayLess: a field called like another object leads to that one.
func TestReferencesSayLess(t *testing.T) {
	db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		made("allergies", "id", "pet"), made("pet", "id", "kind"), made("zoo", "id", "pet_kind"),
	}}
	ix := Build(db, allOf)
	if f := ix.fields[1]; f.name != "pet" || !f.refers {
		t.Errorf("allergies.pet is %+v", f)
	}
	if hits := ix.Search("pet", Object, 3); len(hits) == 0 || hits[0].Object != "pet" {
		t.Errorf("found %+v", hits)
	}
}

func TestObjectBeforeItsFields(t *testing.T) {
	db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{made("regions", "id", "name")}}
	if hits := Build(db, allOf).Search("region", "", 5); named(hits[0]) != "regions" {
		t.Errorf("found %s first", named(hits[0]))
	}
}

// TestSideBySide: of two objects that were named, the word belongs to the one
// that was named last before it.
func TestSideBySide(t *testing.T) {
	db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{made("alpha", "id", "shade"), made("beta", "id", "shade")}}
	for query, want := range map[string]string{"alpha beta shade": "beta.shade", "beta alpha shade": "alpha.shade", "shade of beta and alpha": "beta.shade"} {
		if hits := Build(db, allOf).Search(query, Field, 5); named(hits[0]) != want {
			t.Errorf("%q found %s first, want %s", query, named(hits[0]), want)
		}
	}
}

func TestWordsWrittenTogether(t *testing.T) {
	db := &schema.Database{DefaultSchema: "public", Objects: []schema.Object{
		made("a", "firstname"), made("b", "id", "orderstate"), made("c", "id", "abtest"), made("order", "state"),
	}}
	ix := Build(db, allOf)
	for _, c := range []struct{ query, want, why string }{
		{"name", "a.firstname", "“name” in its name"},
		{"b state", "b.orderstate", "“b” in b; “state” in its name"},
		{"ab test", "c.abtest", "“ab”, “test” in its name"},
	} {
		if hits := ix.Search(c.query, Field, 1); len(hits) != 1 || named(hits[0]) != c.want || hits[0].Why != c.why {
			t.Errorf("%q found %+v, want %s: %s", c.query, hits, c.want, c.why)
		}
	}
	if words := ix.apart([]string{"stateorder", "firstname", "xstate"}); !slices.Equal(words, []string{"state", "order", "firstname", "xstate"}) {
		t.Errorf("taken apart: %v", words)
	}
}

// TestCommentsThatRepeatTheName say nothing about a field.
func TestCommentsThatRepeatTheName(t *testing.T) {
	db := practice()
	db.Find("pets").Field("id").Comment = "Identifies the pet."
	for _, h := range Build(db, allOf).Search("pets", Field, 20) {
		if h.Field == "id" && strings.Contains(h.Why, "comment") {
			t.Errorf("%s was found by %q", named(h), h.Why)
		}
	}
}

func TestFindsNothing(t *testing.T) {
	ix := Build(practice(), allOf)
	for _, q := range []string{"", " \t", "the of", "xqzvw", "?!", "\xff\xfe", strings.Repeat("x", 5000)} {
		if hits := ix.Search(q, "", 5); len(hits) != 0 {
			t.Errorf("%.20q found %v", q, hits)
		}
	}
	if hits := ix.Search("owners", "", 0); hits != nil {
		t.Errorf("a limit of 0 gave %v", hits)
	}
	if hits := Build(&schema.Database{}, allOf).Search("owners", "", 5); len(hits) != 0 {
		t.Errorf("an empty schema gave %v", hits)
	}
}

// TestTwoErrorsAreNotForgiven keeps typing errors from becoming guesses.
func TestTwoErrorsAreNotForgiven(t *testing.T) {
	ix := Build(practice(), allOf)
	for _, q := range []string{"spexxes", "suxxliers", "pte"} {
		if hits := ix.Search(q, "", 5); len(hits) != 0 {
			t.Errorf("%q found %v", q, hits[0])
		}
	}
}

func TestWhy(t *testing.T) {
	ix := Build(practice(), allOf)
	for _, c := range []struct {
		query string
		only  HitType
		want  string
	}{
		{"appointment status", Field, "“appointment” in appointments; “status” in its name"},
		{"bookings", Object, "“bookings” meaning “appointments” in its name"},
		{"quantity", Field, "“quantity” as “qty” in its name"},
		{"suplier", Object, "“suplier” taken for “suppliers” in its name"},
		{"hamster", Field, "“hamster” in its comment"},
		{"confirmed", Field, "“confirmed” among its values"},
		{"date of birth", Field, "“date”, “birth” as “dob” in its name"},
		{"species", Object, "“species” in its field species"},
		{"staff of appointments", Field, "“staff” in staff, to which it refers; “appointments” in appointments"},
	} {
		hits := ix.Search(c.query, c.only, 1)
		if len(hits) == 0 || hits[0].Why != c.want {
			t.Errorf("%q: %+v, want why %q", c.query, hits, c.want)
		}
	}
}

// TestCaps shows that words beyond the caps are not looked at.
func TestCaps(t *testing.T) {
	ix := Build(practice(), allOf)
	if hits := ix.Search(strings.Repeat("x", maxQuery)+" species", "", 5); len(hits) != 0 {
		t.Errorf("a word beyond %d bytes was found: %v", maxQuery, hits)
	}
	var many []string
	for i := range maxWords {
		many = append(many, string(rune('a'+i%26))+string(rune('a'+i/26))+"qx")
	}
	if hits := ix.Search(strings.Join(many, " ")+" species", "", 5); len(hits) != 0 {
		t.Errorf("a word beyond %d words was found: %v", maxWords, hits)
	}
	if got := len(Build(large(500), allOf).Search("id", "", 100_000)); got != maxHits {
		t.Errorf("%d hits, want no more than %d", got, maxHits)
	}
}

// TestWorkIsBounded asks for what stands nearly everywhere.
func TestWorkIsBounded(t *testing.T) {
	const text = "id name status created updated type description customer amount number"
	ix := Build(large(10_000), allOf)
	places := func(q query) (n int) {
		for _, u := range q.units {
			for _, a := range u.alternatives {
				n += ix.places(a.term)
			}
		}
		return n
	}
	q := ix.read(text)
	for range 4 {
		q.units = append(q.units, slices.Clone(q.units)...)
	}
	q.units = append(q.units, ix.read("appointment").units...)
	before := places(q)
	ix.bound(&q)
	if n := places(q); before <= maxPlaces || n > maxPlaces || n < maxPlaces/2 {
		t.Errorf("of %d places the query visits %d, want many but at most %d", before, n, maxPlaces)
	}
	if !slices.ContainsFunc(q.units, func(u unit) bool { return u.word == "appointment" }) {
		t.Error("the most telling word was left out")
	}
}

// TestBlocked searches for all that is blocked, by its own words.
func TestBlocked(t *testing.T) {
	whole := practice()
	scope := schema.Scope{BlockedTables: []string{"suppliers"}, BlockedColumns: map[string][]string{"owners": {"dob", "tel"}}}
	ix := Build(schema.Apply(whole, scope), allOf)
	for _, q := range []string{"suppliers", "supplier company", "iban", "dob", "date of birth", "telephone", "vendor", "owners tel", "birthday", "compny"} {
		for _, h := range ix.Search(q, "", maxHits) {
			if h.Object == "suppliers" || h.Object == "owners" && (h.Field == "dob" || h.Field == "tel") {
				t.Errorf("%q found %+v", q, h)
			}
			for _, name := range []string{"suppliers", "iban", "dob", "tel"} {
				if strings.Contains(h.Why, "“"+name+"”") && !strings.Contains(q, name) {
					t.Errorf("%q: why is %q", q, h.Why)
				}
			}
		}
	}
}

// TestBlockedIsAsIfItWereNot compares with a database that never had it.
func TestBlockedIsAsIfItWereNot(t *testing.T) {
	scope := schema.Scope{BlockedTables: []string{"pets"}, BlockedColumns: map[string][]string{"staff": {"hire_date"}}}
	scoped := Build(schema.Apply(practice(), scope), allOf)
	without := practice()
	without.Objects = slices.DeleteFunc(without.Objects, func(o schema.Object) bool { return o.Name == "pets" })
	staff := without.Find("staff")
	staff.Fields = slices.DeleteFunc(staff.Fields, func(f schema.Field) bool { return f.Name == "hire_date" })
	appointments := without.Find("appointments")
	appointments.ForeignKeys = slices.DeleteFunc(appointments.ForeignKeys, func(fk schema.ForeignKey) bool { return fk.TargetObject == "pets" })
	never := Build(without, allOf)
	for _, q := range []string{"pets", "pet name", "species", "hire date", "staff", "appointments", "owners of pets", "hired staff", "weight"} {
		if diff := cmp.Diff(never.Search(q, "", 50), scoped.Search(q, "", 50)); diff != "" {
			t.Errorf("%q: %s", q, diff)
		}
	}
}

func TestSchemaOfTheObject(t *testing.T) {
	db := practice()
	other := made("invoices", "id", "number")
	other.Schema = "accounting"
	db.Objects = append(db.Objects, other)
	hits := Build(db, allOf).Search("accounting", Object, 5)
	if len(hits) == 0 || hits[0].Object != "accounting.invoices" {
		t.Errorf("found %v", hits)
	}
}

func TestSearchesAtOnce(t *testing.T) {
	ix := Build(practice(), allOf)
	queries := []string{"owner telephone", "suplier iban", "appointments of a pet", "order quantity"}
	want := make([][]Hit, len(queries))
	for i, q := range queries {
		want[i] = ix.Search(q, "", 20)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				n := i % len(queries)
				if diff := cmp.Diff(want[n], ix.Search(queries[n], "", 20)); diff != "" {
					t.Errorf("%q: %s", queries[n], diff)
				}
			}
		})
	}
	wg.Wait()
}
