package live

import (
	"sync"
	"time"
)

// latencies keeps a running mean of what calls of a plan took, for operators
// who plan their fillers by it.
type latencies struct {
	mu     sync.Mutex
	byPlan map[string]float64 // milliseconds
}

const (
	// meanOver is about how many calls the running mean looks back.
	meanOver = 20
	// maxMeans bounds what plans of former versions leave behind.
	maxMeans = 100_000
)

func (l *latencies) observe(planDigest string, took time.Duration) {
	v := float64(took) / float64(time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byPlan == nil || len(l.byPlan) >= maxMeans {
		l.byPlan = map[string]float64{}
	}
	mean, seen := l.byPlan[planDigest]
	if !seen {
		mean = v
	}
	l.byPlan[planDigest] = mean + (v-mean)/meanOver
}

// ExpectedLatency is how long a call of this plan lately took, in milliseconds;
// false when it has not been called since the process started.
func (e *Engine) ExpectedLatency(planDigest string) (float64, bool) {
	e.latencies.mu.Lock()
	defer e.latencies.mu.Unlock()
	v, ok := e.latencies.byPlan[planDigest]
	return float64(int64(v*1000+0.5)) / 1000, ok
}
