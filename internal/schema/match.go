package schema

import (
	"maps"
	"slices"
)

// matcher answers for a whole catalogue what Scope's lists say, by maps, and
// remembers which entries were of use.
type matcher struct {
	tables  map[string]*entry
	columns map[string]map[string]*entry
	views   map[string]*entry
	classes map[string]map[string]*entry
}

// entry is one line of the lists, as written.
type entry struct {
	table, column string
	used          bool
}

func newMatcher(s *Scope) *matcher {
	m := &matcher{
		tables: map[string]*entry{}, columns: map[string]map[string]*entry{},
		views: map[string]*entry{}, classes: map[string]map[string]*entry{},
	}
	for _, table := range s.BlockedTables {
		m.tables[fold(table)] = &entry{table: table}
	}
	for _, view := range s.AllowedViews {
		m.views[fold(view)] = &entry{table: view}
	}
	for _, table := range sortedKeys(s.BlockedColumns) {
		addColumns(m.columns, table, s.BlockedColumns[table])
	}
	for _, table := range sortedKeys(s.ColumnClasses) {
		addColumns(m.classes, table, sortedKeys(s.ColumnClasses[table]))
	}
	return m
}

func addColumns(to map[string]map[string]*entry, table string, columns []string) {
	key := fold(table)
	if to[key] == nil {
		to[key] = map[string]*entry{}
	}
	for _, column := range columns {
		to[key][fold(column)] = &entry{table: table, column: column}
	}
}

// table is the entry that blocks an object, nil for none.
func (m *matcher) table(schema, object string) *entry {
	return m.object(m.tables, schema, object)
}

// view is the entry that allows a view, nil for none.
func (m *matcher) view(schema, object string) *entry {
	return m.object(m.views, schema, object)
}

func (m *matcher) object(in map[string]*entry, schema, object string) *entry {
	if len(in) == 0 {
		return nil
	}
	var found *entry
	for _, key := range [...]string{fold(object), fold(schema + "." + object)} {
		if e := in[key]; e != nil {
			e.used = true
			found = e
		}
	}
	return found
}

// columnRules are the column entries that hold for one object.
type columnRules []map[string]*entry

// rules are the column entries for an object; EveryTable's come last.
func (m *matcher) rules(schema, object string) columnRules {
	return rulesIn(m.columns, schema, object)
}

func rulesIn(in map[string]map[string]*entry, schema, object string) columnRules {
	var rules columnRules
	if len(in) == 0 {
		return nil
	}
	for _, key := range [...]string{fold(object), fold(schema + "." + object), EveryTable} {
		if columns := in[key]; columns != nil {
			rules = append(rules, columns)
		}
	}
	return rules
}

// match is the entry for a column, nil for none.
func (r columnRules) match(column string) *entry {
	if len(r) == 0 {
		return nil
	}
	key := fold(column)
	var found *entry
	for _, columns := range r {
		if e := columns[key]; e != nil {
			e.used = true
			found = e
		}
	}
	return found
}

// column is the entry that blocks a column, nil for none.
func (m *matcher) column(schema, object, column string) *entry {
	return m.rules(schema, object).match(column)
}

// class marks the class entries of a column as used.
func (m *matcher) class(schema, object, column string) {
	rulesIn(m.classes, schema, object).match(column)
}

// hasRule tells whether the lists still hold an entry as it was written.
func (m *matcher) hasRule(table, column string) bool {
	return m.rule(table, column) != nil
}

func (m *matcher) rule(table, column string) *entry {
	if column == "" {
		return m.tables[fold(table)]
	}
	return m.columns[fold(table)][fold(column)]
}

func (m *matcher) markRule(table, column string) {
	if e := m.rule(table, column); e != nil {
		e.used = true
	}
}

// unused lists the entries that matched nothing, sorted, each once.
func (m *matcher) unused() []string {
	list := []string{}
	add := func(e *entry) {
		switch {
		case e.used:
		case e.column == "":
			list = append(list, e.table)
		default:
			list = append(list, e.table+"."+e.column)
		}
	}
	for _, entries := range []map[string]*entry{m.tables, m.views} {
		for _, e := range entries {
			add(e)
		}
	}
	for _, tables := range []map[string]map[string]*entry{m.columns, m.classes} {
		for _, columns := range tables {
			for _, e := range columns {
				add(e)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
