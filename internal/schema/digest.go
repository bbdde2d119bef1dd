package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"
)

// Digest is the SHA-256, in hex, of everything that discovery reports about a
// database and that a change of the schema can alter. Row estimates, oids,
// positions of columns, the server's version and relationships that are only
// inferred are left out, so that an analyse, a restore or an added column does
// not change what stayed the same. Two databases have equal digests exactly
// when Diff finds no change between them.
func Digest(db *Database) string {
	order := make([]int, len(db.Objects))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		x, y := &db.Objects[a], &db.Objects[b]
		if c := strings.Compare(x.Schema, y.Schema); c != 0 {
			return c
		}
		return strings.Compare(x.Name, y.Name)
	})
	var w record
	h := sha256.New()
	w.text(string(db.Kind))
	w.text(db.DefaultSchema)
	for _, i := range order {
		o := &db.Objects[i]
		w.text(o.Schema)
		w.text(o.Name)
		w.shell(o)
		for _, f := range fieldsByName(o) {
			w.field(f)
		}
		w.flush(h)
	}
	w.flush(h)
	return hex.EncodeToString(h.Sum(nil))
}

// ObjectDigest is the SHA-256, in hex, of what a statement over these columns
// of the object depends on: the object's type, whether it can roll back, the
// columns' types, nullability, values and collation, and which of them a usable
// index leads with or a key identifies a row by. Columns that are missing count
// as missing. Names and number of indexes, other columns, comments, privileges
// and defaults do not count.
func ObjectDigest(o *Object, columns []string) string {
	names := slices.Clone(columns)
	slices.Sort(names)
	names = slices.Compact(names)
	var w record
	w.text(string(o.Type))
	w.flag(o.Supported)
	w.flag(o.Transactional)
	for _, name := range names {
		w.text(name)
		f := o.Field(name)
		if w.flag(f != nil); f == nil {
			continue
		}
		w.shape(f)
		w.flag(o.Searchable(name))
		w.flag(o.ordered(name))
	}
	for _, key := range o.keysWithin(names) {
		w.list(key)
	}
	sum := sha256.Sum256(w)
	return hex.EncodeToString(sum[:])
}

// ordered tells whether a usable index leads with the column in its own order.
func (o *Object) ordered(column string) bool {
	return slices.ContainsFunc(o.Indexes, func(ix Index) bool {
		return ix.Usable && !ix.EqualityOnly && len(ix.Columns) > 0 && ix.Columns[0] == column
	})
}

// keysWithin lists the immediate unique keys over some of the columns, sorted.
func (o *Object) keysWithin(columns []string) [][]string {
	var keys [][]string
	for i := range o.Indexes {
		ix := &o.Indexes[i]
		if !ix.enforces() || !ix.Immediate {
			continue
		}
		key := slices.Clone(ix.Columns)
		slices.Sort(key)
		if !slices.ContainsFunc(key, func(c string) bool { return !slices.Contains(columns, c) }) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, slices.Compare)
	return slices.CompactFunc(keys, slices.Equal)
}

// enforces tells whether the index guarantees, for every row without NULLs,
// that no two share the values of its columns.
func (ix *Index) enforces() bool {
	if !ix.Unique || len(ix.Columns) == 0 || slices.Contains(ix.Columns, "") {
		return false
	}
	switch ix.Reason {
	case ReasonPartial, ReasonExpression, ReasonInvalid:
		return false
	}
	return true
}

func fieldsByName(o *Object) []*Field {
	fields := make([]*Field, len(o.Fields))
	for i := range o.Fields {
		fields[i] = &o.Fields[i]
	}
	slices.SortFunc(fields, func(a, b *Field) int { return strings.Compare(a.Name, b.Name) })
	return fields
}

// record is a canonical encoding: every part is preceded by its length, so
// that no two different things share their bytes.
type record []byte

func (w *record) text(s string) {
	*w = binary.AppendUvarint(*w, uint64(len(s)))
	*w = append(*w, s...)
}

func (w *record) list(list []string) {
	*w = binary.AppendUvarint(*w, uint64(len(list)))
	for _, s := range list {
		w.text(s)
	}
}

func (w *record) flag(b bool) {
	if b {
		*w = append(*w, 1)
	} else {
		*w = append(*w, 0)
	}
}

func (w *record) optional(n *int) {
	if w.flag(n != nil); n != nil {
		*w = binary.AppendVarint(*w, int64(*n))
	}
}

func (w *record) flush(h hash.Hash) {
	h.Write(*w)
	*w = (*w)[:0]
}

// shape is what a value of the field can be.
func (w *record) shape(f *Field) {
	w.text(string(f.Type))
	w.text(f.NativeType)
	w.text(f.BaseType)
	*w = binary.AppendUvarint(*w, uint64(min(f.TypeOID, FirstUserOID)))
	w.text(f.TypeSchema)
	w.text(f.TypeName)
	w.flag(f.Unsigned)
	w.flag(f.Zoned)
	w.flag(f.Nullable)
	w.flag(f.Generated)
	w.flag(f.Identity)
	w.list(f.EnumValues)
	w.optional(f.MaxLength)
	w.optional(f.Precision)
	w.optional(f.Scale)
	w.text(f.Collation)
	w.flag(f.Inexact)
}

// field is everything about a field that Diff compares.
func (w *record) field(f *Field) {
	w.text(f.Name)
	w.shape(f)
	w.flag(f.HasDefault)
	w.flag(f.Invisible)
	w.list(f.DerivedFrom)
	w.text(f.Comment)
	w.flag(f.CanInsert)
	w.flag(f.CanUpdate)
}

// shell is everything about an object, its names and fields apart.
func (w *record) shell(o *Object) {
	w.text(string(o.Type))
	w.text(o.Comment)
	w.text(o.Reason)
	w.text(o.Engine)
	for _, b := range []bool{o.Supported, o.Transactional, o.RowSecurity, o.HasTriggers, o.HasRules,
		o.CanInsert, o.CanUpdate, o.SourcesUnknown, o.CallsVolatile} {
		w.flag(b)
	}
	w.text(o.PartitionOf)
	w.list(o.PartitionKey)
	w.list(o.PrimaryKey)
	w.sorted(len(o.Indexes), func(part *record, i int) { part.index(&o.Indexes[i]) })
	w.sorted(len(o.ForeignKeys), func(part *record, i int) {
		if !o.ForeignKeys[i].Inferred {
			part.foreignKey(&o.ForeignKeys[i])
		}
	})
	w.sorted(len(o.Sources), func(part *record, i int) {
		s := &o.Sources[i]
		part.list([]string{s.Schema, s.Object, s.Column})
	})
}

func (w *record) index(ix *Index) {
	w.text(ix.Name)
	w.list(ix.Columns)
	w.list(ix.Touches)
	w.text(ix.Reason)
	w.text(ix.Method)
	for _, b := range []bool{ix.Unique, ix.Primary, ix.Immediate, ix.Usable, ix.EqualityOnly, ix.NullsDistinct} {
		w.flag(b)
	}
}

func (w *record) foreignKey(fk *ForeignKey) {
	w.text(fk.Name)
	w.list(fk.Columns)
	w.text(fk.TargetSchema)
	w.text(fk.TargetObject)
	w.list(fk.TargetColumns)
}

// sorted writes n parts in the order of their bytes, leaving empty ones out.
func (w *record) sorted(n int, write func(part *record, i int)) {
	parts := make([]string, 0, n)
	for i := range n {
		var part record
		if write(&part, i); len(part) > 0 {
			parts = append(parts, string(part))
		}
	}
	slices.Sort(parts)
	w.list(parts)
}
