//go:build !race

package auth

import (
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// TestRefusalsTakeOneTime compares unknown, wrong and revoked keys by Welch's
// t over 5,000 interleaved samples of each (A08). A difference in the code
// shows in every round; noise of the machine, and the luck of where a round's
// keys fall in the table, do not, so one quiet round in ten is enough. The race
// detector has a time of its own, so it is not asked there.
func TestRefusalsTakeOneTime(t *testing.T) {
	ring := newRing(t)
	var worst float64
	for range 10 {
		if worst = worstT(t, ring); worst < 4.5 {
			return
		}
	}
	t.Errorf("Welch's t is %.1f in the last of ten rounds", worst)
}

func worstT(t *testing.T, ring *secret.Keyring) float64 {
	const n = 5000
	s := &shelf{}
	kept, _ := s.put(ring, AgentsRead)
	var refused [3][]string // unknown, wrong, revoked
	revoke := map[id.Key]bool{}
	for range n {
		key, p := s.put(ring, AgentsRead)
		revoke[p.KeyID] = true
		// Wrong: all of a real key but its last digit, with a new checksum.
		body := key[:len(Prefix)+randomDigits-1] + "x"
		sum := checksum(body)
		for kind, one := range []string{Issue(ring).Secret.Reveal(), body + string(sum[:]), key} {
			refused[kind] = append(refused[kind], one)
		}
	}
	keys := open(t, s, ring, slog.New(slog.DiscardHandler))
	s.change(func() { maps.DeleteFunc(s.keys, func(_ secret.MAC, p Principal) bool { return revoke[p.KeyID] }) })
	if err := keys.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Authenticate(kept); err != nil {
		t.Fatal(err)
	}

	var samples [3][]float64
	for i := range n {
		for _, kind := range rand.Perm(3) {
			key := strings.Clone(refused[kind][i]) // as near as a header just read
			start := time.Now()
			_, err := keys.Authenticate(key)
			samples[kind] = append(samples[kind], float64(time.Since(start)))
			if err == nil {
				t.Fatal("a key that must be refused was taken")
			}
		}
	}
	var worst float64
	for a := range samples {
		for b := range a {
			worst = max(worst, math.Abs(welch(trim(samples[a]), trim(samples[b]))))
		}
	}
	return worst
}

// trim drops the slowest twentieth, where the scheduler speaks.
func trim(x []float64) []float64 {
	x = slices.Sorted(slices.Values(x))
	return x[:len(x)*19/20]
}

func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance
}
