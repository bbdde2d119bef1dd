//go:build !race

package secret

import "testing"

// The race detector makes pools forget at random, so allocations are counted
// without it.
func TestMACAllocatesNothing(t *testing.T) {
	ring := newKeyring(t)
	data := make([]byte, 47)
	if n := testing.AllocsPerRun(200, func() { ring.MAC("api key", data) }); n > 0 {
		t.Errorf("%v allocations a hash", n)
	}
}
