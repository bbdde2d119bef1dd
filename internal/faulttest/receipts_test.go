package faulttest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/faultproxy"
)

// lockStore keeps a service in another process from writing its store. A lock
// belongs to a process, so this one opens nothing else in the folder meanwhile.
func lockStore(t *testing.T, folder string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(folder, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { db.Close() })
	t.Cleanup(release)
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(t.Context(), "PRAGMA busy_timeout = 5000; BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	return release
}

// buffered is how many receipts wait to be stored.
func (one *process) buffered(t *testing.T) int {
	t.Helper()
	found := regexp.MustCompile(`(?m)^flowyte_receipts_buffered (\S+)$`).FindSubmatch(one.scrape(t))
	if found == nil {
		t.Fatal("nobody says how many receipts wait")
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// fillReceipts has every organisation ask for nonsense, which takes a receipt and
// no database, until no more are kept.
func fillReceipts(t *testing.T, one *process, tenants []*tenant) {
	t.Helper()
	const some = 50
	for before, round := -1, 0; before < one.buffered(t) && !t.Failed(); round++ {
		before = one.buffered(t)
		var all sync.WaitGroup
		for _, w := range tenants {
			all.Go(func() {
				for i := range some {
					r := api.ToolCallRequest{
						ToolCallID: fmt.Sprintf("%d/%d", round, i), Tool: "look_up_a_desk",
						Arguments: map[string]json.RawMessage{"nonsense": json.RawMessage(`1`)},
					}
					if a, err := w.client.Call(t.Context(), w.conv, r); err != nil || a.Outcome != api.OutcomeInvalidArguments {
						t.Errorf("nonsense: %s, %v", a.Outcome, err)
						return
					}
				}
			})
		}
		all.Wait()
	}
}

// stored are the outcomes in what is stored of a conversation.
func stored(t *testing.T, c *client.Client, conv string) (outcomes []string) {
	t.Helper()
	for cursor := ""; ; {
		body, err := c.Raw(t.Context(), http.MethodGet, "/conversations/"+conv+"/events?limit=200&cursor="+cursor, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var page api.ListResponse[api.Event]
		if err := json.Unmarshal(body, &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Data {
			var payload struct{ Outcome string }
			if err := json.Unmarshal(e.Payload, &payload); err != nil {
				t.Fatal(err)
			}
			outcomes = append(outcomes, payload.Outcome)
		}
		if page.Pagination.NextCursor == nil {
			return outcomes
		}
		cursor = *page.Pagination.NextCursor
	}
}

// TestReceiptsFillUp is K15: while the store cannot be written reads go on, and
// their receipts wait. When there is room for no more, nothing is executed: the
// database is deaf by then, and nobody notices. Once the store is back all that
// waited is kept, and calls are answered again.
func TestReceiptsFillUp(t *testing.T) {
	t.Parallel()             // beside TestSoak
	const organisations = 12 // each may ask 6,000 times a minute
	db := dbtest.Postgres(t)
	p := behind(t, db)
	tenants := settleAll(t, p.App, db, organisations, func(int) int { return p.proxy.Port() })
	one := p.apart(t)
	p.moved(tenants)
	p.wantOK(t)
	release := lockStore(t, p.Data)
	p.wantOK(t)
	fillReceipts(t, one, tenants)
	waiting := one.buffered(t)
	t.Logf("%d receipts wait", waiting)

	p.proxy.Set(faultproxy.Faults{Hole: true})
	for range 3 {
		a, took := p.ask(t)
		wantOutcome(t, a, api.OutcomeBusy, "receipts_full")
		if took > slack || a.RetryAfterMs == nil {
			t.Errorf("refused after %v, to come again in %v ms", took, a.RetryAfterMs)
		}
	}
	p.proxy.Set(faultproxy.Faults{})
	if got := one.buffered(t); got != waiting {
		t.Errorf("%d receipts wait, and %d did", got, waiting)
	}

	release()
	within(t, 20*time.Second, "stored", func() bool { return one.buffered(t) == 0 })
	p.wantOK(t)
	within(t, 5*time.Second, "stored", func() bool { return one.buffered(t) == 0 })
	kept := 0
	for _, w := range tenants {
		kept += len(stored(t, w.client, w.conv))
	}
	mine := stored(t, p.Client(), p.conv)
	if kept+len(mine) < waiting {
		t.Errorf("%d and %d receipts are stored, and %d waited", kept, len(mine), waiting)
	}
	if want := []string{"", "ok", "ok", "ok", "ok"}; !slices.Equal(mine, want) {
		t.Errorf("the clinic's receipts are %q, want %q", mine, want)
	}
	one.stop(t)
}
