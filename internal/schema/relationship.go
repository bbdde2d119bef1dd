package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Cardinalities of a relationship, seen from the object that holds the key.
const (
	ManyToOne = "many_to_one"
	OneToOne  = "one_to_one"
)

// Cardinality is one_to_one when a unique key of the object lies within the
// columns of the foreign key, else many_to_one.
func (o *Object) Cardinality(fk *ForeignKey) string {
	for i := range o.Indexes {
		ix := &o.Indexes[i]
		if ix.enforces() && containsAll(fk.Columns, ix.Columns) {
			return OneToOne
		}
	}
	return ManyToOne
}

// UniqueKeys are the columns of each unique index that covers every row, the
// primary key included, each key once.
func (o *Object) UniqueKeys() [][]string {
	keys := [][]string{}
	for i := range o.Indexes {
		if ix := &o.Indexes[i]; ix.enforces() {
			if !slices.ContainsFunc(keys, func(k []string) bool { return slices.Equal(k, ix.Columns) }) {
				keys = append(keys, ix.Columns)
			}
		}
	}
	return keys
}

func containsAll(set, subset []string) bool {
	return !slices.ContainsFunc(subset, func(s string) bool { return !slices.Contains(set, s) })
}

// Relate infers relationships that no constraint declares and gives every
// relationship of every object its name. It replaces what an earlier call
// inferred and named, so that what was taken away in between leaves no trace.
func Relate(db *Database) {
	infer(db)
	for i := range db.Objects {
		nameRelationships(&db.Objects[i])
	}
}

// nameRelationships names a relationship by its column without the id suffix,
// and by its constraint when it has several columns. A name that is taken gets
// the target's name, then a number. Declared relationships choose first, in
// the order of their constraints.
func nameRelationships(o *Object) {
	slices.SortStableFunc(o.ForeignKeys, func(a, b ForeignKey) int {
		if a.Inferred != b.Inferred {
			if a.Inferred {
				return 1
			}
			return -1
		}
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return slices.Compare(a.Columns, b.Columns)
	})
	taken := map[string]bool{}
	for i := range o.ForeignKeys {
		fk := &o.ForeignKeys[i]
		name := relationshipName(o, fk)
		if taken[name] {
			name += "_" + fk.TargetObject
		}
		stem := name
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", stem, n)
		}
		taken[name] = true
		fk.Relationship = name
	}
}

func relationshipName(o *Object, fk *ForeignKey) string {
	if len(fk.Columns) == 1 {
		if name := withoutID(fk.Columns[0]); name != "" {
			return name
		}
		return fk.TargetObject
	}
	name := trimFold(fk.Name, "fk_", "")
	name = trimFold(name, o.Name+"_", "")
	name = trimFold(name, "fk_", "")
	name = trimFold(name, "", "_fkey")
	name = trimFold(name, "", "_fk")
	// A constraint that the server named itself says nothing.
	if name == "" || strings.HasPrefix(strings.ToLower(name), "ibfk_") {
		return fk.TargetObject
	}
	return name
}

// withoutID is the column's name without its id suffix: customer_id,
// customerId, CustomerID and customer-id all lose it; "paid" keeps all it has.
// It is empty for a column that is called nothing but id.
func withoutID(column string) string {
	n := len(column) - len("id")
	if n < 0 || !strings.EqualFold(column[n:], "id") {
		return column
	}
	stem := column[:n]
	if stem == "" {
		return ""
	}
	last := stem[len(stem)-1]
	switch {
	case strings.ContainsRune("_- .", rune(last)):
		return strings.TrimRight(stem, "_- .")
	case last >= '0' && last <= '9':
		return column
	case column[n] == 'I' && (last < 'A' || last > 'Z'):
		return stem
	}
	return column
}

func trimFold(s, prefix, suffix string) string {
	if n := len(prefix); n > 0 && len(s) >= n && strings.EqualFold(s[:n], prefix) {
		s = s[n:]
	}
	if n := len(s) - len(suffix); n >= 0 && suffix != "" && strings.EqualFold(s[n:], suffix) {
		s = s[:n]
	}
	return s
}

