package httpapi

import (
	"hash/maphash"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// Rate is how many requests an organisation may make, whatever number of keys
// it has: PerSecond for ever, and AtOnce after a pause. The zero Rate allows
// any number.
type Rate struct {
	PerSecond int
	AtOnce    int
}

// limiter holds organisations to a Rate. A request costs one look into one of
// many maps and one atomic exchange, and no memory but for the first of an
// organisation; those whose allowance is whole again are forgotten.
type limiter struct {
	atOnce string        // as the header says it
	every  time.Duration // of which one more is allowed
	depth  time.Duration // that all of AtOnce take
	seed   maphash.Seed
	shards [64]shard
}

// shard is a part of the organisations.
type shard struct {
	mu      sync.RWMutex
	buckets map[id.Org]*bucket
	sweepAt int // the number at which those that are full are dropped
}

// bucket is the moment at which an organisation's allowance is whole again, on
// the limiter's clock. Each request moves it by limiter.every.
type bucket struct{ whole atomic.Int64 }

// firstSweep is how many organisations a shard holds before it is first swept.
const firstSweep = 64

// newLimiter makes a limiter; nil for a Rate that allows any number.
func newLimiter(r Rate) *limiter {
	if r.PerSecond <= 0 {
		return nil
	}
	l := &limiter{atOnce: strconv.Itoa(r.AtOnce), every: time.Second / time.Duration(r.PerSecond), seed: maphash.MakeSeed()}
	l.depth = l.every * time.Duration(r.AtOnce)
	for i := range l.shards {
		l.shards[i] = shard{buckets: map[id.Org]*bucket{}, sweepAt: firstSweep}
	}
	return l
}

// take takes one request off an organisation's allowance at a moment, which is
// the time since any fixed point. When nothing is left, next is how long until
// one more is allowed, and whole until all of them are.
func (l *limiter) take(org id.Org, now time.Duration) (next, whole time.Duration, ok bool) {
	b := l.bucket(org, now)
	for {
		was := b.whole.Load()
		then := max(time.Duration(was), now) + l.every
		if then-now > l.depth {
			return then - now - l.depth, time.Duration(was) - now, false
		}
		if b.whole.CompareAndSwap(was, int64(then)) {
			return 0, 0, true
		}
	}
}

func (l *limiter) bucket(org id.Org, now time.Duration) *bucket {
	s := &l.shards[maphash.String(l.seed, string(org))%uint64(len(l.shards))]
	s.mu.RLock()
	b := s.buckets[org]
	s.mu.RUnlock()
	if b != nil {
		return b
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b = s.buckets[org]; b != nil {
		return b
	}
	if len(s.buckets) >= s.sweepAt {
		s.sweep(now)
	}
	b = &bucket{}
	s.buckets[org] = b
	return b
}

// sweep forgets the organisations whose allowance is whole. A request that has
// such a bucket in hand at this moment is not counted, which is one in a pause.
func (s *shard) sweep(now time.Duration) {
	for org, b := range s.buckets {
		if time.Duration(b.whole.Load()) <= now {
			delete(s.buckets, org)
		}
	}
	s.sweepAt = max(firstSweep, 2*len(s.buckets))
}

// admit holds the exchange's organisation to the limit of the route. What is
// left is told with a refusal only: in other answers it would set apart two
// that must be the same to the byte.
func (x *exchange) admit() error {
	l := x.api.control
	if x.route.live {
		l = x.api.live
	}
	if l == nil {
		return nil
	}
	next, whole, ok := l.take(x.principal.OrgID, x.started.Sub(x.api.epoch))
	if ok {
		return nil
	}
	h := x.Header()
	h.Set(limitHeader, l.atOnce)
	h.Set(remainingHeader, "0")
	h.Set(resetHeader, seconds(whole))
	return fault.New(fault.RateLimited).WithRetryAfter(next)
}

// The headers of a refusal: how many requests are allowed at once, how many
// are left, and in how many seconds all of them are again.
var (
	limitHeader     = http.CanonicalHeaderKey("RateLimit-Limit")
	remainingHeader = http.CanonicalHeaderKey("RateLimit-Remaining")
	resetHeader     = http.CanonicalHeaderKey("RateLimit-Reset")
)

// seconds rounds up, so that whoever waits that long has waited long enough.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
