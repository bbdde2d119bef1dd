package live

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"

	"flowyte/internal/id"
)

const (
	// maxFailures is how many verifications of one key may fail within
	// brakeWindow, over all conversations of an organisation: a caller who is
	// locked out can ring again.
	maxFailures = 10
	brakeWindow = time.Hour
	// maxBraked bounds the keys that are remembered of one window. More make the
	// window end early.
	maxBraked = 100_000
)

// brake counts the failed verifications of each key in memory. It has two
// windows, the present and the one before, so that a failure counts for one
// to two hours.
type brake struct {
	mu     sync.Mutex
	salt   string
	since  time.Time // of the present window
	now    map[brakeKey]int
	before map[brakeKey]int
}

// brakeKey is a hash: the keys are customers' data.
type brakeKey [sha256.Size]byte

// keyOf names what a verifier looks up.
func (b *brake) keyOf(org id.Org, t *Tool, canonical string) brakeKey {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.salt == "" {
		b.salt = rand.Text()
	}
	return sha256.Sum256([]byte(b.salt + "\x00" + string(org) + "\x00" + string(t.Skill) + "\x00" + canonical))
}

// take counts a failure ahead, so that attempts at once are no way around the
// limit; it is false when the limit is reached.
func (b *brake) take(key brakeKey, at time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.now == nil || at.Sub(b.since) >= 2*brakeWindow:
		b.now, b.before, b.since = map[brakeKey]int{}, nil, at
	case at.Sub(b.since) >= brakeWindow || len(b.now) >= maxBraked:
		b.now, b.before, b.since = map[brakeKey]int{}, b.now, at
	}
	if b.now[key]+b.before[key] >= maxFailures {
		return false
	}
	b.now[key]++
	return true
}

// giveBack takes back what did not fail.
func (b *brake) giveBack(key brakeKey) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, window := range []map[brakeKey]int{b.now, b.before} {
		if window[key] > 0 {
			if window[key]--; window[key] == 0 {
				delete(window, key)
			}
			return
		}
	}
}
