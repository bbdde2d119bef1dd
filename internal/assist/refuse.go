package assist

import (
	"slices"
	"strings"
)

// unserveable finds the reason why no single operation can serve a goal,
// whatever the objects are; "" when there is none.
func (m *match) unserveable() Reason {
	switch {
	case m.schemaChange():
		return SchemaChange
	case m.goal.intents[0].action == remove:
		return Deletes
	case m.analyses():
		return Aggregate
	case m.elsewhere():
		return NoMatch
	case (m.goal.reads() || m.goal.intents[0].verb == "add") && m.aggregates():
		return Aggregate
	}
	return ""
}

var (
	schemaWords  = set("view", "views", "column", "columns", "index", "indexes", "schema", "constraint", "trigger", "database", "field")
	schemaVerbs  = set("add", "create", "drop", "alter", "rename", "modify", "truncate", "make")
	alwaysSchema = set("drop", "alter", "rename", "truncate")
)

// schemaChange: "add a column", "rename the customers table".
func (m *match) schemaChange() bool {
	raw := m.goal.raw
	for i, t := range raw {
		if !schemaVerbs[t] || i > 0 && !schemaStart[raw[i-1]] {
			continue
		}
		for _, next := range raw[i+1 : min(len(raw), i+7)] {
			if next == "." || next == "?" || next == "," || next == "by" || next == "with" && !alwaysSchema[t] {
				break
			}
			if schemaWords[next] && m.unknown(next) {
				return true
			}
			if (next == "table" || next == "tables") && (alwaysSchema[t] || m.unknown("table")) {
				return true
			}
		}
	}
	return false
}

var schemaStart = set(".", "?", "!", ";", ":", "to", "and", "please", "then", "can", "should")

// unknown tells whether no object is called so.
func (m *match) unknown(text string) bool {
	s := stem(text)
	return !slices.ContainsFunc(m.cat.objects, func(o *object) bool {
		return slices.ContainsFunc(o.words, func(w nameWord) bool { return m.cat.stems[w.id] == s })
	})
}

// The words that ask for a figure over many rows. Those of weak count only
// where no column is called so.
var (
	figures     = stemSet("average", "mean", "median", "percentage", "percent", "ratio", "proportion", "statistics", "histogram", "revenue", "turnover", "aggregate")
	weakFigures = stemSet("total", "sum", "maximum", "minimum", "rank", "ranking", "trend", "count", "revenue", "share")
	superlative = set("most", "best", "highest", "lowest", "fewest", "least", "busiest", "largest", "smallest", "biggest", "longest", "shortest", "cheapest", "top", "oldest", "youngest", "worst", "popular", "nearest", "closest")
)

// aggregates tells whether the goal asks for a count, a sum or a ranking.
func (m *match) aggregates() bool {
	raw := m.goal.raw
	all := slices.ContainsFunc(raw, func(t string) bool { return t == "all" || t == "every" || t == "each" })
	for i, t := range raw {
		s := stem(t)
		switch {
		case (t == "add" || t == "sum" || t == "tot" || t == "count") && i+1 < len(raw) && raw[i+1] == "up":
			return true
		case t == "number" && i+1 < len(raw) && raw[i+1] == "of" && m.manyRows(raw[i+2:]):
			return true
		case superlative[t] && !m.isColumn(s):
			return true
		case figures[s] && !m.isColumn(s) && !m.spelled[t]:
			return true
		case t == "count":
			if i == 0 || schemaStart[raw[i-1]] || i+1 < len(raw) && raw[i+1] == "of" {
				return true
			}
		case weakFigures[s] && (!m.isColumn(s) || all && !m.named(given)):
			return true
		case (t == "per" || t == "by") && i > 0 && i+1 < len(raw) && period[raw[i+1]] && m.counts():
			return true
		}
	}
	return m.countsRows()
}

var period = set("day", "week", "month", "quarter", "year", "hour")

func (m *match) named(r role) bool { return len(m.goal.in(r)) > 0 }

func (m *match) counts() bool {
	return slices.ContainsFunc(m.goal.asks, func(a ask) bool { return a.kind == "many" || a.kind == "often" })
}

// isColumn tells whether some column is called by a word.
func (m *match) isColumn(s string) bool {
	id, known := m.cat.vocabulary[s]
	if !known {
		return false
	}
	return slices.ContainsFunc(m.cat.objects, func(o *object) bool {
		return slices.ContainsFunc(o.columns, func(c *column) bool {
			return slices.ContainsFunc(c.words, func(w nameWord) bool { return w.id == id })
		})
	})
}

