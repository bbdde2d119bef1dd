package live

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// verified is what a conversation knows of a caller who proved who they are. It
// is not kept over a restart: the caller is asked again then, as for a
// confirmation.
type verified struct {
	until   time.Time // with the monotonic clock's reading; zero for never
	subject string    // canonical text, "" for none
}

// identity is how the caller stands before one tool.
type identity struct {
	// unverified: the tool asks for a verified caller, and this one will not do.
	unverified bool
	reason     string
	// subject is whose rows the tool is bound to, "" when to nobody's.
	subject string
}

const (
	reasonExpired         = "expired"
	reasonSubjectMissing  = "subject_missing"
	reasonSubjectUnusable = "subject_not_usable"
)

// identify holds what is known of the caller against what the tool asks for.
func (c *Conversation) identify(t *Tool, now time.Time) identity {
	if !needsIdentity(t) {
		return identity{}
	}
	c.mu.Lock()
	v := c.verified
	c.mu.Unlock()
	switch {
	case v.until.IsZero():
		return identity{unverified: true}
	case !now.Before(v.until):
		return identity{unverified: true, reason: reasonExpired}
	}
	owned := false
	for i := range t.Plan.Slots {
		slot := &t.Plan.Slots[i]
		if slot.Source != plan.FromSubject {
			continue
		}
		owned = true
		// A subject is one thing: a statement that asks for another is not
		// answered with this one.
		if v.subject == "" || slot.Name != c.Version.Verification.Subject {
			return identity{unverified: true, reason: reasonSubjectMissing}
		}
		if _, ok := subjectFor(slot, v.subject); !ok {
			return identity{unverified: true, reason: reasonSubjectUnusable}
		}
	}
	switch {
	case owned:
		return identity{subject: v.subject}
	case t.Plan.OwnedBy: // a bug: the statement would answer with anybody's rows
		return identity{unverified: true, reason: reasonSubjectMissing}
	}
	return identity{}
}

// subjectFor is the subject as the slot's column has it.
func subjectFor(slot *plan.Slot, subject string) (value string, ok bool) {
	value, _, ok = plan.JudgeText(&plan.Param{Type: slot.Type}, subject, "", nil)
	return value, ok
}

// ownedBy makes the call one about the rows of a subject: what was confirmed,
// recorded or counted for one caller is not another's. A subject has no control
// characters, and no value is empty, so that nothing else looks like it.
func (j *judged) ownedBy(subject string) {
	if subject != "" {
		j.subject = subject
		j.canonical += "\x00\x01" + subject
	}
}

// subjectOf reads an asserted subject: a text, or a whole number.
func subjectOf(raw []byte) (subject string, ok bool) {
	t := plan.ValueType{Type: schema.Integer, BaseType: "bigint"}
	if raw[0] == '"' {
		t = plan.ValueType{Type: schema.String, BaseType: "text"}
	}
	subject, _, ok = plan.Judge(&plan.Param{Type: t}, raw, "", nil)
	return subject, ok && plainSubject(subject)
}

// maxSubject is how many characters a subject may have.
const maxSubject = 256

// plainSubject tells whether a text can be a subject: short, and without line
// breaks.
func plainSubject(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= maxSubject && !strings.ContainsFunc(s, hidden) && !strings.ContainsAny(s, "\t\r\n")
}

// witness takes in the rows of a verifier's lookup. It keeps the first one.
type witness struct {
	columns int
	rows    int
	cells   []string
	null    []bool
}

// Row implements target.RowSink.
func (w *witness) Row(cells [][]byte) error {
	if len(cells) != w.columns {
		return errCells
	}
	if w.rows++; w.rows > 1 {
		return nil
	}
	for _, cell := range cells {
		w.cells, w.null = append(w.cells, string(cell)), append(w.null, cell == nil)
	}
	return nil
}

// subject is a value of the only row, "" for NULL and for what cannot be one.
// A column of fixed length fills its values up with spaces, which do not count.
func (w *witness) subject(at int, t *plan.ValueType) string {
	s := w.cells[at]
	if t.BaseType == "bpchar" || t.BaseType == "char" {
		s = strings.TrimRight(s, " ")
	}
	if !plainSubject(s) {
		return ""
	}
	return s
}

// proves tells whether there is one row and every secret of it is what was
// said. The steps are the same whatever there is: without a row, or with NULL in
// it, what was said is compared with itself and counts for nothing.
func (w *witness) proves(secrets []secretField, said []string, v *Version) bool {
	proven := subtle.ConstantTimeEq(int32(min(w.rows, 2)), 1)
	for i := range secrets {
		s := &secrets[i]
		kept, known := said[i], 0
		if w.rows > 0 && !w.null[s.at] {
			kept, known = w.cells[s.at], 1
		}
		proven &= known & same(&s.param, kept, said[i], v)
	}
	return proven == 1
}

// same compares two values of a column, in a time that tells nothing of where
// they differ: 1 when they are the same.
func same(p *plan.Param, kept, said string, v *Version) int {
	a, b := sha256.Sum256([]byte(compared(p, kept, v))), sha256.Sum256([]byte(compared(p, said, v)))
	return subtle.ConstantTimeCompare(a[:], b[:])
}

// compared is the form in which values of a column are compared: canonical by
// the column's type, and for text in NFC, without space around it and without
// regard to case, which speech does not have.
func compared(p *plan.Param, text string, v *Version) string {
	if canonical, _, ok := plan.JudgeText(p, text, v.Country, v.Location); ok {
		text = canonical
	}
	if p.Type.Type == schema.String {
		text = cases.Fold().String(norm.NFC.String(strings.TrimSpace(text)))
	}
	return text
}
