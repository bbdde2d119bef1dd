package search

import "cmp"

// How evidence adds up.
const (
	fromParent = 0.5  // of an object's name, for its fields
	fromChild  = 0.4  // of the best field, for its object
	fromTarget = 0.5  // of an object's name, for the fields that refer to it
	adjacent   = 0.5  // when object and field are named one after the other
	fromNext   = 0.5  // of the best neighbour, for an object
	fromSecond = 0.45 // of the second best, in units of the best
	wellKnown  = 0.1  // more from neighbours for each doubling of their number
	onlyRefers = 0.6  // of a field that is called like another object, for its own
	around     = 0.08 // of an object's whole evidence, for any of its fields
	likely     = 0.9  // of the same, for a field of prior 1
	leaders    = 64   // objects whose neighbours are looked at
)

type scored struct {
	doc   uint32
	score float32
}

// order is best first, and among equals the order of the schema.
func order(a, b scored) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.doc, b.doc))
}

// scratch is the memory of one search, laid out so that what is needed of one
// document lies together. It is kept between searches, all zero.
type scratch struct {
	field  []fieldState
	object []objectState

	// Documents that the present word touched, and those of the word before.
	fields, objects []uint32
	fieldsNow       []scored
	fieldsBefore    []scored
	objectsBefore   []uint32

	allFields, allObjects []uint32 // that any word touched
	heard                 map[uint32]float32
	ranked                []scored // objects, best first
}

type fieldState struct {
	now    float32 // evidence of the present word
	sum    float32 // of all words, beyond what the object's name gives
	object uint32
	seen   bool
	refers bool // as the index has it
}

type objectState struct {
	now, child   float32 // evidence of the present word: by name, by the best field
	before       float32 // of the word before, by name
	name, sum    float32 // of all words: by name, by name or field
	best, second float32 // of neighbours
	nearest      uint32  // whose the best is
	seen         bool
}

func newScratch(ix *Index) *scratch {
	s := &scratch{
		field: make([]fieldState, len(ix.fields)), object: make([]objectState, len(ix.objects)), heard: map[uint32]float32{},
	}
	for f := range s.field {
		s.field[f].object, s.field[f].refers = ix.fields[f].object, ix.fields[f].refers
	}
	return s
}

func (s *scratch) clear() {
	for _, f := range s.allFields {
		s.field[f].sum, s.field[f].seen = 0, false
	}
	for _, o := range s.allObjects {
		s.object[o] = objectState{}
	}
	s.allFields, s.allObjects, s.ranked = s.allFields[:0], s.allObjects[:0], s.ranked[:0]
	s.objectsBefore, s.fieldsBefore = s.objectsBefore[:0], s.fieldsBefore[:0]
	clear(s.heard)
}

// hear adds the evidence of one word of the query. Within a word only the best
// evidence for a document counts.
func (s *scratch) hear(ix *Index, u *unit) {
	fieldsRare, objectsRare := u.rarity(ix)
	for _, a := range u.alternatives {
		weight := s.news(a.term, u.weight*a.weight)
		if weight == 0 {
			continue
		}
		full := weight / u.weight // for a weak word that is a whole name
		rare := min(objectsRare, ix.inObjects.rarity[a.term])
		for _, p := range ix.inObjects.of(a.term) {
			s.touchObject(p.doc, rare*p.value(weight, full))
		}
		rare = min(fieldsRare, ix.inFields.rarity[a.term])
		for _, p := range ix.inFields.of(a.term) {
			s.touchField(p.doc, rare*p.value(weight, full))
		}
	}
	for _, o := range s.objects {
		for _, f := range ix.referring.of(o) {
			s.touchField(f, fromTarget*s.object[o].now)
		}
	}
	s.settle()
}

// rarity is that of the word itself where the schema has it: a synonym cannot
// be more telling for being rarer.
func (u *unit) rarity(ix *Index) (fields, objects float32) {
	fields, objects = 1, 1
	for _, a := range u.alternatives {
		if a.manner <= inflected {
			fields, objects = min(fields, ix.inFields.rarity[a.term]), min(objects, ix.inObjects.rarity[a.term])
		}
	}
	return fields, objects
}

// news is how much of a weight no earlier word has claimed for the same term:
// "teacher" and "instructor" do not count twice.
func (s *scratch) news(term uint32, weight float32) float32 {
	was := s.heard[term]
	if weight <= was {
		return 0
	}
	s.heard[term] = weight
	return weight - was
}

func (p posting) value(weight, full float32) float32 {
	if p.weight == whole && p.zone == inName {
		return full
	}
	return weight * p.share()
}

func (s *scratch) touchField(f uint32, v float32) {
	state := &s.field[f]
	if state.now == 0 {
		s.fields = append(s.fields, f)
	}
	state.now = max(state.now, v)
}

func (s *scratch) touchObject(o uint32, v float32) {
	state := &s.object[o]
	if state.now == 0 {
		s.objects = append(s.objects, o)
	}
	state.now = max(state.now, v)
}

// settle adds what the present word said to the sums, and makes it the word
// before.
func (s *scratch) settle() {
	named := len(s.objects)
	for _, f := range s.fields {
		field := &s.field[f]
		o, v := &s.object[field.object], field.now
		if o.now == 0 && o.child == 0 {
			s.objects = append(s.objects, field.object)
		}
		if field.refers {
			o.child = max(o.child, onlyRefers*v)
		} else {
			o.child = max(o.child, v)
		}
		field.sum += adjacent*min(o.before, v) + max(v-fromParent*o.now, 0)
		field.now = 0
		s.fieldsNow = append(s.fieldsNow, scored{f, v})
		s.seeField(f)
	}
	for _, before := range s.fieldsBefore {
		field := &s.field[before.doc]
		field.sum += adjacent * min(s.object[field.object].now, before.score)
	}
	for _, o := range s.objectsBefore {
		s.object[o].before = 0
	}
	s.objectsBefore = append(s.objectsBefore[:0], s.objects[:named]...)
	s.fieldsBefore, s.fieldsNow = s.fieldsNow, s.fieldsBefore[:0]
	for _, o := range s.objects {
		s.seeObject(o)
		state := &s.object[o]
		state.before = state.now
		state.name += state.now
		state.sum += max(state.now, fromChild*state.child)
		state.now, state.child = 0, 0
	}
	s.fields, s.objects = s.fields[:0], s.objects[:0]
}

func (s *scratch) seeField(f uint32) {
	if !s.field[f].seen {
		s.field[f].seen = true
		s.allFields = append(s.allFields, f)
	}
}

func (s *scratch) seeObject(o uint32) {
	if !s.object[o].seen {
		s.object[o].seen = true
		s.allObjects = append(s.allObjects, o)
	}
}

// spread gives objects a part of the evidence of the leading objects one
// relationship away, and ranks them.
func (s *scratch) spread(ix *Index) {
	first := top{most: leaders}
	for _, o := range s.allObjects {
		first.offer(scored{o, s.object[o].sum})
	}
	for _, l := range first.sorted() {
		for _, o := range ix.neighbours.of(l.doc) {
			s.seeObject(o)
			if state := &s.object[o]; l.score > state.best {
				state.best, state.second, state.nearest = l.score, state.best, l.doc
			} else {
				state.second = max(state.second, l.score)
			}
		}
	}
	all := top{most: maxHits}
	for _, o := range s.allObjects {
		state := &s.object[o]
		state.sum += fromNext * ix.objects[o].known * (state.best + fromSecond*state.second)
		all.offer(scored{o, state.sum})
	}
	s.ranked = append(s.ranked, all.sorted()...)
}
