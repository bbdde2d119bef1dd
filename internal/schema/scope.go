package schema

import (
	"slices"
	"strings"
)

// Scope is what an organisation keeps out of reach on connections of one kind.
// It outlives discovery and disconnection. Names match without regard to case;
// a table without a schema matches in every schema; a name is compared with
// catalogue names and never parsed, since both parts may contain dots.
//
// The lists say what a person wrote. Resolved says what that came to at the
// last discovery: blocks that follow a rename, and what is blocked along with
// something else. A Scope is a value: its methods do not change it.
type Scope struct {
	BlockedTables []string `json:"blockedTables,omitempty"`
	// BlockedColumns are columns by table; table "*" blocks one everywhere.
	BlockedColumns map[string][]string `json:"blockedColumns,omitempty"`
	// AllowedViews are views whose unknown sources somebody has vouched for.
	AllowedViews []string `json:"allowedViews,omitempty"`
	// ColumnClasses override PIIClass by table and column; "none" is no class.
	ColumnClasses map[string]map[string]string `json:"columnClasses,omitempty"`

	// Resolved is kept by Refresh. Identity is the Server.Identity of the
	// database it was last refreshed for: entries of another are kept for the
	// day that one is connected again, and block nothing until then.
	Resolved []ResolvedBlock `json:"resolved,omitempty"`
	Identity string          `json:"identity,omitempty"`
}

// EveryTable in BlockedColumns or ColumnClasses stands for all tables.
const EveryTable = "*"

// BlockReason says how something came to be blocked.
type BlockReason string

// The reasons.
const (
	BlockedByName    BlockReason = "blocked"         // the lists name it
	BlockedByRename  BlockReason = "renamed"         // the lists named it before it was renamed
	BlockedPartition BlockReason = "partition"       // of a blocked parent, or parent of a blocked one
	BlockedView      BlockReason = "view"            // it reads something blocked
	BlockedUnknown   BlockReason = "sources_unknown" // a view that may read anything
	BlockedDerived   BlockReason = "generated"       // computed from a blocked column
)

// ResolvedBlock is one blocked object (Column "") or column.
type ResolvedBlock struct {
	Identity string      `json:"identity"`
	Schema   string      `json:"schema"`
	Object   string      `json:"object"`
	Column   string      `json:"column,omitempty"`
	Reason   BlockReason `json:"reason"`
	// ID and Number are PostgreSQL's oid and attribute number.
	ID     uint32 `json:"id,omitempty"`
	Number int    `json:"number,omitempty"`
	// RuleTable and RuleColumn are the entry of the lists that it comes from,
	// as written; empty for what is blocked along with something else.
	RuleTable  string `json:"ruleTable,omitempty"`
	RuleColumn string `json:"ruleColumn,omitempty"`
}

// Use is an object and the columns of it that a statement depends on.
type Use struct {
	Schema  string
	Object  string
	Columns []string
}

// Any tells whether anything at all is blocked.
func (s *Scope) Any() bool {
	if len(s.BlockedTables) > 0 {
		return true
	}
	for _, columns := range s.BlockedColumns {
		if len(columns) > 0 {
			return true
		}
	}
	return false
}

// Blocked tells whether a column, or with column "" the object itself, is out
// of reach. It looks at the lists and at Resolved and not at any catalogue, so
// that its answer does not tell whether the thing exists.
func (s *Scope) Blocked(schema, object, column string) bool {
	for _, table := range s.BlockedTables {
		if namesTable(table, schema, object) {
			return true
		}
	}
	if column != "" {
		for table, columns := range s.BlockedColumns {
			if table != EveryTable && !namesTable(table, schema, object) {
				continue
			}
			if slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, column) }) {
				return true
			}
		}
	}
	for i := range s.Resolved {
		b := &s.Resolved[i]
		if b.Identity == s.Identity && strings.EqualFold(b.Object, object) && strings.EqualFold(b.Schema, schema) &&
			(b.Column == "" || column != "" && strings.EqualFold(b.Column, column)) {
			return true
		}
	}
	return false
}

// BlockedName is Blocked for an object as the API names it: a table of the
// default schema, or schema.table. Every way to read the name counts.
func (s *Scope) BlockedName(defaultSchema, name, column string) bool {
	if s.Blocked(defaultSchema, name, column) {
		return true
	}
	for i := range len(name) {
		if name[i] == '.' && s.Blocked(name[:i], name[i+1:], column) {
			return true
		}
	}
	return false
}

// BlockedUse is the first of the uses that is blocked, wholly or in one of its
// columns. It is what keeps a published statement from running.
func (s *Scope) BlockedUse(uses []Use) (use Use, blocked bool) {
	for _, u := range uses {
		if s.Blocked(u.Schema, u.Object, "") {
			return u, true
		}
		for _, column := range u.Columns {
			if s.Blocked(u.Schema, u.Object, column) {
				return u, true
			}
		}
	}
	return Use{}, false
}

// Class is the PII class of a field: the override where there is one, else
// what PIIClass finds, "" for none. An override for the qualified table comes
// before one for the table, and that before one for every table.
func (s *Scope) Class(o *Object, f *Field) string {
	for _, matches := range []func(table string) bool{
		func(table string) bool { return strings.EqualFold(table, o.QualifiedName()) },
		func(table string) bool { return strings.EqualFold(table, o.Name) },
		func(table string) bool { return table == EveryTable },
	} {
		for _, table := range sortedKeys(s.ColumnClasses) {
			if !matches(table) {
				continue
			}
			for _, column := range sortedKeys(s.ColumnClasses[table]) {
				if strings.EqualFold(column, f.Name) {
					return classOrNone(s.ColumnClasses[table][column])
				}
			}
		}
	}
	return PIIClass(f, o)
}

func classOrNone(class string) string {
	if class == ClassNone {
		return ""
	}
	return class
}

// Unmatched lists the entries that match nothing in the database, sorted:
// `table`, or `table.column`. Such entries are kept; they bite when the thing
// appears.
func (s *Scope) Unmatched(db *Database) []string {
	m := newMatcher(s)
	for i := range db.Objects {
		o := &db.Objects[i]
		m.table(o.Schema, o.Name)
		m.view(o.Schema, o.Name)
		for j := range o.Fields {
			m.column(o.Schema, o.Name, o.Fields[j].Name)
			m.class(o.Schema, o.Name, o.Fields[j].Name)
		}
	}
	for i := range s.Resolved {
		if b := &s.Resolved[i]; b.Identity == db.Server.Identity {
			m.markRule(b.RuleTable, b.RuleColumn)
		}
	}
	return m.unused()
}

// namesTable tells whether an entry names the object.
func namesTable(entry, schema, object string) bool {
	if strings.EqualFold(entry, object) {
		return true
	}
	for i := range len(entry) {
		if entry[i] == '.' && strings.EqualFold(entry[:i], schema) && strings.EqualFold(entry[i+1:], object) {
			return true
		}
	}
	return false
}
