package schema

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a scope, far beyond what a person writes.
const (
	maxScopeEntries = 10_000
	maxScopeName    = 300 // bytes; two names of the longest kind, and a dot
)

// ScopeProblem is what is wrong with one entry: the field it stands in, and a
// sentence that does not repeat it.
type ScopeProblem struct {
	Field   string
	Message string
}

// ParseScope judges the lists of a scoping request and makes a Scope of them.
// Entries that differ only in case are one. All problems are reported at once,
// and the scope is empty when there is any.
func ParseScope(blockedTables []string, blockedColumns map[string][]string, allowedViews []string, columnClasses map[string]map[string]string) (Scope, []ScopeProblem) {
	var p scopeParser
	s := Scope{
		BlockedTables: p.names("blockedTables", blockedTables),
		AllowedViews:  p.names("allowedViews", allowedViews),
	}
	for _, table := range sortedKeys(blockedColumns) {
		field := "blockedColumns"
		if table != EveryTable {
			p.name(field, table)
		}
		if columns := p.names(field, blockedColumns[table]); len(columns) > 0 {
			if s.BlockedColumns == nil {
				s.BlockedColumns = map[string][]string{}
			}
			s.BlockedColumns[table] = columns
		}
	}
	for _, table := range sortedKeys(columnClasses) {
		p.classes(&s, table, columnClasses[table])
	}
	if p.count > maxScopeEntries {
		p.add("", fmt.Sprintf("at most %d entries in all", maxScopeEntries))
	}
	if len(p.problems) > 0 {
		return Scope{}, p.problems
	}
	return s, nil
}

type scopeParser struct {
	problems []ScopeProblem
	count    int
}

func (p *scopeParser) add(field, message string) {
	problem := ScopeProblem{field, message}
	for _, other := range p.problems {
		if other == problem {
			return
		}
	}
	p.problems = append(p.problems, problem)
}

// name judges one name of a table, view or column.
func (p *scopeParser) name(field, name string) {
	p.count++
	switch {
	case strings.TrimSpace(name) == "":
		p.add(field, "a name is empty")
	case len(name) > maxScopeName:
		p.add(field, fmt.Sprintf("a name is longer than %d bytes", maxScopeName))
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		p.add(field, "a name holds a control character or invalid text")
	case name == EveryTable && field == "blockedTables":
		p.add(field, `"*" blocks columns, not tables: list the tables, or leave the kind unconnected`)
	case name == EveryTable:
		p.add(field, `"*" stands for every table and for nothing else: use blockedTables for a whole table`)
	}
}

// names judges a list and drops repetitions.
func (p *scopeParser) names(field string, names []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, name := range names {
		p.name(field, name)
		if key := fold(name); !seen[key] {
			seen[key] = true
			kept = append(kept, name)
		}
	}
	return kept
}

func (p *scopeParser) classes(s *Scope, table string, classes map[string]string) {
	const field = "columnClasses"
	if table != EveryTable {
		p.name(field, table)
	}
	for _, column := range sortedKeys(classes) {
		p.name(field, column)
		class := classes[column]
		if class != ClassNone && !KnownClass(class) {
			p.add(field, "a class is not one of "+strings.Join(Classes(), ", ")+", "+ClassNone)
			continue
		}
		if s.ColumnClasses == nil {
			s.ColumnClasses = map[string]map[string]string{}
		}
		if s.ColumnClasses[table] == nil {
			s.ColumnClasses[table] = map[string]string{}
		}
		s.ColumnClasses[table][column] = class
	}
}
