package httpapi

import (
	"testing"
	"time"
)

// TestSlowLinesAreFew: at most ten in a second, and the next one says how many
// there would have been; a clock that is put back silences nobody.
func TestSlowLinesAreFew(t *testing.T) {
	var s slowLog
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	told := 0
	for range 100 {
		if _, ok := s.may(now); ok {
			told++
		}
	}
	if told != slowLines {
		t.Errorf("%d lines in a second", told)
	}
	if dropped, ok := s.may(now.Add(time.Second)); !ok || dropped != 100-slowLines {
		t.Errorf("a second later: %v, %d were not told", ok, dropped)
	}
	if dropped, ok := s.may(now.Add(-24 * time.Hour)); !ok || dropped != 0 {
		t.Errorf("a day earlier: %v, %d", ok, dropped)
	}
}
