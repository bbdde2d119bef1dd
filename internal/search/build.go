package search

import (
	"math"
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// How telling a word is by where it stands. A word that is all of a name
// weighs 1, a small part of one nearly partOfName.
const (
	partOfName    = 0.3
	inSchemaName  = 0.3
	inComments    = 0.55
	amongValues   = 0.4
	impliedByType = 0.4
)

// Limits of what is indexed of one comment, or of one enum's values.
const (
	maxText      = 2000 // bytes
	maxTextWords = 60
	maxLetters   = 64
)

// builder collects the places of words before they are laid out.
type builder struct {
	ix        *Index
	thesaurus *thesaurus
	alone     map[string]bool     // words that stand alone in some name
	spelt     map[string][]string // names that were split already
	names     map[string][]part   // and weighed
	stems     map[string]string   // words that were stemmed already
	inFields  []entry
	inObjects []entry
}

type entry struct {
	term uint32
	posting
}

// part is a word of a name and how much of the name it is, in (0, 1].
type part struct {
	term  uint32
	share float64
}

func newBuilder(db *schema.Database) *builder {
	b := &builder{
		ix:        &Index{byWord: map[string]uint32{}, byStem: map[string][]uint32{}, shapes: map[shape][]uint32{}},
		thesaurus: business(), alone: map[string]bool{}, spelt: map[string][]string{}, names: map[string][]part{}, stems: map[string]string{},
	}
	for i := range db.Objects {
		b.noteAlone(db.Objects[i].Name)
		for j := range db.Objects[i].Fields {
			b.noteAlone(db.Objects[i].Fields[j].Name)
		}
	}
	return b
}

func (b *builder) noteAlone(name string) {
	if _, ok := b.spelt[name]; ok {
		return
	}
	for _, w := range b.split(name) {
		if len(w) > 2 {
			b.alone[w] = true
		}
	}
}

// split is split, remembered: names come again and again.
func (b *builder) split(name string) []string {
	words, ok := b.spelt[name]
	if !ok {
		words = split(name)
		b.spelt[name] = words
	}
	return words
}

func (b *builder) object(db *schema.Database, o *schema.Object, operations OperationNames) {
	id := uint32(len(b.ix.objects))
	name := db.PublicName(o)
	own := map[string]bool{}
	for _, p := range b.parts(o.Name) {
		b.inObjects = append(b.inObjects, b.entry(p.term, id, partOfName+(1-partOfName)*p.share, inName))
		own[b.stem(b.ix.words[p.term])] = true
	}
	if name != o.Name {
		for _, p := range b.parts(o.Schema) {
			b.inObjects = append(b.inObjects, b.entry(p.term, id, inSchemaName*p.share, inName))
		}
	}
	for _, t := range b.text(o.Comment, nil) {
		b.inObjects = append(b.inObjects, b.entry(t, id, inComments, inComment))
	}
	from := uint32(len(b.ix.fields))
	likely := newPriors(o, b.split)
	for j := range o.Fields {
		b.field(&o.Fields[j], id, likely, own)
	}
	b.ix.objects = append(b.ix.objects, object{
		name: name, fields: span{from, uint32(len(b.ix.fields))}, operations: operations(o),
	})
}

// implied are the words that the type of a field stands for.
var implied = map[schema.Type][]string{
	schema.Date: {"date"}, schema.Time: {"time"}, schema.DateTime: {"date", "time"},
}

// field indexes one field. Words of its comment that its object's name holds
// say nothing about the field and are left out.
func (b *builder) field(f *schema.Field, object uint32, likely *priors, own map[string]bool) {
	id := uint32(len(b.ix.fields))
	b.ix.fields = append(b.ix.fields, field{name: f.Name, object: object, prior: likely.of(f)})
	for _, p := range b.parts(f.Name) {
		b.inFields = append(b.inFields, b.entry(p.term, id, partOfName+(1-partOfName)*p.share, inName))
	}
	for _, t := range b.text(f.Comment, own) {
		b.inFields = append(b.inFields, b.entry(t, id, inComments, inComment))
	}
	for _, t := range b.values(f.EnumValues) {
		b.inFields = append(b.inFields, b.entry(t, id, amongValues, inValues))
	}
	for _, word := range implied[f.Type] {
		b.inFields = append(b.inFields, b.entry(b.term(word), id, impliedByType, inType))
	}
}

func (b *builder) entry(term, doc uint32, weight float64, where zone) entry {
	return entry{term, posting{doc: doc, weight: uint16(weight * whole), zone: where}}
}

// stem is stem, remembered.
func (b *builder) stem(word string) string {
	s, ok := b.stems[word]
	if !ok {
		s = stem(word)
		b.stems[word] = s
	}
	return s
}

// term is the number of a word or phrase.
func (b *builder) term(word string) uint32 {
	if id, ok := b.ix.byWord[word]; ok {
		return id
	}
	id := uint32(len(b.ix.words))
	b.ix.words = append(b.ix.words, word)
	b.ix.byWord[word] = id
	key := word
	if !strings.Contains(word, " ") {
		key = b.stem(word)
	}
	b.ix.byStem[key] = append(b.ix.byStem[key], id)
	b.ix.known = append(b.ix.known, b.thesaurus.knows(key))
	return id
}

// light are the words of names that say least.
var light = wordSet("id ids is has fk pk tbl table the of col t")

// parts splits a name into its words; what is written together into its halves
// as well; and finds the phrases of the thesaurus in it.
func (b *builder) parts(name string) []part {
	if parts := b.names[name]; parts != nil {
		return parts
	}
	words := b.split(name)
	weights, sum := make([]float64, len(words)), 0.0
	for i, w := range words {
		weights[i] = 1
		if light[w] {
			weights[i] = 0.5
		}
		sum += weights[i]
	}
	var parts, apart []part // apart: what is written together, in its halves
	var spelt, stems []string
	for i, w := range words {
		p := part{b.term(w), weights[i] / sum}
		parts = append(parts, p)
		halves := b.halves(w)
		if halves == nil {
			apart, spelt, stems = append(apart, p), append(spelt, w), append(stems, b.stem(w))
		}
		for _, h := range halves {
			half := part{b.term(h), p.share / float64(len(halves))}
			parts, apart = append(parts, half), append(apart, half)
			spelt, stems = append(spelt, h), append(stems, b.stem(h))
		}
	}
	for _, ph := range b.thesaurus.phrases(spelt, stems) {
		share := 0.0
		for _, p := range apart[ph.from : ph.to+1] {
			share += p.share
		}
		parts = append(parts, part{b.term(ph.key), min(share, 1)})
	}
	b.names[name] = parts
	return parts
}

// halves takes apart what is written together: "firstname", "orderstatus". The
// latest place counts at which both sides are words.
func (b *builder) halves(word string) []string {
	if parts := b.thesaurus.together[word]; parts != nil {
		return parts
	}
	if len(word) < 6 || b.thesaurus.knows(b.stem(word)) {
		return nil
	}
	for i := len(word) - 3; i >= 3; i-- {
		if b.isWord(word[:i]) && b.isWord(word[i:]) {
			return []string{word[:i], word[i:]}
		}
	}
	return nil
}

func (b *builder) isWord(s string) bool {
	return b.alone[s] || len(s) > 3 && b.thesaurus.knows(b.stem(s))
}

// text is the telling words of a comment, each once; those in except, by stem,
// are left out.
func (b *builder) text(s string, except map[string]bool) []uint32 {
	var terms []uint32
	for _, w := range split(head(s, maxText)) {
		if len(terms) == maxTextWords {
			break
		}
		if noise[w] || weak[w] || len(w) < 2 || except[b.stem(w)] {
			continue
		}
		if t := b.term(w); !slices.Contains(terms, t) {
			terms = append(terms, t)
		}
	}
	return terms
}

// values is the words and phrases of an enum's values, each once.
func (b *builder) values(values []string) []uint32 {
	var terms []uint32
	for _, v := range values {
		for _, p := range b.parts(head(v, maxText)) {
			if len(terms) == maxTextWords {
				return terms
			}
			if !slices.Contains(terms, p.term) {
				terms = append(terms, p.term)
			}
		}
	}
	return terms
}

// finish lays everything out.
func (b *builder) finish() *Index {
	ix := b.ix
	n := len(ix.words)
	ix.inFields, ix.inObjects = lay(b.inFields, n), lay(b.inObjects, n)
	seen := map[rune]bool{}
	for t, word := range ix.words {
		named, mentioned := ix.fieldSpread(uint32(t))
		namedObjects, mentionedObjects := ix.objectSpread(uint32(t))
		if named+namedObjects == 0 {
			named, namedObjects = mentioned, mentionedObjects
		} else if s, ok := shapeOf(word); ok {
			ix.shapes[s] = append(ix.shapes[s], uint32(t))
		}
		ix.inFields.rarity = append(ix.inFields.rarity, rarity(named, len(ix.objects)))
		ix.inObjects.rarity = append(ix.inObjects.rarity, rarity(namedObjects, len(ix.objects)))
		for _, r := range word {
			if r != ' ' && !seen[r] && len(ix.letters) < maxLetters {
				seen[r] = true
				ix.letters = append(ix.letters, r)
			}
		}
	}
	slices.Sort(ix.letters)
	ix.scratch.New = func() any { return newScratch(ix) }
	return ix
}

// rarity is 1 for a word of one object and falls with the logarithm.
func rarity(objects, all int) float32 {
	of := float64(all + 1)
	return float32(math.Log(1+of/(float64(max(objects, 1))+0.5)) / math.Log(1+of/1.5))
}

// fieldSpread counts the objects that have a word in a field's name, and those
// that have it anywhere in their fields.
func (ix *Index) fieldSpread(t uint32) (named, mentioned int) {
	lastNamed, lastMentioned := -1, -1
	for _, p := range ix.inFields.of(t) {
		o := int(ix.fields[p.doc].object)
		if p.zone == inName && o != lastNamed {
			named, lastNamed = named+1, o
		}
		if o != lastMentioned {
			mentioned, lastMentioned = mentioned+1, o
		}
	}
	return named, mentioned
}

// objectSpread counts the objects that have a word in their name, and those that
// have it in their name or comment.
func (ix *Index) objectSpread(t uint32) (named, mentioned int) {
	for _, p := range ix.inObjects.of(t) {
		if p.zone == inName {
			named++
		}
	}
	return named, len(ix.inObjects.of(t))
}

// lay orders entries by term. Entries come in order of document; of a word that
// a document has several times the weightiest place is kept.
func lay(entries []entry, terms int) postings {
	p := postings{spans: make([]span, terms)}
	for _, e := range entries {
		p.spans[e.term].to++
	}
	at := uint32(0)
	for i, s := range p.spans {
		p.spans[i] = span{at, at}
		at += s.to
	}
	p.list = make([]posting, at)
	for _, e := range entries {
		s := &p.spans[e.term]
		if s.to > s.from && p.list[s.to-1].doc == e.doc {
			if last := &p.list[s.to-1]; e.weight > last.weight {
				*last = e.posting
			}
			continue
		}
		p.list[s.to] = e.posting
		s.to++
	}
	return p
}
