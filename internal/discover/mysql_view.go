package discover

import (
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// viewText is what the server's own rendering of a view's query tells: every
// name in backticks, every table with its schema, every * spelled out, every
// function of a user in backticks too. It is read for what may be there, never
// for what may not: an identifier counts as a column of every table.
type viewText struct {
	tables   []objectName
	columns  []string
	unclear  bool // a user's function, a file, or a text of no known form
	volatile bool
}

// frame is one pair of parentheses.
type frame struct {
	query  bool // it holds a SELECT
	from   bool // between FROM and what ends it: a comma brings another table
	expect bool // a table comes next
}

// viewReader walks over a view's text.
type viewReader struct {
	scanner
	text   viewText
	frames []frame
	ctes   []string
	before string // the word or symbol before, "" for a name or a literal
	name   string // the lone name before "as", which may be a common table
}

// readView reads a definition; an empty one tells nothing.
func readView(definition string) viewText {
	r := &viewReader{scanner: scanner{rest: definition}, frames: []frame{{}}}
	if definition == "" {
		r.text.unclear = true
	}
	for more := r.next(); more; {
		more = r.token()
	}
	if r.unclosed || len(r.frames) != 1 || len(r.text.columns) == 0 {
		r.text.unclear = true
	}
	return r.text
}

func (r *viewReader) top() *frame { return &r.frames[len(r.frames)-1] }

// token takes the token at hand, and with a name its whole chain, and moves on.
func (r *viewReader) token() bool {
	switch r.kind {
	case quotedName:
		return r.chain()
	case stringLiteral:
		r.before = ""
	case word:
		r.word(strings.ToLower(r.scanner.text))
	case symbol:
		r.symbol(r.scanner.text)
	}
	return r.next()
}

// chain takes a name with its qualifiers.
func (r *viewReader) chain() bool {
	parts := []string{r.scanner.text}
	more := r.next()
	for more && r.kind == symbol && r.scanner.text == "." {
		if more = r.next(); more && r.kind == quotedName {
			parts = append(parts, r.scanner.text)
			more = r.next()
		} else {
			r.text.unclear = true
		}
	}
	last := parts[len(parts)-1]
	if more && r.kind == symbol && r.scanner.text == "(" {
		r.text.unclear = true // a user's function
	}
	if top := r.top(); top.expect {
		top.expect = false
		r.table(parts)
	} else if !slices.Contains(r.text.columns, last) {
		r.text.columns = append(r.text.columns, last)
	}
	r.before, r.name = "", ""
	if len(parts) == 1 {
		r.name = last
	}
	return more
}

func (r *viewReader) table(parts []string) {
	switch {
	case len(parts) == 2:
		r.text.tables = append(r.text.tables, objectName{parts[0], parts[1]})
	case len(parts) == 1 && slices.Contains(r.ctes, parts[0]):
	default:
		r.text.unclear = true
	}
}

var volatileWords = wordSet(`rand uuid uuid_short sleep get_lock release_lock release_all_locks benchmark load_file last_insert_id nextval setval
	lastval row_count found_rows master_pos_wait source_pos_wait`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		set[w] = true
	}
	return set
}

func (r *viewReader) word(w string) {
	top := r.top()
	if w == "as" {
		r.before = w
		return
	}
	r.name = ""
	switch w {
	case "select":
		*top = frame{query: true}
	case "from":
		// trim(leading 'x' from y) is no query.
		if top.query {
			top.from, top.expect = true, true
		}
	case "join", "straight_join":
		top.expect = top.from
	case "on", "using":
		top.expect = false
	case "where", "group", "having", "order", "limit", "window", "union", "except", "intersect":
		top.from, top.expect = false, false
	case "lateral":
	case "load_file":
		r.text.unclear, r.text.volatile = true, true
	default:
		r.text.volatile = r.text.volatile || volatileWords[w]
		// A table function, the dual table, or the name of a common table,
		// which MariaDB writes without backticks.
		top.expect = false
		r.name = r.scanner.text
	}
	r.before = w
}

func (r *viewReader) symbol(s string) {
	top := r.top()
	switch s {
	case "(":
		if r.before == "as" && r.name != "" {
			r.ctes = append(r.ctes, r.name)
		}
		inner := frame{from: top.expect, expect: top.expect}
		top.expect = false
		r.frames = append(r.frames, inner)
	case ")":
		if len(r.frames) == 1 {
			r.text.unclear = true
			break
		}
		r.frames = r.frames[:len(r.frames)-1]
	case ",":
		top.expect = top.from
	}
	r.before, r.name = s, ""
}

func (d *myDiscovery) view(c *cells) error {
	if o := d.at(c); o != nil {
		text := readView(c.text(2))
		o.view = &text
	}
	return nil
}

// closeView gives a view its sources, through other views. What is not among
// the objects that the user may see could be a view over anything.
func (d *myDiscovery) closeView(o *myObject) {
	if o.Type != schema.View || o.viewClosed {
		return
	}
	o.viewClosed = true // first, so that a server that lies makes no circle
	if o.view == nil || o.view.unclear {
		return
	}
	unknown := false
	for _, name := range o.view.tables {
		below := d.objects[d.name(name.schema, name.name)]
		if below == nil {
			unknown = true
			continue
		}
		for _, column := range o.view.columns {
			o.Sources = append(o.Sources, schema.Source{ColumnRef: schema.ColumnRef{Schema: below.Schema, Object: below.Name, Column: column}})
		}
		if below.Type == schema.View {
			d.closeView(below)
			o.Sources = append(o.Sources, below.Sources...)
			o.view.volatile = o.view.volatile || below.CallsVolatile
		}
		unknown = unknown || below.SourcesUnknown
	}
	slices.SortFunc(o.Sources, func(a, b schema.Source) int {
		return strings.Compare(a.Schema+"\x00"+a.Object+"\x00"+a.Column, b.Schema+"\x00"+b.Object+"\x00"+b.Column)
	})
	o.Sources = slices.Compact(o.Sources)
	o.SourcesUnknown, o.CallsVolatile = unknown, o.view.volatile
}
