package schema_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"flowyte/internal/schema"

	"pgregory.net/rapid"
)

// change is a way in which a database can come to differ, with what Diff says
// of it.
type change struct {
	change  func(db *schema.Database)
	added   []string
	removed []string
	changed []string
	used    bool // it alters what a skill over customers(id, email) depends on
}

var changes = map[string]change{
	"table added": {change: func(db *schema.Database) {
		db.Objects = append(db.Objects, schema.Object{Schema: "public", Name: "fresh"})
	}, added: []string{"fresh"}},
	"table removed": {change: func(db *schema.Database) {
		db.Objects = slices.DeleteFunc(db.Objects, func(o schema.Object) bool { return o.Name == "payments" })
	}, removed: []string{"billing.payments"}},
	"column added": {change: func(db *schema.Database) {
		customers(db).Fields = append(customers(db).Fields, column("fax", schema.String))
	}, added: []string{"customers.fax"}},
	"column removed": {change: func(db *schema.Database) { customers(db).Fields = customers(db).Fields[1:] }, removed: []string{"customers.id"}, used: true},
	"other column removed": {change: func(db *schema.Database) {
		o := customers(db)
		o.Fields = slices.DeleteFunc(slices.Clone(o.Fields), func(f schema.Field) bool { return f.Name == "name" })
	}, removed: []string{"customers.name"}},
	"column renamed": {change: func(db *schema.Database) { customers(db).Fields[1].Name = "mail" }, added: []string{"customers.mail"}, removed: []string{"customers.email"}, used: true},
	"type":           onField(true, func(f *schema.Field) { f.Type = schema.Integer }),
	"native type":    onField(true, func(f *schema.Field) { f.NativeType = "varchar(41)" }),
	"base type":      onField(true, func(f *schema.Field) { f.BaseType = "citext" }),
	"oid":            onField(true, func(f *schema.Field) { f.TypeOID = 7 }),
	"enum's schema":  onField(true, func(f *schema.Field) { f.TypeSchema = "x" }),
	"enum's name":    onField(true, func(f *schema.Field) { f.TypeName = "x" }),
	"sign":           onField(true, func(f *schema.Field) { f.Unsigned = true }),
	"zone":           onField(true, func(f *schema.Field) { f.Zoned = true }),
	"nullable":       onField(true, func(f *schema.Field) { f.Nullable = false }),
	"generated":      onField(true, func(f *schema.Field) { f.Generated = true }),
	"identity":       onField(true, func(f *schema.Field) { f.Identity = true }),
	"labels":         onField(true, func(f *schema.Field) { f.EnumValues = []string{"a", "b"} }),
	"length":         onField(true, func(f *schema.Field) { f.MaxLength = new(int) }),
	"precision":      onField(true, func(f *schema.Field) { f.Precision = new(int) }),
	"scale":          onField(true, func(f *schema.Field) { f.Scale = new(int) }),
	"collation":      onField(true, func(f *schema.Field) { f.Collation = "C" }),
	"inexact":        onField(true, func(f *schema.Field) { f.Inexact = true }),
	"default":        onField(false, func(f *schema.Field) { f.HasDefault = true }),
	"invisible":      onField(false, func(f *schema.Field) { f.Invisible = true }),
	"derived":        onField(false, func(f *schema.Field) { f.DerivedFrom = []string{"id"} }),
	"field comment":  onField(false, func(f *schema.Field) { f.Comment = "x" }),
	"may insert":     onField(false, func(f *schema.Field) { f.CanInsert = true }),
	"may update":     onField(false, func(f *schema.Field) { f.CanUpdate = true }),
	"object type":    onObject(true, func(o *schema.Object) { o.Type = schema.PartitionedTable }),
	"unsupported":    onObject(true, func(o *schema.Object) { o.Supported = false }),
	"transactional":  onObject(true, func(o *schema.Object) { o.Transactional = false }),
	"comment":        onObject(false, func(o *schema.Object) { o.Comment = "x" }),
	"reason":         onObject(false, func(o *schema.Object) { o.Reason = "x" }),
	"engine":         onObject(false, func(o *schema.Object) { o.Engine = "x" }),
	"row security":   onObject(false, func(o *schema.Object) { o.RowSecurity = true }),
	"triggers":       onObject(false, func(o *schema.Object) { o.HasTriggers = true }),
	"rules":          onObject(false, func(o *schema.Object) { o.HasRules = true }),
	"insert":         onObject(false, func(o *schema.Object) { o.CanInsert = true }),
	"update":         onObject(false, func(o *schema.Object) { o.CanUpdate = true }),
	"unknown":        onObject(false, func(o *schema.Object) { o.SourcesUnknown = true }),
	"volatile":       onObject(false, func(o *schema.Object) { o.CallsVolatile = true }),
	"partition":      onObject(false, func(o *schema.Object) { o.PartitionOf = "public.x" }),
	"partition key":  onObject(false, func(o *schema.Object) { o.PartitionKey = []string{"id"} }),
	"primary key":    onObject(false, func(o *schema.Object) { o.PrimaryKey = []string{"id", "email"} }),
	"sources":        onObject(false, func(o *schema.Object) { o.Sources = []schema.Source{source("a", "b", "c", 0, 0)} }),
	"foreign key":    onObject(false, func(o *schema.Object) { o.ForeignKeys = []schema.ForeignKey{{Name: "x", Columns: []string{"id"}}} }),
	"index gone": onObject(true, func(o *schema.Object) {
		o.Indexes = slices.Delete(slices.Clone(o.Indexes), 3, 4)
		o.Indexes = slices.Delete(o.Indexes, 2, 3)
	}),
	"index renamed":       onIndex(3, false, func(ix *schema.Index) { ix.Name = "x" }),
	"index touches":       onIndex(3, false, func(ix *schema.Index) { ix.Touches = []string{"ssn"} }),
	"index method":        onIndex(3, false, func(ix *schema.Index) { ix.Method = "x" }),
	"index primary":       onIndex(3, false, func(ix *schema.Index) { ix.Primary = true }),
	"index nulls":         onIndex(3, false, func(ix *schema.Index) { ix.NullsDistinct = false }),
	"one of two unusable": onIndex(3, false, func(ix *schema.Index) { ix.Usable, ix.Reason = false, "x" }),
	"key unusable":        onIndex(0, true, func(ix *schema.Index) { ix.Usable, ix.Reason = false, "x" }),
	"key unordered":       onIndex(0, true, func(ix *schema.Index) { ix.EqualityOnly = true }),
	"key not unique":      onIndex(0, true, func(ix *schema.Index) { ix.Unique = false }),
	"key deferrable":      onIndex(0, true, func(ix *schema.Index) { ix.Immediate = false }),
	"key partial":         onIndex(0, true, func(ix *schema.Index) { ix.Reason = schema.ReasonPartial }),
	"other key gone":      onObject(false, func(o *schema.Object) { o.Indexes = slices.Delete(slices.Clone(o.Indexes), 1, 2) }),
}

