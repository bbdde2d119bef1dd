package assist

// intent is what a goal may want done, and how likely that is.
type intent struct {
	action action
	weight float64
	verb   string // that says so, "" for none
}

type action int

const (
	look action = iota + 1
	create
	change
	remove
)

// verbs are what people say for each action. Many are nouns as well: they count
// as verbs only where a verb can stand.
var verbs = map[action][]string{
	look: {
		"look", "find", "get", "check", "show", "tell", "give", "read", "return", "fetch", "identify", "recognise", "recognize", "search", "see",
		"retrieve", "list", "hear", "say", "query", "view", "determine", "verify", "know", "learn", "track", "match", "ask", "pull", "lookup", "count", "calculate",
	},
	create: {
		"book", "create", "add", "register", "log", "record", "note", "save", "capture", "take", "schedule", "place", "open", "submit", "file", "reserve",
		"request", "order", "report", "leave", "insert", "enter", "put", "enroll", "enrol", "send", "lodge", "make", "store", "signup", "call", "write", "arrange", "post", "apply",
	},
	change: {
		"update", "change", "modify", "edit", "correct", "set", "mark", "move", "reschedule", "cancel", "confirm", "close", "reopen", "approve", "reject",
		"switch", "adjust", "extend", "renew", "raise", "increase", "lower", "complete", "replace", "assign", "activate", "deactivate",
		"suspend", "resume", "amend", "rebook", "shift", "swap", "decline", "accept", "resolve", "escalate", "rename", "alter", "postpone", "transfer", "link", "fix", "block", "unblock", "lock", "unlock", "freeze",
	},
	remove: {"delete", "remove", "erase", "wipe", "purge", "destroy", "unenroll", "unenrol", "unregister", "drop", "clear", "rid", "discard", "dispose"},
}

var allVerbs = func() map[string]action {
	m := map[string]action{}
	for a, list := range verbs {
		for _, v := range list {
			m[v] = a
		}
	}
	return m
}()

// nounish verbs are as likely nouns: "order status", "report", "the book".
var nounish = set("book", "order", "request", "report", "record", "note", "log", "file", "schedule", "place", "open", "set", "change", "update", "move", "close",
	"mark", "check", "list", "switch", "post", "store", "call", "match", "track", "query", "count", "swap", "shift", "raise", "leave", "put")

// intents finds the verbs that stand where a verb can stand. A write that is
// asked for anywhere counts before a look-up; nothing at all is a look-up.
func (p *parser) intents() {
	best := intent{look, 0.85, ""}
	found := action(0)
	for i := range p.tokens {
		a := allVerbs[p.tokens[i].text]
		if a == 0 || !p.verbPosition(i) || p.readsAfterAll(i, a) {
			continue
		}
		if found == 0 || a == remove || found == look && a != look {
			if a == look && found != 0 {
				continue
			}
			found, best = a, intent{a, 1, p.tokens[i].text}
		}
	}
	if p.takesOff() || p.follows("get", "rid", "of") {
		best = intent{remove, 1, "remove"}
	}
	p.goal.intents = []intent{best}
	switch {
	case best.action == create && p.addsToExisting():
		p.goal.intents = []intent{{change, 1, "update"}, {create, 0.6, best.verb}}
	case best.action == create && nounish[best.verb]:
		p.goal.intents = append(p.goal.intents, intent{look, 0.6, ""})
	case best.verb == "set" && p.follows("set", "up"):
		p.goal.intents = []intent{{create, 1, "schedule"}}
	case best.verb == "ask" && (p.follows("ask", "for", "a") || p.follows("ask", "for", "an")):
		p.goal.intents = []intent{{create, 1, "request"}, {look, 0.6, ""}}
	case best.verb == "confirm":
		p.goal.intents = append(p.goal.intents, intent{look, 0.7, ""})
	case best.verb == "raise":
		p.goal.intents = append(p.goal.intents, intent{create, 0.9, "open"})
	case best.action == look && p.at(0).text == "new":
		p.goal.intents = []intent{{change, 0.8, "update"}, {create, 0.8, "create"}, {look, 0.5, ""}}
	}
}

// reads tells whether the likeliest intent is a look-up.
func (g *goal) reads() bool { return g.intents[0].action == look }

