package search

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"flowyte/internal/schema"
)

// gold is what a query text uses of a schema.
type gold struct {
	tables  map[string]bool // public names
	columns map[string]bool // "table.column"
	joins   map[string]bool // columns that occur only in equalities between columns
}

// goldOf reads the tables and columns out of a SELECT statement. It knows just
// enough SQL for that: words, scopes by parentheses, tables and their aliases
// after FROM, JOIN and commas, and names that the statement itself makes.
func goldOf(db *schema.Database, sql string) gold {
	g := gold{tables: map[string]bool{}, columns: map[string]bool{}, joins: map[string]bool{}}
	s := &statement{db: db, gold: g, tokens: tokenize(sql), other: map[string]bool{}, named: map[int]bool{}}
	s.made()
	s.scope(0, len(s.tokens), nil)
	for c := range g.joins {
		if s.other[c] {
			delete(g.joins, c)
		}
	}
	return g
}

type sqlToken struct {
	text string // in lower case
	name bool
}

func tokenize(sql string) []sqlToken {
	var tokens []sqlToken
	runes := []rune(strings.ToLower(sql))
	for i := 0; i < len(runes); {
		switch r := runes[i]; {
		case r == '\'' || r == '"':
			end := i + 1
			for end < len(runes) && runes[end] != r {
				end++
			}
			tokens = append(tokens, sqlToken{text: "''"})
			i = end + 1
		case unicode.IsLetter(r) || r == '_' || r == '`':
			end := i + 1
			for end < len(runes) && (unicode.IsLetter(runes[end]) || unicode.IsDigit(runes[end]) || runes[end] == '_' || runes[end] == '`') {
				end++
			}
			tokens = append(tokens, sqlToken{text: strings.Trim(string(runes[i:end]), "`"), name: true})
			i = end
		case unicode.IsSpace(r):
			i++
		default:
			tokens = append(tokens, sqlToken{text: string(r)})
			i++
		}
	}
	return tokens
}

// frame is one SELECT: its own sources, and those of the SELECT round it.
type frame struct {
	outer  *frame
	tables map[string]*schema.Object // by alias; nil for a derived table
}

func (f *frame) lookup(alias string) (*schema.Object, bool) {
	for ; f != nil; f = f.outer {
		if o, ok := f.tables[alias]; ok {
			return o, true
		}
	}
	return nil, false
}

type statement struct {
	db     *schema.Database
	gold   gold
	tokens []sqlToken
	ctes   map[string]bool
	named  map[int]bool    // tokens that name a source
	other  map[string]bool // columns used outside joins
}

// made finds the names that WITH gives.
func (s *statement) made() {
	s.ctes = map[string]bool{}
	for i := 0; i+2 < len(s.tokens); i++ {
		if s.tokens[i].name && s.tokens[i+1].text == "as" && s.tokens[i+2].text == "(" {
			s.ctes[s.tokens[i].text] = true
		}
	}
}

func (s *statement) table(name string) *schema.Object {
	for i := range s.db.Objects {
		if strings.EqualFold(s.db.Objects[i].Name, name) {
			return &s.db.Objects[i]
		}
	}
	return nil
}

