package search

import (
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// relate notes which objects and fields refer to one another, by the
// relationships of the schema, declared and inferred, and by likeness of name.
func (b *builder) relate(db *schema.Database) {
	place := map[[2]string]uint32{}
	for i := range db.Objects {
		place[[2]string{db.Objects[i].Schema, db.Objects[i].Name}] = uint32(i)
	}
	var edges, references, joins [][2]uint32
	for i := range db.Objects {
		o := &db.Objects[i]
		for k := range o.ForeignKeys {
			fk := &o.ForeignKeys[k]
			to, ok := place[[2]string{fk.TargetSchema, fk.TargetObject}]
			if !ok {
				continue
			}
			edges = edge(edges, uint32(i), to)
			for j := range o.Fields {
				if slices.Contains(fk.Columns, o.Fields[j].Name) {
					references = append(references, [2]uint32{to, b.ix.objects[i].fields.from + uint32(j)})
				}
			}
			joins = b.join(joins, db, uint32(i), to, fk)
		}
	}
	edges = b.alike(db, edges)
	b.ix.neighbours = newRelation(edges, len(db.Objects))
	b.ix.referring = newRelation(references, len(db.Objects))
	b.ix.joins = newRelation(joins, len(b.ix.fields))
	for _, r := range references {
		b.ix.fields[r[1]].refers = true
	}
}

// join adds the pairs of fields by which a foreign key joins two objects.
func (b *builder) join(joins [][2]uint32, db *schema.Database, from, to uint32, fk *schema.ForeignKey) [][2]uint32 {
	if from == to {
		return joins
	}
	for i, name := range fk.Columns[:min(len(fk.Columns), len(fk.TargetColumns))] {
		a, z := fieldAt(&db.Objects[from], name), fieldAt(&db.Objects[to], fk.TargetColumns[i])
		if a >= 0 && z >= 0 {
			joins = append(joins, [2]uint32{b.ix.objects[from].fields.from + uint32(a), b.ix.objects[to].fields.from + uint32(z)})
		}
	}
	return joins
}

func fieldAt(o *schema.Object, name string) int {
	return slices.IndexFunc(o.Fields, func(f schema.Field) bool { return f.Name == name })
}

func edge(edges [][2]uint32, a, b uint32) [][2]uint32 {
	if a == b {
		return edges
	}
	return append(edges, [2]uint32{a, b}, [2]uint32{b, a})
}

// alike adds the edges that names suggest where the schema knows no
// relationship: a field called like one other object, or like its only key.
// They serve ranking alone, so they may be bolder than inferred relationships.
func (b *builder) alike(db *schema.Database, edges [][2]uint32) [][2]uint32 {
	called := map[string][]uint32{}
	for i := range db.Objects {
		o := &db.Objects[i]
		key := b.inStems(o.Name)
		called[key] = append(called[key], uint32(i))
		if len(o.PrimaryKey) == 1 {
			if key := b.inStems(o.PrimaryKey[0]); strings.Contains(key, " ") {
				called[key] = append(called[key], uint32(i))
			}
		}
	}
	for i := range db.Objects {
		for j := range db.Objects[i].Fields {
			if to := called[b.inStems(db.Objects[i].Fields[j].Name)]; len(to) == 1 {
				edges = edge(edges, uint32(i), to[0])
				b.ix.fields[b.ix.objects[i].fields.from+uint32(j)].refers = to[0] != uint32(i)
			}
		}
	}
	return edges
}

// inStems is a name with its inflections folded.
func (b *builder) inStems(name string) string {
	words := b.split(name)
	stems := make([]string, len(words))
	for i, w := range words {
		stems[i] = b.stem(w)
	}
	return strings.Join(stems, " ")
}
