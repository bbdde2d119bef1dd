package assist

import (
	"encoding/json"
	fl "flag"
	"os"
	"testing"

	"flowyte/internal/schema"
)

var dumpGoal = fl.String("goal", "", "schema: goal")

func TestDump(t *testing.T) {
	if *dumpGoal == "" {
		return
	}
	var name string
	text := *dumpGoal
	for i := range text {
		if text[i] == ':' {
			name, text = text[:i], text[i+2:]
			break
		}
	}
	b, _ := os.ReadFile("testdata/schemas/" + name + "/postgres.json")
	var db schema.Database
	json.Unmarshal(b, &db)
	c := NewCatalog(&db, schema.Scope{})
	g := readGoal(text)
	for i, w := range g.words {
		t.Logf("%d %-12s role %d term %d owner %d owns %v actor %v faint %v prep %q clause %d w %.2f", i, w.stem, w.role, w.term, w.owner, w.owns, w.actor, w.faint, w.preposed, w.clause, w.weight)
	}
	t.Logf("intents %+v asks %+v caller %v ringing %v", g.intents, g.asks, g.caller, g.ringing)
	m := newMatch(g, c)
	t.Logf("unserveable %q", m.unserveable())
	for i, d := range m.rank(m.drafts()) {
		if i > 5 {
			break
		}
		c.compiles(d)
		f := ""
		if d.filter != nil {
			f = d.filter.Name
		}
		t.Logf("%s by %s score %.3f conf %.2f explained %.2f named %.2f filter %.2f (%d) terms %d", d.operation(), f, d.score, d.confidence, d.explained, d.named, d.filterFit, d.reason, d.terms)
		for _, w := range d.wants {
			h := ""
			if w.hop != nil {
				h = w.hop.key.Relationship + "."
			}
			t.Logf("    %s%s %.2f %v %s", h, w.column.Name, w.share, w.by, w.why)
		}
		for _, w := range d.sets {
			t.Logf("    set %s %.2f %v %s", w.column.Name, w.share, w.by, w.constant)
		}
	}
}
