package faulttest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/serve"
	"flowyte/internal/store"
)

const (
	writers = 16
	// chaosVariable asks for a longer run, such as 1m.
	chaosVariable = "FLOWYTE_CHAOS"
)

func chaosTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(chaosVariable)
	if text == "" {
		return 5 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// visits publishes an insert into a table that would take every row twice.
func visits(t *testing.T, db *dbtest.Database) *practice {
	t.Helper()
	identity, on := "GENERATED ALWAYS AS IDENTITY", "visits"
	if db.Kind == "mysql" {
		identity, on = "AUTO_INCREMENT", db.Name+".visits"
	}
	db.Exec(t, "CREATE TABLE visits (id int "+identity+" PRIMARY KEY, ref varchar(40) NOT NULL)")
	writer := db.User(t, "SELECT", "INSERT ON "+on)
	p := overheard(t, db, apptest.Options{Connect: func(c *api.Credentials) { c.WriteUser, c.WritePassword = writer.User, writer.Password }})
	c := p.Client()
	skill, err := c.Bind(t.Context(), p.Agent.ID, p.Kind, api.BindingRequest{
		ToolName: "Add a visit", Operation: "visits.insert", IsWrite: true, InputObjectMap: []api.InputObject{{Field: "ref", Param: "ref"}},
	})
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	if _, err = c.PatchSkill(t.Context(), p.Agent.ID, skill.ID, api.SkillPatch{IsEnabled: new(true), PlanDigest: &skill.ExecutionConfig.PlanDigest}); err != nil {
		t.Fatalf("enable: %v", err)
	}
	if _, err = c.Publish(t.Context(), p.Agent.ID, ""); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return p
}

// storm cuts connections at random, between statements and within them, until
// told to stop.
func (p *practice) storm(stop <-chan struct{}) {
	dice := rand.New(rand.NewPCG(1, uint64(p.proxy.Port())))
	lasts := func(d int) bool {
		timer := time.NewTimer(time.Duration(d/2+dice.IntN(d)) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return true
		case <-stop:
			return false
		}
	}
	for again := true; again; again = lasts(60) {
		p.proxy.Set(faultproxy.Faults{CutAfter: 1 + dice.Int64N(400), Reset: dice.IntN(2) == 0, Latency: time.Duration(dice.IntN(5)) * time.Millisecond})
		lasts(20)
		if dice.IntN(4) == 0 {
			p.proxy.Cut()
		}
		p.proxy.Set(faultproxy.Faults{})
	}
}

// insist asks for a visit until it has an outcome, coming back under a new id
// every other time, as an agent does that heard nothing.
func (p *practice) insist(t *testing.T, conversation, ref string) api.ToolCallAnswer {
	t.Helper()
	for try := 0; ; try++ {
		r := api.ToolCallRequest{
			ToolCallID: ref + "#" + strconv.Itoa(try/2), Tool: "add_a_visit", Arguments: map[string]json.RawMessage{"ref": json.RawMessage(strconv.Quote(ref))},
		}
		a, err := p.Client().Call(t.Context(), conversation, r)
		if err == nil && a.Confirmation != nil {
			r.ConfirmationToken = a.Confirmation.Token
			a, err = p.Client().Call(t.Context(), conversation, r)
		}
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			return a
		}
		switch a.Outcome {
		case api.OutcomeOK:
			return a
		case api.OutcomeFailed: // certainly not done
			if try > 1 {
				return a
			}
		case api.OutcomePending, api.OutcomeUnknown, api.OutcomeBusy, api.OutcomeUnavailable:
			if try > 60 {
				t.Errorf("%s has no outcome but %s (%v)", ref, a.Outcome, a.Reason)
				return a
			}
			if a.RetryAfterMs != nil { // as agents are told to
				<-time.After(time.Duration(*a.RetryAfterMs) * time.Millisecond)
			}
		default:
			t.Errorf("%s: %s (%v)", ref, a.Outcome, a.Reason)
			return a
		}
	}
}

// TestLedger lets sixteen conversations write while their connections are cut at
// random. In the end the rows in the database are those that were acknowledged,
// each once and under the key that was told, and no write is left open.
func TestLedger(t *testing.T) {
	t.Parallel() // beside TestSoak
	owned(t, func(t *testing.T, db *dbtest.Database) {
		p := visits(t, db)
		stop := make(chan struct{})
		var storm, all sync.WaitGroup
		storm.Go(func() { p.storm(stop) })
		var mu sync.Mutex
		ends := map[string]api.ToolCallAnswer{}
		until := time.Now().Add(chaosTime(t))
		for n := range writers {
			all.Go(func() {
				conversation := ""
				for i := 0; time.Now().Before(until); i++ {
					if i%10 == 0 {
						conversation = p.Ring(t).ID
					}
					ref := fmt.Sprintf("%d/%d", n, i)
					a := p.insist(t, conversation, ref)
					mu.Lock()
					ends[ref] = a
					mu.Unlock()
				}
			})
		}
		// Whoever is still asking at the end meets good weather.
		time.AfterFunc(time.Until(until), func() { close(stop) })
		all.Wait()
		storm.Wait()
		p.compare(t, db, ends)
		p.judge(t)
	})
}

// compare holds what was acknowledged against the rows, and the journal against
// both.
func (p *practice) compare(t *testing.T, db *dbtest.Database, ends map[string]api.ToolCallAnswer) {
	t.Helper()
	rows := map[string][]string{}
	for _, row := range db.Query(t, "SELECT ref, id FROM visits") {
		rows[row[0]] = append(rows[row[0]], row[1])
	}
	counts := map[api.Outcome]int{}
	for ref, a := range ends {
		counts[a.Outcome]++
		told := ""
		if a.Outcome == api.OutcomeOK {
			told = `{"created":{"id":` + strings.Join(rows[ref], ",") + `}}`
		}
		if len(rows[ref]) > 1 || string(a.Result) != told && !(told == "" && (a.Result == nil || string(a.Result) == "null")) {
			t.Errorf("%s is in the rows %v, and was answered %s with %s", ref, rows[ref], a.Outcome, a.Result)
		}
		if a.Outcome == api.OutcomeFailed && len(rows[ref]) != 0 {
			t.Errorf("%s is in the rows %v, and was said to have failed", ref, rows[ref])
		}
	}
	for ref := range rows {
		if _, asked := ends[ref]; !asked {
			t.Errorf("%s is in the rows, and nobody asked for it", ref)
		}
	}
	t.Logf("%d visits, %v, %d connections", len(ends), counts, p.proxy.Accepted())
	if counts[api.OutcomeOK] < len(ends)/2 || p.proxy.Accepted() < 20 {
		t.Error("the weather was too good or too bad to show anything")
	}
	p.wantNothingOpen(t)
}

func (p *practice) wantNothingOpen(t *testing.T) {
	t.Helper()
	s, err := store.Open(t.Context(), p.Data, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Keyring(t.Context(), filepath.Join(p.Data, serve.MasterKeyName)); err != nil {
		t.Fatal(err)
	}
	list, err := s.Writes(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	open := map[store.WriteState]int{}
	for _, w := range list {
		open[w.State]++
	}
	t.Logf("the journal has %v", open)
	if open[store.WriteIntended]+open[store.WriteExecuted]+open[store.WriteUnknown] > 0 {
		t.Errorf("writes are left open in the journal: %v", open)
	}
}
