package schema

// blocks is what a scope comes to on one database: every object and column out
// of reach, for whatever reason.
type blocks struct {
	scope *Scope
	db    *Database
	match *matcher
	// prior are the blocks of earlier discoveries of this database, by oid,
	// whose entries are still in the lists.
	prior map[uint32][]*ResolvedBlock

	objects map[relation]verdict
	columns map[relation]map[string]verdict // by folded column name
	seen    map[place]bool                  // ids that direct blocks were found for
	direct  []ResolvedBlock
}

// relation is a catalogue name, exact.
type relation struct{ schema, name string }

// place is an oid with an attribute number, 0 for the object.
type place struct {
	id     uint32
	number int
}

type verdict struct{ reason BlockReason }

// resolve applies the lists to the database: names and renames first, then
// what these take with them.
func resolve(s *Scope, db *Database) *blocks {
	b := &blocks{
		scope: s, db: db, match: newMatcher(s), prior: map[uint32][]*ResolvedBlock{},
		objects: map[relation]verdict{}, columns: map[relation]map[string]verdict{}, seen: map[place]bool{},
	}
	for i := range s.Resolved {
		r := &s.Resolved[i]
		if r.Identity == db.Server.Identity && r.ID != 0 && b.match.hasRule(r.RuleTable, r.RuleColumn) {
			b.prior[r.ID] = append(b.prior[r.ID], r)
		}
	}
	for i := range db.Objects {
		b.nameObject(&db.Objects[i])
	}
	b.inherit()
	for i := range db.Objects {
		b.derive(&db.Objects[i])
	}
	b.views()
	return b
}

// nameObject finds the direct blocks of an object and its columns.
func (b *blocks) nameObject(o *Object) {
	r := relation{o.Schema, o.Name}
	b.directTable(r, o.ID)
	rules := b.match.rules(o.Schema, o.Name)
	if len(rules) == 0 && len(b.prior[o.ID]) == 0 {
		return
	}
	for i := range o.Fields {
		f := &o.Fields[i]
		b.directColumn(r, rules, f.Name, place{o.ID, f.Number})
	}
}

// directTable blocks a relation that the lists name now or named under this
// oid before. It answers for relations outside the database as well.
func (b *blocks) directTable(r relation, id uint32) bool {
	if e := b.match.table(r.schema, r.name); e != nil {
		b.markDirect(r, "", place{id, 0}, BlockedByName, e.table, "")
		return true
	}
	if p := b.before(place{id, 0}); p != nil {
		b.markDirect(r, "", place{id, 0}, BlockedByRename, p.RuleTable, "")
		return true
	}
	return false
}

func (b *blocks) directColumn(r relation, rules columnRules, column string, at place) bool {
	if e := rules.match(column); e != nil {
		b.markDirect(r, column, at, BlockedByName, e.table, e.column)
		return true
	}
	if p := b.before(at); p != nil {
		b.markDirect(r, column, at, BlockedByRename, p.RuleTable, p.RuleColumn)
		return true
	}
	return false
}

// before is the block that an oid and number had at an earlier discovery.
func (b *blocks) before(at place) *ResolvedBlock {
	if at.id == 0 {
		return nil
	}
	for _, p := range b.prior[at.id] {
		if p.Number == at.number {
			return p
		}
	}
	return nil
}

func (b *blocks) markDirect(r relation, column string, at place, reason BlockReason, ruleTable, ruleColumn string) {
	if column == "" {
		b.objects[r] = verdict{reason}
	} else {
		b.markColumn(r, column, reason)
	}
	if at.id == 0 || b.seen[at] {
		return
	}
	b.seen[at] = true
	b.direct = append(b.direct, ResolvedBlock{
		Identity: b.db.Server.Identity, Schema: r.schema, Object: r.name, Column: column, Reason: reason,
		ID: at.id, Number: at.number, RuleTable: ruleTable, RuleColumn: ruleColumn,
	})
}

func (b *blocks) markColumn(r relation, column string, reason BlockReason) {
	if b.columns[r] == nil {
		b.columns[r] = map[string]verdict{}
	}
	key := fold(column)
	if _, ok := b.columns[r][key]; !ok {
		b.columns[r][key] = verdict{reason}
	}
}

func (b *blocks) object(r relation) bool {
	_, ok := b.objects[r]
	return ok
}

func (b *blocks) column(r relation, column string) bool {
	columns := b.columns[r]
	if len(columns) == 0 {
		return false
	}
	_, ok := columns[fold(column)]
	return ok
}

