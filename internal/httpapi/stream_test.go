package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

type progress struct {
	Stage string `json:"stage"`
}

// streaming registers a route that reports two stages and then does work.
func (k *kit) streaming(work func(ctx context.Context) (string, error)) {
	HandleStream(k.API, Op{Method: "POST", Path: "/discover", Scope: auth.IntegrationsWrite, Summary: "Discover", Tag: "Things"},
		func(ctx context.Context, _ auth.Principal, _ *struct{}, tell func(progress)) (string, error) {
			tell(progress{"tables\n"})
			tell(progress{"columns"})
			return work(ctx)
		})
}

// event is one event of a stream.
type event struct{ Name, Data string }

func events(t *testing.T, body string) []event {
	t.Helper()
	var list []event
	for block := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		if strings.HasPrefix(block, ":") {
			continue
		}
		name, data, ok := strings.Cut(block, "\ndata: ")
		if !ok || !strings.HasPrefix(name, "event: ") || strings.Contains(data, "\n") {
			t.Fatalf("not an event: %q", block)
		}
		list = append(list, event{strings.TrimPrefix(name, "event: "), data})
	}
	return list
}

const accept = "application/json;q=0.5, text/event-stream"

func TestStream(t *testing.T) {
	k := newKit(t)
	k.streaming(func(context.Context) (string, error) { return "all", nil })
	w := k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept)
	want := []event{{"progress", `{"stage":"tables\n"}`}, {"progress", `{"stage":"columns"}`}, {"done", `{"success":true,"data":"all"}`}}
	if diff := cmp.Diff(want, events(t, w.Body.String())); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := w.Header().Get("Content-Type"); got != "text/event-stream; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	for _, other := range []string{"", "*/*", "application/json", "text/event-streams"} {
		if got := data(t, k.ask(t, "POST", "/api/v1/discover", "", "Accept", other), 200); got != `"all"` {
			t.Errorf("Accept %q: got %s", other, got)
		}
	}
}

func TestStreamErrors(t *testing.T) {
	k := newKit(t)
	var err error
	k.streaming(func(context.Context) (string, error) { return "", err })
	for code, e := range map[fault.Code]error{fault.Unreachable: fault.New(fault.Unreachable), fault.Internal: errors.New("hunter2")} {
		err = e
		w := k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept)
		list := events(t, w.Body.String())
		last := list[len(list)-1]
		var problem struct{ Code, RequestID string }
		if json.Unmarshal([]byte(last.Data), &problem) != nil || last.Name != "error" || problem.Code != string(code) || problem.RequestID != w.Header().Get("X-Request-Id") || len(list) != 3 {
			t.Errorf("%s: got %v", code, list)
		}
		if strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(k.logs.String(), `"code":"`+string(code)+`"`) {
			t.Errorf("%s: body %s, log %s", code, w.Body, k.logs)
		}
	}
	// Before the stream begins, an error is an ordinary one.
	wantProblem(t, k.ask(t, "POST", "/api/v1/discover", "{", "Accept", accept), fault.InvalidJSON)
	wantProblem(t, k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept, "Authorization", "Bearer read"), fault.MissingScope)
	wantProblem(t, k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept, "Idempotency-Key", "a b"), fault.InvalidParameter)
}

func TestStreamReplay(t *testing.T) {
	k := newKit(t)
	runs := 0
	k.streaming(func(context.Context) (string, error) { runs++; return "all", nil })
	k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept, "Idempotency-Key", "k")
	w := k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept, "Idempotency-Key", "k")
	if got := events(t, w.Body.String()); runs != 1 || !cmp.Equal(got, []event{{"done", `{"success":true,"data":"all"}`}}) || w.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("ran %d times, replayed %v, %v", runs, got, w.Header())
	}
	if got := data(t, k.ask(t, "POST", "/api/v1/discover", "", "Idempotency-Key", "k"), 200); got != `"all"` || runs != 1 {
		t.Errorf("ran %d times, got %s", runs, got)
	}
}

// open asks for the stream over a real connection.
func open(t *testing.T, ctx context.Context, k *kit) (*http.Response, *bufio.Reader) {
	t.Helper()
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	r, _ := http.NewRequestWithContext(ctx, "POST", server.URL+"/api/v1/discover", nil)
	r.Header.Set("Authorization", "Bearer all")
	r.Header.Set("Accept", accept)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// TestStreamClientLeaves is A23: the work is told at once, and its place is free.
func TestStreamClientLeaves(t *testing.T) {
	k := newKit(t)
	left := make(chan time.Time, 1)
	k.streaming(func(ctx context.Context) (string, error) {
		<-ctx.Done()
		left <- time.Now()
		return "", ctx.Err()
	})
	ctx, leave := context.WithCancel(context.Background())
	_, body := open(t, ctx, k)
	if line, err := body.ReadString('\n'); err != nil || line != "event: progress\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	start := time.Now()
	leave()
	if took := (<-left).Sub(start); took > time.Second {
		t.Errorf("the work was told after %v", took)
	}
	eventually(t, "the free place", func() bool { return len(k.streams) == 0 })
}

// TestStreamEndsWithItsKey is A06 for open streams.
func TestStreamEndsWithItsKey(t *testing.T) {
	k := newKit(t)
	k.limits.keyCheck = 5 * time.Millisecond
	k.streaming(func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
	_, body := open(t, context.Background(), k)
	if _, err := body.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	k.keys.revoke("key_a")
	var rest strings.Builder
	_, _ = body.WriteTo(&rest)
	if !strings.Contains(rest.String(), "event: error\ndata: {") || !strings.Contains(rest.String(), `"code":"unauthorized"`) {
		t.Errorf("got %s", rest.String())
	}
}

func TestStreamKeepsAlive(t *testing.T) {
	k := newKit(t)
	k.limits.keepAlive = 5 * time.Millisecond
	release := make(chan struct{})
	k.streaming(func(context.Context) (string, error) { <-release; return "all", nil })
	_, body := open(t, context.Background(), k)
	for {
		line, err := body.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, ":") {
			break
		}
	}
	close(release)
	var rest strings.Builder
	_, _ = body.WriteTo(&rest)
	if !strings.HasSuffix(rest.String(), "event: done\ndata: {\"success\":true,\"data\":\"all\"}\n\n") {
		t.Errorf("got %s", rest.String())
	}
}

func TestStreamsAreCapped(t *testing.T) {
	k := newKit(t)
	k.streaming(func(context.Context) (string, error) { return "all", nil })
	k.streams = make(chan struct{}, 1)
	k.streams <- struct{}{}
	w := k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept)
	wantProblem(t, w, fault.Overloaded)
	<-k.streams
	if got := events(t, k.ask(t, "POST", "/api/v1/discover", "", "Accept", accept).Body.String()); len(got) != 3 {
		t.Errorf("got %v", got)
	}
}
