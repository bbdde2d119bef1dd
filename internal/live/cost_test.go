package live

import (
	"context"
	"strconv"
	"testing"
	"time"

	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// maxAllocs is the ceiling of a lookup by phone with one row, from the body of
// the request to the body of the response.
const maxAllocs = 25

// costs prepares a lookup by phone, from body to body.
func costs(tb testing.TB) (lookUp func(n int), c *Conversation) {
	tb.Helper()
	e := New(Options{Recorder: forgetful{}})
	tb.Cleanup(e.Close)
	row := cellsOf([]string{"2026-05-01T15:00:00", "confirmed"})
	v := NewVersion(Version{ID: "ver_1", Number: 1, Org: org, Agent: agent, Country: "US", Draft: true, Tools: []*Tool{byPhone()}})
	e.Swap(&Table{Connections: map[ConnectionKey]*Connection{postgresOf: connection(oneOf(row))}})
	c, err := e.Start(v, "voice", Caller{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	out := make([]byte, 0, 1024)
	body := make([]byte, 0, 256)
	ctx := tb.Context()
	return func(n int) {
		body = append(body[:0], `{"toolCallId":"call_`...)
		body = strconv.AppendInt(body, int64(n), 10)
		body = append(body, `","tool":"look_up","arguments":{"phone":"+12065550142"}}`...)
		r, err := ParseRequest(body)
		if err != nil {
			tb.Fatal(err)
		}
		a, err := e.Call(ctx, c, r)
		if err != nil || a.Outcome != OK || a.Rows != 1 || a.Replayed {
			tb.Fatalf("%v: %+v", err, a)
		}
		out = a.AppendResponse(out[:0])
	}, c
}

// oneOf answers with one row without making anything.
func oneOf(row [][]byte) database {
	return func(_ context.Context, _ *plan.Plan, _ []target.Value, sink target.RowSink) (target.Stats, error) {
		return target.Stats{DB: time.Millisecond}, sink.Row(row)
	}
}

// forgetful is a recorder that costs nothing.
type forgetful struct{}

func (forgetful) Event(*Conversation, Event) bool { return true }
func (forgetful) Full() bool                      { return false }

func (forgetful) Kept(context.Context, *Conversation) error { return nil }

func TestAllocations(t *testing.T) {
	lookUp, c := costs(t)
	n := 0
	for ; n < 2*maxKept; n++ { // until memory is in its steady state
		lookUp(n)
	}
	if got := testing.AllocsPerRun(1000, func() { n++; lookUp(n) }); got > maxAllocs {
		t.Errorf("%v allocations, want at most %d", got, maxAllocs)
	}
	if len(c.memory.kept) != maxKept {
		t.Errorf("%d answers are kept", len(c.memory.kept))
	}
}

// BenchmarkLookUp is a lookup by a number that the conversation spoke of
// before, which is what most calls are.
func BenchmarkLookUp(b *testing.B) {
	lookUp, _ := costs(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		lookUp(n)
	}
}

// BenchmarkFirstLookUp reads the number anew each time.
func BenchmarkFirstLookUp(b *testing.B) {
	lookUp, c := costs(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		c.readings = readings{}
		lookUp(n)
	}
}

// BenchmarkLookUps has as many callers as there are cores.
func BenchmarkLookUps(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		lookUp, _ := costs(b)
		for n := 0; pb.Next(); n++ {
			lookUp(n)
		}
	})
}
