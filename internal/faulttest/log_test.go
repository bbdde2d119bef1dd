package faulttest

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
)

// slowLine is what the log says of a slow call.
type slowLine struct {
	Msg, Level, Outcome, Kind, Request, Org, Skill string
	TotalMs, WaitMs, DbMs, OursMs, LimitMs         float64
}

// slowLines are those so far.
func (p *practice) slowLines(t *testing.T) (lines []slowLine) {
	t.Helper()
	for text := range strings.Lines(p.Log.String()) {
		if !strings.Contains(text, "a call was slow") {
			continue
		}
		var line slowLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{"Anna", apptest.CanaryRow, "5550177", "look_up", p.Login.User, p.DB.Name, "127.0.0.1", "SELECT"} {
			if strings.Contains(text, canary) {
				t.Errorf("the line holds %q: %s", canary, text)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// TestSlowCallsAreTold: a call that takes more than half of its time leaves one
// line that says where the time went, and a fast one leaves none.
func TestSlowCallsAreTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		p.wantOK(t)
		if n := len(p.slowLines(t)); n != 0 {
			t.Fatalf("%d lines of calls that were not slow", n)
		}
		release := lock(t, db)
		defer release()
		a, _ := p.ask(t)
		wantOutcome(t, a, api.OutcomeTimedOut, "deadline")
		lines := p.slowLines(t)
		if len(lines) != 1 {
			t.Fatalf("%d lines", len(lines))
		}
		if l := lines[0]; l.Level != "WARN" || l.Outcome != "timed_out" || l.Kind != p.Kind || l.Request == "" || l.Org == "" || l.Skill != p.Skill.ID ||
			l.TotalMs < 950 || l.DbMs < 800 || l.LimitMs != 1000 || l.OursMs < 0 || l.WaitMs+l.DbMs+l.OursMs > l.TotalMs+1 {
			t.Errorf("%+v", l)
		}
		// With all sessions in use the time goes into waiting for one.
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() { apptest.Ask(t, p.Client(), p.conv, "crowd-"+strconv.Itoa(i)) })
		}
		all.Wait()
		waited := 0
		for _, l := range p.slowLines(t)[1:] {
			if l.WaitMs > 500 {
				waited++
			}
		}
		if n := len(p.slowLines(t)); waited == 0 || n > 1+2*10 {
			t.Errorf("%d lines, %d of waiting", n, waited)
		}
		release()
		p.recovers(t)
	})
}