// countsRows: "how many appointments" asks for a count where appointments are
// objects and no column counts them.
func (m *match) countsRows() bool {
	for _, a := range m.goal.asks {
		if a.kind == "often" {
			return true
		}
		if a.kind != "many" {
			continue
		}
		if a.next >= len(m.goal.words) {
			if a.next = len(m.goal.words) - 1; a.next < 0 { // "I have credits, how many"
				return true
			}
			a.clause = m.goal.words[a.next].clause
		}
		row, column := 0.0, 0.0
		for w := a.next; w < min(a.next+2, len(m.goal.words)); w++ {
			if m.goal.words[w].clause != a.clause || w > a.next && m.goal.words[w].role == given || m.goal.words[w].preposed != m.goal.words[a.next].preposed {
				break
			}
			for _, o := range m.cat.objects {
				row = max(row, m.names(w, o))
				for _, c := range o.columns {
					if c.trait == counted || c.trait == money || c.trait == moment && c.Type != "date" {
						share, _, telling := m.cover(c.words, []int{w}, true)
						if telling && share >= enough {
							column = max(column, share)
						}
					}
				}
			}
		}
		if column == 0 && (row >= sameFit || !m.named(given)) || row >= sameFit && column < row*0.75 {
			return true
		}
	}
	return false
}

// refuse judges the drafts of a goal, best first.
func (m *match) refuse(list []*draft) Reason {
	if len(list) == 0 {
		if m.onlyUnindexed() {
			return NotIndexed
		}
		return NoMatch
	}
	top := list[0]
	switch {
	case top.intent.action != create && (top.terms > 1 || m.between() || m.compares()):
		return SeveralFilters
	case top.intent.action == look && m.available(top):
		return SeveralFilters
	case top.intent.action != create && m.everything(top):
		return NoFilter
	case top.intent.action == look && m.unindexed(top):
		return NotIndexed
	case top.confidence < bar:
		return NoMatch
	}
	return ""
}

// unindexed tells whether what is said to be supplied is a column of the
// draft's object that has no index, rather than the one that has.
func (m *match) unindexed(d *draft) bool {
	for _, use := range m.terms() {
		for _, col := range d.object.columns {
			if !col.searchable && m.termFit(d.object, col, use) >= max(d.filterFit+0.2, 0.8) {
				return true
			}
		}
	}
	return false
}

// onlyUnindexed tells whether something is named that could be looked up if
// only it had an index.
func (m *match) onlyUnindexed() bool {
	for _, o := range m.likely(1) {
		return m.nameFit(o) >= meansFit && m.goal.reads()
	}
	return false
}

// between: "between January and March", "from Monday to Friday".
func (m *match) between() bool {
	raw := m.goal.raw
	for i, t := range raw {
		if t == "between" || t == "from" && i+3 < len(raw) && dates[raw[i+1]] && (raw[i+2] == "to" || raw[i+2] == "until" || raw[i+2] == "through") {
			return true
		}
	}
	return false
}

