package apptest

import (
	"testing"
	"time"
)

// eventually polls until the condition holds, for five seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Second)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("%s did not happen within 5 s", what)
		case <-tick.C:
		}
	}
}
