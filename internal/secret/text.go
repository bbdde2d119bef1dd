package secret

import (
	"crypto/subtle"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what stands for a secret wherever one would have been shown.
const Redacted = "[redacted]"

// errNotStorable is what a database driver gets instead of a secret.
var errNotStorable = errors.New("secret: a Text is sealed before it is stored")

// Text is a secret string. Printing it with any verb, marshalling it or
// logging it yields Redacted, also inside other values and unexported fields;
// Reveal is the one way to the value. The zero value is the empty secret.
//
// Text cannot be compared with ==, whose time would tell where two values
// differ: use Equal.
type Text struct {
	// A closure, because formatters and comparers that meet Text in an
	// unexported field cannot call its methods, and would walk into a string
	// or a pointer held here. nil is the empty secret.
	reveal func() string
}

// New makes a secret of a string.
func New(value string) Text {
	if value == "" {
		return Text{}
	}
	return Text{reveal: func() string { return value }}
}

// Reveal is the secret itself, for the one place that needs it.
func (t Text) Reveal() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// Empty tells whether there is no secret.
func (t Text) Empty() bool { return t.reveal == nil }

// Equal compares in a time that depends only on the lengths.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// Format prints Redacted whatever the verb and its flags.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String is Redacted.
func (t Text) String() string { return Redacted }

// GoString is Redacted.
func (t Text) GoString() string { return Redacted }

// LogValue is Redacted.
func (t Text) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText is Redacted; JSON, XML and their like come through here too.
func (t Text) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// MarshalBinary is Redacted.
func (t Text) MarshalBinary() ([]byte, error) { return []byte(Redacted), nil }

// GobEncode is Redacted.
func (t Text) GobEncode() ([]byte, error) { return []byte(Redacted), nil }

// Value refuses to hand the secret to a database driver in the clear.
func (t Text) Value() (driver.Value, error) { return nil, errNotStorable }