// verbPosition tells whether a verb can stand at i.
func (p *parser) verbPosition(i int) bool {
	next := p.at(i + 1)
	if next.text == "of" && allVerbs[p.at(i).text] != remove || p.at(i).owns {
		return false
	}
	prev := p.at(i - 1)
	free := prev.mark
	switch prev.text {
	case "to", "be", "then", "can", "should", "please", "could", "must", "will", "let", "we", "not":
		free = true
	case "and", "or":
		free = p.is(i+1, determiners) || next.text == "them" || next.text == "me" || !nounish[p.at(i).text] && !next.mark
	}
	free = free || p.opened(i) && !nounish[p.at(i).text] && p.is(i+1, determiners)
	if !free && words.people[stem(prev.text)] {
		j := i - 2
		for p.is(j, determiners) || p.at(j).text == "new" {
			j--
		}
		free = p.is(j, letVerbs)
	}
	if !free || next.mark && p.at(i-1).mark {
		return false
	}
	if prev.text == "to" && (p.at(i-2).text == "back" || determiners[p.at(i-2).text]) {
		return false
	}
	if !nounish[p.at(i).text] || p.is(i+1, determiners) || prev.text == "to" || prev.text == "be" || prev.text == "can" || prev.text == "please" {
		return true
	}
	switch next.text {
	case "down", "in", "out", "up", "if", "whether", "when", "how", "what", "which", "back", "us", "me", "them", "it", "another", "one":
		return true
	}
	// "Save feedback", but not "order status by number".
	return prev.mark && !p.terse(i)
}

// opened tells whether the clause of i begins with what is supplied: "by phone
// number find the order".
func (p *parser) opened(i int) bool {
	from := i
	for !p.at(from - 1).mark {
		from--
	}
	switch p.at(from).text {
	case "by", "using", "given", "with", "from", "via":
		return i > from+1
	}
	return false
}

// terse goals are a noun phrase and what it is found by.
func (p *parser) terse(i int) bool {
	for j := i + 1; !p.at(j).mark; j++ {
		if p.at(j).text == "by" || p.at(j).text == "from" {
			return true
		}
	}
	return i+3 > len(p.tokens)
}

// readsAfterAll are verbs of writing that ask for something: "confirm whether",
// "report the status", "take a look".
func (p *parser) readsAfterAll(i int, a action) bool {
	if a == look || a == remove {
		return false
	}
	if p.inQuestion(i) {
		return true
	}
	next := p.at(i + 1).text
	switch next {
	case "whether", "if", "when", "how", "back", "which", "what", "who", "where":
		return !noting[p.tokens[i].text]
	}
	switch p.tokens[i].text {
	case "note":
		return next == "that"
	case "call", "ask":
		return next != "out" // "call us" is what people do
	case "take":
		return next != "down" && !(p.is(i+1, determiners) && !p.is(i+2, picking) && p.nounPhraseHas(i+1, takenDown))
	case "make":
		return next == "sure"
	case "order", "list", "sort":
		return p.at(i+2).text == "results" || next == "them"
	case "leave":
		return next == "the" && p.at(i+2).text == "call"
	case "drop":
		return next == "off"
	case "open":
		return next == "on" || next == "at" || next == ""
	}
	return false
}

// follows tells whether the words stand in a row.
func (p *parser) follows(list ...string) bool {
	for i := range p.tokens {
		n := 0
		for n < len(list) && p.at(i+n).text == list[n] {
			n++
		}
		if n == len(list) {
			return true
		}
	}
	return false
}

// takesOff: "take a student off the roll".
func (p *parser) takesOff() bool {
	for i, t := range p.tokens {
		if t.text != "take" || !p.verbPosition(i) {
			continue
		}
		for j := i + 2; j < i+5 && !p.at(j).mark; j++ {
			if p.at(j).text == "off" {
				return true
			}
		}
	}
	return false
}

// noting are verbs of writing down whatever is said.
var noting = set("add", "note", "record", "write", "log", "save", "capture", "enter", "store")

// takenDown is what "take" writes: a message, somebody's details.
var takenDown = stemSet("message", "note", "order", "details", "name", "request", "complaint", "booking", "reservation", "report", "number", "address", "information", "feedback", "payment", "data")

// inQuestion tells whether a verb stands in a question, which asks and does not
// order: "can students take a class". "Can you book" orders.
func (p *parser) inQuestion(i int) bool {
	from := i
	for !p.at(from - 1).mark {
		from--
	}
	t := p.at(from).text
	if !askWords[t] && !helpers[t] || t == "if" || t == "when" || t == "who" {
		return false
	}
	next := p.at(from + 1).text
	return next != "you" && next != "we" && next != "it"
}

// addsToExisting: "add a note to an existing reservation".
func (p *parser) addsToExisting() bool {
	for i, t := range p.tokens {
		if t.text == "existing" {
			for j := i - 1; j >= max(0, i-3); j-- {
				if p.at(j).text == "to" || p.at(j).text == "on" {
					return true
				}
			}
		}
	}
	return false
}