func (s *statement) end(open int) int {
	depth := 0
	for i := open; i < len(s.tokens); i++ {
		switch s.tokens[i].text {
		case "(":
			depth++
		case ")":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(s.tokens)
}

// selects tells whether the parenthesis at i opens a SELECT of its own.
func (s *statement) selects(i int) bool {
	return s.tokens[i].text == "(" && i+1 < len(s.tokens) && (s.tokens[i+1].text == "select" || s.tokens[i+1].text == "with")
}

// scope reads the tokens from..to as one SELECT and those inside it.
func (s *statement) scope(from, to int, outer *frame) {
	f := &frame{outer: outer, tables: map[string]*schema.Object{}}
	s.sources(from, to, f)
	for i := from; i < to; i++ {
		if s.selects(i) {
			end := min(s.end(i), to)
			s.scope(i+1, end, f)
			i = end
			continue
		}
		i = s.column(i, to, f)
	}
}

var clauseWords = map[string]bool{"where": true, "group": true, "order": true, "having": true, "limit": true, "on": true, "union": true, "select": true,
	"join": true, "inner": true, "left": true, "right": true, "full": true, "cross": true, "outer": true, "intersect": true, "except": true, "using": true, "natural": true}

// sources collects what FROM and JOIN of this SELECT name.
func (s *statement) sources(from, to int, f *frame) {
	inFrom := false
	for i := from; i < to; i++ {
		t := s.tokens[i]
		switch {
		case t.text == "(":
			end := min(s.end(i), to)
			if inFrom {
				if alias, _ := s.alias(end+1, to); alias != "" {
					f.tables[alias] = nil
				}
				inFrom = s.comma(end+1, to)
			}
			i = end
		case t.text == "from" || t.text == "join":
			inFrom = true
		case inFrom && t.name:
			o := s.table(t.text)
			if s.ctes[t.text] {
				o = nil
			}
			alias, next := s.alias(i+1, to)
			for j := i; j < next; j++ {
				s.named[j] = true
			}
			if alias == "" {
				alias = t.text
			}
			f.tables[alias] = o
			if o != nil {
				s.gold.tables[o.Name] = true
			}
			i = next - 1
			inFrom = next < to && s.tokens[next].text == ","
			if inFrom {
				i = next
			}
		}
	}
}

func (s *statement) comma(i, to int) bool {
	_, next := s.alias(i, to)
	return next < to && s.tokens[next].text == ","
}

func (s *statement) alias(i, to int) (string, int) {
	if i < to && s.tokens[i].text == "as" {
		i++
	}
	if i < to && s.tokens[i].name && !clauseWords[s.tokens[i].text] {
		return s.tokens[i].text, i + 1
	}
	return "", i
}

// column reads the column at i, if there is one, and returns its last token.
func (s *statement) column(i, to int, f *frame) int {
	t := s.tokens[i]
	if !t.name || s.named[i] || i > 0 && s.tokens[i-1].text == "as" {
		return i
	}
	if i+2 < to && s.tokens[i+1].text == "." {
		if o, ok := f.lookup(t.text); ok && o != nil {
			s.use(o, s.tokens[i+2].text, i, i+2)
		}
		return i + 2
	}
	if i+1 < to && s.tokens[i+1].text == "(" {
		if t.text == "extract" { // EXTRACT(year FROM column): a unit, not a column
			return i + 2
		}
		return i
	}
	for frame := f; frame != nil; frame = frame.outer {
		for _, o := range frame.tables {
			if o != nil && s.use(o, t.text, i, i) {
				return i
			}
		}
	}
	return i
}

func (s *statement) use(o *schema.Object, column string, first, last int) bool {
	for j := range o.Fields {
		if strings.EqualFold(o.Fields[j].Name, column) {
			name := o.Name + "." + o.Fields[j].Name
			s.gold.columns[name] = true
			if s.joined(first, last) {
				s.gold.joins[name] = true
			} else {
				s.other[name] = true
			}
			return true
		}
	}
	return false
}

// joined tells whether the column at first..last is compared with another one.
func (s *statement) joined(first, last int) bool {
	at := func(i int) sqlToken {
		if i < 0 || i >= len(s.tokens) {
			return sqlToken{}
		}
		return s.tokens[i]
	}
	after := at(last+1).text == "=" && at(last+2).name && at(last+3).text == "."
	before := at(first-1).text == "=" && at(first-2).name && at(first-3).text == "."
	return after || before
}

func TestGold(t *testing.T) {
	db := practice()
	for _, c := range []struct {
		name, sql              string
		tables, columns, joins []string
	}{
		{
			"aliases and a join", `SELECT p.pet_name, COUNT(*) FROM pets AS p JOIN owners o ON o.id = p.owner_id WHERE o.tel = 'tel' GROUP BY p.pet_name`,
			[]string{"owners", "pets"}, []string{"owners.id", "owners.tel", "pets.owner_id", "pets.pet_name"}, []string{"owners.id", "pets.owner_id"},
		},
		{
			"columns without a table", "SELECT outcome FROM visits_log WHERE id IN (SELECT id FROM appointments WHERE status = \"outcome\")",
			[]string{"appointments", "visits_log"}, []string{"appointments.id", "appointments.status", "visits_log.id", "visits_log.outcome"}, nil,
		},
		{
			"names made by the statement", `WITH pets AS (SELECT company AS tel FROM suppliers) SELECT tel, EXTRACT(species FROM iban) FROM pets, suppliers`,
			[]string{"suppliers"}, []string{"suppliers.company", "suppliers.iban"}, nil,
		},
		{
			"a derived table", `SELECT d.n FROM (SELECT COUNT(species) AS n FROM pets) AS d, staff s WHERE s.hire_date > 3`,
			[]string{"pets", "staff"}, []string{"pets.species", "staff.hire_date"}, nil,
		},
		{
			"a column joined and asked for", `SELECT o.id FROM owners o, pets p WHERE o.id = p.owner_id`,
			[]string{"owners", "pets"}, []string{"owners.id", "pets.owner_id"}, []string{"pets.owner_id"},
		},
	} {
		g := goldOf(db, c.sql)
		for _, part := range []struct {
			what string
			got  map[string]bool
			want []string
		}{{"tables", g.tables, c.tables}, {"columns", g.columns, c.columns}, {"joins", g.joins, c.joins}} {
			if got := slices.Sorted(maps.Keys(part.got)); !slices.Equal(got, part.want) {
				t.Errorf("%s: %s are %v, want %v", c.name, part.what, got, part.want)
			}
		}
	}
}
