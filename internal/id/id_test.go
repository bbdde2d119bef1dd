package id

import (
	"math/big"
	"regexp"
	"slices"
	"sync"
	"testing"
)

func TestPrefixes(t *testing.T) {
	tests := []struct{ got, prefix string }{
		{string(New[Org]()), "org_"},
		{string(New[Key]()), "key_"},
		{string(New[Connection]()), "con_"},
		{string(New[Agent]()), "agt_"},
		{string(New[Skill]()), "skl_"},
		{string(New[Version]()), "ver_"},
		{string(New[Conversation]()), "cnv_"},
		{string(New[Event]()), "evt_"},
		{string(New[Activity]()), "act_"},
		{string(New[Write]()), "wrt_"},
	}
	for _, tt := range tests {
		if !regexp.MustCompile(`^` + tt.prefix + `[0-9A-Za-z]{22}$`).MatchString(tt.got) {
			t.Errorf("%q is not %s and 22 digits", tt.got, tt.prefix)
		}
	}
}

func TestIdsSortAndNeverRepeat(t *testing.T) {
	const each, makers = 2000, 4
	made := make([][]Agent, makers)
	var wg sync.WaitGroup
	for m := range made {
		wg.Go(func() {
			for range each {
				made[m] = append(made[m], New[Agent]())
			}
		})
	}
	wg.Wait()
	seen := map[Agent]bool{}
	for m := range made {
		if !slices.IsSorted(made[m]) {
			t.Error("ids of one maker do not sort in the order they were made")
		}
		for _, a := range made[m] {
			if seen[a] {
				t.Fatalf("%s was made twice", a)
			}
			seen[a] = true
		}
	}
}

func TestOrderOutlivesAClockThatStepsBack(t *testing.T) {
	before := New[Key]()
	clock.Lock()
	saved := clock.last
	clock.last = saved + 3600_000<<16 // an hour ahead: the wall clock now lies behind
	clock.Unlock()
	defer func() {
		clock.Lock()
		clock.last = saved
		clock.Unlock()
	}()
	a, b := New[Key](), New[Key]()
	if !(before < a && a < b) {
		t.Errorf("%s, %s, %s are out of order", before, a, b)
	}
}

func TestBase62(t *testing.T) {
	for _, tt := range []struct{ hi, lo uint64 }{{0, 0}, {0, 61}, {0, 62}, {1, 0}, {0x0123456789abcdef, 0xfedcba9876543210}, {^uint64(0), ^uint64(0)}} {
		n := new(big.Int).Lsh(new(big.Int).SetUint64(tt.hi), 64)
		n.Or(n, new(big.Int).SetUint64(tt.lo))
		want := make([]byte, digits)
		for i := digits - 1; i >= 0; i-- {
			var digit big.Int
			n.DivMod(n, big.NewInt(62), &digit)
			want[i] = alphabet[digit.Int64()]
		}
		var got [digits]byte
		if base62(&got, tt.hi, tt.lo); string(got[:]) != string(want) {
			t.Errorf("base62(%x, %x) = %s, want %s", tt.hi, tt.lo, got, want)
		}
	}
}
