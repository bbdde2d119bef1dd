package assist

import (
	"strings"
)

// parser walks over the tokens of a goal once and gives every content word its
// role.
type parser struct {
	tokens []token
	goal   *goal

	role     role
	phrase   bool // the given part ends with its noun phrase
	before   role // what the role was before that phrase
	sentence int
	clause   int
	term     int
	picked   int // the term of "a given …", 0 before any
	owner    int
	prep     string // the preposition of the present noun phrase
	theirs   bool   // so does a possessive pronoun
	open     bool   // an indefinite article stands before the noun
	extra    []word // words that count although they are no nouns
	nounAt   int    // where the present noun phrase begins in goal.words
}

func set(list ...string) map[string]bool {
	m := map[string]bool{}
	for _, w := range list {
		m[w] = true
	}
	return m
}

var (
	determiners  = set("a", "an", "the", "their", "his", "her", "my", "our", "your", "its", "this", "that", "these", "those", "each", "every", "all", "any", "some", "another", "new", "existing", "caller", "callers")
	pronouns     = set("they", "we", "i", "he", "she", "you", "somebody", "someone", "caller", "callers", "people", "anybody")
	giveVerbs    = set("give", "gives", "provide", "provides", "quote", "quotes", "know", "knows", "supply", "supplies", "enter", "enters", "have", "has", "read", "reads", "tell", "tells", "say", "says", "state", "states", "name", "names", "spell", "spells", "share", "offer", "mention", "mentions", "got", "get", "gets", "receive", "receives")
	needsToUs    = set("read", "reads", "tell", "tells")
	needsCode    = set("have", "has", "got", "get", "gets", "receive", "receives", "say", "says", "state", "read", "reads", "name", "names")
	tellVerbs    = set("tell", "return", "read", "say", "show", "give", "hear", "report", "see", "announce", "list", "get", "fetch", "retrieve", "know", "including", "include", "plus", "noting", "mention", "learn", "explain", "state", "speak")
	askWords     = set("what", "which", "who", "whom", "whose", "when", "where", "why", "how", "whether", "if")
	prepositions = set("of", "to", "in", "on", "at", "for", "from", "with", "under", "into", "onto", "about", "off", "between", "after", "before", "since", "until", "during", "through", "without", "against", "within", "per", "over", "behind", "as", "among")
	helpers      = set("is", "are", "was", "were", "be", "been", "has", "have", "had", "do", "does", "did", "can", "could", "will", "would", "should", "may", "must")
	letVerbs     = set("let", "lets", "allow", "allows", "help", "helps", "enable", "enables", "tell", "tells", "inform", "ask", "asks", "give", "gives", "greet", "have", "remind", "want", "call", "callback", "phone", "notify", "contact")
	actVerbs     = set("call", "calls", "ask", "asks", "give", "gives", "want", "wants", "phone", "phones", "ring", "rings", "say", "says", "tell", "tells", "need", "needs", "provide", "provides", "know", "knows", "have", "has", "can", "could", "should", "moved", "quote", "quotes", "quoting", "would", "hear", "speak", "reads", "name", "names", "does", "prefers", "wish", "wishes", "report", "reports", "tries", "gets")
	identifying  = stemSet("number", "code", "reference", "id", "plate", "vin", "iccid", "imei", "phone", "mobile", "email", "callerid", "rx", "serial", "msisdn", "account", "postcode", "identifier", "barcode", "isbn", "sku", "iban", "passport", "ticket", "locator", "pnr", "docket", "folio", "pin", "username")
)

func (p *parser) at(i int) token {
	if i < 0 || i >= len(p.tokens) {
		return token{mark: true}
	}
	return p.tokens[i]
}

func (p *parser) is(i int, list map[string]bool) bool { return !p.at(i).mark && list[p.at(i).text] }

func (p *parser) parse() {
	p.owner, p.nounAt = -1, 0
	p.beginSentence(0)
	for i := 0; i < len(p.tokens); {
		i += p.step(i)
	}
	p.goal.words = append(p.goal.words, p.extra...)
	p.markRinging()
	p.markWhois()
	p.nameByVerb()
	for i := range p.goal.words {
		w := &p.goal.words[i]
		w.weight = weightOf(w)
		if w.picked && w.role == given && w.faint && !w.person && p.alone(i) {
			w.weight = aloneWeight
		}
	}
}

// step takes one cue, mark or word and returns how many tokens it took.
func (p *parser) step(i int) int {
	t := p.tokens[i]
	if t.mark {
		p.mark(i)
		return 1
	}
	if n := p.cue(i); n > 0 {
		return n
	}
	p.add(i)
	return 1
}

func (p *parser) mark(i int) {
	p.clause++
	p.endNoun()
	switch p.tokens[i].text {
	case ".", "?", "!", ";":
		p.sentence++
		p.beginSentence(i + 1)
	case ":":
		p.turn(wanted)
		p.owner = p.head()
	default:
		if p.phrase || p.role == silent {
			p.role, p.phrase = p.before, false
		}
	}
}

// head is the noun that a sentence began with, before anything was said of it:
// "the guardian of a student:".
func (p *parser) head() int {
	last := -1
	for i := range p.goal.words {
		w := &p.goal.words[i]
		if w.sentence != p.sentence || w.role != aim {
			continue
		}
		if w.preposed != "" || last >= 0 && p.goal.words[last].owner != w.owner {
			break
		}
		last = i
	}
	return last
}

