package assist

import (
	"slices"
	"strings"
	"unicode"
)

// role is what a word of a goal is there for.
type role int

const (
	aim    role = iota // what the goal is about
	given              // what the caller supplies
	wanted             // what is to be said, or written
	silent             // nothing that a schema could hold
)

// word is one word of a goal.
type word struct {
	text     string
	stem     string
	role     role
	sentence int
	clause   int // counts the parts between commas, cues and sentence ends
	faint    bool
	person   bool
	// actor: a person who acts in the sentence, and is not looked for.
	actor bool
	// owns: the next noun belongs to it: "the doctor's name".
	owns bool
	// ownsObject: what belongs to it is an object by itself.
	ownsObject bool
	owner      int // the word that owns this one, -1 for none
	// open: somebody's value stands here: 12, X, such-and-such.
	open   bool
	picked bool // "a given …"
	term   int  // given words of one term share a number, from 1
	// indefinite: an article before it leaves open which one it is.
	indefinite bool
	possessed  bool   // "my", "their" stands before it
	proper     bool   // a name by its capital
	preposed   string // the preposition that its phrase hangs on
	hint       bool   // not said: what the verb makes
	weight     float64
}

// goal is a sentence or a few, taken apart.
type goal struct {
	words   []word // content words and cues, in order
	raw     []string
	intents []intent
	// caller: somebody speaks of his own things, or the number that rings is
	// what is known.
	caller  bool
	mine    bool   // and in the first person
	ringing bool   // by the number that the call comes from
	whois   bool   // the goal is to find out who calls
	verb    string // a verb that no list holds, by its stem
	asks    []ask
}

// ask is a question word and the clause in which it stands.
type ask struct {
	kind   string // when, who, where, much, many, how, which, whether
	clause int
	next   int // the first content word after it, -1 for none
}

// token is a word as written, or a mark.
type token struct {
	text    string
	mark    bool
	capital bool // one capital letter, which stands for a value
	proper  bool // a name, by its capital
	owns    bool
}

// readGoal takes a goal apart. It never fails: what it does not understand
// stays a word without a cue.
func readGoal(text string) *goal {
	p := &parser{tokens: joinPhrases(tokenize(text)), goal: &goal{}}
	for _, t := range p.tokens {
		p.goal.raw = append(p.goal.raw, t.text)
	}
	p.intents()
	p.parse()
	return p.goal
}

// tokenize splits a goal into lower-case words and marks.
func tokenize(text string) []token {
	var out []token
	runes := []rune(strings.NewReplacer("’", "'", "–", "-", "—", ";", "/", " ").Replace(text))
	for i := 0; i < len(runes); {
		r := runes[i]
		if !wordRune(r) {
			if strings.ContainsRune(".,;:?!()", r) && !endsAbbreviation(out, runes, i) {
				out = append(out, token{text: string(r), mark: true})
			}
			i++
			continue
		}
		j := i
		for j < len(runes) && (wordRune(runes[j]) || (runes[j] == '\'' || runes[j] == '-' || runes[j] == '.') && j+1 < len(runes) && wordRune(runes[j+1]) && runes[j-1] != '.') {
			j++
		}
		if j < len(runes) && runes[j] == '\'' && runes[j-1] == 's' {
			j++ // "the parents' phone"
		}
		out = append(out, splitToken(string(runes[i:j]))...)
		i = j
	}
	return out
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '@' }

// endsAbbreviation tells a full stop after "no" or "dr" from the end of a
// sentence: what follows goes on in the same sentence.
func endsAbbreviation(before []token, runes []rune, at int) bool {
	if runes[at] != '.' || len(before) == 0 || before[len(before)-1].mark {
		return false
	}
	switch before[len(before)-1].text {
	case "dr", "mr", "mrs", "ms":
		return true
	}
	for _, r := range runes[at+1:] {
		if !unicode.IsSpace(r) {
			return unicode.IsLower(r) || unicode.IsDigit(r)
		}
	}
	return false
}

// splitToken takes hyphens and possessives apart.
func splitToken(s string) []token {
	capital := len(s) == 1 && unicode.IsUpper(rune(s[0]))
	proper := len(s) > 1 && unicode.IsUpper(rune(s[0])) && s != strings.ToUpper(s)
	s = strings.ToLower(s)
	owns := false
	if cut, ok := strings.CutSuffix(s, "'s"); ok && !contracted[cut] {
		s, owns = cut, true
	} else if cut, ok := strings.CutSuffix(s, "'"); ok {
		s, owns = cut, true
	}
	s = strings.ReplaceAll(s, "'s", "")
	var out []token
	for short, long := range contractions {
		if cut, ok := strings.CutSuffix(s, short); ok && cut != "" {
			return []token{{text: cut, proper: proper}, {text: long}}
		}
	}
	for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
		out = append(out, token{text: part, capital: capital, proper: proper})
	}
	if len(out) > 0 && owns {
		out[len(out)-1].owns = true
	}
	return out
}

// contracted are words after which 's is "is" or "has".
var contracted = map[string]bool{"what": true, "who": true, "where": true, "when": true, "how": true, "it": true, "that": true, "there": true, "he": true, "she": true}

// parted are verbs of two words that may stand around their object: "sign the
// caller up", "drop the car off".
var parted = map[[2]string]string{{"sign", "up"}: "signup", {"drop", "off"}: "dropoff"}

// around makes one word of such a verb when its second part comes, two or three
// words after the first.
func around(before []token, second string) bool {
	for at := max(0, len(before)-3); at < len(before)-1; at++ {
		if as, ok := parted[[2]string{before[at].text, second}]; ok {
			before[at].text = as
			return true
		}
	}
	return false
}

// contractions are the ends of words that are words of their own.
var contractions = map[string]string{"'ll": "will", "'ve": "have", "'re": "are", "'m": "am", "'d": "would", "n't": "not"}

// joinPhrases writes short words out and makes one word of phrases. A call
// back is one whoever stands in between.
func joinPhrases(short []token) []token {
	var tokens []token
	for i, t := range short {
		if t.text == "back" && i > 1 {
			if at := slices.IndexFunc(tokens, func(t token) bool { return t.text == "call" || t.text == "calls" || t.text == "ring" }); at >= 0 && at >= len(tokens)-4 {
				tokens[at].text = "callback"
				continue
			}
		}
		if around(tokens, t.text) {
			continue
		}
		if t.mark {
			tokens = append(tokens, t)
			continue
		}
		list := words.full(t.text)
		for j, long := range list {
			tokens = append(tokens, token{text: long, capital: t.capital, proper: t.proper, owns: t.owns && j == len(list)-1})
		}
	}
	texts := make([]string, len(tokens))
	for i, t := range tokens {
		texts[i] = t.text
	}
	var out []token
	for i := 0; i < len(tokens); {
		as, n := words.phraseAt(texts[i:])
		if n == 0 {
			out = append(out, tokens[i])
			i++
			continue
		}
		for _, part := range strings.Fields(as) {
			out = append(out, token{text: part})
		}
		out[len(out)-1].owns = tokens[i+n-1].owns
		i += n
	}
	return out
}

// has tells whether a word of the goal has one of the stems.
func (g *goal) has(stems ...string) bool {
	return slices.ContainsFunc(g.words, func(w word) bool { return slices.Contains(stems, w.stem) })
}

// indexes of the words that have one of the roles.
func (g *goal) in(roles ...role) []int {
	var list []int
	for i := range g.words {
		if slices.Contains(roles, g.words[i].role) {
			list = append(list, i)
		}
	}
	return list
}
