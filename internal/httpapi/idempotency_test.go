package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// counting registers POSTs that count how often they run.
func (k *kit) counting(runs *atomic.Int64, answer func() (string, error)) {
	run := func(context.Context, auth.Principal, *struct {
		ID   string `path:"id"`
		Body *thing
	}) (string, error) {
		n := runs.Add(1)
		text, err := answer()
		return fmt.Sprint(text, n), err
	}
	op := Op{Method: "POST", Path: "/count/{id}", Scope: auth.SkillsWrite, Status: 201}
	Handle(k.API, op, run)
	op.Path, op.SecretAnswer = "/secret/{id}", true
	Handle(k.API, op, run)
	op.Path, op.SecretAnswer, op.NoIdempotencyKey = "/test/{id}", false, true
	Handle(k.API, op, run)
	op.Path, op.NoIdempotencyKey = "/conversations/{id}/end", false
	Handle(k.API, op, run)
	op.Method, op.Path = "PUT", "/count/{id}"
	Handle(k.API, op, run)
}

func fine() (string, error) { return "run ", nil }

func TestIdempotentReplay(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	k.counting(runs, fine)
	first := k.ask(t, "POST", "/api/v1/count/a", `{"name":"n"}`, "Idempotency-Key", "k-1")
	if got := data(t, first, 201); got != `"run 1"` || first.Header().Get("Idempotency-Replayed") != "" {
		t.Fatalf("got %s, %v", got, first.Header())
	}
	again := k.ask(t, "POST", "/api/v1/count/a", `{"name":"n"}`, "Idempotency-Key", "k-1")
	if again.Code != 201 || again.Body.String() != first.Body.String() || again.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("the replay differs: %d %s %v", again.Code, again.Body, again.Header())
	}
	for name, reused := range map[string]*httptest.ResponseRecorder{
		"another body": k.ask(t, "POST", "/api/v1/count/a", `{"name":"m"}`, "Idempotency-Key", "k-1"),
		"no body":      k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k-1"),
		"another id":   k.ask(t, "POST", "/api/v1/count/b", `{"name":"n"}`, "Idempotency-Key", "k-1"),
	} {
		t.Log(name)
		wantProblem(t, reused, fault.IdempotencyKeyReused)
	}
	if runs.Load() != 1 {
		t.Errorf("ran %d times", runs.Load())
	}
	// Another key, another organisation and no key at all are other requests.
	k.ask(t, "POST", "/api/v1/count/a", `{"name":"n"}`, "Idempotency-Key", "k-2")
	k.ask(t, "POST", "/api/v1/count/a", `{"name":"n"}`, "Idempotency-Key", "k-1", "Authorization", "Bearer other")
	k.ask(t, "POST", "/api/v1/count/a", `{"name":"n"}`)
	if runs.Load() != 4 {
		t.Errorf("ran %d times", runs.Load())
	}
	// The key and the scope are asked before a stored answer is shown.
	wantProblem(t, k.ask(t, "POST", "/api/v1/count/a", `{"name":"n"}`, "Idempotency-Key", "k-1", "Authorization", "Bearer read"), fault.MissingScope)
	// A body of the wrong form claims no key.
	wantProblem(t, k.ask(t, "POST", "/api/v1/count/a", `{"nam":"n"}`, "Idempotency-Key", "k-3"), fault.InvalidRequest)
	if k.idem.entries["org_a k-3"] != nil {
		t.Error("a malformed request claimed its key")
	}
}

func TestIdempotencyOnlyWhereItBelongs(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	k.counting(runs, fine)
	for _, target := range []string{"POST /api/v1/test/a", "POST /api/v1/conversations/a/end", "PUT /api/v1/count/a"} {
		runs.Store(0)
		method, path, _ := strings.Cut(target, " ")
		for range 2 {
			data(t, k.ask(t, method, path, "", "Idempotency-Key", "k"), 201)
		}
		if runs.Load() != 2 {
			t.Errorf("%s ran %d times", target, runs.Load())
		}
	}
}

func TestIdempotencyKeySyntax(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	k.counting(runs, fine)
	for _, key := range []string{" ", "a b", "ä", "a\tb", strings.Repeat("k", 256)} {
		r := httptest.NewRequest("POST", "/api/v1/count/a", nil)
		r.Header = map[string][]string{"Authorization": {"Bearer all"}, "Idempotency-Key": {key}}
		w := httptest.NewRecorder()
		k.ServeHTTP(w, r)
		wantProblem(t, w, fault.InvalidParameter)
	}
	r := httptest.NewRequest("POST", "/api/v1/count/a", nil)
	r.Header = map[string][]string{"Authorization": {"Bearer all"}, "Idempotency-Key": {"a", "b"}}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, r)
	wantProblem(t, w, fault.InvalidParameter)
	if runs.Load() != 0 {
		t.Error("the request ran")
	}
	data(t, k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", strings.Repeat("~", 255)), 201)
}