func customers(db *schema.Database) *schema.Object { return db.Find("customers") }

func onField(used bool, edit func(f *schema.Field)) change {
	return change{change: func(db *schema.Database) { edit(customers(db).Field("email")) }, changed: []string{"customers.email"}, used: used}
}

func onObject(used bool, edit func(o *schema.Object)) change {
	return change{change: func(db *schema.Database) { edit(customers(db)) }, changed: []string{"customers"}, used: used}
}

func onIndex(i int, used bool, edit func(ix *schema.Index)) change {
	return onObject(used, func(o *schema.Object) { edit(&o.Indexes[i]) })
}

func TestDigestAndDiff(t *testing.T) {
	columns := []string{"email", "id"}
	whole, used := schema.Digest(shop()), schema.ObjectDigest(customers(shop()), columns)
	for name, test := range changes {
		t.Run(name, func(t *testing.T) {
			db := shop()
			test.change(db)
			got := schema.Diff(shop(), db)
			same(t, "changes", schema.Changes{Added: orEmpty(test.added), Removed: orEmpty(test.removed), Changed: orEmpty(test.changed)}, got)
			if schema.Digest(db) == whole {
				t.Error("the digest is the same")
			}
			if differs := schema.ObjectDigest(customers(db), columns) != used; differs != test.used {
				t.Errorf("the digest of what is used differs: %t", differs)
			}
		})
	}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func TestDigestLeavesOutWhatDrifts(t *testing.T) {
	db := shop()
	db.DiscoveredAt = time.Now()
	db.Server.Version = "99"
	for i := range db.Objects {
		o := &db.Objects[i]
		o.ID, o.EstimatedRows, o.Partitions = o.ID+100, 7, 3
		slices.Reverse(o.Fields)
		for j := range o.Fields {
			o.Fields[j].Number += 5
		}
		slices.Reverse(o.Indexes)
		for j := range o.Sources {
			o.Sources[j].ID++
		}
		o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{Columns: []string{"x"}, Inferred: true})
	}
	slices.Reverse(db.Objects)
	if got := schema.Diff(shop(), db); !got.Empty() {
		t.Errorf("changes: %+v", got)
	}
	if schema.Digest(db) != schema.Digest(shop()) {
		t.Error("the digest differs")
	}
}

