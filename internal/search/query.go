package search

import (
	"cmp"
	"slices"
	"strings"
)

// What a word of the query counts, and what an indexed word counts that may
// stand for it.
const (
	weakWord   = 0.3
	digitWord  = 0.2
	inflection = 0.95
	byDoing    = 0.6 // who instructs is an instructor
	sameWord   = 0.9
	saidFor    = 0.8
	siblings   = 0.24
	shortened  = 0.7
	mistyped   = 0.5
)

// maxPlaces bounds the places that one search visits: what stands nearly
// everywhere tells little, and is left out first.
const maxPlaces = 150_000

// shortestVerb is how long a stem must be for who does it to be looked for.
const shortestVerb = 4

// shortestPlain is how long an adjective must be for its comparative to be
// known.
const shortestPlain = 3

// maxUnknown is how many words of a query typing errors are looked for in.
const maxUnknown = 8

// manner is how an indexed word was reached from a word of the query.
type manner uint8

const (
	asWritten manner = iota
	inflected
	shortFor
	meaning
	abbreviated
	misspelt
)

// alternative is an indexed word that a word of the query may mean.
type alternative struct {
	term   uint32
	weight float32
	manner manner
}

// unit is a word of the query and what it may mean, likeliest first.
type unit struct {
	word         string
	stem         string
	weight       float32
	alternatives []alternative
}

type query struct {
	units []unit
	verbs map[string]bool // kinds of operations that were asked for
}

// read understands a query: its telling words in their order, each stem once.
func (ix *Index) read(text string) query {
	words := ix.apart(split(head(text, maxQuery)))
	q := query{verbs: map[string]bool{}}
	for _, w := range words {
		for kind, list := range verbs {
			if list[w] {
				q.verbs[kind] = true
			}
		}
	}
	stems := make([]string, len(words))
	for i, w := range words {
		stems[i] = stem(w)
	}
	phrases := ix.phrases(words, stems)
	unknown := 0
	for _, i := range ix.telling(words, phrases) {
		w := words[i]
		c := collector{ix: ix, thesaurus: business()}
		c.word(w, stems[i])
		for _, p := range phrases {
			if p.from <= i && i <= p.to {
				c.key(p.key, 1, asWritten)
				c.relatives(p.key)
			}
		}
		c.abbreviations(w, stems[i])
		if len(c.found) == 0 && !c.thesaurus.knows(stems[i]) && unknown < maxUnknown {
			unknown++
			c.typingErrors(w, stems[i])
		}
		if len(c.found) > 0 {
			q.add(unit{word: w, stem: stems[i], weight: weightOf(w), alternatives: c.found})
		}
	}
	ix.bound(&q)
	return q
}

// phrases finds the phrases of a query: those of the thesaurus, and words that
// the schema writes together. A field called dob is what each word of "birth
// date" asks for.
func (ix *Index) phrases(words, stems []string) []phrase {
	found := business().phrases(words, stems)
	for i := range words[:max(len(words)-1, 0)] {
		if t, ok := ix.byWord[words[i]+words[i+1]]; ok && !noise[words[i]] {
			found = append(found, phrase{stem(ix.words[t]), i, i + 1})
		}
	}
	return found
}

// telling are the places of the words that say something; in a query that has
// none, of those that the schema knows.
func (ix *Index) telling(words []string, phrases []phrase) []int {
	kept := make([]bool, len(words))
	for i := range words {
		kept[i] = !isNoise(words, i) && !counts(words, i)
	}
	for _, p := range phrases {
		kept[p.from], kept[p.to] = true, true
	}
	if !slices.Contains(kept, true) {
		for i, w := range words {
			_, kept[i] = ix.byWord[w]
		}
	}
	var places []int
	for i, k := range kept {
		if k && len(places) < maxWords {
			places = append(places, i)
		}
	}
	return places
}

func weightOf(word string) float32 {
	switch {
	case word[0] >= '0' && word[0] <= '9':
		return digitWord
	case weak[word]:
		return weakWord
	}
	return 1
}

// add adds a unit, or what it may mean to the unit of the same stem.
func (q *query) add(u unit) {
	i := slices.IndexFunc(q.units, func(have unit) bool { return have.stem == u.stem })
	if i < 0 {
		q.units = append(q.units, u)
		return
	}
	c := collector{found: q.units[i].alternatives}
	for _, a := range u.alternatives {
		c.add(a.term, a.weight, a.manner)
	}
	q.units[i].alternatives = c.found
}

