package auth

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"log/slog"
	"math"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

func newRing(t testing.TB) *secret.Keyring {
	t.Helper()
	master, err := secret.CreateMaster(filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	ring, _, err := master.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// shelf is a store of keys that can fail on command.
type shelf struct {
	mu       sync.Mutex
	revision int64
	keys     map[secret.MAC]Principal
	err      error
	reads    int
}

func (s *shelf) KeysRevision(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.err
}

func (s *shelf) ActiveKeys(_ context.Context, visit func(secret.MAC, id.Org, id.Key, []string)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.err != nil {
		return s.err
	}
	for mac, p := range s.keys {
		visit(mac, p.OrgID, p.KeyID, p.Scopes.Names())
	}
	return nil
}

func (s *shelf) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.revision++
}

func (s *shelf) put(ring *secret.Keyring, scopes ...Scope) (string, Principal) {
	issued := Issue(ring)
	p := Principal{OrgID: id.New[id.Org](), KeyID: id.New[id.Key](), Scopes: ScopesOf(scopes...)}
	s.change(func() {
		if s.keys == nil {
			s.keys = map[secret.MAC]Principal{}
		}
		s.keys[issued.MAC] = p
	})
	return issued.Secret.Reveal(), p
}

func (s *shelf) revoke(key id.Key) {
	s.change(func() {
		for mac, p := range s.keys {
			if p.KeyID == key {
				delete(s.keys, mac)
			}
		}
	})
}

func open(t testing.TB, s *shelf, ring *secret.Keyring, log *slog.Logger) *Keys {
	t.Helper()
	keys, err := OpenKeys(t.Context(), s, ring, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keys.Close)
	return keys
}

func wantFault(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("error is %v, want %s", err, code)
	}
}

func TestIssue(t *testing.T) {
	ring := newRing(t)
	form := regexp.MustCompile(`^flowyte_sk_[0-9A-Za-z]{38}$`)
	seen := map[string]bool{}
	count := map[byte]int{}
	const n = 2000
	for range n {
		issued := Issue(ring)
		key := issued.Secret.Reveal()
		if !form.MatchString(key) {
			t.Fatalf("a key has another form, length %d", len(key))
		}
		if seen[key] {
			t.Fatal("a key was issued twice")
		}
		seen[key] = true
		mac, ok := parse(ring, key)
		if !ok || mac != issued.MAC || !strings.HasSuffix(key, issued.LastFour) || len(issued.LastFour) != 4 {
			t.Fatal("the parts of an issued key do not fit together")
		}
		for i := len(Prefix); i < len(Prefix)+randomDigits; i++ {
			count[key[i]]++
		}
	}
	// Each of 62 digits is expected 1032 times with a deviation of 32.
	for c := range alphabet {
		if got := count[alphabet[c]]; math.Abs(float64(got)-n*randomDigits/62.0) > 6*32 {
			t.Errorf("digit %c came up %d times", alphabet[c], got)
		}
	}
	if bits := (randomDigits - lastDigits) * math.Log2(62); bits < 160 {
		t.Errorf("a key has %.0f unknown bits", bits)
	}
}