// inherit carries direct blocks between partitions and their parents: down to
// every descendant, and up from all of these, since selecting from a parent
// returns its children's rows. Siblings show nothing of each other.
func (b *blocks) inherit() {
	family := map[relation]*kin{}
	at := func(s Source) *kin {
		r := relation{s.Schema, s.Object}
		if family[r] == nil {
			family[r] = &kin{relation: r}
			b.hidden(s)
		}
		return family[r]
	}
	var order []*kin
	for _, edge := range b.db.Inherits {
		child, parent := at(edge.Child), at(edge.Parent)
		child.parents = append(child.parents, parent)
		parent.children = append(parent.children, child)
		order = append(order, child, parent)
	}
	type seed struct {
		from    *kin
		object  bool
		columns []string
	}
	var seeds []seed
	started := map[*kin]bool{}
	for _, k := range order {
		if started[k] {
			continue
		}
		started[k] = true
		s := seed{from: k, object: b.object(k.relation)}
		for column := range b.columns[k.relation] {
			s.columns = append(s.columns, column)
		}
		if s.object || len(s.columns) > 0 {
			seeds = append(seeds, s)
		}
	}
	for _, s := range seeds {
		for _, k := range s.from.touched() {
			if s.object && !b.object(k.relation) {
				b.objects[k.relation] = verdict{BlockedPartition}
			}
			for _, column := range s.columns {
				b.markColumn(k.relation, column, BlockedPartition)
			}
		}
	}
}

// hidden finds the direct blocks of a relation that the role may not select
// from, whose columns are not known: the entries that name its table hold.
func (b *blocks) hidden(s Source) {
	r := relation{s.Schema, s.Object}
	b.directTable(r, s.ID)
	for _, columns := range b.match.rules(s.Schema, s.Object) {
		for _, e := range columns {
			if e.table != EveryTable {
				b.markColumn(r, e.column, BlockedByName)
			}
		}
	}
}

// kin is a relation with its children and parents.
type kin struct {
	relation          relation
	parents, children []*kin
}

// touched are the relations that show rows of k, and those whose rows k shows.
func (k *kin) touched() []*kin {
	seen := map[*kin]bool{k: true}
	list := []*kin{k}
	collect := func(next func(*kin) []*kin) {
		for i := 0; i < len(list); i++ {
			for _, other := range next(list[i]) {
				if !seen[other] {
					seen[other] = true
					list = append(list, other)
				}
			}
		}
	}
	collect(func(k *kin) []*kin { return k.children })
	collect(func(k *kin) []*kin { return k.parents })
	return list
}

// derive blocks generated columns that are computed from blocked ones, which
// may be columns that the role cannot select itself.
func (b *blocks) derive(o *Object) {
	r := relation{o.Schema, o.Name}
	rules := b.match.rules(o.Schema, o.Name)
	if len(b.columns[r]) == 0 && len(rules) == 0 {
		return
	}
	for again := true; again; {
		again = false
		for i := range o.Fields {
			f := &o.Fields[i]
			if b.column(r, f.Name) {
				continue
			}
			for _, from := range f.DerivedFrom {
				if b.column(r, from) || rules.match(from) != nil {
					b.markColumn(r, f.Name, BlockedDerived)
					again = true
					break
				}
			}
		}
	}
}

// views blocks the views that read something blocked, and those that may,
// until nothing more follows.
func (b *blocks) views() {
	for again := b.scope.Any(); again; {
		again = false
		for i := range b.db.Objects {
			o := &b.db.Objects[i]
			r := relation{o.Schema, o.Name}
			if len(o.Sources) == 0 && !o.SourcesUnknown || b.object(r) {
				continue
			}
			reason, blocked := b.viewReason(o)
			if blocked {
				b.objects[r] = verdict{reason}
				again = true
			}
		}
	}
}

func (b *blocks) viewReason(o *Object) (BlockReason, bool) {
	for i := range o.Sources {
		if b.source(&o.Sources[i]) {
			return BlockedView, true
		}
	}
	if o.SourcesUnknown && b.match.view(o.Schema, o.Name) == nil {
		return BlockedUnknown, true
	}
	return "", false
}

// source tells whether what a view reads is blocked. A source may be a relation
// or a column that the role cannot select itself, so the lists are asked too.
func (b *blocks) source(s *Source) bool {
	r := relation{s.Schema, s.Object}
	if b.object(r) || b.directTable(r, s.ID) {
		return true
	}
	rules := b.match.rules(s.Schema, s.Object)
	if s.Column != "" {
		return b.column(r, s.Column) || b.directColumn(r, rules, s.Column, place{s.ID, s.Number})
	}
	// The whole row: any blocked column of it will do.
	if len(b.columns[r]) > 0 {
		return true
	}
	known := b.db.Lookup(s.Schema, s.Object) != nil
	for _, columns := range rules {
		for _, e := range columns {
			if !known || e.table != EveryTable {
				return true
			}
		}
	}
	return false
}
