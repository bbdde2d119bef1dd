package assist

import "strings"

// cue looks for words that tell the role of what follows, or of what came
// before, and returns how many tokens it took; 0 when there is none.
func (p *parser) cue(i int) int {
	for _, find := range []func(int) int{p.post, p.by, p.certain, p.subjectGives, p.askFor, p.called, p.identifierAfter, p.question, p.tells, p.with, p.verb} {
		if n := find(i); n > 0 {
			return n
		}
	}
	return 0
}

// post: "the patient id is known", "application number given".
func (p *parser) post(i int) int {
	t := p.tokens[i].text
	n := 1
	switch {
	case t == "identifies" || t == "identify":
		if next := p.at(i + 1).text; next != "it" && next != "them" && next != "him" && next != "her" {
			return 0
		}
		n = 2
	case supplied[t]:
	case sayVerbs[t] && pronouns[p.at(i-1).text] && p.at(i+1).mark && !p.at(i-2).mark: // "in the country they name"
	default:
		return 0
	}
	if next := p.at(i + 1).text; next == "for" || next == "out" {
		n = 2
	}
	if !p.at(i+n).mark || p.at(i-1).mark || determiners[p.at(i-1).text] {
		return 0
	}
	p.term++
	for j := len(p.goal.words) - 1; j >= 0; j-- {
		w := &p.goal.words[j]
		if w.sentence != p.sentence || w.clause != p.clause {
			break
		}
		if w.preposed == "" || w.preposed == "of" || sayVerbs[t] {
			w.role, w.term = given, p.term
		}
	}
	return n
}

// sayVerbs end a relative clause about what the caller supplies.
var sayVerbs = set("name", "give", "provide", "quote", "say", "mention", "tell", "gave", "named", "gives")

// supplied are words after what the caller supplies.
var supplied = set("given", "known", "provided", "supplied", "needed", "required", "asked", "read")

// by: "by phone", "using the reference", "given the order number".
func (p *parser) by(i int) int {
	t := p.tokens[i].text
	switch t {
	case "by", "using", "via":
		if p.is(i+1, giving) {
			p.endNoun()
			p.owner = -1
			p.giveTerm(false)
			return 2 // "by giving the order number"
		}
		if p.doing(i + 1) {
			return 1
		}
		if p.at(i-1).text == "greet" || p.at(i-2).text == "greet" || p.at(i-3).text == "greet" {
			p.turn(wanted) // "greet them by name"
			return 1
		}
		if t == "by" && p.doneBy(i) {
			p.endNoun()
			p.owner = -1
			p.turn(wanted)
			return 1
		}
	case "given":
		if determiners[p.at(i-1).text] && p.at(i-1).text != "new" {
			return 0 // "a given doctor"
		}
	case "based":
		if p.at(i+1).text != "on" {
			return 0
		}
		p.endNoun()
		p.giveTerm(false)
		return 2
	case "use":
		if !p.is(i+1, determiners) {
			return 0
		}
	default:
		return 0
	}
	p.endNoun()
	p.owner = -1
	p.giveTerm(false)
	return 1
}

// giving are the participles of handing something over.
var giving = set("giving", "providing", "quoting", "entering", "supplying", "stating", "using", "saying", "spelling", "reading")

// doing tells whether a participle stands at i, as in "by calling us", and not
// the first word of a name, as in "by tracking number".
func (p *parser) doing(i int) bool {
	t, next := p.at(i), p.at(i+1)
	return strings.HasSuffix(t.text, "ing") && !t.mark && t.text != "ring" &&
		(determiners[next.text] || prepositions[next.text] || pronouns[next.text] || next.text == "us" || next.text == "me" || next.text == "them" || next.text == "back")
}

