package store

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
)

func TestRequestIsAnsweredOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	w := newWall()
	s := open(t, dir, Options{Serve: true, Now: w.Now})
	a, b := newOrg(t, s, "acme"), newOrg(t, s, "other")
	begin := func(r Request) (*Answer, error) { t.Helper(); return s.BeginRequest(t.Context(), r) }
	isNew := func(r Request) {
		t.Helper()
		if answer, err := begin(r); err != nil || answer != nil {
			t.Errorf("answer %v, %v to a new request", answer, err)
		}
	}
	r := Request{OrgID: a.Org, Key: "k", Route: "POST /agents", BodyMAC: mac(1)}
	isNew(r)
	_, err := begin(r)
	wantFault(t, err, fault.IdempotencyInProgress)
	for _, change := range []func(*Request){
		func(r *Request) { r.BodyMAC = mac(2) },
		func(r *Request) { r.Route = "POST /agents/x/publish" },
	} {
		reused := r
		change(&reused)
		_, err := begin(reused)
		wantFault(t, err, fault.IdempotencyKeyReused)
	}
	theirs := r
	theirs.OrgID = b.Org
	isNew(theirs)
	wantFault(t, s.FinishRequest(t.Context(), "org_none", r.Key, Answer{Status: 201, Sealed: []byte("x")}), fault.NotFound)
	must(t, s.FinishRequest(t.Context(), a.Org, r.Key, Answer{Status: 201, Sealed: []byte("sealed")}))
	wantFault(t, s.FinishRequest(t.Context(), a.Org, r.Key, Answer{Status: 500}), fault.NotFound)

	secretive := Request{OrgID: a.Org, Key: "s", Route: "POST /keys", BodyMAC: mac(1)}
	isNew(secretive)
	must(t, s.FinishRequest(t.Context(), a.Org, "s", Answer{Status: 201}))
	_, err = begin(secretive)
	wantFault(t, err, fault.SecretAlreadyShown)

	abandoned := Request{OrgID: a.Org, Key: "a", Route: "POST /agents", BodyMAC: mac(1)}
	isNew(abandoned)
	must(t, s.AbandonRequest(t.Context(), a.Org, "a"))
	isNew(abandoned)
	must(t, s.AbandonRequest(t.Context(), a.Org, r.Key)) // answered: stays

	replayed := func() {
		t.Helper()
		answer, err := begin(r)
		must(t, err)
		same(t, &Answer{Status: 201, Sealed: []byte("sealed")}, answer)
	}
	replayed()

	// A restart keeps answers and forgets what was not answered.
	must(t, s.Close())
	s = open(t, dir, Options{Serve: true, Now: w.Now})
	replayed()
	isNew(abandoned)
	// A command beside the server forgets nothing.
	open(t, dir, Options{Now: w.Now})
	_, err = begin(abandoned)
	wantFault(t, err, fault.IdempotencyInProgress)

	w.advance(IdempotencyKept - time.Millisecond)
	must(t, s.PruneRequests(t.Context()))
	replayed()
	w.advance(time.Millisecond)
	isNew(r)
	must(t, s.PruneRequests(t.Context()))
	var rows int
	must(t, s.reader.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM idempotency`).Scan(&rows))
	if rows != 1 {
		t.Errorf("%d requests are remembered after a day", rows)
	}
}

func TestRequestsAtOnce(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	const n = 8
	passed := make(chan struct{}, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			answer, err := s.BeginRequest(t.Context(), Request{OrgID: by.Org, Key: "k", Route: "r", BodyMAC: mac(1)})
			switch {
			case err == nil && answer == nil:
				passed <- struct{}{}
			case !fault.Is(err, fault.IdempotencyInProgress):
				t.Error(answer, err)
			}
		})
	}
	wg.Wait()
	if len(passed) != 1 {
		t.Errorf("%d of %d equal requests were let pass", len(passed), n)
	}
}
