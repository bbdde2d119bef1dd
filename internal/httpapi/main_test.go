package httpapi

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain finds what a test leaves running: a stream whose watch goes on, a
// connection that is never let go.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