// subjectGives: "the caller gives the reference", "we only know their phone".
func (p *parser) subjectGives(i int) int {
	t := p.tokens[i].text
	if !giveVerbs[t] || p.at(i).owns {
		return 0
	}
	j := i - 1
	for p.at(j).text == "only" || p.at(j).text == "just" || p.at(j).text == "can" || p.at(j).text == "will" || p.at(j).text == "already" || p.at(j).text == "also" {
		j--
	}
	if p.at(j).mark || p.at(j).owns || !pronouns[p.at(j).text] && !words.people[stem(p.at(j).text)] && p.at(j).text != "who" && !agents[p.at(j).text] {
		return 0
	}
	if p.is(j-1, helpers) || p.is(j-2, helpers) && p.is(j-1, determiners) {
		return 0 // "what did the customer tell us"
	}
	if p.at(j).text == "who" && len(p.goal.asks) > 0 {
		p.goal.asks = p.goal.asks[:len(p.goal.asks)-1]
	}
	if p.is(j-1, letVerbs) || p.is(j-1, determiners) && p.is(j-2, letVerbs) && p.at(j-2).text != "give" {
		return 0 // "let callers know"
	}
	if t == "say" || t == "says" {
		if p.at(i+1).text != "the" {
			return 0
		}
	}
	toUs := p.at(i+1).text == "us" || p.at(i+1).text == "me" || p.at(i+1).text == "out" || p.at(i+1).text == "off"
	readsOut := words.people[stem(p.at(j).text)] && !agents[p.at(j).text] && p.nounPhraseHas(i+1, identifying) // "the member reads the barcode"
	if needsToUs[t] && !toUs && (!readsOut || p.at(j).text == "we" || p.at(j).text == "i" || p.at(j).text == "you") {
		return 0
	}
	if needsCode[t] && !p.nounPhraseHas(i+1, identifying) && t != "say" && t != "says" && t != "name" && t != "names" {
		return 0
	}
	p.endNoun()
	p.owner = -1
	p.giveTerm(false)
	if toUs {
		return 2
	}
	return 1
}

// nounPhraseHas looks at the noun phrase that begins at i.
func (p *parser) nounPhraseHas(i int, wanted map[string]bool) bool {
	for n := 0; n < 7 && !p.at(i+n).mark; n++ {
		t := p.at(i + n).text
		if wanted[stem(t)] {
			return true
		}
		if prepositions[t] && t != "of" || askWords[t] {
			return false
		}
	}
	return false
}

// askFor: "Ask for the order number."
func (p *parser) askFor(i int) int {
	if p.goal.intents[0].action == create {
		return 0
	}
	if t := p.tokens[i].text; t != "ask" && t != "asks" && t != "asked" || p.at(i+1).text != "for" {
		return 0
	}
	p.endNoun()
	p.giveTerm(false)
	return 2
}

// called: "the event called X".
func (p *parser) called(i int) int {
	if t := p.tokens[i].text; t != "called" && t != "named" || p.at(i+1).mark || i == 0 || p.is(i-1, pronouns) || p.is(i-1, helpers) {
		return 0
	}
	p.term++
	p.goal.words = append(p.goal.words, word{text: "name", stem: "name", role: given, term: p.term, owner: -1, faint: true, open: true, sentence: p.sentence, clause: p.clause})
	return 2
}

// identifierAfter: "from the number they are calling from", "for a student
// number"; in a look-up only.
func (p *parser) identifierAfter(i int) int {
	switch p.tokens[i].text {
	case "from", "for", "under", "on", "with", "off", "in":
	default:
		return 0
	}
	if !p.goal.reads() || p.role == given {
		return 0
	}
	j := i + 1
	for p.is(j, determiners) || words.people[stem(p.at(j).text)] || p.at(j).text == "its" {
		j++
	}
	// The identifier stands at once, or after one or two words: "order number".
	for n := 0; n < 3 && !p.at(j+n).mark; n++ {
		t := p.at(j + n).text
		if prepositions[t] || askWords[t] || t == "and" || words.silent[t] && n > 0 {
			break
		}
		if s := stem(t); identifying[s] && (s != "account" || p.at(j+n+1).text == "number") {
			if p.tokens[i].text == "with" && (p.at(j+n+1).text == "and" && !p.is(j+n+2, tellVerbs) || p.at(j+n+1).text == "," || p.gives()) {
				return 0 // a list of what is wanted
			}
			p.endNoun()
			p.owner = -1
			p.giveTerm(false)
			return 1
		}
	}
	return 0
}

// gives tells whether something given was found already.
func (p *parser) gives() bool { return len(p.goal.in(given)) > 0 }

