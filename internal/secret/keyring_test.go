package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"pgregory.net/rapid"

	"flowyte/internal/fault"
)

func createMaster(t testing.TB) (*Master, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	m, err := CreateMaster(path)
	if err != nil {
		t.Fatal(err, fault.Cause(err))
	}
	return m, path
}

func newKeyring(t testing.TB) *Keyring {
	t.Helper()
	m, _ := createMaster(t)
	ring, _, err := m.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func wantFault(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Errorf("error is %v (cause %v), want %s", err, fault.Cause(err), code)
	}
}

func TestMasterFile(t *testing.T) {
	_, path := createMaster(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != keyFileMode {
		t.Errorf("mode is %v", info.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%d files were left beside the key", len(entries)-1)
	}
	before, _ := os.ReadFile(path)
	if _, err := CreateMaster(path); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
		t.Error("CreateMaster replaced a key")
	}
	_, err = CreateMaster(filepath.Join(t.TempDir(), "no", "such", "folder"))
	wantFault(t, err, fault.DataFolderUnusable)
}

func TestCreateMasterTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	const makers = 8
	masters := make([]*Master, makers)
	var wg sync.WaitGroup
	for i := range masters {
		wg.Go(func() {
			m, err := CreateMaster(path)
			if err != nil {
				t.Error(err, fault.Cause(err))
			}
			masters[i] = m
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	_, sealed, err := masters[0].NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range masters {
		if _, err := m.Keyring(sealed); err != nil {
			t.Errorf("maker %d holds another key: %v", i, err)
		}
	}
}

func TestMasterRefused(t *testing.T) {
	_, good := createMaster(t)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	aes128, err := keyset.NewHandle(aead.AES128GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var weak bytes.Buffer
	if err := insecurecleartextkeyset.Write(aes128, keyset.NewJSONWriter(&weak)); err != nil {
		t.Fatal(err)
	}
	chacha, err := keyset.NewHandle(aead.ChaCha20Poly1305KeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	var other bytes.Buffer
	if err := insecurecleartextkeyset.Write(chacha, keyset.NewJSONWriter(&other)); err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name    string
		content []byte
		mode    os.FileMode
		want    fault.Code
	}{
		{"empty", nil, 0o600, fault.MasterKeyInvalid},
		{"blank", []byte(" \n"), 0o600, fault.MasterKeyInvalid},
		{"short", text[:len(text)/2], 0o600, fault.MasterKeyInvalid},
		{"one byte short", text[:len(text)-1], 0o600, fault.MasterKeyInvalid},
		{"twice", append(bytes.Clone(text), text...), 0o600, fault.MasterKeyInvalid},
		{"garbage", bytes.Repeat([]byte{0xA5}, 4096), 0o600, fault.MasterKeyInvalid},
		{"no keys", []byte(`{"primaryKeyId":1,"key":[]}`), 0o600, fault.MasterKeyInvalid},
		{"too long", bytes.Repeat([]byte(" "), keyFileLimit+1), 0o600, fault.MasterKeyInvalid},
		{"AES-128", weak.Bytes(), 0o600, fault.MasterKeyInvalid},
		{"another cipher", other.Bytes(), 0o600, fault.MasterKeyInvalid},
		{"raw 32 bytes", bytes.Repeat([]byte{7}, 32), 0o600, fault.MasterKeyInvalid},
		{"readable by the group", text, 0o640, fault.MasterKeyPermissions},
		{"readable by the world", text, 0o604, fault.MasterKeyPermissions},
		{"writable by the group", text, 0o620, fault.MasterKeyPermissions},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "master.key")
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenMaster(path)
			wantFault(t, err, tt.want)
			if cause := fault.Cause(err); tt.want == fault.MasterKeyInvalid && cause != nil {
				t.Errorf("the cause may quote the key file: %v", cause)
			}
		})
	}
	_, err = OpenMaster(filepath.Join(t.TempDir(), "none"))
	wantFault(t, err, fault.MasterKeyMissing)
	_, err = OpenMaster(t.TempDir())
	wantFault(t, err, fault.MasterKeyPermissions)
	if err := os.Chmod(good, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenMaster(good); err != nil {
		t.Errorf("a key only its owner may read is refused: %v", err)
	}
}

func TestKeyringOpensWithItsOwnMasterOnly(t *testing.T) {
	m, path := createMaster(t)
	ring, sealed, err := m.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	reopened, err := OpenMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := reopened.Keyring(sealed)
	if err != nil {
		t.Fatal(err)
	}
	ad := AD{Org: "o", Kind: "postgres", Field: "credentials", Version: 1}
	box, err := ring.Seal([]byte(canary), ad)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(box, ad); err != nil || string(got) != canary {
		t.Errorf("the reopened keyring reads %q, %v", got, err)
	}
	if ring.MAC("p", []byte("x")) != again.MAC("p", []byte("x")) {
		t.Error("the reopened keyring hashes differently")
	}

	stranger, _ := createMaster(t)
	_, err = stranger.Keyring(sealed)
	wantFault(t, err, fault.MasterKeyWrong)
	_, err = m.Keyring(nil)
	wantFault(t, err, fault.MasterKeyWrong)
	_, err = m.Keyring(box)
	wantFault(t, err, fault.MasterKeyWrong)

	// A key file whose key has one flipped bit is well formed, and still wrong.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), `"value":"`)
	value, after, _ := strings.Cut(rest, `"`)
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1
	flipped, err := parseMaster([]byte(before + `"value":"` + base64.StdEncoding.EncodeToString(raw) + `"` + after))
	if err != nil {
		t.Fatal(err)
	}
	_, err = flipped.Keyring(sealed)
	wantFault(t, err, fault.MasterKeyWrong)
}

func TestSealedValueIsRefusedElsewhere(t *testing.T) {
	ring := newKeyring(t)
	home := AD{Org: "org_a", Kind: "postgres", Field: "credentials", Version: 1}
	box, err := ring.Seal([]byte(canary), home)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(box, []byte(canary)) {
		t.Error("the sealed value holds the plaintext")
	}
	for _, ad := range []AD{
		{},
		{Org: "org_b", Kind: "postgres", Field: "credentials", Version: 1},
		{Org: "org_a", Kind: "mysql", Field: "credentials", Version: 1},
		{Org: "org_a", Kind: "postgres", Field: "scoping", Version: 1},
		{Org: "org_a", Kind: "postgres", Field: "credentials", Version: 2},
		{Org: "org_apostgres", Kind: "", Field: "credentials", Version: 1},
		{Org: "org_", Kind: "apostgres", Field: "credentials", Version: 1},
	} {
		if _, err := ring.Open(box, ad); !fault.Is(err, fault.CredentialCorrupt) {
			t.Errorf("opened under %+v: %v", ad, err)
		}
	}
	for bit := range len(box) * 8 {
		changed := bytes.Clone(box)
		changed[bit/8] ^= 1 << (bit % 8)
		if _, err := ring.Open(changed, home); !fault.Is(err, fault.CredentialCorrupt) {
			t.Fatalf("opened with bit %d flipped: %v", bit, err)
		}
	}
	for n := range box {
		if _, err := ring.Open(box[:n], home); !fault.Is(err, fault.CredentialCorrupt) {
			t.Fatalf("opened when cut to %d bytes: %v", n, err)
		}
	}
	_, err = newKeyring(t).Open(box, home)
	wantFault(t, err, fault.CredentialCorrupt)
	if again, _ := ring.Seal([]byte(canary), home); bytes.Equal(again, box) {
		t.Error("sealing twice yields equal bytes")
	}
}

func TestADIsUnambiguous(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00")), 0, 4, -1)
	place := rapid.Custom(func(t *rapid.T) AD {
		return AD{Org: text.Draw(t, "org"), Kind: text.Draw(t, "kind"), Field: text.Draw(t, "field"),
			Version: rapid.Uint32Range(0, 2).Draw(t, "version")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := place.Draw(t, "a"), place.Draw(t, "b")
		if (a == b) != bytes.Equal(a.bytes(), b.bytes()) {
			t.Fatalf("%+v and %+v", a, b)
		}
	})
}

func TestMAC(t *testing.T) {
	ring := newKeyring(t)
	derive := hmac.New(sha256.New, ring.root[:])
	derive.Write([]byte("flowyte keyed hash\x00api key"))
	mac := hmac.New(sha256.New, derive.Sum(nil))
	mac.Write([]byte("data"))
	got := ring.MAC("api key", []byte("data"))
	if !hmac.Equal(got[:], mac.Sum(nil)) {
		t.Errorf("MAC is %x", got)
	}
	if got == ring.MAC("body", []byte("data")) || got == ring.MAC("api key", []byte("datb")) || got == newKeyring(t).MAC("api key", []byte("data")) {
		t.Error("another purpose, other data or another keyring yields the same hash")
	}

	ring.MAC("api key", make([]byte, inputKept+1))
	if got != ring.MAC("api key", []byte("data")) {
		t.Error("a long input changed the next hash")
	}

	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			want := ring.MAC("api key", []byte{byte(i)})
			for range 200 {
				if ring.MAC("api key", []byte{byte(i)}) != want {
					t.Error("concurrent hashes are mixed up")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestKeysAreNotPrinted(t *testing.T) {
	m, _ := createMaster(t)
	ring, _, err := m.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, ring); got != Redacted {
			t.Errorf("%s of a keyring prints %s", verb, got)
		}
		if got := fmt.Sprintf(verb, m); got != Redacted {
			t.Errorf("%s of a master prints %s", verb, got)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	ring := newKeyring(b)
	ad := AD{Org: "org_a", Kind: "postgres", Field: "credentials", Version: 1}
	box, err := ring.Seal(bytes.Repeat([]byte("x"), 512), ad)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := ring.Open(box, ad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	ring := newKeyring(b)
	data := []byte(strings.Repeat("x", 47))
	b.ReportAllocs()
	for b.Loop() {
		ring.MAC("api key", data)
	}
}
