package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/tink-crypto/tink-go/v2/tink"

	"flowyte/internal/fault"
)

// AD names the place where a sealed value is kept. A value opens only under
// the AD it was sealed with, so that one moved to another organisation, row or
// field is refused.
type AD struct {
	Org     string // the organisation's id
	Kind    string // the kind of connection, or what else tells rows apart
	Field   string // "credentials"
	Version uint32 // of the form of the plaintext
}

// bytes is unambiguous: each text is preceded by its length, so that no two
// places share one form.
func (ad AD) bytes() []byte {
	const label = "flowyte sealed value"
	b := make([]byte, 0, len(label)+len(ad.Org)+len(ad.Kind)+len(ad.Field)+20)
	for _, text := range []string{label, ad.Org, ad.Kind, ad.Field} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return binary.BigEndian.AppendUint32(b, ad.Version)
}

// rootAD is where the root of a Keyring is kept: it belongs to no organisation.
var rootAD = AD{Kind: "store", Field: "root", Version: 1}

// Purpose sets keyed hashes apart: equal data hashed for two purposes has
// nothing in common.
type Purpose string

// MAC is a keyed hash, HMAC-SHA256. It is no secret, but it identifies what
// was hashed to anyone who holds the key.
type MAC [sha256.Size]byte

// Keyring seals values and makes keyed hashes. It is safe for concurrent use.
type Keyring struct {
	aead tink.AEAD
	root [keyBytes]byte
	// hashers holds a *hasherPool for each Purpose met so far.
	hashers sync.Map
}

// Format prints Redacted.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// NewKeyring makes a Keyring with a random root, and the sealed root from which
// Keyring makes it again. The store keeps sealed; it opens under this master
// key alone and so tells a wrong key before anything is written with it.
func (m *Master) NewKeyring() (ring *Keyring, sealed []byte, err error) {
	ring = &Keyring{aead: m.aead}
	if _, err := rand.Read(ring.root[:]); err != nil {
		return nil, nil, fault.Wrap(fault.Internal, err)
	}
	sealed, err = ring.Seal(ring.root[:], rootAD)
	if err != nil {
		return nil, nil, err
	}
	return ring, sealed, nil
}

// Keyring opens the root that NewKeyring sealed. The fault is master_key_wrong
// when it was sealed with another key.
func (m *Master) Keyring(sealed []byte) (*Keyring, error) {
	ring := &Keyring{aead: m.aead}
	root, err := ring.Open(sealed, rootAD)
	if err != nil || len(root) != len(ring.root) {
		return nil, fault.Wrap(fault.MasterKeyWrong, fault.Cause(err))
	}
	copy(ring.root[:], root)
	return ring, nil
}

// Seal encrypts plaintext so that it opens only with this key and under ad.
func (k *Keyring) Seal(plaintext []byte, ad AD) ([]byte, error) {
	sealed, err := k.aead.Encrypt(plaintext, ad.bytes())
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err)
	}
	return sealed, nil
}

// Open decrypts what Seal made. The fault is credential_corrupt when the value
// was changed, moved from another place, or sealed with another key.
func (k *Keyring) Open(sealed []byte, ad AD) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(sealed, ad.bytes())
	if err != nil {
		return nil, fault.Wrap(fault.CredentialCorrupt, err)
	}
	return plaintext, nil
}

// MAC is the keyed hash of data for a purpose. It allocates nothing once the
// purpose has been met, and keeps no reference to data.
func (k *Keyring) MAC(purpose Purpose, data []byte) MAC {
	pool := k.pool(purpose)
	h := pool.Get().(*hasher)
	sum := h.sum(data)
	pool.Put(h)
	return sum
}

func (k *Keyring) pool(purpose Purpose) *sync.Pool {
	if p, ok := k.hashers.Load(purpose); ok {
		return p.(*sync.Pool)
	}
	// One key a purpose, derived so that none leads to another or to the root.
	derive := hmac.New(sha256.New, k.root[:])
	_, _ = io.WriteString(derive, "flowyte keyed hash\x00"+string(purpose)) // a hash never fails
	key := derive.Sum(nil)
	p, _ := k.hashers.LoadOrStore(purpose, &sync.Pool{
		New: func() any { return &hasher{Hash: hmac.New(sha256.New, key)} },
	})
	return p.(*sync.Pool)
}

// hasher is a keyed hash with room for its input and output, which would
// otherwise be allocated for every call.
type hasher struct {
	hash.Hash
	input []byte
	out   MAC
}

// inputKept is the longest input whose room is kept for the next call.
const inputKept = 4 << 10

func (h *hasher) sum(data []byte) MAC {
	h.input = append(h.input[:0], data...)
	h.Reset()
	_, _ = h.Write(h.input) // a hash never fails
	h.Sum(h.out[:0])
	clear(h.input) // it may have been an API key
	if cap(h.input) > inputKept {
		h.input = nil
	}
	return h.out
}
