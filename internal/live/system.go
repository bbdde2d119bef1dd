package live

import (
	"crypto/rand"
	"fmt"
	"time"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// system holds the values of a write that nobody says. They are made once for
// an execution, however often its statement is tried.
type system struct {
	now          time.Time
	uuid         string
	conversation string
	phone        string // E.164
}

func (c *Conversation) system(t *Tool, now time.Time) *system {
	s := &system{now: now.UTC(), uuid: newUUID(), conversation: string(c.ID)}
	if t.needsPhone {
		forms, _ := plan.Forms(plan.Phone, c.known[string(plan.CallerPhone)], c.Version.Country)
		s.phone = forms[0]
	}
	return s
}

// value is the canonical text of a system value in a column's type. ok is false
// for one that this release does not know.
func (s *system) value(slot *plan.Slot) (v target.Value, ok bool) {
	if s == nil {
		return v, false
	}
	switch slot.Name {
	case "now":
		v.Text = moment(s.now, &slot.Type)
	case "uuid":
		v.Text = s.uuid
	case "conversation_id":
		v.Text = s.conversation
	case string(plan.CallerPhone):
		v.Text = s.phone
	}
	return v, v.Text != ""
}

// moment writes a time in UTC, as sessions run, with the digits of a second
// that the column keeps: a server would round the others up.
func moment(t time.Time, v *plan.ValueType) string {
	if v.Type == schema.Date {
		return t.Format(time.DateOnly)
	}
	unit := time.Microsecond
	if v.Precision != nil {
		for digits := min(*v.Precision, 6); digits < 6; digits++ {
			unit *= 10
		}
	}
	layout := "2006-01-02T15:04:05.999999"
	if v.Zoned {
		layout += "Z"
	}
	return t.Truncate(unit).Format(layout)
}

// newUUID is a random one, of version 4.
func newUUID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil { // crypto/rand ends the process first
		panic("live: " + err.Error())
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// asksPhone tells whether a write puts the caller's number into a column.
func asksPhone(p *plan.Plan) bool {
	for i := range p.Slots {
		if p.Slots[i].Source == plan.FromSystem && p.Slots[i].Name == string(plan.CallerPhone) {
			return true
		}
	}
	return false
}
