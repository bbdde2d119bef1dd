package assist

import (
	"slices"
	"strings"
)

// acts tells whether a person does something in the sentence, or is told
// something, and is not what the goal is about.
func (p *parser) acts(i int) bool {
	if p.tokens[i].owns {
		return false
	}
	t := p.tokens[i].text
	if t == "caller" || t == "callers" || p.theirs && p.is(i-2, helpers) {
		return true // "Was my child …"
	}
	for j := i + 1; j <= i+2; j++ {
		if p.is(j, actVerbs) {
			return true
		}
		if p.at(j).mark || !words.silent[p.at(j).text] {
			break
		}
	}
	j := i - 1
	for p.is(j, determiners) || p.at(j).text == "new" {
		j--
	}
	return p.is(j, letVerbs) || p.is(j, doing) && !p.at(i+1).mark
}

// doing are the helpers of questions about what somebody does.
var doing = set("did", "do", "does", "can", "could", "will", "would", "may", "should")

// markRinging looks for the number that a call comes from.
func (p *parser) markRinging() {
	number, rings := -1, -1
	for i, t := range p.tokens {
		switch {
		case t.text == "callerid":
			number, rings = i, i
		case t.text == "number" || t.text == "phone" && rings < 0 || t.text == "phone" && i > rings+3:
			number = i
		case t.text == "calling" || t.text == "ringing" || t.text == "dialling":
			rings = i
		case (t.text == "call" || t.text == "calls" || t.text == "rings" || t.text == "ring" || t.text == "phone" || t.text == "phones") &&
			(p.at(i+1).text == "from" || p.at(i+1).text == "in" || p.is(i-1, pronouns)):
			rings = i
		case t.text == "caller" && t.owns && (p.at(i+1).text == "number" || p.at(i+1).text == "phone"):
			number, rings = i, i
		}
	}
	if number < 0 || rings < 0 || max(number-rings, rings-number) > 5 {
		return
	}
	p.goal.ringing, p.goal.caller = true, true
	for i := range p.goal.words {
		w := &p.goal.words[i]
		if w.role == given && (w.stem == "number" || w.stem == "call" || w.stem == "callerid" || w.stem == "caller") {
			w.role = silent
		}
	}
	if !slices.ContainsFunc(p.goal.words, func(w word) bool { return w.role == given && phoneWords[w.stem] }) {
		p.term++
		p.goal.words = append(p.goal.words, word{text: "phone", stem: "phone", role: given, term: p.term, owner: -1, sentence: p.sentence})
	}
}

// did tells whether a word is the verb of a question: "what did I book".
func (p *parser) did(i int) bool {
	subject := p.at(i - 1)
	if subject.mark || subject.owns || !pronouns[subject.text] && !words.people[stem(subject.text)] {
		return false
	}
	j := i - 2
	for p.is(j, determiners) {
		j--
	}
	// "a patient moved" tells a story.
	return p.is(j, helpers) || p.at(j).mark && strings.HasSuffix(p.at(i).text, "ed")
}

// markWhois: "identify the caller": nothing but a person is looked for.
func (p *parser) markWhois() {
	switch p.goal.intents[0].verb {
	case "identify", "recognise", "recognize":
	default:
		return
	}
	for i := range p.goal.words {
		if w := &p.goal.words[i]; w.role == aim && w.sentence == 0 && !w.person {
			return
		}
	}
	p.goal.whois = true
}

// reaches are verbs of getting in touch that are nouns as well.
var reaches = set("phone", "call", "ring", "contact", "mail", "text", "email")

// madeBy are the things that some verbs make: to book a table is to make a
// reservation.
var madeBy = map[string]string{
	"book": "booking", "reserve": "reservation", "schedule": "appointment", "request": "request", "report": "report", "order": "order",
	"register": "registration", "enroll": "enrollment", "enrol": "enrollment", "apply": "application", "signup": "signup",
}

// nameByVerb adds what the main verb makes as a word of the goal.
func (p *parser) nameByVerb() {
	in := p.goal.intents[0]
	made, ok := madeBy[in.verb]
	if in.verb == "put" && p.follows("down", "for") {
		made, ok = "booking", true // "put the caller down for a table"
	}
	if !ok || in.action != create {
		return
	}
	s := stem(made)
	if !p.goal.has(s) {
		p.goal.words = append(p.goal.words, word{text: made, stem: s, role: aim, owner: -1, hint: true, clause: -1})
	}
}

// gettingInTouch: "customers phone to ask".
func (p *parser) gettingInTouch(i int) bool {
	prev := p.at(i - 1)
	return reaches[p.at(i).text] && !prev.owns && prev.text != "caller" && (pronouns[prev.text] || words.people[stem(prev.text)])
}