// bound sorts alternatives by weight and leaves out what would visit more than
// maxPlaces places, the cheapest units first.
func (ix *Index) bound(q *query) {
	order := make([]int, len(q.units))
	costs := make([]int, len(q.units))
	for i := range q.units {
		order[i] = i
		u := &q.units[i]
		slices.SortFunc(u.alternatives, func(a, b alternative) int {
			return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.term, b.term))
		})
		for _, a := range u.alternatives {
			costs[i] += ix.places(a.term)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(costs[a], costs[b]) })
	left := maxPlaces
	for _, i := range order {
		u := &q.units[i]
		u.alternatives = slices.DeleteFunc(u.alternatives, func(a alternative) bool {
			n := ix.places(a.term)
			if n > left {
				return true
			}
			left -= n
			return false
		})
	}
	q.units = slices.DeleteFunc(q.units, func(u unit) bool { return len(u.alternatives) == 0 })
}

func (ix *Index) places(term uint32) int {
	return len(ix.inFields.of(term)) + len(ix.inObjects.of(term))
}

// apart splits words that nobody knows but that are written together of two that
// the schema knows.
func (ix *Index) apart(words []string) []string {
	var out []string
	for _, w := range words {
		if i := ix.seam(w); i > 0 {
			out = append(out, w[:i], w[i:])
		} else {
			out = append(out, w)
		}
	}
	return out
}

func (ix *Index) seam(word string) int {
	if _, ok := ix.byWord[word]; ok || len(word) < 6 {
		return 0
	}
	if s := stem(word); ix.byStem[s] != nil || business().knows(s) {
		return 0
	}
	for i := len(word) - 3; i >= 3; i-- {
		_, first := ix.byWord[word[:i]]
		_, second := ix.byWord[word[i:]]
		if first && second {
			return i
		}
	}
	return 0
}

// collector gathers what one word of a query may mean.
type collector struct {
	ix        *Index
	thesaurus *thesaurus
	found     []alternative
}

func (c *collector) add(term uint32, weight float32, manner manner) {
	i := slices.IndexFunc(c.found, func(a alternative) bool { return a.term == term })
	if i < 0 {
		c.found = append(c.found, alternative{term, weight, manner})
	} else if c.found[i].weight < weight {
		c.found[i] = alternative{term, weight, manner}
	}
}

func (c *collector) key(key string, weight float32, manner manner) {
	for _, t := range c.ix.byStem[key] {
		c.add(t, weight, manner)
	}
}

// word adds the word itself, its inflections, and what stands for it; for a word
// that nobody knows, the same of the adjective or the verb that it is made of.
func (c *collector) word(word, stemmed string) {
	if t, ok := c.ix.byWord[word]; ok {
		c.add(t, 1, asWritten)
	}
	c.key(stemmed, inflection, inflected)
	if len(c.found) == 0 && !c.thesaurus.knows(stemmed) {
		if plain := c.plain(word); plain != "" {
			c.key(plain, inflection, inflected)
			c.relatives(plain)
		}
	}
	if len(c.found) == 0 && len(stemmed) >= shortestVerb {
		c.key(stem(stemmed+"er"), byDoing, inflected)
		c.key(stem(stemmed+"or"), byDoing, inflected)
	}
	c.relatives(stemmed)
}

// plain is the stem of the adjective of which a word is the comparative or the
// superlative: "easiest" is of "easy". It is empty where nobody knows one.
func (c *collector) plain(word string) string {
	for _, ending := range [...]string{"est", "er"} {
		base, ok := strings.CutSuffix(word, ending)
		n := len(base)
		if !ok || n < shortestPlain {
			continue
		}
		forms := []string{base, base + "e"}
		if base[n-1] == 'i' {
			forms = []string{base[:n-1] + "y"}
		} else if base[n-1] == base[n-2] {
			forms = append(forms, base[:n-1])
		}
		for _, form := range forms {
			if key := stem(form); c.ix.byStem[key] != nil || c.thesaurus.knows(key) {
				return key
			}
		}
	}
	return ""
}

func (c *collector) relatives(key string) {
	for _, r := range c.thesaurus.relatives[key] {
		switch r.kin {
		case same:
			c.key(r.key, sameWord, shortFor)
		case said:
			c.key(r.key, saidFor, meaning)
		default:
			c.key(r.key, siblings, meaning)
		}
	}
}
