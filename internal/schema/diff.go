package schema

import (
	"bytes"
	"slices"
)

// Changes are what differs between two discoveries, by public names: an object
// as `table`, a column as `table.column`. Columns of an added or removed object
// are not listed. Each list is sorted and never nil.
type Changes struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
}

// Empty tells whether nothing differs.
func (c *Changes) Empty() bool { return len(c.Added)+len(c.Removed)+len(c.Changed) == 0 }

// Diff compares two discoveries of one connection. A nil database is an empty
// one. What it compares is what Digest covers.
func Diff(before, after *Database) Changes {
	old, now := objectsByName(before), objectsByName(after)
	c := Changes{Added: []string{}, Removed: []string{}, Changed: []string{}}
	for name := range old {
		if now[name] == nil {
			c.Removed = append(c.Removed, name)
		}
	}
	for name, o := range now {
		if was := old[name]; was == nil {
			c.Added = append(c.Added, name)
		} else {
			c.compare(name, was, o)
		}
	}
	for _, list := range [][]string{c.Added, c.Removed, c.Changed} {
		slices.Sort(list)
	}
	return c
}

func objectsByName(db *Database) map[string]*Object {
	if db == nil {
		return nil
	}
	m := make(map[string]*Object, len(db.Objects))
	for i := range db.Objects {
		m[db.PublicName(&db.Objects[i])] = &db.Objects[i]
	}
	return m
}

func (c *Changes) compare(name string, before, after *Object) {
	var a, b record
	a.shell(before)
	b.shell(after)
	if !bytes.Equal(a, b) {
		c.Changed = append(c.Changed, name)
	}
	for i := range after.Fields {
		f := &after.Fields[i]
		was := before.Field(f.Name)
		if was == nil {
			c.Added = append(c.Added, name+"."+f.Name)
			continue
		}
		a, b = a[:0], b[:0]
		a.field(was)
		b.field(f)
		if !bytes.Equal(a, b) {
			c.Changed = append(c.Changed, name+"."+f.Name)
		}
	}
	for i := range before.Fields {
		if column := before.Fields[i].Name; after.Field(column) == nil {
			c.Removed = append(c.Removed, name+"."+column)
		}
	}
}
