package assist

import "strings"

// certain: "a given doctor", "on a certain day".
func (p *parser) certain(i int) int {
	switch t := p.tokens[i].text; {
	case picking[t]:
		if !p.is(i-1, determiners) {
			return 0
		}
		p.giveTerm(p.role != given)
		p.picked = p.term
		return 1
	case t == "this" || t == "that": // "whose is this number"
		if !p.is(i-1, helpers) || !p.nounPhraseHas(i+1, identifying) {
			return 0
		}
	default:
		return 0
	}
	p.giveTerm(p.role != given)
	return 1
}

// picking are adjectives that stand for somebody's value.
var picking = set("given", "certain", "particular", "specific")

// numbering are the nouns that end the name of a number or code: what follows
// is said of the thing that has it.
var numbering = stemSet("number", "code", "reference", "id", "identifier")

// pickedEnds tells whether the noun phrase of "a given …" ends before the word
// at i: "a given order number | status", "a given customer | orders", "is a
// given permit | still valid". owned tells that the word belongs to the phrase's
// last noun.
func (p *parser) pickedEnds(i int) (ends, owned bool) {
	n := len(p.goal.words)
	if p.role != given || p.picked != p.term || n == 0 || p.goal.words[n-1].term != p.picked {
		return false, false
	}
	last, t := &p.goal.words[n-1], p.tokens[i].text
	gap := p.gap(i, last.text)
	if p.nounPhraseHas(i, identifying) || gap < 0 {
		return false, false
	}
	switch {
	case numbering[last.stem], gap > 0:
		return true, false
	case last.owns:
		return p.phrase && !namingWords[stem(t)], true
	case plural(t) && !plural(last.text):
		return true, true
	}
	return p.asksWhether(i) && predicative(t), false
}

// gap counts the small words between a noun and i: "a given permit *still* valid".
// It is -1 when they join the two: "a given order number or name".
func (p *parser) gap(i int, noun string) int {
	for j := i - 1; ; j-- {
		switch t := p.at(j); {
		case t.mark, t.text == "or", t.text == "and", prepositions[t.text]:
			return -1
		case t.text == noun:
			return i - 1 - j
		}
	}
}

// plural tells "orders" from "address".
func plural(t string) bool {
	return len(t) > 3 && strings.HasSuffix(t, "s") && !strings.HasSuffix(t, "ss") && !strings.HasSuffix(t, "us") && !strings.HasSuffix(t, "is")
}

// asksWhether tells whether the clause of i begins as a question for yes or no
// does.
func (p *parser) asksWhether(i int) bool {
	from := i
	for !p.at(from - 1).mark {
		from--
	}
	return p.is(from, helpers)
}

// predicative tells an adjective or a participle by its end.
func predicative(t string) bool {
	for _, end := range []string{"able", "ible", "ed", "ing", "ful"} {
		if len(t) > len(end)+2 && strings.HasSuffix(t, end) {
			return true
		}
	}
	return false
}

// doneBy: "has a given claim been seen by an adjuster", where what is supplied
// was said already, tells who does something and not what it is found by.
func (p *parser) doneBy(i int) bool {
	if !p.gives() || p.nounPhraseHas(i+1, identifying) || p.nounPhraseHas(i+1, namingWords) || p.nounPhraseHas(i+1, picking) {
		return false
	}
	return participle(p.at(i-1).text) || prepositions[p.at(i-1).text] && participle(p.at(i-2).text)
}

var participles = set("done", "made", "paid", "kept", "held", "run", "sold", "bought", "built", "found", "sent", "left", "met", "taught", "read", "heard", "hit", "put", "set")

func participle(t string) bool {
	return participles[t] || len(t) > 4 && (strings.HasSuffix(t, "ed") || strings.HasSuffix(t, "en") || strings.HasSuffix(t, "wn"))
}
