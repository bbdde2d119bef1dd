package search

import (
	"cmp"
	"slices"
	"sync"

	"flowyte/internal/schema"
)

// Index answers searches over one schema. It is immutable and safe for use by
// several goroutines.
//
// Objects and fields are numbered in the order of the schema, words ("terms") in
// the order in which they were first seen; everything else is laid out flat by
// these numbers.
type Index struct {
	objects []object
	fields  []field

	words   []string            // by term; a phrase is its stems with blanks between
	byWord  map[string]uint32   // word -> term
	byStem  map[string][]uint32 // stem or phrase -> terms
	known   []bool              // by term: in the thesaurus
	shapes  map[shape][]uint32  // terms of names that an abbreviation could be of, or be
	letters []rune              // that occur in words

	inFields, inObjects postings

	neighbours relation // object -> objects one relationship away
	referring  relation // object -> fields that refer to it
	joins      relation // field -> field of another object that it refers to

	scratch sync.Pool // of *scratch
}

type object struct {
	name       string // public
	fields     span
	operations []string
}

type field struct {
	name   string
	object uint32
	// prior is how likely the field is meant when only its object was named.
	prior float32
	// refers: it is there to lead to another object.
	refers bool
}

// span is a half-open range of numbers.
type span struct{ from, to uint32 }

// zone is where a word stands.
type zone uint8

const (
	inName zone = iota
	inComment
	inValues
	inType
)

// posting says that a word stands in a document, and how telling that is.
type posting struct {
	doc    uint32
	weight uint16 // in units of 1/whole
	zone   zone
}

// whole is the weight of a word that is all of a name.
const whole = 1 << 15

func (p posting) share() float32 { return float32(p.weight) / whole }

// postings are all places of all words in one kind of document, those of one
// term together and in order of document.
type postings struct {
	list   []posting
	spans  []span    // by term
	rarity []float32 // by term: 1 for a word of one object, towards 0 for a word of all
}

func (p *postings) of(term uint32) []posting { return p.list[p.spans[term].from:p.spans[term].to] }

// in finds a document among the places of a term.
func (p *postings) in(term, doc uint32) (posting, bool) {
	list := p.of(term)
	i, ok := slices.BinarySearchFunc(list, doc, func(a posting, doc uint32) int { return cmp.Compare(a.doc, doc) })
	if !ok {
		return posting{}, false
	}
	return list[i], true
}

// relation maps numbers to numbers.
type relation struct {
	list  []uint32
	spans []span
}

func (r *relation) of(n uint32) []uint32 { return r.list[r.spans[n].from:r.spans[n].to] }

// newRelation lays pairs out by their first part, each pair once.
func newRelation(pairs [][2]uint32, n int) relation {
	slices.SortFunc(pairs, func(a, b [2]uint32) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	pairs = slices.Compact(pairs)
	r := relation{list: make([]uint32, len(pairs)), spans: make([]span, n)}
	for i, p := range pairs {
		r.list[i] = p[1]
		if i == 0 || pairs[i-1][0] != p[0] {
			r.spans[p[0]].from = uint32(i)
		}
		r.spans[p[0]].to = uint32(i + 1)
	}
	return r
}

// OperationNames tells which operations an object offers, by their full names.
type OperationNames func(o *schema.Object) []string

// Build indexes a schema that has been scoped.
func Build(db *schema.Database, operations OperationNames) *Index {
	b := newBuilder(db)
	for i := range db.Objects {
		b.object(db, &db.Objects[i], operations)
	}
	b.relate(db)
	return b.finish()
}
