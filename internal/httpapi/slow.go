package httpapi

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"flowyte/internal/live"
)

const (
	// slowShare of a tool's time is what a call may take without being told of:
	// one half.
	slowShare = 2
	// neverSlow is less than half of the shortest time that a tool can have.
	neverSlow = 50 * time.Millisecond
	// slowLines is how many lines a second may hold: a database that stalls
	// makes every call slow, and a hundred lines say no more than ten.
	slowLines = 10
)

// slowLog tells operators where the time of slow calls went. It names what was
// asked by ids, and holds no arguments and no results.
type slowLog struct {
	mu      sync.Mutex
	second  time.Time // that lines were written in
	lines   int
	dropped int // since the last line
}

// may tells whether a line may be written now, and how many were not before it.
func (s *slowLog) may(now time.Time) (dropped int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age := now.Sub(s.second); age < 0 || age >= time.Second {
		s.second, s.lines = now, 0
	}
	if s.lines == slowLines {
		s.dropped++
		return 0, false
	}
	s.lines++
	dropped, s.dropped = s.dropped, 0
	return dropped, true
}

// slow writes the line of a call that took half of its tool's time or more. A
// replay took none.
func (x *exchange) slow(c *live.Conversation, a *live.Answer) {
	if a.Latency < neverSlow || a.Replayed {
		return
	}
	i := slices.IndexFunc(c.Version.Tools, func(t *live.Tool) bool { return t.Name == a.Tool })
	if i < 0 {
		return
	}
	t := c.Version.Tools[i]
	if a.Latency < t.Timeout/slowShare {
		return
	}
	dropped, ok := x.api.slow.may(x.api.Now())
	if !ok {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", x.id), slog.String("org", string(c.Version.Org)), slog.String("agent", string(c.Version.Agent)), slog.String("skill", string(t.Skill)),
		slog.String("kind", string(t.Plan.Kind)), slog.String("outcome", string(a.Outcome)), slog.String("reason", a.Reason),
		slog.Float64("totalMs", ms(a.Latency)), slog.Float64("waitMs", ms(a.Wait)), slog.Float64("dbMs", ms(a.DB)),
		slog.Float64("oursMs", ms(max(0, a.Latency-a.Wait-a.DB))), slog.Float64("limitMs", ms(t.Timeout)),
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("notTold", dropped))
	}
	x.api.Log.LogAttrs(context.WithoutCancel(x.req.Context()), slog.LevelWarn, "a call was slow", attrs...)
}

// ms is a duration as logs say it.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
