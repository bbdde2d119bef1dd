package search

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed thesaurus.txt
var thesaurusText string

// kinship is how near two entries of the thesaurus are.
type kinship uint8

const (
	same    kinship = iota // two ways to write one word
	said                   // said for it
	sibling                // said for the same word
)

// relative is a word or phrase that may stand for another one. Its key is the
// stem, for a phrase the stems of its words with blanks between.
type relative struct {
	key string
	kin kinship
}

// thesaurus knows, by key, what may stand for a word or phrase.
type thesaurus struct {
	relatives map[string][]relative
	together  map[string][]string // "firstname": [first name]
	longest   int                 // words of the longest phrase, noise included
}

// business is the thesaurus of thesaurus.txt.
var business = sync.OnceValue(func() *thesaurus { return readThesaurus(thesaurusText) })

// readThesaurus reads the form that thesaurus.txt describes at its top.
func readThesaurus(text string) *thesaurus {
	t := &thesaurus{relatives: map[string][]relative{}, together: map[string][]string{}, longest: 1}
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		left, right, _ := strings.Cut(line, "|")
		writings, sayings := t.keys(left), t.keys(right)
		t.pair(writings, writings, same)
		t.pair(writings, sayings, said)
		t.pair(sayings, writings, said)
		t.pair(sayings, sayings, sibling)
		t.noteTogether(strings.Fields(left))
	}
	return t
}

func (t *thesaurus) keys(list string) []string {
	var keys []string
	for entry := range strings.FieldsSeq(list) {
		parts := strings.Split(entry, "-")
		stems := make([]string, len(parts))
		for i, p := range parts {
			stems[i] = stem(p)
		}
		keys = append(keys, phraseKey(parts, stems))
		t.longest = max(t.longest, len(parts))
	}
	return keys
}

// phraseKey is the key of words that stand side by side: their stems, noise
// between the first and the last left out.
func phraseKey(words, stems []string) string {
	var key strings.Builder
	for i, s := range stems {
		if i > 0 && i < len(stems)-1 && noise[words[i]] {
			continue
		}
		if i > 0 {
			key.WriteByte(' ')
		}
		key.WriteString(s)
	}
	return key.String()
}

// phrase is one of the thesaurus, from its first word to its last.
type phrase struct {
	key      string
	from, to int
}

// phrases finds the phrases of the thesaurus among words and their stems.
func (t *thesaurus) phrases(words, stems []string) []phrase {
	var found []phrase
	for from := range words {
		for to := from + 1; to < min(len(words), from+t.longest); to++ {
			if key := phraseKey(words[from:to+1], stems[from:to+1]); t.knows(key) {
				found = append(found, phrase{key, from, to})
			}
		}
	}
	return found
}

// pair makes each of the second list a relative of each of the first; of two
// kinships of one pair the nearer counts.
func (t *thesaurus) pair(from, to []string, kin kinship) {
	for _, a := range from {
		for _, b := range to {
			if a == b {
				continue
			}
			i := slices.IndexFunc(t.relatives[a], func(r relative) bool { return r.key == b })
			if i < 0 {
				t.relatives[a] = append(t.relatives[a], relative{b, kin})
			} else {
				t.relatives[a][i].kin = min(t.relatives[a][i].kin, kin)
			}
		}
	}
}

// noteTogether remembers what a line writes both apart and together.
func (t *thesaurus) noteTogether(writings []string) {
	for _, w := range writings {
		if parts := strings.Split(w, "-"); len(parts) > 1 {
			if whole := strings.Join(parts, ""); slices.Contains(writings, whole) {
				t.together[whole] = parts
			}
		}
	}
}

// knows tells whether a word's stem, or a phrase's key, is in the thesaurus.
func (t *thesaurus) knows(key string) bool { return t.relatives[key] != nil }