// question: "what", "when …", "whether …".
func (p *parser) question(i int) int {
	t := p.tokens[i].text
	if p.at(i-1).text == "and" && helpers[t] && (pronouns[p.at(i+1).text] || p.at(i+1).text == "it") {
		p.clause++
		p.goal.asks = append(p.goal.asks, ask{kind: "yes", clause: p.clause, next: len(p.goal.words)})
		p.endNoun()
		p.turn(wanted)
		return 1
	}
	if !askWords[t] {
		return 0
	}
	if t == "when" || t == "if" {
		// "when they quote the claim number" says what is given.
		for j := i + 1; j <= i+4 && !p.at(j).mark; j++ {
			if p.is(j, giveVerbs) && p.at(j).text != "have" && p.at(j).text != "has" && p.at(j).text != "know" && (pronouns[p.at(j-1).text] || words.people[stem(p.at(j-1).text)]) {
				return 1
			}
		}
		if t == "when" && p.at(i-1).mark && (pronouns[p.at(i+1).text] || words.people[stem(p.at(i+1).text)]) && p.is(i+2, actVerbs) {
			return 1 // "When someone rings, …"
		}
	}
	p.clause++
	p.endNoun()
	p.owner = -1
	p.turn(wanted)
	a := ask{kind: t, clause: p.clause, next: len(p.goal.words)}
	n := 1
	if t == "how" {
		switch p.at(i + 1).text {
		case "much", "many", "long", "old", "often", "far", "big":
			a.kind, n = p.at(i+1).text, 2
		}
	}
	if t == "what" {
		// "what it is for"
		for j := i + 1; !p.at(j).mark; j++ {
			if p.at(j).text == "for" && (p.at(j+1).mark || p.at(j+1).text == "and") {
				a.kind = "why"
			}
		}
	}
	if t == "what" && (p.at(i+1).text == "time" || p.at(i+1).text == "date" || p.at(i+1).text == "day") {
		a.kind, n = "when", 2
	}
	p.goal.asks = append(p.goal.asks, a)
	return n
}

// tells: "tell the caller …", "and read back …".
func (p *parser) tells(i int) int {
	t := p.tokens[i].text
	if !tellVerbs[t] || p.at(i).owns {
		return 0
	}
	switch t {
	case "including", "include", "plus", "noting":
	default:
		prev := p.at(i - 1)
		start := prev.mark || prev.text == "and" || prev.text == "then" || prev.text == "to" || prev.text == "we" || prev.text == "please" ||
			p.opened(i) && p.is(i+1, determiners)
		if !start && !(words.people[stem(prev.text)] && (p.is(i-2, letVerbs) || p.is(i-3, letVerbs))) {
			return 0
		}
		if t == "report" && !p.goal.reads() {
			return 0
		}
	}
	n := 1
	if next := p.at(i + n).text; next == "out" || next == "back" {
		n++
	}
	if next := p.at(i + n).text; next == "them" || next == "me" || next == "us" || next == "him" {
		n++
	}
	p.clause++
	p.endNoun()
	p.owner = -1
	if p.at(i-1).mark && p.sentence == 0 && t != "tell" && t != "read" && t != "say" && t != "return" {
		p.turn(aim) // "Give callers the status of their claim"
	} else {
		p.turn(wanted)
	}
	return n
}

// with: "with the class title", and in a write the fields.
func (p *parser) with(i int) int {
	if p.tokens[i].text != "with" && p.tokens[i].text != "along" {
		return 0
	}
	p.endNoun()
	p.owner = -1
	if p.role == aim || p.role == given {
		p.turn(wanted)
	}
	if !p.follows("greet", p.at(i-1).text, "with") {
		p.prep = "with" // and not "greet them with their name"
	}
	return 1
}

// verb: the main verb says what is done and nothing about what with; see
// intents.
func (p *parser) verb(i int) int {
	t := p.tokens[i].text
	if allVerbs[t] == 0 && p.begins(i) {
		p.goal.verb = stem(t) // some other verb: "excuse an absence"
		p.extra = append(p.extra, word{text: t, stem: p.goal.verb, role: aim, owner: -1, faint: true, hint: true, clause: p.clause, sentence: p.sentence})
		return 1
	}
	if allVerbs[t] == 0 || p.at(i).owns || !p.verbPosition(i) {
		return 0
	}
	p.endNoun()
	if p.role == given && !p.at(i-1).mark {
		p.turn(aim)
	}
	switch next := p.at(i + 1).text; next {
	case "up", "out", "down":
		return 2
	}
	return 1
}

// begins tells whether a word begins a sentence as a verb does that is not
// known: an article follows.
func (p *parser) begins(i int) bool {
	t := p.at(i)
	if !p.at(i-1).mark || t.owns || words.silent[t.text] || prepositions[t.text] || askWords[t.text] || words.people[stem(t.text)] {
		return false
	}
	next := p.at(i + 1).text
	return p.is(i+1, determiners) && next != "caller" && next != "callers" && next != "that" // "leases that expire"
}

// agents are who has what the caller gave.
var agents = set("agent", "assistant", "bot", "system")