func TestIdempotencyInProgress(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	started, release := make(chan struct{}), make(chan struct{})
	k.counting(runs, func() (string, error) {
		close(started)
		<-release
		return "run ", nil
	})
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k") }()
	<-started
	wantProblem(t, k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k"), fault.IdempotencyInProgress)
	close(release)
	data(t, <-first, 201)
	if got := k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k"); got.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("not replayed: %d %s", got.Code, got.Body)
	}
}

func TestIdempotencyKeepsWhatLasts(t *testing.T) {
	for _, tt := range []struct {
		err  error
		kept bool
	}{
		{fault.New(fault.BindingRejected), true}, {fault.New(fault.NotFound), true}, {fault.New(fault.ToolNameTaken), true},
		{fault.New(fault.Internal), false}, {fault.New(fault.StoreUnavailable), false}, {fault.New(fault.RateLimited), false},
		{fault.New(fault.KindReserved), false}, {fault.New(fault.Unauthorized), false}, {errors.New("a bug"), false},
	} {
		k, runs := newKit(t), &atomic.Int64{}
		k.counting(runs, func() (string, error) { return "", tt.err })
		first := k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k")
		again := k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k")
		if kept := runs.Load() == 1; kept != tt.kept {
			t.Errorf("%v: ran %d times", tt.err, runs.Load())
		}
		if tt.kept && (again.Code != first.Code || again.Body.String() != first.Body.String()) {
			t.Errorf("%v: the replay is %d %s, the first was %s", tt.err, again.Code, again.Body, first.Body)
		}
	}
}

func TestIdempotencyReleasedByPanic(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	k.counting(runs, func() (string, error) {
		if runs.Load() == 1 {
			panic("a bug")
		}
		return "run ", nil
	})
	wantProblem(t, k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k"), fault.Internal)
	if got := data(t, k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k"), 201); got != `"run 2"` {
		t.Errorf("got %s", got)
	}
}

func TestSecretsAreShownOnce(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	k.counting(runs, fine)
	data(t, k.ask(t, "POST", "/api/v1/secret/a", "", "Idempotency-Key", "k"), 201)
	if kept := k.idem.entries["org_a k"]; !kept.finished || kept.answer != nil {
		t.Errorf("the secret was kept: %+v", kept)
	}
	wantProblem(t, k.ask(t, "POST", "/api/v1/secret/a", "", "Idempotency-Key", "k"), fault.SecretAlreadyShown)

	// A refusal carries no secret and is replayed as it was.
	k, runs = newKit(t), &atomic.Int64{}
	k.counting(runs, func() (string, error) { return "", fault.New(fault.ValueInvalid) })
	for range 2 {
		k.ask(t, "POST", "/api/v1/secret/a", "", "Idempotency-Key", "k")
	}
	if runs.Load() != 1 {
		t.Errorf("ran %d times", runs.Load())
	}
}

// TestIdempotencyOutlivesTheClient: the answer is kept though nobody waits for it.
func TestIdempotencyOutlivesTheClient(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	ctx, leave := context.WithCancel(context.Background())
	k.counting(runs, func() (string, error) { leave(); return "run ", nil })
	r := httptest.NewRequest("POST", "/api/v1/count/a", nil).WithContext(ctx)
	r.Header.Set("Authorization", "Bearer all")
	r.Header.Set("Idempotency-Key", "k")
	k.ServeHTTP(httptest.NewRecorder(), r)
	if !k.idem.entries["org_a k"].finished {
		t.Error("the answer was not kept")
	}
}

func TestIdempotencyStoreFails(t *testing.T) {
	k, runs := newKit(t), &atomic.Int64{}
	k.counting(runs, fine)
	k.idem.broken = fault.Wrap(fault.StoreUnavailable, errors.New("disk full"))
	// The work was done, and the client is told so.
	data(t, k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k"), 201)
	if !strings.Contains(k.logs.String(), "disk full") {
		t.Errorf("the log says %s", k.logs)
	}
	wantProblem(t, k.ask(t, "POST", "/api/v1/count/a", "", "Idempotency-Key", "k"), fault.IdempotencyInProgress)
}
