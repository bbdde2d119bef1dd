package serve

import (
	"slices"
	"testing"
)

func TestPace(t *testing.T) {
	alive := uint64(0)
	var set []int
	p := &pacer{scanned: func() uint64 { return alive }, set: func(percent int) int { set = append(set, percent); return 0 }, present: ownPace}
	for _, step := range []struct {
		alive uint64
		want  []int
	}{
		{0, []int{leastOften}},                  // nothing was collected yet
		{headroom / 2, []int{leastOften}},       // as many bytes as are alive, and as many again
		{headroom / 19 * 10, []int{leastOften}}, // hardly more
		{headroom / 3 * 2, []int{leastOften, 150}},
		{headroom, []int{leastOften, 150, ownPace}},
		{100 << 20, []int{leastOften, 150, ownPace}}, // never faster than Go's own
	} {
		alive = step.alive
		if p.look(); !slices.Equal(set, step.want) {
			t.Errorf("with %d bytes alive: %v, want %v", alive, set, step.want)
		}
	}
}

func TestPaceOfTheOperator(t *testing.T) {
	t.Setenv("GOGC", "50")
	p := newPacer()
	if p != nil {
		t.Error("GOGC is not left alone")
	}
	p.watch(t.Context())
}
