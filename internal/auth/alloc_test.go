//go:build !race

package auth

import (
	"log/slog"
	"testing"
)

// The race detector makes pools forget at random, so allocations are counted
// without it.
func TestAuthenticateAllocatesNothing(t *testing.T) {
	ring := newRing(t)
	s := &shelf{}
	key, _ := s.put(ring, AgentsRead)
	keys := open(t, s, ring, slog.New(slog.DiscardHandler))
	if n := testing.AllocsPerRun(200, func() { _, _ = keys.Authenticate(key) }); n > 0 {
		t.Errorf("%v allocations a check", n)
	}
}
