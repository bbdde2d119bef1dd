package search

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowyte/internal/schema"
)

// someDatabase draws a schema of names made of a few words, so that queries of the
// same words find much and tie often.
func someDatabase(t *rapid.T) *schema.Database {
	word := rapid.SampledFrom([]string{"order", "customer", "cust", "no", "status", "created", "at", "Name", "id", "ünit", "dob", "qty", "zip", "code", "x"})
	name := func(label string) string {
		return strings.Join(rapid.SliceOfN(word, 1, 3).Draw(t, label), rapid.SampledFrom([]string{"_", "", "-"}).Draw(t, "glue"))
	}
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public"}
	seen := map[string]bool{}
	for range rapid.IntRange(0, 6).Draw(t, "objects") {
		o := schema.Object{Schema: "public", Name: name("object"), Comment: name("comment")}
		if seen[o.Name] {
			continue
		}
		seen[o.Name] = true
		fields := map[string]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "fields") {
			if f := name("field"); !fields[f] {
				fields[f] = true
				o.Fields = append(o.Fields, schema.Field{Name: f, Type: schema.String})
			}
		}
		if n := len(db.Objects); n > 0 && len(o.Fields) > 0 {
			to := db.Objects[rapid.IntRange(0, n-1).Draw(t, "target")]
			o.ForeignKeys = []schema.ForeignKey{{Columns: []string{o.Fields[0].Name}, TargetSchema: "public", TargetObject: to.Name}}
		}
		db.Objects = append(db.Objects, o)
	}
	return db
}

// TestHitsAreLawful: whatever is asked, equal indexes answer alike, in order, within
// the limit, of the type asked for, with things that exist.
func TestHitsAreLawful(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := someDatabase(t)
		query := rapid.OneOf(rapid.String(), rapid.StringMatching(`(order|custmer|dob|zip code|no|status|name|created|[a-z]{1,8})( (of|the|number|id|qty|x))*`)).Draw(t, "query")
		only := rapid.SampledFrom([]HitType{"", Object, Field, Operation}).Draw(t, "type")
		limit := rapid.IntRange(-1, 30).Draw(t, "limit")
		ix := Build(db, allOf)
		hits := ix.Search(query, only, limit)
		if diff := cmp.Diff(hits, Build(db, allOf).Search(query, only, limit)); diff != "" {
			t.Fatalf("two equal indexes differ: %s", diff)
		}
		if diff := cmp.Diff(hits, ix.Search(query, only, limit)); diff != "" {
			t.Fatalf("two equal searches differ: %s", diff)
		}
		checkLawful(t, db, hits, only, limit)
		if n := len(hits); n > 1 {
			if diff := cmp.Diff(hits[:n-1], ix.Search(query, only, n-1)); diff != "" {
				t.Fatalf("a smaller limit gives other hits: %s", diff)
			}
		}
	})
}

func checkLawful(t interface{ Fatalf(string, ...any) }, db *schema.Database, hits []Hit, only HitType, limit int) {
	if len(hits) > max(limit, 0) {
		t.Fatalf("%d hits for a limit of %d", len(hits), limit)
	}
	seen := map[string]bool{}
	for i, h := range hits {
		if only != "" && h.Type != only {
			t.Fatalf("hit %+v for type %q", h, only)
		}
		if h.Score < 0 || h.Score > 1 || i == 0 && h.Score != 1 || i > 0 && h.Score > hits[i-1].Score {
			t.Fatalf("hit %d has score %v", i, h.Score)
		}
		o := db.Find(h.Object)
		if o == nil || o != &db.Objects[h.Place] || h.Type == Field && o.Field(h.Field) == nil || h.Why == "" {
			t.Fatalf("hit %+v", h)
		}
		id := strings.Join([]string{string(h.Type), h.Object, h.Field, h.Operation}, "\x00")
		if seen[id] {
			t.Fatalf("%+v was found twice", h)
		}
		seen[id] = true
	}
}

func FuzzSearch(f *testing.F) {
	db := practice()
	ix := Build(db, allOf)
	for _, q := range []string{"owner telephone", "custmoer", "ZIPCode", "date-of-birth", "\xff\x00", "ÄÖÜ ß İ", "number of no no", "\u0301\u0301", "ｆｕｌｌ　ｗｉｄｔｈ", "日本語", "  "} {
		f.Add(q, 20)
	}
	f.Fuzz(func(t *testing.T, query string, limit int) {
		checkLawful(t, db, ix.Search(query, "", limit), "", limit)
	})
}

// FuzzBuild indexes names and comments of any kind.
func FuzzBuild(f *testing.F) {
	f.Add("order_items", "qty", "How many.", "order")
	f.Add("\xff", "", "\u0301", "\u0301")
	f.Add("ＡＢＣ", "İd", "ß", "abc")
	f.Fuzz(func(t *testing.T, object, field, comment, query string) {
		db := &schema.Database{Kind: schema.MySQL, Objects: []schema.Object{{
			Name: object, Comment: comment, Fields: []schema.Field{{Name: field, Comment: comment, EnumValues: []string{query}, Type: schema.Date}},
		}}}
		checkLawful(t, db, Build(db, allOf).Search(query, "", 10), "", 10)
	})
}