var dates = set("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
	"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "today", "yesterday", "tomorrow")

// compares: "older than", "more than", "at least".
func (m *match) compares() bool {
	joined := " " + strings.Join(m.goal.raw, " ") + " "
	raw := m.goal.raw
	for i := 1; i < len(raw) && m.goal.reads(); i++ {
		t := raw[i]
		year := isYear(t) && (prepositions[raw[i-1]] || raw[i-1] == "before" || raw[i-1] == "after")
		if m.named(given) {
			if year { // a second condition, whatever the first is
				return true
			}
			continue
		}
		bound := bounds[raw[i-1]] && (t[0] >= '0' && t[0] <= '9' || numerals[t])
		lack := t == "no" && (raw[i-1] == "have" || raw[i-1] == "has" || raw[i-1] == "with")
		day := dates[t] && prepositions[raw[i-1]] && !m.goal.caller
		missing := t == "not" && (raw[0] == "which" || raw[0] == "who") || t == "nobody" || t == "never" // "which patients have not paid"
		if year || lack || bound || day || missing {
			return true
		}
	}
	for i, t := range m.goal.raw {
		if (t == "before" || t == "after") && i > 0 && m.goal.raw[i-1] != "long" && m.goal.reads() && !m.named(given) {
			return true
		}
	}
	for _, c := range []string{" more than ", " less than ", " older than ", " greater than ", " higher than ", " lower than ", " at least ", " at most ", " newer than ", " longer than ", " fewer than "} {
		if strings.Contains(joined, c) {
			return true
		}
	}
	return false
}

// bounds stand before a figure that something is compared with.
var (
	bounds   = set("under", "over", "above", "below")
	numerals = set("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "fifteen", "twenty", "thirty", "forty", "fifty", "hundred", "thousand")
)

// available: whether something is free depends on more than one condition.
func (m *match) available(d *draft) bool {
	for i := range m.goal.words {
		w := &m.goal.words[i]
		if w.stem != "free" && w.stem != "avail" && w.stem != "vacant" || primary(d.object, moment) == nil && !m.goal.has("date", "time", "day") {
			continue
		}
		if slices.ContainsFunc(d.wants, func(c want) bool { return m.best(i, c.column.words) >= meansFit }) {
			continue
		}
		return true
	}
	return false
}

// everything: "list all patients" leaves nothing to find a row by.
func (m *match) everything(d *draft) bool {
	if d.reason == byWords || d.reason == byPhrase || m.goal.caller {
		return false
	}
	raw := m.goal.raw
	for i, t := range raw {
		if t == "all" || t == "every" || t == "list" && i == 0 || period[strings.TrimSuffix(t, "s")] && i > 0 && m.lately(i-1) {
			return true
		}
	}
	if d.intent.action != look {
		return false
	}
	if m.ofAll(d) {
		return true
	}
	return slices.ContainsFunc(m.goal.asks, func(a ask) bool {
		return a.kind == "which" && a.next < len(m.goal.words) && m.names(a.next, d.object) >= sameFit && !m.leadsAway(a.next+1, d.object)
	})
}

// ofAll: "are our products any good", "which residents are late", "what do we
// earn" ask of all there are.
func (m *match) ofAll(d *draft) bool {
	raw := m.goal.raw
	if len(raw) < 2 || m.named(given) {
		return false
	}
	if (askWords[raw[0]] || helpers[raw[0]]) && m.ourselves() {
		return true
	}
	subject := 1
	for subject < len(raw) && (raw[subject] == "there" || raw[subject] == "any") {
		subject++
	}
	if subject == len(raw) || !plural(raw[subject]) || !asksOfMany[raw[0]] {
		return false
	}
	return slices.ContainsFunc(m.goal.in(aim, wanted), func(w int) bool {
		g := &m.goal.words[w]
		return g.text == raw[subject] && (raw[0] == "which" && g.person || raw[0] != "which" && m.names(w, d.object) >= sameFit)
	})
}

var asksOfMany = set("are", "were", "do", "did", "have", "which")

// ourselves: a company speaks of itself: "what do we earn", but not "what mark
// did our son get", nor "what is our balance? Give the account number".
func (m *match) ourselves() bool {
	raw, ours := m.goal.raw, false
	for i, t := range raw {
		if i+1 < len(raw) && strings.Contains(".?!;:", t) {
			return false // more is said
		}
		ours = ours || t == "we" || t == "us" || t == "our" && i+1 < len(raw) && !words.people[stem(raw[i+1])]
	}
	return ours
}

// lately: "next week", "in the last 30 days".
func (m *match) lately(i int) bool {
	raw := m.goal.raw
	if i > 0 && raw[i][0] >= '0' && raw[i][0] <= '9' {
		i--
	}
	return raw[i] == "next" || raw[i] == "last" || raw[i] == "this" || raw[i] == "past" || raw[i] == "coming"
}

// leadsAway tells whether a word names what an object refers to: "which menu
// category is an item in".
func (m *match) leadsAway(w int, o *object) bool {
	return w < len(m.goal.words) && slices.ContainsFunc(o.hops, func(h *hop) bool { return m.best(w, plainWords(h.words)) >= sameFit })
}

// The verbs of work that is no look-up and no write.
var (
	analysing = set("compare", "analyse", "analyze", "forecast", "predict", "summarise", "summarize", "rank")
	foreign   = set("email", "text", "message", "print", "translate", "play", "export", "import", "upload", "download", "notify", "remind", "forward", "sing", "grant", "revoke", "backup", "charge")
)

func (m *match) analyses() bool { return m.begunWith(analysing) }

// elsewhere: "email the menu to a guest" is nothing that a database does.
func (m *match) elsewhere() bool { return m.begunWith(foreign) || m.sends() }

// sent are the things that reach people by other ways than a database.
var sent = set("email", "text", "sms", "reminder", "notification", "letter", "fax", "newsletter")

// sends: "send every customer a text", where texts are no objects.
func (m *match) sends() bool {
	return m.goal.intents[0].verb == "send" && slices.ContainsFunc(m.goal.raw, func(t string) bool {
		return sent[strings.TrimSuffix(t, "s")] && m.unknown(t)
	})
}

func (m *match) begunWith(list map[string]bool) bool {
	raw := m.goal.raw
	for i, t := range raw {
		if list[t] && (i == 0 || schemaStart[raw[i-1]]) && i+1 < len(raw) && (determiners[raw[i+1]] || raw[i+1] == "some") {
			return true
		}
	}
	return false
}

// manyRows tells whether the words begin with several rows of an object: "the
// number of open requests".
func (m *match) manyRows(rest []string) bool {
	for i := 0; i < min(len(rest), 4); i++ {
		if prepositions[rest[i]] {
			return false
		}
		if !strings.HasSuffix(rest[i], "s") {
			continue
		}
		for w := range m.goal.words {
			if m.goal.words[w].text != rest[i] {
				continue
			}
			for _, o := range m.cat.objects {
				if m.names(w, o) >= sameFit {
					return true
				}
			}
		}
	}
	return false
}
