package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// serve answers every question with a body.
func serve(t *testing.T, status int, body string) *caller {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.WriteHeader(status)
		fmt.Fprint(w, strings.ReplaceAll(body, "N", fmt.Sprint(asked)))
	}))
	t.Cleanup(server.Close)
	address := netip.MustParseAddrPort(server.Listener.Addr().String())
	c, err := newCaller(address, []question{newQuestion("/x", "key", tool, reference(1)), newQuestion("/y", "key", tool, reference(2))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func TestOnlyGoodAnswersCount(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		good   bool
	}{
		{200, `{"outcome":"ok","replayed":false}`, true},
		{200, `{"outcome":"ok","replayed":true}`, false},
		{200, `{"outcome":"timed_out","replayed":false}`, false},
		{429, `{"outcome":"ok","replayed":false}`, false},
	} {
		s := closed(t.Context(), []*caller{serve(t, tt.status, tt.body)}, 20*time.Millisecond)
		if good := len(s.took) > 0 && s.errors == 0; good != tt.good || !good && len(s.took) > 0 {
			t.Errorf("%d %s: %d good answers and %d errors", tt.status, tt.body, len(s.took), s.errors)
		}
	}
}

func TestEveryCallHasItsOwnID(t *testing.T) {
	c := serve(t, 200, `{"outcome":"ok","replayed":false}`)
	seen := map[string]bool{}
	for range 25 {
		if _, err := c.call(); err != nil {
			t.Fatal(err)
		}
		q := c.questions[(c.next+len(c.questions)-1)%len(c.questions)]
		seen[string(q.raw[q.id:q.id+idDigits])] = true
	}
	if len(seen) != 25 || !seen["000000000025"] {
		t.Errorf("25 calls had the ids %v", seen)
	}
}

func TestOpenLoopCountsFromWhenACallWasDue(t *testing.T) {
	const slow = 40 * time.Millisecond
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(slow)
		fmt.Fprint(w, `{"outcome":"ok"}`)
	}))
	t.Cleanup(server.Close)
	c, err := newCaller(netip.MustParseAddrPort(server.Listener.Addr().String()), []question{newQuestion("/x", "key", tool, reference(1))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	// One client for a call every 10 ms: each waits for all before it.
	s := open(t.Context(), []*caller{c}, 100, 100*time.Millisecond)
	if len(s.took) != 10 || s.percentile(100) < 5*float64(slow.Milliseconds()) {
		t.Errorf("%d calls, the longest %.0f ms: the wait for a client is not counted", len(s.took), s.percentile(100))
	}
}

func TestLoopbackOnly(t *testing.T) {
	if _, err := newCaller(netip.MustParseAddrPort("192.0.2.1:80"), nil); !errors.Is(err, errNotLoopback) {
		t.Errorf("another machine: %v", err)
	}
}

func TestFigures(t *testing.T) {
	var s sample
	for i := range 100 {
		s.note(time.Duration(100-i)*time.Millisecond, nil)
	}
	for p, want := range map[float64]float64{50: 51, 95: 96, 99: 100, 100: 100} {
		if got := s.percentile(p); got != want {
			t.Errorf("p%v = %v, want %v", p, got, want)
		}
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median = %v", got)
	}
	rate := func(calls int) sample { return sample{took: make([]time.Duration, calls), within: time.Second} }
	floor := []sample{rate(100), rate(50), rate(10)}
	own := []sample{rate(90), rate(50), rate(5)}
	if got := ratio(own, floor, (*sample).rate); got != 0.9 {
		t.Errorf("ratio = %v, want the median of 0.9, 1 and 0.5", got)
	}
}
