package assist

import (
	"fmt"
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// Catalog is a scoped database prepared for proposals. It is immutable and safe
// for concurrent use; build it once a discovery. It does not look at comments,
// and what is blocked is not in it.
type Catalog struct {
	db      *schema.Database
	classes map[string]map[string]string
	objects []*object
	// vocabulary numbers the words of all names, by their stems.
	vocabulary map[string]int
	stems      []string
	texts      []string // as first written, for misspellings
	byLetter   map[byte][]int
	stemmed    map[string]string // while it is built
	alike      map[string]int    // how many objects have a column of the same words
	in         []int             // how many objects a word of the vocabulary occurs in
}

// object is a relation that can be bound.
type object struct {
	*schema.Object
	public  string
	words   []nameWord
	columns []*column
	hops    []*hop
	person  bool // its rows are people
	// referred is how many relationships lead here.
	referred int
}

// hop is a declared relationship that a projection can walk.
type hop struct {
	key    *schema.ForeignKey
	words  []nameWord // of the relationship and of the target
	target *object
	column *column // that holds the key, nil for a key of several columns
}

// column is a field with what its name and type say about its use.
type column struct {
	*schema.Field
	words      []nameWord
	trait      trait
	class      string
	searchable bool
	unique     bool // alone identifies a row, and is never null
	alone      bool // alone identifies a row where it is set
	key        bool // of the primary key
	hop        *hop // it holds the key of
}

// nameWord is one word of a name. Words that hold for many names, for the
// object itself or for people at large weigh little.
type nameWord struct {
	id     int // in the vocabulary
	weight float64
	self   bool // it names the object once more
	faint  bool
	person bool
}

// The weights of the words of a name beside a plain one, which has 1.
const (
	faintWeight  = 0.35
	selfWeight   = 0.25
	personWeight = 0.25
)

// NewCatalog prepares a database that has been scoped. The scope's overrides of
// PII classes are all that is taken from scope.
func NewCatalog(scoped *schema.Database, scope schema.Scope) *Catalog {
	c := &Catalog{db: scoped, classes: scope.ColumnClasses, vocabulary: map[string]int{}, byLetter: map[byte][]int{}, stemmed: map[string]string{}}
	classes := schema.Scope{ColumnClasses: scope.ColumnClasses}
	byRef := map[schema.ColumnRef]*object{}
	for i := range scoped.Objects {
		o := &scoped.Objects[i]
		if !o.Supported {
			continue
		}
		prepared := &object{Object: o, public: scoped.PublicName(o)}
		prepared.words = c.nameWords(o.Name, nil)
		c.objects = append(c.objects, prepared)
		byRef[schema.ColumnRef{Schema: o.Schema, Object: o.Name}] = prepared
	}
	for _, o := range c.objects {
		o.person = c.namesPeople(o.words)
		for i := range o.Fields {
			o.columns = append(o.columns, c.column(o, &o.Fields[i], &classes))
		}
	}
	for _, o := range c.objects {
		c.walk(o, byRef)
	}
	c.weigh()
	c.stemmed = nil
	return c
}

// stem is stem, remembered: the same words recur in the names of a database.
func (c *Catalog) stem(word string) string {
	s, known := c.stemmed[word]
	if !known {
		s = stem(word)
		c.stemmed[word] = s
	}
	return s
}

// nameWords are the words of a name; owner, which may be nil, is the object
// whose name a column's may repeat.
func (c *Catalog) nameWords(name string, owner *object) []nameWord {
	list := schema.Words(name)
	if len(list) == 0 {
		list = []string{name}
	}
	for len(list) > 1 && (list[0] == "tbl" || list[0] == "t" || list[0] == "tb") {
		list = list[1:]
	}
	for len(list) > 1 && (list[len(list)-1] == "hdr" || list[len(list)-1] == "tbl" || list[len(list)-1] == "table" && owner == nil && len(list) > 2) {
		list = list[:len(list)-1]
	}
	out := make([]nameWord, 0, len(list))
	var full []string
	initial := map[string]string{} // a word written out -> as it stands in the name
	for _, raw := range list {
		for _, long := range words.full(raw) {
			full = append(full, long)
			initial[long] = raw
		}
	}
	for _, long := range words.join(full) {
		raw, ok := initial[long]
		if !ok {
			raw = long
		}
		out = append(out, c.nameWord(raw, long, owner))
	}
	if !slices.ContainsFunc(out, func(w nameWord) bool { return w.weight == 1 }) {
		lift(out)
	}
	if owner == nil {
		for i := range out[:len(out)-1] { // the parents of parent_meetings
			if out[i].person {
				out[i].weight = min(out[i].weight, 0.4)
			}
		}
	}
	return out
}

func (c *Catalog) nameWord(raw, long string, owner *object) nameWord {
	s := c.stem(long)
	w := nameWord{id: c.number(s, long), weight: 1, faint: words.faint[s] || connective[s], person: words.people[s]}
	w.self = owner != nil && c.repeats(owner, raw, s)
	switch {
	case connective[s] || unit[s]:
		w.weight = 0.1
	case w.self:
		w.weight = selfWeight
	case w.faint:
		w.weight = faintWeight
	case w.person && owner != nil:
		w.weight = personWeight
	}
	return w
}

// connective are the words that only hold a name together.
var connective = map[string]bool{
	"per": true, "at": true, "on": true, "by": true, "to": true, "of": true, "in": true, "is": true, "has": true, "for": true, "the": true, "and": true,
}

// unit are the words that only say in what something is counted.
var unit = stemSet("mb", "gb", "kb", "percent", "count", "hours", "days", "usd", "eur", "cents", "desc", "text", "flag")

// lift gives the last telling word of a name that has no plain one its full
// weight: the name of name, the number of order_number in orders.
func lift(list []nameWord) {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].weight > 0.1 && !list[i].self {
			list[i].weight = 1
			return
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].weight > 0.1 || i == 0 {
			list[i].weight = 1
			return
		}
		if !list[i].faint {
			list[i].weight = 1
			return
		}
	}
}

