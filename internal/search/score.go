package search

import "cmp"

// How evidence adds up.
const (
	fromParent = 0.6  // of an object's name, for its fields
	fromChild  = 0.65 // of the best field, for its object
	fromTarget = 0.5  // of an object's name, for the fields that refer to it
	adjacent   = 0.5  // when object and field are named one after the other
	onlyRefers = 0.2  // of a field that is called like another object, for its own
	bestObject = 0.4  // more for the object that a word means best
	bestField  = 0.3  // more for the field that it means best
	asGood     = 0.8  // of the best: counts as no worse
	around     = 0.07 // of an object's evidence, for any of its fields
	likely     = 0.85 // of the same, for a field of prior 1
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
	field   []fieldState
	object  []objectState
	related []relatedness // by object

	// Documents that the present word touched, and those of the word before.
	fields, objects []uint32
	fieldsNow       []scored
	fieldsBefore    []scored
	objectsBefore   []uint32

	allFields, allObjects []uint32 // that any word touched
	heard                 map[uint32]float32
	ranked                []scored // objects, best first
	reached               []uint32 // objects, from where ways are looked for
	joints                []joint
}

type fieldState struct {
	now    float32 // evidence of the present word
	sum    float32 // of all words, beyond what the object's name gives
	object uint32
	seen   bool
	refers bool // as the index has it
	joint  bool // it joins two objects that were found
}

// joint is a field that joins its object to another.
type joint struct {
	field, other uint32
	score        float32
}

type objectState struct {
	now, child float32 // evidence of the present word: by name, by the best field
	before     float32 // of the word before, by name
	name, sum  float32 // of all words: by name, by name or field
	meant      float32 // what it has more of the words that mean it best
	all        float32 // all of that, and of what others have, when fields are ranked
	seen       bool
}

func newScratch(ix *Index) *scratch {
	s := &scratch{
		field: make([]fieldState, len(ix.fields)), object: make([]objectState, len(ix.objects)),
		related: make([]relatedness, len(ix.objects)), heard: map[uint32]float32{},
	}
	for f := range s.field {
		s.field[f].object, s.field[f].refers = ix.fields[f].object, ix.fields[f].refers
	}
	return s
}

func (s *scratch) clear() {
	for _, f := range s.allFields {
		state := &s.field[f]
		state.sum, state.seen, state.joint = 0, false, false
	}
	for _, o := range s.allObjects {
		s.object[o], s.related[o] = objectState{}, relatedness{}
	}
	s.allFields, s.allObjects, s.ranked, s.joints = s.allFields[:0], s.allObjects[:0], s.ranked[:0], s.joints[:0]
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
	s.settleFields()
	for _, before := range s.fieldsBefore {
		field := &s.field[before.doc]
		field.sum += adjacent * min(s.object[field.object].now, before.score)
	}
	for _, o := range s.objectsBefore {
		s.object[o].before = 0
	}
	s.objectsBefore = append(s.objectsBefore[:0], s.objects[:named]...)
	s.fieldsBefore, s.fieldsNow = s.fieldsNow, s.fieldsBefore[:0]
	s.settleObjects()
	s.fields, s.objects = s.fields[:0], s.objects[:0]
}

func (s *scratch) settleFields() {
	most := float32(0)
	for _, f := range s.fields {
		most = max(most, s.field[f].now)
	}
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
		if v >= asGood*most {
			field.sum += bestField * v
		}
		field.now = 0
		s.fieldsNow = append(s.fieldsNow, scored{f, v})
		s.seeField(f)
	}
}

func (s *scratch) settleObjects() {
	most := float32(0)
	for _, o := range s.objects {
		most = max(most, s.object[o].heard())
	}
	for _, o := range s.objects {
		s.seeObject(o)
		state := &s.object[o]
		v := state.heard()
		state.before = state.now
		state.name += state.now
		state.sum += v
		if v >= asGood*most {
			state.meant += bestObject * v
		}
		state.now, state.child = 0, 0
	}
}

// heard is what the present word says for an object.
func (o *objectState) heard() float32 { return max(o.now, fromChild*o.child) }

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
