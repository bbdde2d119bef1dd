package faulttest

import (
	"fmt"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
)

const (
	fewSkills, allSkills = 50, 1000
	skillsOfAnAgent      = 50
	// ready is how long a start may take. The test binary, under -race on shared
	// cores, gets ten times of it: what it must not do is wait for a database.
	ready = 100 * time.Millisecond
)

// TestStartNeedsNobody: with many published skills, and every database out of
// reach, the process is ready at once. It says honestly that nobody is reached,
// and serves when they are back. `make soak` does it with 1,000 skills.
func TestStartNeedsNobody(t *testing.T) {
	n := fewSkills
	if *soak > 0 {
		n = allSkills
	}
	p := behind(t, dbtest.Postgres(t))
	for done := 0; done < n; done += skillsOfAnAgent {
		agent, err := p.Client().CreateAgent(t.Context(), api.AgentRequest{Name: fmt.Sprintf("Desk %d", done), Country: "US"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range skillsOfAnAgent {
			b := apptest.Lookup()
			b.ToolName = fmt.Sprintf("Look up an appointment %d", i)
			if _, err := p.Client().Bind(t.Context(), agent.ID, p.Kind, b); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.Client().Publish(t.Context(), agent.ID, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, down := range []faultproxy.Faults{{Refuse: true, Reset: true}, {Hole: true}} {
		p.proxy.Set(down)
		p.proxy.Cut()
		var took []time.Duration
		for range 2 {
			one := p.apart(t)
			took = append(took, one.took)
			one.stop(t)
		}
		one := p.apart(t)
		took = append(took, one.took)
		t.Logf("%d skills, ready after %v", n, took)
		if best := min(took[0], took[1], took[2]); best > 10*ready {
			t.Errorf("the process is ready after %v", best)
		}
		a, late := p.ask(t)
		if a.Outcome != api.OutcomeUnavailable && a.Outcome != api.OutcomeTimedOut || late > deadline+slack {
			t.Errorf("with the database down: %s after %v", a.Outcome, late)
		}
		p.proxy.Set(faultproxy.Faults{})
		p.recovers(t)
		one.stop(t)
	}
}
