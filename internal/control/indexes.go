package control

import (
	"slices"

	"flowyte/internal/schema"
)

// indexesOf names the indexes that a plan uses, as far as scoping lets them be
// seen. One that depends on a blocked column is told as another that begins with
// the same column, which is what the server would use without it.
func (c *catalog) indexesOf(object schema.ColumnRef, used []string) []string {
	names := []string{}
	whole, scoped := c.whole.Lookup(object.Schema, object.Object), c.scoped.Lookup(object.Schema, object.Object)
	if whole == nil || scoped == nil {
		return names
	}
	for _, name := range used {
		if !slices.ContainsFunc(scoped.Indexes, func(i schema.Index) bool { return i.Name == name }) {
			name = standIn(whole, scoped, name)
		}
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// standIn is the first usable index that may be seen and begins like a hidden
// one; "" when there is none.
func standIn(whole, scoped *schema.Object, hidden string) string {
	i := slices.IndexFunc(whole.Indexes, func(x schema.Index) bool { return x.Name == hidden })
	if i < 0 || len(whole.Indexes[i].Columns) == 0 {
		return ""
	}
	for _, x := range scoped.Indexes {
		if x.Usable && len(x.Columns) > 0 && x.Columns[0] == whole.Indexes[i].Columns[0] {
			return x.Name
		}
	}
	return ""
}
