package auth

import (
	"crypto/rand"
	"hash/crc32"
	"strings"

	"flowyte/internal/secret"
)

const (
	// Prefix begins every key, so that people and scanners know one when they see it.
	Prefix = "flowyte_sk_"

	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	// randomDigits carry 190 bits; the four that are kept for people to tell
	// keys apart leave more than 160 unknown.
	randomDigits   = 32
	checksumDigits = 6
	keyLength      = len(Prefix) + randomDigits + checksumDigits
	lastDigits     = 4
)

// purpose sets the hashes of keys apart from every other keyed hash.
const purpose secret.Purpose = "api key"

// Issued is a new key. Secret is shown once and kept nowhere; MAC and LastFour
// are what the store keeps.
type Issued struct {
	Secret   secret.Text
	MAC      secret.MAC
	LastFour string
}

// Issue makes a new random key.
func Issue(ring *secret.Keyring) Issued {
	var b strings.Builder
	b.Grow(keyLength)
	b.WriteString(Prefix)
	for b.Len() < len(Prefix)+randomDigits {
		var draw [randomDigits]byte
		if _, err := rand.Read(draw[:]); err != nil { // crypto/rand ends the process first
			panic("auth: " + err.Error())
		}
		for _, r := range draw {
			// Bytes beyond the last multiple of 62 would favour some digits.
			if r < 4*62 && b.Len() < len(Prefix)+randomDigits {
				b.WriteByte(alphabet[r%62])
			}
		}
	}
	sum := checksum(b.String())
	b.Write(sum[:])
	key := b.String()
	mac, _ := parse(ring, key) // a key made here is well formed
	return Issued{Secret: secret.New(key), MAC: mac, LastFour: key[keyLength-lastDigits:]}
}

// parse is the keyed hash of a well-formed key; ok is false for anything that
// Issue cannot have made, which is not hashed and reaches no table.
func parse(ring *secret.Keyring, key string) (mac secret.MAC, ok bool) {
	if len(key) != keyLength || key[:len(Prefix)] != Prefix {
		return mac, false
	}
	body := key[:keyLength-checksumDigits]
	// Without a branch on a digit, which would make the time depend on the key.
	var strange byte
	for i := len(Prefix); i < len(body); i++ {
		strange |= notDigit[body[i]]
	}
	if sum := checksum(body); strange != 0 || key[len(body):] != string(sum[:]) {
		return mac, false
	}
	// On the stack: converting the string would allocate for each request.
	var buf [keyLength]byte
	copy(buf[:], key)
	return ring.MAC(purpose, buf[:]), true
}

// notDigit is 1 for every byte outside the alphabet.
var notDigit = func() (table [256]byte) {
	for c := range table {
		if strings.IndexByte(alphabet, byte(c)) < 0 {
			table[c] = 1
		}
	}
	return table
}()

// checksum is the CRC-32 of a key's prefix and random part in base 62. It
// tells a mistyped key from an unknown one without a look-up; it is no secret.
func checksum(body string) [checksumDigits]byte {
	// By the table: the library's function makes its argument escape.
	n := ^uint32(0)
	for i := range len(body) {
		n = crc32.IEEETable[byte(n)^body[i]] ^ n>>8
	}
	n = ^n
	var sum [checksumDigits]byte
	for i := checksumDigits - 1; i >= 0; i-- {
		sum[i] = alphabet[n%62]
		n /= 62
	}
	return sum
}
