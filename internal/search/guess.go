package search

import (
	"strings"
	"unicode/utf8"
)

// shape is what an abbreviation keeps of a word: its first letter and its last
// consonant.
type shape [2]byte

func shapeOf(word string) (shape, bool) {
	if len(word) < 3 || word[0] < 'a' || word[0] > 'z' {
		return shape{}, false
	}
	last := len(word) - 1
	for last > 0 && isVowel(word[last]) {
		last--
	}
	return shape{word[0], word[last]}, true
}

func isVowel(c byte) bool { return strings.IndexByte("aeiou", c) >= 0 }

// Lengths of abbreviations that nobody wrote down.
const (
	shortest = 3
	longest  = 5
)

// abbreviations adds the words that look like the word with letters left out,
// and for a word that nobody knows those of which it may be an abbreviation.
// Words of the thesaurus abbreviate nothing but what it says.
func (c *collector) abbreviations(word, stemmed string) {
	for n := shortest; n <= longest && n+2 <= len(word); n++ {
		if t, ok := c.ix.byWord[word[:n]]; ok && !c.ix.known[t] {
			c.add(t, shortened, abbreviated)
		}
	}
	s, ok := shapeOf(word)
	if !ok {
		return
	}
	known := c.thesaurus.knows(stemmed)
	for _, t := range c.ix.shapes[s] {
		other := c.ix.words[t]
		if !c.ix.known[t] && shortens(other, word) || !known && shortens(word, other) {
			c.add(t, shortened, abbreviated)
		}
	}
}

// shortens tells whether a is b with letters left out, most of its vowels among
// them: "crtd" of "created", "mgr" of "manager".
func shortens(a, b string) bool {
	if len(a) < shortest || len(a) > longest || len(b) < len(a)+2 {
		return false
	}
	vowels, j := 0, 1
	for i := 1; i < len(a); i++ {
		if isVowel(a[i]) {
			vowels++
		}
	}
	if vowels > 1 || vowels == 1 && len(a) == shortest {
		return false
	}
	for i := 1; i < len(b) && j < len(a); i++ {
		if a[j] == b[i] {
			j++
		}
	}
	return a[0] == b[0] && j == len(a)
}

// Lengths, in characters, of words in which typing errors are looked for.
const (
	shortestTyped = 4
	longestTyped  = 24
)

// typingErrors adds the words of the schema, and what the words of the thesaurus
// stand for, that differ from the word or its stem by one typing error: a letter
// left out, added, changed, or swapped with its neighbour.
func (c *collector) typingErrors(word, stemmed string) {
	if n := utf8.RuneCountInString(word); n < shortestTyped || n > longestTyped {
		return
	}
	c.edits([]rune(word))
	if stemmed != word && utf8.RuneCountInString(stemmed) >= shortestTyped {
		c.edits([]rune(stemmed))
	}
}

func (c *collector) edits(word []rune) {
	buf := make([]byte, 0, utf8.UTFMax*(len(word)+1))
	try := func(before []rune, middle []rune, after []rune) {
		buf = buf[:0]
		for _, part := range [3][]rune{before, middle, after} {
			for _, r := range part {
				buf = utf8.AppendRune(buf, r)
			}
		}
		c.typed(buf)
	}
	for i := range word {
		try(word[:i], nil, word[i+1:])
		if i+1 < len(word) {
			try(word[:i], []rune{word[i+1], word[i]}, word[i+2:])
		}
	}
	for i := 0; i <= len(word); i++ {
		for _, r := range c.ix.letters {
			try(word[:i], []rune{r}, word[i:])
			if i < len(word) && r != word[i] {
				try(word[:i], []rune{r}, word[i+1:])
			}
		}
	}
}

// typed adds what a word means that was perhaps meant.
func (c *collector) typed(word []byte) {
	if t, ok := c.ix.byWord[string(word)]; ok {
		c.add(t, mistyped, misspelt)
	}
	for _, t := range c.ix.byStem[string(word)] {
		c.add(t, mistyped, misspelt)
	}
	if len(word) < shortestTyped {
		return
	}
	for _, r := range c.thesaurus.relatives[string(word)] {
		if r.kin != sibling {
			c.key(r.key, mistyped*saidFor, misspelt)
		}
	}
}
