// Package id names the things the service keeps. Each kind of id is a type of
// its own, so that one can never stand where another belongs, and carries a
// prefix, so that a person reading a log can tell them apart.
//
// An id is its prefix and 22 base-62 digits of 128 bits: milliseconds since
// 1970 (48), a count within the millisecond (16), and random bits (64). Ids
// made by one process sort in the order in which they were made.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"sync"
	"time"
)

// The kinds of ids.
type (
	Org          string // an organisation
	Key          string // an API key; not the secret
	Connection   string // a connected database
	Agent        string
	Skill        string
	Version      string // a published version of an agent
	Conversation string
	Event        string // one step of a conversation
	Activity     string // one change made through the control plane
	Write        string // one write on a customer's database, from intent to end
)

// Of is any kind of id.
type Of interface {
	Org | Key | Connection | Agent | Skill | Version | Conversation | Event | Activity | Write
}

// New makes an id of the kind asked for.
func New[T Of]() T {
	var out [prefixed + digits]byte
	copy(out[:], prefixOf[T]())
	suffix((*[digits]byte)(out[prefixed:]))
	return T(out[:])
}

func prefixOf[T Of]() string {
	var kind T
	switch any(kind).(type) {
	case Org:
		return "org_"
	case Key:
		return "key_"
	case Connection:
		return "con_"
	case Agent:
		return "agt_"
	case Skill:
		return "skl_"
	case Version:
		return "ver_"
	case Conversation:
		return "cnv_"
	case Event:
		return "evt_"
	case Activity:
		return "act_"
	default: // Write, the last of the closed set Of
		return "wrt_"
	}
}

// clock orders the ids of this process even when the wall clock steps back.
var clock struct {
	sync.Mutex
	last uint64 // 48 bits of milliseconds, 16 bits of count
}

func tick() uint64 {
	now := uint64(time.Now().UnixMilli()) << 16
	clock.Lock()
	defer clock.Unlock()
	if now <= clock.last {
		now = clock.last + 1
	}
	clock.last = now
	return now
}

// prefixed is the length of every prefix.
const prefixed = len("org_")

func suffix(out *[digits]byte) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil { // crypto/rand ends the process first
		panic("id: " + err.Error())
	}
	base62(out, tick(), binary.BigEndian.Uint64(random[:]))
}

// alphabet is in ASCII order, so that ids sort like their numbers.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// digits is how many base-62 digits hold 128 bits.
const digits = 22

func base62(out *[digits]byte, hi, lo uint64) {
	for i := digits - 1; i >= 0; i-- {
		var rest uint64
		hi, rest = hi/62, hi%62
		lo, rest = bits.Div64(rest, lo, 62)
		out[i] = alphabet[rest]
	}
}
