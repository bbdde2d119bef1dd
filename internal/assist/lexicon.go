package assist

import (
	_ "embed"
	"strings"

	"github.com/kljensen/snowball/english"
)

//go:embed lexicon.txt
var lexiconFile string

// How well two words fit that are not the same.
const (
	sameFit     = 0.85 // they may stand for one another
	meansFit    = 0.7  // one is said where the other is written
	beginFit    = 0.7  // a name's word is the beginning of the other
	misspellFit = 0.9  // they differ by one typing error
)

// lexicon is what lexicon.txt says, by stems.
type lexicon struct {
	near    map[string]map[string]float64 // said -> written -> fit
	phrases map[string][]phrase           // by first word
	short   map[string][]string           // written short -> in full
	people  map[string]bool
	faint   map[string]bool
	silent  map[string]bool // as written, not stemmed
}

// phrase is several words that count as one.
type phrase struct {
	words []string // after the first
	as    string
}

var words = parseLexicon(lexiconFile)

func parseLexicon(text string) *lexicon {
	l := &lexicon{
		near: map[string]map[string]float64{}, phrases: map[string][]phrase{}, short: map[string][]string{},
		people: map[string]bool{}, faint: map[string]bool{}, silent: map[string]bool{},
	}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			l.line(section, line)
		}
	}
	return l
}

func (l *lexicon) line(section, line string) {
	list := strings.Fields(line)
	switch section {
	case "same":
		for _, a := range list {
			for _, b := range list {
				l.relate(a, b, sameFit)
			}
		}
	case "means":
		said, written, _ := strings.Cut(line, ":")
		for _, w := range strings.Fields(written) {
			l.relate(said, w, meansFit)
		}
	case "phrases":
		said, as, _ := strings.Cut(line, " = ")
		list = strings.Fields(said)
		l.phrases[list[0]] = append(l.phrases[list[0]], phrase{list[1:], as})
	case "short":
		l.short[list[0]] = list[1:]
	case "people":
		add(l.people, list, stem)
	case "faint":
		add(l.faint, list, stem)
	case "silent":
		add(l.silent, list, func(w string) string { return w })
	default:
		panic("assist: lexicon.txt has a line in no known section: " + line)
	}
}

func add(set map[string]bool, list []string, form func(string) string) {
	for _, w := range list {
		set[form(w)] = true
	}
}

func (l *lexicon) relate(said, written string, fit float64) {
	a, b := stem(said), stem(written)
	if a == b {
		return
	}
	if l.near[a] == nil {
		l.near[a] = map[string]float64{}
	}
	l.near[a][b] = max(l.near[a][b], fit)
}

// join replaces phrases by the one word that they count as. It is applied to
// what is said and to names alike.
func (l *lexicon) join(list []string) []string {
	var out []string
	for i := 0; i < len(list); {
		as, n := l.phraseAt(list[i:])
		if n == 0 {
			as, n = list[i], 1
		}
		out = append(out, as)
		i += n
	}
	return out
}

// phraseAt is the longest phrase that the list begins with, and its length.
func (l *lexicon) phraseAt(list []string) (as string, length int) {
	for _, p := range l.phrases[list[0]] {
		if n := len(p.words) + 1; n > length && len(list) >= n && equal(list[1:n], p.words) {
			as, length = p.as, n
		}
	}
	return as, length
}

func equal(a, b []string) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// known tells whether the lexicon says anything about a stem.
func (l *lexicon) known(s string) bool { return l.near[s] != nil || l.people[s] || l.faint[s] }

// full writes a word of a name out: "appt" is appointment, "wo" work order.
func (l *lexicon) full(raw string) []string {
	if long, ok := l.short[raw]; ok {
		return long
	}
	return []string{raw}
}

// stem folds the inflections of an English word together.
func stem(word string) string {
	if s := strings.TrimSuffix(word, "s"); s == "officer" {
		return s // and no office
	}
	return english.Stem(word, true)
}

// misspelled tells whether two stems differ by one typing error: a letter
// changed, added, left out, or swapped with its neighbour. Short words, and
// words that begin differently, must match exactly.
func misspelled(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < 5 || a[0] != b[0] || len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if i == len(a) {
		return true
	}
	return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
