package faulttest

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
	"flowyte/internal/serve"
	"flowyte/internal/target"

	"golang.org/x/sync/errgroup"
)

// tenant is one of many organisations, with a database of its own that holds
// its name.
type tenant struct {
	name   string
	key    string
	client *client.Client
	agent  string
	conv   string
	calls  atomic.Int64
	good   atomic.Int64 // of them
}

// settle connects an organisation to a database with one row, through port, and
// publishes the look-up of it.
func settle(t testing.TB, app *apptest.App, db *dbtest.Database, name string, port int) (*tenant, error) {
	db.Exec(t, `CREATE TABLE desks (id int PRIMARY KEY, phone varchar(32) NOT NULL, name varchar(80))`, `CREATE INDEX desks_phone ON desks (phone)`,
		`INSERT INTO desks VALUES (1, '`+apptest.CanaryPhone+`', '`+name+`')`)
	creds := apptest.Credentials(db, db.User(t, "SELECT"))
	creds.Port = api.Port(strconv.Itoa(port))
	w := &tenant{name: name, key: app.NewKey(t, name)}
	w.client = app.ClientWith(w.key)
	if _, err := w.client.Connect(t.Context(), db.Kind, creds); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, err := w.client.Discover(t.Context(), db.Kind); err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	agent, err := w.client.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk", Country: "US"})
	if err != nil {
		return nil, fmt.Errorf("make an agent: %w", err)
	}
	_, err = w.client.Bind(t.Context(), agent.ID, db.Kind, api.BindingRequest{
		ToolName: "Look up a desk", Operation: "desks.read", Enabled: true,
		Inputs:     []api.BindingInput{{Param: "caller_phone", Arg: "phone", Required: new(true)}},
		Projection: []api.ProjectionEntry{{Path: []string{"name"}, Leaf: "name"}},
	})
	if err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	if _, err = w.client.Publish(t.Context(), agent.ID, ""); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	w.agent = agent.ID
	return w, w.ring(t)
}

// ring begins another conversation.
func (w *tenant) ring(t testing.TB) error {
	conv, err := w.client.Start(t.Context(), w.agent, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: apptest.CanaryPhone}})
	w.conv = conv.ID
	return err
}

// ask calls the look-up. A good answer that is not the organisation's own is an
// error of the test.
func (w *tenant) ask(t testing.TB) (api.ToolCallAnswer, time.Duration) {
	begun := time.Now()
	a, err := w.client.Call(t.Context(), w.conv, api.ToolCallRequest{ToolCallID: strconv.FormatInt(w.calls.Add(1), 10), Tool: "look_up_a_desk"})
	took := time.Since(begun)
	if err != nil {
		t.Errorf("%s: %v", w.name, err)
	} else if a.Outcome == api.OutcomeOK {
		w.good.Add(1)
		if rows := rowsOf(t, a); len(rows) != 1 || rows[0]["name"] != w.name {
			t.Errorf("%s is answered %s", w.name, a.Result)
		}
	}
	return a, took
}

// settleAll settles n organisations, each on a database of its own.
func settleAll(t testing.TB, app *apptest.App, on *dbtest.Database, n int, port func(i int) int) []*tenant {
	t.Helper()
	all := make([]*tenant, n)
	var group errgroup.Group
	group.SetLimit(4)
	for i := range all {
		db := dbtest.New(t, on.Server)
		group.Go(func() (err error) {
			all[i], err = settle(t, app, db, "org-"+strconv.Itoa(i), port(i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestHundredCallers is F07: a hundred callers of one organisation, whose pool
// of five is held up, wait no longer than they have, and are told when to come
// again. Another organisation is served as if they were not there.
func TestHundredCallers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		other, err := settle(t, p.App, dbtest.New(t, db.Server), "beside", db.Server.Port)
		if err != nil {
			t.Fatal(err)
		}
		release := lock(t, db)
		defer release()
		var all sync.WaitGroup
		var outcomes sync.Map
		count := func(o api.Outcome) *atomic.Int64 {
			n, _ := outcomes.LoadOrStore(o, &atomic.Int64{})
			return n.(*atomic.Int64)
		}
		for i := range 100 {
			all.Go(func() {
				begun := time.Now()
				a := apptest.Ask(t, p.Client(), p.conv, "crowd-"+strconv.Itoa(i))
				if took := time.Since(begun); took > deadline+2*slack {
					t.Errorf("%s after %v", a.Outcome, took)
				}
				if a.Outcome == api.OutcomeBusy && (a.RetryAfterMs == nil || *a.RetryAfterMs <= 0) {
					t.Error("busy, and no word when to come again")
				}
				count(a.Outcome).Add(1)
			})
		}
		for range 20 {
			if a, took := other.ask(t); a.Outcome != api.OutcomeOK || took > deadline/2 {
				t.Errorf("the other organisation: %s after %v", a.Outcome, took)
			}
		}
		all.Wait()
		busy, late := count(api.OutcomeBusy).Load(), count(api.OutcomeTimedOut).Load()
		if busy+late != 100 || busy < 50 || late == 0 {
			t.Errorf("%d were told that it is busy, %d that time ran out", busy, late)
		}
		release()
		p.recovers(t)
	})
}

// TestCapIsShared: when the process may open no more sessions, one organisation
// that holds all it may does not keep the next one out.
func TestCapIsShared(t *testing.T) {
	db := dbtest.Postgres(t)
	p := behind(t, db, apptest.Options{Serve: func(o *serve.Options) { o.Fleet = target.Options{Total: 3, PerOrganisation: 2, Reads: 2} }})
	other, err := settle(t, p.App, dbtest.New(t, db.Server), "beside", db.Server.Port)
	if err != nil {
		t.Fatal(err)
	}
	release := lock(t, db)
	defer release()
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() { apptest.Ask(t, p.Client(), p.conv, "crowd-"+strconv.Itoa(i)) })
	}
	for range 20 {
		if a, took := other.ask(t); a.Outcome != api.OutcomeOK || took > deadline/2 {
			t.Errorf("the other organisation: %s after %v", a.Outcome, took)
		}
	}
	all.Wait()
}

// TestSickNeighbours is F15 in small: some databases are black-holed and asked
// all the time, and the others do not notice. `make bench` measures it.
func TestSickNeighbours(t *testing.T) {
	db := dbtest.Postgres(t)
	app := apptest.New(t)
	hole := proxyTo(t, faultproxy.Address(0), db.Server)
	const healthy, sick = 6, 3
	all := settleAll(t, app, db, healthy+sick, func(i int) int {
		if i < sick {
			return hole.Port()
		}
		return db.Server.Port
	})
	for _, one := range all {
		one.ask(t)
	}
	hole.Set(faultproxy.Faults{Hole: true})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for _, one := range all[:sick] {
		for range 6 {
			asking.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if a, took := one.ask(t); a.Outcome == api.OutcomeOK || took > deadline+2*slack {
							t.Errorf("black-holed: %s after %v", a.Outcome, took)
						}
					}
				}
			})
		}
	}
	end := time.Now().Add(2 * time.Second)
	var well sync.WaitGroup
	for _, one := range all[sick:] {
		well.Go(func() {
			for time.Now().Before(end) {
				if a, took := one.ask(t); a.Outcome != api.OutcomeOK || took > deadline/2 {
					t.Errorf("a healthy one: %s after %v", a.Outcome, took)
				}
			}
		})
	}
	well.Wait()
	close(stop)
	asking.Wait()
}
