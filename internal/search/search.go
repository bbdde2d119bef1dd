// Package search finds objects, fields and operations by the words that people
// use for them. An index is built from a scoped schema, so that what is
// blocked cannot be found.
package search

import (
	"math"
	"sort"

	"flowyte/internal/schema"
)

// HitType is what was found.
type HitType string

// The hit types.
const (
	Object    HitType = "object"
	Field     HitType = "field"
	Operation HitType = "operation"
)

// Hit is one finding. Score is between 0 and 1, comparable within one search.
type Hit struct {
	Type      HitType
	Object    string // public name
	Field     string
	Operation string
	Score     float64
	Why       string
}

// Weights of where a word was found, and of how it was matched.
const (
	inName    = 1.0
	inParent  = 0.45
	inChild   = 0.12
	inComment = 0.35

	exactMatch   = 1.0
	synonymMatch = 0.7
	nearMatch    = 0.6
)

type document struct {
	hit   Hit
	words int // in the name: shorter names are more to the point
}

type posting struct {
	doc    int
	weight float64
	where  string
}

// Index answers searches over one schema. It is immutable.
type Index struct {
	docs     []document
	postings map[string][]posting
}

// OperationNames tells which operations an object offers, by their full names.
type OperationNames func(o *schema.Object) []string

// Build indexes a schema that has been scoped.
func Build(db *schema.Database, operations OperationNames) *Index {
	ix := &Index{postings: map[string][]posting{}}
	for i := range db.Objects {
		o := &db.Objects[i]
		name := db.PublicName(o)
		own := terms(name)
		d := ix.add(Hit{Type: Object, Object: name}, len(own))
		ix.post(d, own, inName, "name")
		ix.post(d, terms(o.Comment), inComment, "comment")
		for j := range o.Fields {
			ix.post(d, terms(o.Fields[j].Name), inChild, "a field")
		}
		ix.fields(db, o, name, own)
		for _, op := range operations(o) {
			od := ix.add(Hit{Type: Operation, Object: name, Operation: op}, len(own)+1)
			ix.post(od, terms(op), inName*0.8, "operation")
		}
	}
	return ix
}

func (ix *Index) fields(db *schema.Database, o *schema.Object, name string, own []string) {
	for j := range o.Fields {
		f := &o.Fields[j]
		words := terms(f.Name)
		d := ix.add(Hit{Type: Field, Object: name, Field: f.Name}, len(words))
		ix.post(d, words, inName, "name")
		ix.post(d, own, inParent, "object")
		ix.post(d, terms(f.Comment), inComment, "comment")
		for k := range o.ForeignKeys {
			fk := &o.ForeignKeys[k]
			if len(fk.Columns) == 1 && fk.Columns[0] == f.Name {
				ix.post(d, terms(db.PublicNameOf(fk.TargetSchema, fk.TargetObject)), inParent, "relationship")
			}
		}
	}
}

func (ix *Index) add(h Hit, words int) int {
	ix.docs = append(ix.docs, document{hit: h, words: max(words, 1)})
	return len(ix.docs) - 1
}

func (ix *Index) post(doc int, words []string, weight float64, where string) {
	for _, w := range words {
		list := ix.postings[w]
		if n := len(list); n > 0 && list[n-1].doc == doc {
			if list[n-1].weight < weight {
				list[n-1].weight, list[n-1].where = weight, where
			}
			continue
		}
		ix.postings[w] = append(list, posting{doc: doc, weight: weight, where: where})
	}
}

// Search returns at most limit hits of one type ("" for all), best first.
func (ix *Index) Search(query string, only HitType, limit int) []Hit {
	words := terms(query)
	if len(words) == 0 {
		return nil
	}
	scores := map[int]float64{}
	why := map[int]string{}
	for _, w := range words {
		best := map[int]float64{}
		for _, m := range ix.matches(w) {
			list := ix.postings[m.word]
			rarity := 1 + math.Log(float64(len(ix.docs)+1)/float64(len(list)+1))
			for _, p := range list {
				s := m.weight * p.weight * rarity / math.Sqrt(math.Sqrt(float64(ix.docs[p.doc].words)))
				if s > best[p.doc] {
					best[p.doc] = s
					if why[p.doc] == "" {
						why[p.doc] = m.how + " in " + p.where
					}
				}
			}
		}
		for d, s := range best {
			scores[d] += s
		}
	}
	return ix.rank(scores, why, only, limit)
}

func (ix *Index) rank(scores map[int]float64, why map[int]string, only HitType, limit int) []Hit {
	var hits []Hit
	top := 0.0
	for d, s := range scores {
		h := ix.docs[d].hit
		if only != "" && h.Type != only {
			continue
		}
		h.Score, h.Why = s, why[d]
		hits = append(hits, h)
		top = math.Max(top, s)
	}
	sort.Slice(hits, func(i, j int) bool {
		a, b := hits[i], hits[j]
		switch {
		case a.Score != b.Score:
			return a.Score > b.Score
		case a.Object != b.Object:
			return a.Object < b.Object
		case a.Field != b.Field:
			return a.Field < b.Field
		}
		return a.Operation < b.Operation
	})
	if len(hits) > limit {
		hits = hits[:limit]
	}
	for i := range hits {
		hits[i].Score = math.Round(hits[i].Score/top*1000) / 1000
	}
	return hits
}

type match struct {
	word   string
	weight float64
	how    string
}

// matches are the indexed words that a query word may mean.
func (ix *Index) matches(w string) []match {
	var out []match
	if _, ok := ix.postings[w]; ok {
		out = append(out, match{w, exactMatch, "word"})
	}
	for _, s := range synonyms[w] {
		if _, ok := ix.postings[s]; ok {
			out = append(out, match{s, synonymMatch, "synonym"})
		}
	}
	if len(out) == 0 {
		for indexed := range ix.postings {
			if near(w, indexed) {
				out = append(out, match{indexed, nearMatch, "similar word"})
			}
		}
		sort.Slice(out, func(i, j int) bool { return out[i].word < out[j].word })
	}
	return out
}