// beginSentence starts over, but for a few words at the end that name nothing
// but what is given: "… how did I pay? account number".
func (p *parser) beginSentence(from int) {
	p.turn(aim)
	p.owner = -1
	if p.is(from, helpers) {
		p.clause++
		p.goal.asks = append(p.goal.asks, ask{kind: "yes", clause: p.clause, next: len(p.goal.words)})
	}
	if p.sentence == 0 {
		return
	}
	n, code := 0, false
	for ; !p.at(from + n).mark; n++ {
		t := p.at(from + n)
		if t.text == "by" || t.text == "using" {
			return
		}
		if n > 0 && p.is(from+n, giveVerbs) || p.is(from+n, askWords) || p.is(from+n, helpers) || allVerbs[t.text] != 0 && p.verbPosition(from+n) {
			return
		}
		code = code || identifying[stem(t.text)]
	}
	if n <= 5 && code {
		p.giveTerm(false)
	}
}

func (p *parser) turn(r role) {
	p.role, p.phrase = r, false
}

// giveTerm begins something that the caller supplies.
func (p *parser) giveTerm(phraseOnly bool) {
	if !p.phrase && p.role != given {
		p.before = p.role
	}
	p.role, p.phrase = given, phraseOnly
	p.term++
}

func (p *parser) endNoun() {
	p.nounAt = len(p.goal.words)
	p.prep, p.open, p.theirs = "", false, false
}

// add takes a word that is no cue.
func (p *parser) add(i int) {
	t := p.tokens[i]
	switch {
	case prepositions[t.text]:
		p.preposition(t.text)
	case p.gettingInTouch(i), p.role == silent:
	case p.role == given && pronouns[t.text]:
		p.role = silent // "the number they are calling from"
	case words.silent[t.text] && !t.owns:
		p.filler(t.text)
	case t.capital || t.text[0] >= '0' && t.text[0] <= '9':
		if !isYear(t.text) || !prepositions[p.at(i-1).text] {
			p.openValue()
		}
	default:
		p.content(i)
	}
}

// filler is a word that no schema holds, but that tells of its neighbours.
func (p *parser) filler(text string) {
	switch text {
	case "a", "an":
		p.open = true
	case "my":
		p.goal.caller, p.goal.mine, p.theirs = true, true, true
	case "their":
		p.goal.caller, p.theirs = true, true
	case "i":
		p.goal.caller, p.goal.mine = true, true
	}
	joins := text == "and" || text == "or"
	if p.phrase && (joins || helpers[text]) {
		p.role, p.phrase = p.before, false
	}
	switch {
	case text == "and" && p.role == given:
		p.term++
	case helpers[text]:
		p.owner = -1
		p.endNoun()
	}
}

// content is a word that a name of the schema may hold.
func (p *parser) content(i int) {
	t := p.tokens[i]
	if ends, owned := p.pickedEnds(i); ends {
		p.endPicked(owned)
	}
	s := stem(t.text)
	w := word{
		text: t.text, stem: s, role: p.role, sentence: p.sentence, clause: p.clause, faint: words.faint[s] || p.did(i), person: words.people[s],
		owner: p.owner, owns: t.owns, indefinite: p.open, possessed: p.theirs, preposed: p.prep,
		proper: t.proper && !p.at(i-1).mark && !words.known(s),
	}
	if p.role == given {
		w.term, w.picked = p.term, p.term == p.picked
	}
	w.actor = w.person && p.acts(i)
	p.open = p.open || w.proper // "in the Downtown area"
	p.goal.caller = p.goal.caller || t.text == "caller" || t.text == "callers"
	p.goal.words = append(p.goal.words, w)
	if t.owns {
		p.owner = len(p.goal.words) - 1
	}
}

// endPicked goes on with what is said of a thing that was picked.
func (p *parser) endPicked(owned bool) {
	if p.phrase && p.before != given {
		p.turn(p.before)
	} else {
		p.turn(wanted)
	}
	p.endNoun()
	p.owner = -1
	if owned {
		p.owner = len(p.goal.words) - 1
	}
}

func (p *parser) preposition(text string) {
	if p.phrase {
		p.role, p.phrase = p.before, false
	}
	if p.role == given && (text == "for" || text == "to") && p.nounAt < len(p.goal.words) {
		p.role = aim
	}
	if text == "of" {
		// "the status of the claim": what comes next owns what came before.
		next := len(p.goal.words)
		for j := p.nounAt; j < next; j++ {
			if p.goal.words[j].owner < 0 {
				p.goal.words[j].owner = next
			}
		}
	}
	p.owner = -1
	p.endNoun()
	p.prep = text
}

// isYear tells 2023 from the number of a thing.
func isYear(text string) bool {
	return len(text) == 4 && (strings.HasPrefix(text, "19") || strings.HasPrefix(text, "20"))
}

// openValue stands for a value: what is named before it is supplied as well.
func (p *parser) openValue() {
	n := len(p.goal.words)
	if p.nounAt >= n || p.role == given {
		return
	}
	p.term++
	for j := p.nounAt; j < n; j++ {
		w := p.goal.words[j]
		if w.clause != p.clause {
			continue
		}
		w.role, w.term, w.open = given, p.term, true
		p.goal.words = append(p.goal.words, w)
	}
	p.endNoun()
}

// aloneWeight is what a word counts that fits many names, but says all of what
// is supplied: "a given number".
const aloneWeight = 0.6

// alone tells whether a given word is the only one of its term.
func (p *parser) alone(i int) bool {
	for j := range p.goal.words {
		if w := &p.goal.words[j]; j != i && w.role == given && w.term == p.goal.words[i].term {
			return false
		}
	}
	return true
}

// weightOf is how much it matters that a word is accounted for.
func weightOf(w *word) float64 {
	switch {
	case w.role == silent:
		return 0
	case w.hint:
		return 0.5
	case w.actor, w.proper:
		return 0.1
	case w.preposed == "about":
		return 0.3
	case w.faint && w.person:
		return 0.25
	case w.faint:
		return 0.2
	}
	return 1
}
