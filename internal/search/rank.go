package search

import (
	"slices"
	"strings"
)

// amongFields is what an object or an operation counts among fields: more than
// its own fields, less than one that was asked for beside it.
const amongFields = 0.8

func (s *scratch) bestObjects(limit int, share float32) []finding {
	var found []finding
	for _, o := range s.ranked[:min(limit, len(s.ranked))] {
		found = append(found, finding{kind: Object, doc: o.doc, score: share * o.score})
	}
	return found
}

// What an operation counts beside its object: more when the query asked for it.
const (
	askedFor = 0.95
	notAsked = 0.75
)

func (s *scratch) bestOperations(ix *Index, q query, limit int, share float32) []finding {
	var found []finding
	for _, o := range s.ranked[:min(limit, len(s.ranked))] {
		for _, name := range ix.objects[o.doc].operations {
			f := finding{kind: Operation, doc: o.doc, operation: name, score: share * notAsked * o.score}
			if q.verbs[name[strings.LastIndexByte(name, '.')+1:]] {
				f.score = share * askedFor * o.score
			}
			found = append(found, f)
		}
	}
	return found
}

// bestFields ranks the fields that have evidence, and all fields of the best
// objects: to have been found may be evidence enough. Not so among hits of other
// types, where the object itself is the better answer.
func (s *scratch) bestFields(ix *Index, limit int, among bool) []finding {
	for _, o := range s.ranked {
		fields := ix.objects[o.doc].fields
		for f := fields.from; f < fields.to; f++ {
			s.seeField(f)
		}
	}
	s.join(ix)
	score := func(f uint32) float32 {
		field := &s.field[f]
		o := &s.object[field.object]
		share := float32(around)
		if !among {
			share += likely * ix.fields[f].prior
		}
		return field.sum + fromParent*o.name + share*o.all
	}
	best := top{most: limit}
	most := float32(0)
	for _, f := range s.allFields {
		v := score(f)
		most = max(most, v)
		if !s.field[f].joint {
			best.offer(scored{f, v})
		}
	}
	for _, j := range s.joints {
		v := score(j.field)
		best.offer(scored{j.field, max(v, min(v+j.score, asJoint*most))})
	}
	var found []finding
	for _, f := range best.sorted() {
		found = append(found, finding{kind: Field, doc: f.doc, score: f.score})
	}
	return found
}

// How much it says for a field that two objects which are asked for are joined
// by it.
const (
	byJoining = 0.22 // of the lesser of the two objects
	asJoint   = 0.85 // of the best field: as far up as that leads
	joinable  = 6    // objects whose fields are looked at
)

// join gives evidence to the fields that join the best objects to others.
func (s *scratch) join(ix *Index) {
	for _, l := range s.ranked[:min(joinable, len(s.ranked))] {
		fields := ix.objects[l.doc].fields
		for f := fields.from; f < fields.to; f++ {
			for _, key := range ix.joins.of(f) {
				to := ix.fields[key].object
				v := byJoining * min(s.object[l.doc].all, s.object[to].all)
				s.joinBy(f, to, v)
				s.joinBy(key, l.doc, v)
			}
		}
	}
}

func (s *scratch) joinBy(f, other uint32, score float32) {
	s.seeField(f)
	j := joint{f, other, score}
	if !s.field[f].joint {
		s.field[f].joint = true
		s.joints = append(s.joints, j)
	} else if have := s.jointOf(f); have.score < score {
		*have = j
	}
}

func (s *scratch) jointOf(f uint32) *joint {
	return &s.joints[slices.IndexFunc(s.joints, func(j joint) bool { return j.field == f })]
}
