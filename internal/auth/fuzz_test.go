package auth

import (
	"regexp"
	"testing"
)

// FuzzParseKey: only what Issue can have made is taken for a key.
func FuzzParseKey(f *testing.F) {
	ring := newRing(f)
	form := regexp.MustCompile(`\A` + Prefix + `[0-9A-Za-z]{38}\z`)
	issued := Issue(ring).Secret.Reveal()
	for _, key := range []string{issued, issued[1:], issued + " ", "", "Bearer " + issued, Prefix} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		_, ok := parse(ring, key)
		if ok && (!form.MatchString(key) || string(sumOf(key)) != key[len(key)-checksumDigits:]) {
			t.Errorf("%q was taken for a key", key)
		}
	})
}

func sumOf(key string) []byte {
	sum := checksum(key[:len(key)-checksumDigits])
	return sum[:]
}
