package grant

import (
	"crypto/rand"
	"strings"
)

// alphabet leaves out what is misread (0 O, 1 I l) and everything that needs
// quoting somewhere on its way from the answer into a shell or a form.
const alphabet = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

const (
	passwordGroups = 4
	groupLength    = 6
)

// newPassword makes a password of four groups with hyphens between them, 24
// random characters or 139 bits. It has a lower-case and an upper-case letter,
// a digit and a hyphen, which satisfies the password policies that servers
// commonly enforce.
func newPassword() string {
	for {
		groups := make([]string, passwordGroups)
		for i := range groups {
			groups[i] = randomGroup()
		}
		password := strings.Join(groups, "-")
		if strings.ContainsAny(password, "abcdefghijkmnopqrstuvwxyz") &&
			strings.ContainsAny(password, "ABCDEFGHJKLMNPQRSTUVWXYZ") &&
			strings.ContainsAny(password, "23456789") {
			return password
		}
	}
}

func randomGroup() string {
	// Bytes beyond the last whole multiple of the alphabet would favour its
	// first letters.
	const fair = 256 - 256%len(alphabet)
	var group [groupLength]byte
	for i := 0; i < groupLength; {
		var b [1]byte
		_, _ = rand.Read(b[:]) // never fails: the program ends when the kernel has no entropy
		if int(b[0]) < fair {
			group[i] = alphabet[int(b[0])%len(alphabet)]
			i++
		}
	}
	return string(group[:])
}
