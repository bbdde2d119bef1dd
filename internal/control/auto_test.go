package control

import (
	"strings"
	"testing"
)

// TestCounted: a number finds room, and no name ends in the middle of a phrase.
func TestCounted(t *testing.T) {
	for name, want := range map[string]string{
		"Look up an appointment":                            "Look up an appointment 2",
		"Update the starts at of an appointment":            "Update the starts at 2",
		"Update the drop off at of a service appointment":   "Update the drop off at of a service 2",
		"Look up appointments by confirmation number":       "Look up appointments by confirmation 2",
		"Look up a customer by phone and the email address": "Look up a customer by phone 2",
		strings.Repeat("x", 60):                             strings.Repeat("x", 36) + " 2",
	} {
		if got := counted(name, 2); got != want {
			t.Errorf("%q becomes %q, want %q", name, got, want)
		}
	}
}
