// Package search finds objects, fields and operations by the words that people
// use for them. An index is built from a scoped schema, so that what is
// blocked cannot be found.
//
// A word of the query is looked up as it is written, by its stem, through the
// thesaurus (thesaurus.txt: abbreviations and synonyms), as an abbreviation that
// nobody wrote down, and, if it is not known at all, with one typing error
// forgiven. It may stand in a name, a comment, among the values of an enum, or in
// the name of an object that is one relationship away. docs/search.md tells how
// the evidence is weighed and how well it works.
package search

import (
	"cmp"
	"slices"
)

// HitType is what was found.
type HitType string

// The hit types.
const (
	Object    HitType = "object"
	Field     HitType = "field"
	Operation HitType = "operation"
)

// Hit is one finding.
type Hit struct {
	Type      HitType
	Object    string // public name
	Field     string
	Operation string
	// Place is where the object stands among the objects of the indexed schema.
	Place int
	// Score is between 0 and 1: 1 for the best hit of a search, for the others
	// their share of its evidence. Scores of two searches do not compare.
	Score float64
	// Why says in plain words what the hit was found by. It contains words of
	// the query and of the schema.
	Why string
}

// Limits of one search. What lies beyond them is not looked at.
const (
	maxQuery = 600 // bytes
	maxWords = 32  // words of a query, noise left out
	maxHits  = 200
)

// Search returns at most limit hits (never more than 200) of one type ("" for
// all), best first. Equal indexes give equal answers. Only the first 600 bytes
// and 32 telling words of the query count; without any, nothing is found.
func (ix *Index) Search(query string, only HitType, limit int) []Hit {
	limit = min(limit, maxHits)
	q := ix.read(query)
	if len(q.units) == 0 || limit <= 0 {
		return nil
	}
	s := ix.scratch.Get().(*scratch)
	defer ix.scratch.Put(s)
	defer s.clear()
	for i := range q.units {
		s.hear(ix, &q.units[i])
	}
	s.spread(ix)

	share := float32(1)
	if only == "" {
		share = amongFields
	}
	var found []finding
	if only == "" || only == Object {
		found = append(found, s.bestObjects(limit, share)...)
	}
	if only == "" || only == Operation {
		found = append(found, s.bestOperations(ix, q, limit, share)...)
	}
	if only == "" || only == Field {
		found = append(found, s.bestFields(ix, limit, only == "")...)
	}
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Compare(b.score, a.score) })
	return ix.hits(found[:min(len(found), limit)], &reasons{ix, q.units, s})
}

// finding is a hit before it is put into words. doc is a field's number or an
// object's.
type finding struct {
	kind      HitType
	doc       uint32
	operation string
	score     float32
}

func (ix *Index) hits(found []finding, why *reasons) []Hit {
	hits := make([]Hit, 0, len(found))
	for _, f := range found {
		h := Hit{Type: f.kind, Operation: f.operation, Score: round(f.score / found[0].score)}
		object := f.doc
		if f.kind == Field {
			object = ix.fields[f.doc].object
			h.Field, h.Why = ix.fields[f.doc].name, why.field(f.doc)
		} else {
			h.Why = why.object(object)
		}
		h.Place, h.Object = int(object), ix.objects[object].name
		hits = append(hits, h)
	}
	return hits
}

// round keeps three digits of a score, so that nobody takes it for more than it is.
func round(score float32) float64 { return float64(int(float64(score)*1000+0.5)) / 1000 }
