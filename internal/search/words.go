package search

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kljensen/snowball/english"
	"golang.org/x/text/unicode/norm"

	"flowyte/internal/schema"
)

// split takes an identifier or a sentence apart; accents are left out, since
// people leave them out when they type.
func split(s string) []string { return schema.Words(plain(s)) }

func plain(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(s))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// head is the first n bytes of s, fewer where that would cut a character.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// stem folds the inflections of an English word together.
func stem(word string) string { return english.Stem(word, true) }

func wordSet(list string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(list) {
		m[w] = true
	}
	return m
}

// noise are words of a question that say nothing about a schema. They are left
// out of a query that has others.
var noise = wordSet(`
	a about above across after all also although am an and any anyone anything are as at
	be because been before being below besides between both but by can could
	d did do does doing don done each either else ever every everyone few find for further
	get give given gives go going got had has have having he her here hers him his how
	i if in include included including into is isn it its itself just know let ll
	m many may me might mine more most much must my myself n neither no nor not now
	of on once only onto or other others our ours out over own per please re really
	s same see shall she should show shows since so some such
	t take taken takes taking tell than that the their theirs them then there these they
	thing things this those through thus to too under until up upon us use used using usually
	ve very via want was we well were what whats which while whom whose why will wish with
	within without would yes yet you your yours`)

// isNoise knows one exception: "no" behind a word that says something is short
// for number.
func isNoise(words []string, i int) bool {
	return noise[words[i]] && (words[i] != "no" || i == 0 || noise[words[i-1]])
}

// weak are words that ask for a calculation, an order or a moment more often
// than they name something. They count in full where they are a whole name.
var weak = wordSet(`
	total sum average avg mean maximum minimum max min highest lowest best worst top bottom
	least greatest largest smallest biggest first last next previous recent latest current
	ordered sort sorted ascending descending list return display distinct unique different
	exactly ratio percent percentage share today yesterday tomorrow days week weeks month
	months year years times one two three four five six seven eight nine ten
	make makes made need needs possible able allowed`)

// counts tells whether the word at i only asks for a calculation or an order:
// "number of", "ordered by".
func counts(words []string, i int) bool {
	if i+1 == len(words) {
		return false
	}
	switch words[i] {
	case "number", "count", "total", "sum", "average", "amount", "list", "percentage", "ratio":
		return words[i+1] == "of"
	case "order", "ordered", "sort", "sorted", "group", "grouped", "split":
		return words[i+1] == "by"
	}
	return false
}

// verbs are the words that ask for an operation rather than name something.
var verbs = map[string]map[string]bool{
	"read":   wordSet("read look lookup find get show list check see fetch view tell search"),
	"insert": wordSet("insert create add new make book register open record save submit"),
	"update": wordSet("update change modify edit set move reschedule cancel correct confirm close"),
}