// infer adds the relationships that names, types and unique keys suggest:
// a column named like an object and its id, of the type of that object's only
// key column. Nothing is inferred for a column with a declared key, and nothing
// where two objects fit equally well.
func infer(db *Database) {
	targets := inferenceTargets(db)
	for i := range db.Objects {
		o := &db.Objects[i]
		declared := map[string]bool{}
		o.ForeignKeys = slices.DeleteFunc(slices.Clone(o.ForeignKeys), func(fk ForeignKey) bool { return fk.Inferred })
		for _, fk := range o.ForeignKeys {
			for _, c := range fk.Columns {
				declared[c] = true
			}
		}
		for j := range o.Fields {
			f := &o.Fields[j]
			if declared[f.Name] {
				continue
			}
			if fk, ok := inferOne(o, f, targets); ok {
				o.ForeignKeys = append(o.ForeignKeys, fk)
			}
		}
	}
}

// target is an object that a column of another may point to.
type target struct {
	object *Object
	key    *Field
}

// inferenceTargets are the objects with a single-column key, by the words of
// their names in the singular and by schema.
func inferenceTargets(db *Database) map[string][]target {
	targets := map[string][]target{}
	for i := range db.Objects {
		o := &db.Objects[i]
		if o.PartitionOf != "" || o.Type == View || o.Type == ForeignTable {
			continue
		}
		if key := soleKey(o); key != nil {
			for _, name := range singularNames(o.Name) {
				targets[name] = append(targets[name], target{o, key})
			}
		}
	}
	return targets
}

// soleKey is the column that identifies a row: the primary key, else an only
// single-column unique key.
func soleKey(o *Object) *Field {
	if len(o.PrimaryKey) > 0 {
		if len(o.PrimaryKey) == 1 {
			return o.Field(o.PrimaryKey[0])
		}
		return nil
	}
	var sole *Field
	for i := range o.Fields {
		if o.UniqueColumn(o.Fields[i].Name) {
			if sole != nil {
				return nil
			}
			sole = &o.Fields[i]
		}
	}
	return sole
}

// singularNames are the names that a row of the object may be called by.
func singularNames(object string) []string {
	words := Words(object)
	if len(words) == 0 {
		return nil
	}
	last := words[len(words)-1]
	var names []string
	for _, word := range append(Singulars(last), last) {
		words[len(words)-1] = word
		if name := strings.Join(words, "_"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func inferOne(o *Object, f *Field, targets map[string][]target) (ForeignKey, bool) {
	// customer_id, but also customer_no, customer_number, customer_code,
	// customer_uuid. Most columns end otherwise and need not be split.
	if !endsInID(f.Name) {
		return ForeignKey{}, false
	}
	words := Words(f.Name)
	if len(words) < 2 || !idWord(words[len(words)-1]) {
		return ForeignKey{}, false
	}
	stem := words[:len(words)-1]
	// The whole stem first; then its tail, for a role: billing_customer_id.
	for from := range stem {
		fits := fitting(o, f, words[len(words)-1], targets[strings.Join(stem[from:], "_")])
		if len(fits) > 1 {
			return ForeignKey{}, false
		}
		if len(fits) == 1 {
			t := fits[0]
			return ForeignKey{
				Columns: []string{f.Name}, TargetSchema: t.object.Schema, TargetObject: t.object.Name,
				TargetColumns: []string{t.key.Name}, Inferred: true,
				Reason: fmt.Sprintf("named like the key %s of %s and of the same type; no constraint declares it", t.key.Name, t.object.Name),
			}, true
		}
	}
	return ForeignKey{}, false
}

var idWords = []string{"id", "uuid", "guid", "no", "nr", "num", "number", "code", "key", "ref", "fk"}

func idWord(word string) bool { return slices.Contains(idWords, word) }

func endsInID(column string) bool {
	return slices.ContainsFunc(idWords, func(word string) bool {
		n := len(column) - len(word)
		return n > 0 && strings.EqualFold(column[n:], word)
	})
}

// fitting keeps the targets whose key has the column's type and ends in the
// same word; those in the object's own schema win.
func fitting(o *Object, f *Field, suffix string, candidates []target) []target {
	var same, other []target
	for _, t := range candidates {
		words := Words(t.key.Name)
		ends := len(words) > 0 && (words[len(words)-1] == suffix || suffix == "fk" || suffix == "ref" || suffix == "key")
		if !ends || !sameType(f, t.key) || t.object == o && t.key.Name == f.Name {
			continue
		}
		if t.object.Schema == o.Schema {
			same = append(same, t)
		} else {
			other = append(other, t)
		}
	}
	if len(same) > 0 {
		return same
	}
	return other
}

func sameType(a, b *Field) bool {
	return a.Type == b.Type && a.Type.Scalar() && a.Unsigned == b.Unsigned &&
		(a.Type != Enum || slices.Equal(a.EnumValues, b.EnumValues))
}
