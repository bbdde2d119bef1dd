package schema

import (
	"cmp"
	"slices"
)

// Rename is a block that followed a rename.
type Rename struct {
	RuleTable  string // the entry, as written
	RuleColumn string
	Schema     string // what it blocks now
	Object     string
	Column     string
}

// Refresh returns the scope with Resolved brought up to date with a discovered
// database, before scoping, and the blocks that a rename since the last refresh
// would have lost. Entries for other databases stay as they are.
func (s *Scope) Refresh(db *Database) (Scope, []Rename) {
	b := resolve(s, db)
	next := *s
	next.Identity = db.Server.Identity
	next.Resolved = nil
	for i := range s.Resolved {
		r := &s.Resolved[i]
		// A place that was not seen this time may be seen again, when a
		// privilege comes back; its entry waits, while its rule stands.
		absent := r.Identity != next.Identity || r.ID != 0 && !b.seen[place{r.ID, r.Number}]
		if absent && b.match.hasRule(r.RuleTable, r.RuleColumn) {
			next.Resolved = append(next.Resolved, *r)
		}
	}
	next.Resolved = append(next.Resolved, b.direct...)
	next.Resolved = append(next.Resolved, b.derived()...)
	slices.SortFunc(next.Resolved, compareResolved)
	return next, b.renames()
}

// derived are the blocks that no entry names.
func (b *blocks) derived() []ResolvedBlock {
	var list []ResolvedBlock
	add := func(r relation, column string, v verdict) {
		if v.reason != BlockedByName && v.reason != BlockedByRename {
			list = append(list, ResolvedBlock{
				Identity: b.db.Server.Identity, Schema: r.schema, Object: r.name, Column: column, Reason: v.reason,
			})
		}
	}
	for r, v := range b.objects {
		add(r, "", v)
	}
	for r, columns := range b.columns {
		for column, v := range columns {
			add(r, column, v)
		}
	}
	return list
}

// renames are the direct blocks whose place had another name before.
func (b *blocks) renames() []Rename {
	var list []Rename
	for _, now := range b.direct {
		if now.Reason != BlockedByRename {
			continue
		}
		was := b.before(place{now.ID, now.Number})
		if was.Schema != now.Schema || was.Object != now.Object || was.Column != now.Column {
			list = append(list, Rename{now.RuleTable, now.RuleColumn, now.Schema, now.Object, now.Column})
		}
	}
	return list
}

// Renamed lists the blocks that hold something in this database under another
// name than their entry's, as of the last Refresh, in the order of the names
// now.
func (s *Scope) Renamed(db *Database) []Rename {
	var list []Rename
	for i := range s.Resolved {
		if b := &s.Resolved[i]; b.Reason == BlockedByRename && b.Identity == db.Server.Identity {
			list = append(list, Rename{b.RuleTable, b.RuleColumn, b.Schema, b.Object, b.Column})
		}
	}
	return list
}

// Along lists what is blocked in this database because of something that the
// lists name, as of the last Refresh, in the order of names.
func (s *Scope) Along(db *Database) []ResolvedBlock {
	var list []ResolvedBlock
	for _, b := range s.Resolved {
		if b.Reason != BlockedByName && b.Reason != BlockedByRename && b.Identity == db.Server.Identity {
			list = append(list, b)
		}
	}
	return list
}

func compareResolved(a, b ResolvedBlock) int {
	return cmp.Or(
		cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Object, b.Object),
		cmp.Compare(a.Column, b.Column), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Number, b.Number),
	)
}

// Apply is the database as the organisation may see it: without blocked objects
// and columns and without anything that would tell of them: indexes, keys,
// foreign keys and relationships over blocked columns, views that read them,
// generated columns computed from them, and children or parents of blocked
// partitions. The result shares memory with db; neither must be changed.
// Relationships are inferred and named anew, so that no name depends on what is
// gone.
func Apply(db *Database, scope Scope) *Database {
	if !scope.Any() {
		return db
	}
	b := resolve(&scope, db)
	scoped := *db
	scoped.Objects = make([]Object, 0, len(db.Objects))
	for i := range db.Objects {
		if o := &db.Objects[i]; !b.object(relation{o.Schema, o.Name}) {
			scoped.Objects = append(scoped.Objects, b.strip(o))
		}
	}
	scoped.Inherits = b.keepInherits(scoped.Objects)
	Relate(&scoped)
	return &scoped
}

// keepInherits keeps the edges between relations that are left. What is hidden
// goes too: it mattered for finding blocks only.
func (b *blocks) keepInherits(left []Object) []Inheritance {
	visible := make(map[relation]bool, len(left))
	for i := range left {
		visible[relation{left[i].Schema, left[i].Name}] = true
	}
	var kept []Inheritance
	for _, edge := range b.db.Inherits {
		if visible[relation{edge.Child.Schema, edge.Child.Object}] && visible[relation{edge.Parent.Schema, edge.Parent.Object}] {
			kept = append(kept, edge)
		}
	}
	return kept
}

// strip is the object without its blocked columns and what touches them.
func (b *blocks) strip(o *Object) Object {
	r := relation{o.Schema, o.Name}
	kept := *o
	kept.ForeignKeys = slices.DeleteFunc(slices.Clone(o.ForeignKeys), func(fk ForeignKey) bool {
		return b.cutsForeignKey(r, &fk)
	})
	if o.PartitionOf != "" && b.parentBlocked(r) {
		kept.PartitionOf = ""
	}
	if len(b.columns[r]) == 0 {
		return kept
	}
	gone := func(column string) bool { return column != "" && b.column(r, column) }
	kept.Fields = slices.DeleteFunc(slices.Clone(o.Fields), func(f Field) bool { return gone(f.Name) })
	kept.Indexes = slices.DeleteFunc(slices.Clone(o.Indexes), func(ix Index) bool {
		return slices.ContainsFunc(ix.Columns, gone) || slices.ContainsFunc(ix.Touches, gone)
	})
	if slices.ContainsFunc(o.PrimaryKey, gone) {
		kept.PrimaryKey = nil
	}
	if slices.ContainsFunc(o.PartitionKey, gone) {
		kept.PartitionKey = nil
	}
	if len(kept.Fields) == 0 && kept.Supported {
		kept.Supported, kept.Reason = false, ReasonNoColumns
	}
	return kept
}

func (b *blocks) cutsForeignKey(r relation, fk *ForeignKey) bool {
	target := relation{fk.TargetSchema, fk.TargetObject}
	return b.object(target) ||
		slices.ContainsFunc(fk.Columns, func(c string) bool { return b.column(r, c) }) ||
		slices.ContainsFunc(fk.TargetColumns, func(c string) bool { return b.column(target, c) })
}

func (b *blocks) parentBlocked(r relation) bool {
	return slices.ContainsFunc(b.db.Inherits, func(edge Inheritance) bool {
		return edge.Child.Schema == r.schema && edge.Child.Object == r.name &&
			b.object(relation{edge.Parent.Schema, edge.Parent.Object})
	})
}