// repeats tells whether a word of a column's name stands for its object: a
// word of the object's name, its beginning, or its initials.
func (c *Catalog) repeats(o *object, raw, stemmed string) bool {
	initials := ""
	for _, w := range o.words {
		full := c.stems[w.id]
		if full == stemmed || len(raw) >= 3 && strings.HasPrefix(full, raw) {
			return true
		}
		initials += full[:1]
	}
	return len(initials) > 1 && raw == initials
}

func (c *Catalog) number(s, text string) int {
	id, known := c.vocabulary[s]
	if !known {
		id = len(c.stems)
		c.vocabulary[s] = id
		c.stems, c.texts = append(c.stems, s), append(c.texts, text)
		if s != "" {
			c.byLetter[s[0]] = append(c.byLetter[s[0]], id)
		}
	}
	return id
}

func (c *Catalog) namesPeople(list []nameWord) bool {
	for i := len(list) - 1; i >= 0; i-- {
		s := c.stems[list[i].id]
		if words.people[s] || staffWords[s] {
			return true
		}
		for person := range words.near[s] {
			if words.people[person] && words.near[person][s] == sameFit {
				return true
			}
		}
		if !list[i].faint {
			return false
		}
	}
	return false
}

func (c *Catalog) column(o *object, f *schema.Field, classes *schema.Scope) *column {
	col := &column{
		Field: f, words: c.nameWords(f.Name, o), class: classes.Class(o.Object, f), searchable: o.Searchable(f.Name),
		alone: o.UniqueColumn(f.Name), key: slices.Contains(o.PrimaryKey, f.Name),
	}
	col.unique = col.alone && !f.Nullable
	col.trait = c.traitOf(o, col)
	return col
}

// walk finds the relationships of an object that a projection can use.
func (c *Catalog) walk(o *object, byRef map[schema.ColumnRef]*object) {
	for i := range o.ForeignKeys {
		fk := &o.ForeignKeys[i]
		target := byRef[schema.ColumnRef{Schema: fk.TargetSchema, Object: fk.TargetObject}]
		if fk.Inferred || target == nil {
			continue
		}
		h := &hop{key: fk, target: target, words: slices.Clone(target.words)}
		h.words = append(h.words, c.nameWords(fk.Relationship, nil)...)
		if len(fk.Columns) == 1 {
			for _, col := range o.columns {
				if col.Name == fk.Columns[0] {
					h.column, col.hop = col, h
					if col.trait == opaque || col.trait == plain {
						col.trait = opaque
					}
				}
			}
		}
		o.hops = append(o.hops, h)
		target.referred++
	}
}

// weigh counts the objects that each word occurs in.
func (c *Catalog) weigh() {
	c.in = make([]int, len(c.stems))
	c.alike = map[string]int{}
	for _, o := range c.objects {
		seen := map[int]bool{}
		note := func(list []nameWord) {
			for _, w := range list {
				if !seen[w.id] {
					seen[w.id] = true
					c.in[w.id]++
				}
			}
		}
		note(o.words)
		for _, col := range o.columns {
			note(col.words)
			c.alike[col.alias()]++
		}
	}
}

// alias is the same for columns whose names have the same words.
func (c *column) alias() string {
	var b strings.Builder
	for _, w := range c.words {
		fmt.Fprintf(&b, "%d ", w.id)
	}
	return b.String()
}