func TestMalformedKeysAreNotLookedUp(t *testing.T) {
	ring := newRing(t)
	key := Issue(ring).Secret.Reveal()
	swapped := []byte(key)
	i := len(Prefix)
	for swapped[i] == swapped[i+1] {
		i++
	}
	swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
	for _, bad := range []string{
		"", " ", Prefix, key[:len(key)-1], key + "0", " " + key, key + " ", strings.ToUpper(key), string(swapped),
		"flowyte_pk_" + key[len(Prefix):], strings.Repeat("a", keyLength), strings.Repeat("a", 1<<16),
		Prefix + strings.Repeat("-", randomDigits) + key[keyLength-checksumDigits:],
		Prefix + strings.Repeat("é", randomDigits/2) + key[keyLength-checksumDigits:],
	} {
		if _, ok := parse(ring, bad); ok {
			t.Errorf("a key of length %d is taken for well formed", len(bad))
		}
	}
	// A right checksum does not make up for a strange digit.
	for _, c := range []byte("-\x00 é/:@[`{") {
		body := key[:len(Prefix)] + string([]byte{c}) + key[len(Prefix)+1:keyLength-checksumDigits]
		sum := checksum(body)
		if _, ok := parse(ring, body+string(sum[:])); ok {
			t.Errorf("a key with the byte %#x is taken for well formed", c)
		}
	}
	// Every change of one digit is noticed by the checksum.
	for i := len(Prefix); i < len(key); i++ {
		for _, c := range []byte(alphabet) {
			changed := []byte(key)
			changed[i] = c
			if _, ok := parse(ring, string(changed)); ok != (string(changed) == key) {
				t.Fatalf("digit %d changed to %c: well formed is %v", i, c, ok)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if _, ok := parse(ring, Prefix+rapid.StringN(0, 50, -1).Draw(t, "rest")); ok {
			t.Fatal("a random key is taken for well formed")
		}
	})
}

func TestChecksumIsCRC32(t *testing.T) {
	n := new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte("flowyte_sk_123456789"))))
	sum := checksum("flowyte_sk_123456789")
	got := new(big.Int)
	for _, c := range sum {
		got.Mul(got, big.NewInt(62)).Add(got, big.NewInt(int64(strings.IndexByte(alphabet, c))))
	}
	if n.Cmp(got) != 0 {
		t.Errorf("checksum is %v, want %v", got, n)
	}
}

func TestAuthenticate(t *testing.T) {
	ring := newRing(t)
	s := &shelf{}
	a, wantA := s.put(ring, AgentsRead, KeysWrite)
	b, wantB := s.put(ring)
	keys := open(t, s, ring, slog.New(slog.DiscardHandler))
	for key, want := range map[string]Principal{a: wantA, b: wantB} {
		got, err := keys.Authenticate(key)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, key := range []string{Issue(ring).Secret.Reveal(), Issue(newRing(t)).Secret.Reveal(), "", "flowyte_sk_x"} {
		p, err := keys.Authenticate(key)
		wantFault(t, err, fault.Unauthorized)
		if p != (Principal{}) {
			t.Errorf("a refused key has the principal %+v", p)
		}
	}
	if s.reads != 1 {
		t.Errorf("the store was read %d times", s.reads)
	}
}

func TestKeysFollowTheStore(t *testing.T) {
	ring := newRing(t) // outside the bubble: it reads files
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		first, p := s.put(ring, AgentsRead)
		keys := open(t, s, ring, slog.New(slog.DiscardHandler))

		second, _ := s.put(ring, AgentsRead)
		_, err := keys.Authenticate(second)
		wantFault(t, err, fault.Unauthorized)
		s.revoke(p.KeyID)
		time.Sleep(time.Second) // of the bubble: the promise is within one second
		synctest.Wait()
		if _, err := keys.Authenticate(second); err != nil {
			t.Errorf("a new key is refused after a second: %v", err)
		}
		_, err = keys.Authenticate(first)
		wantFault(t, err, fault.Unauthorized)
		if keys.Active(p.KeyID) {
			t.Error("a revoked key counts as active")
		}

		reads := s.reads
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.reads != reads {
			t.Error("the keys are read again although nothing changed")
		}

		third, q := s.put(ring, AgentsRead)
		if err := keys.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Authenticate(third); err != nil || !keys.Active(q.KeyID) {
			t.Error("a key of this process does not hold at once")
		}
		keys.Close()
	})
}

