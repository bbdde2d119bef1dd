package search

import "strings"

func (s *scratch) bestObjects(limit int) []finding {
	var found []finding
	for _, o := range s.ranked[:min(limit, len(s.ranked))] {
		found = append(found, finding{kind: Object, doc: o.doc, score: o.score})
	}
	return found
}

// What an operation counts beside its object: more when the query asked for it.
const (
	askedFor = 0.95
	notAsked = 0.75
)

func (s *scratch) bestOperations(ix *Index, q query, limit int) []finding {
	var found []finding
	for _, o := range s.ranked[:min(limit, len(s.ranked))] {
		for _, name := range ix.objects[o.doc].operations {
			f := finding{kind: Operation, doc: o.doc, operation: name, score: notAsked * o.score}
			if q.verbs[name[strings.LastIndexByte(name, '.')+1:]] {
				f.score = askedFor * o.score
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
	prior := float32(likely)
	if among {
		prior = 0
	}
	for _, o := range s.ranked {
		fields := ix.objects[o.doc].fields
		for f := fields.from; f < fields.to; f++ {
			s.seeField(f)
		}
	}
	best := top{most: limit}
	for _, f := range s.allFields {
		field := &s.field[f]
		o := &s.object[field.object]
		best.offer(scored{f, field.sum + fromParent*o.name + (around+prior*ix.fields[f].prior)*o.sum})
	}
	var found []finding
	for _, f := range best.sorted() {
		found = append(found, finding{kind: Field, doc: f.doc, score: f.score})
	}
	return found
}
