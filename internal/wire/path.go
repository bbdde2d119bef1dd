package wire

import (
	"strconv"
	"strings"
)

// path leads from the document to the value that is being read.
type path []string

func (p *path) name(name string) { *p = append(*p, "."+Shown(name)) }
func (p *path) index(i int)      { *p = append(*p, "["+strconv.Itoa(i)+"]") }
func (p *path) pop()             { *p = (*p)[:len(*p)-1] }

// String is such as credentials.host or inputs[0].param, and body for the
// document itself.
func (p path) String() string {
	if s := strings.TrimPrefix(strings.Join(p, ""), "."); s != "" {
		return s
	}
	return "body"
}

// maxShown is shorter than any API key.
const maxShown = 40

// Shown is a name that may be repeated in an answer. A name is the sender's
// own bytes: only what looks like a field of ours, a column or a parameter is
// shown, and a telephone number or a key in the place of a name is not.
func Shown(name string) string {
	if name == "" || len(name) > maxShown {
		return "*"
	}
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return "*"
		}
	}
	return name
}