func TestDiffOfNothing(t *testing.T) {
	got := schema.Diff(nil, shop())
	same(t, "added", names(shop()), got.Added)
	got = schema.Diff(shop(), nil)
	same(t, "removed", names(shop()), got.Removed)
}

// Digests are equal exactly when nothing changed, whatever the changes.
func TestDigestFollowsDiff(t *testing.T) {
	var list []string
	for name := range changes {
		list = append(list, name)
	}
	slices.Sort(list)
	rapid.Check(t, func(rt *rapid.T) {
		a, b := shop(), shop()
		for _, db := range []*schema.Database{a, b} {
			for _, name := range rapid.SliceOfN(rapid.SampledFrom(list), 0, 2).Draw(rt, "changes") {
				if customers(db) != nil && customers(db).Field("email") != nil && len(customers(db).Indexes) == 5 {
					changes[name].change(db)
				}
			}
		}
		diff := schema.Diff(a, b)
		if (schema.Digest(a) == schema.Digest(b)) != diff.Empty() {
			rt.Fatalf("the digests disagree with %+v", diff)
		}
	})
}

func TestObjectDigestIsOverASet(t *testing.T) {
	o := customers(shop())
	want := schema.ObjectDigest(o, []string{"id", "email"})
	for _, columns := range [][]string{{"email", "id"}, {"id", "email", "id"}} {
		if schema.ObjectDigest(o, columns) != want {
			t.Errorf("%v has another digest", columns)
		}
	}
	seen := map[string]string{}
	for _, columns := range [][]string{{}, {"id"}, {"email"}, {"id", "email"}, {"i", "d"}, {"idemail"}, {"id", "gone"}} {
		digest := schema.ObjectDigest(o, columns)
		if other, ok := seen[digest]; ok {
			t.Errorf("%v and %s share a digest", columns, other)
		}
		seen[digest] = fmt.Sprint(columns)
	}
}

// TestTypesMadeAgain: an oid of a user's type says which one it was, not what it
// is like.
func TestTypesMadeAgain(t *testing.T) {
	digest := func(oid uint32) string {
		db := shop()
		customers(db).Fields[1].TypeOID = oid
		return schema.ObjectDigest(customers(db), []string{"id", "email"})
	}
	if digest(schema.FirstUserOID) != digest(24601) {
		t.Error("a type made again is another type")
	}
	if digest(25) == digest(24601) || digest(25) == digest(1043) {
		t.Error("the server's own types are not told apart")
	}
}