func TestKeysServeWhileTheStoreIsAway(t *testing.T) {
	ring := newRing(t)
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s := &shelf{}
		key, p := s.put(ring, AgentsRead)
		keys := open(t, s, ring, slog.New(slog.NewTextHandler(&out, nil)))
		s.change(func() { s.err = fault.Wrap(fault.StoreUnavailable, errors.New("disk")) })
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, err := keys.Authenticate(key); err != nil || !keys.Active(p.KeyID) {
			t.Errorf("a key is refused while the store is away: %v", err)
		}
		wantFault(t, keys.Reload(t.Context()), fault.StoreUnavailable)
		s.revoke(p.KeyID)
		s.change(func() { s.err = nil })
		time.Sleep(time.Second)
		synctest.Wait()
		_, err := keys.Authenticate(key)
		wantFault(t, err, fault.Unauthorized)
		if n := strings.Count(out.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings for one absence: %s", n, out.String())
		}
		if n := strings.Count(out.String(), "level=INFO"); n != 1 {
			t.Errorf("%d lines for one return: %s", n, out.String())
		}
		keys.Close()

		s.change(func() { s.err = fault.New(fault.StoreUnavailable) })
		_, err = OpenKeys(t.Context(), s, ring, slog.New(slog.DiscardHandler))
		wantFault(t, err, fault.StoreUnavailable)
	})
}

func TestAuthorize(t *testing.T) {
	for _, held := range AllScopes() {
		p := Principal{Scopes: ScopesOf(held)}
		for _, wanted := range AllScopes() {
			err := Authorize(p, wanted)
			if (err == nil) != (held == wanted) {
				t.Errorf("%s with %s: %v", wanted, held, err)
			}
			if f, ok := fault.As(err); ok && (f.Code != fault.MissingScope || !strings.Contains(f.Detail, string(wanted))) {
				t.Errorf("the fault %s %q does not name %s", f.Code, f.Detail, wanted)
			}
		}
	}
	if err := Authorize(Principal{Scopes: ScopesOf(AllScopes()...)}, "agents:delete"); !fault.Is(err, fault.MissingScope) {
		t.Errorf("a scope that does not exist is granted: %v", err)
	}
}

func TestParseScopes(t *testing.T) {
	all, err := ParseScopes("all")
	if err != nil || len(all.Names()) != 11 {
		t.Fatalf("all is %v, %v", all, err)
	}
	tests := []struct {
		text string
		want []string
	}{
		{"agents:read", []string{"agents:read"}},
		{" keys:write , agents:read,agents:read", []string{"agents:read", "keys:write"}},
		{all.String(), all.Names()},
	}
	for _, tt := range tests {
		got, err := ParseScopes(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
		}
		if diff := cmp.Diff(tt.want, got.Names()); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
	for _, bad := range []string{"", ",", "agents:read,", "agents", "AGENTS:READ", "all,agents:read", "agents:read;keys:read", "agents:*"} {
		got, err := ParseScopes(bad)
		wantFault(t, err, fault.ValueInvalid)
		if got != 0 {
			t.Errorf("%q yields %v", bad, got)
		}
	}
	narrow := ScopesOf(AgentsRead)
	if narrow.Without(all) != 0 || all.Without(narrow) != all&^narrow || ScopesOf(KeysRead, AgentsRead).Without(narrow) != ScopesOf(KeysRead) || Scopes(0).Without(narrow) != 0 {
		t.Error("Without compares sets")
	}
}

func TestScopesNamed(t *testing.T) {
	got, err := ScopesNamed([]string{"keys:write", "agents:read", "agents:read"})
	if err != nil || got != ScopesOf(AgentsRead, KeysWrite) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range [][]string{nil, {}, {""}, {"all"}, {"agents:read", "nobody"}, {"agents:read,keys:read"}, {" agents:read"}} {
		got, err := ScopesNamed(bad)
		wantFault(t, err, fault.ValueInvalid)
		if got != 0 {
			t.Errorf("%q yields %v", bad, got)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	ring := newRing(b)
	s := &shelf{}
	var key string
	for range 1000 {
		key, _ = s.put(ring, AgentsRead)
	}
	keys := open(b, s, ring, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Authenticate(key); err != nil {
			b.Fatal(err)
		}
	}
}
