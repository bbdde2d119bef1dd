package live

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// summary says what will happen in the words of the plan: the tool, each
// parameter by name with its value, and what a write puts
// into columns without being asked. Text stands in quotes, so that no value can
// pass for a part of the sentence.
func (c *Conversation) summary(t *Tool, j *judged) string {
	var b strings.Builder
	b.WriteString(spoken(t.Name))
	sep := ": "
	part := func(name, value string) {
		b.WriteString(sep + spoken(name) + " " + value)
		sep = ", "
	}
	for i := range t.Plan.Params {
		if j.values[i].given {
			part(t.Plan.Params[i].Name, shown(j.values[i].text, &t.Plan.Params[i].Type, c.Version.Location))
		}
	}
	for i := range t.Plan.Slots {
		slot := &t.Plan.Slots[i]
		switch {
		case slot.Column == "":
		case slot.Source == plan.FromConst:
			part(slot.Column, shown(slot.Const, &slot.Type, c.Version.Location))
		case slot.Source == plan.FromSystem && slot.Name == "now":
			part(slot.Column, "now")
		case slot.Source == plan.FromSystem && slot.Name == string(plan.CallerPhone):
			forms, _ := plan.Forms(plan.Phone, c.known[slot.Name], c.Version.Country)
			part(slot.Column, shown(forms[0], &slot.Type, c.Version.Location))
		}
	}
	return b.String()
}

func spoken(name string) string { return revealed(strings.ReplaceAll(name, "_", " ")) }

// shown is a value as the caller would say it: a moment as the clocks of the
// agent show it, as results have it, and not in UTC, as it is sent.
func shown(text string, v *plan.ValueType, loc *time.Location) string {
	switch v.Type {
	case schema.String, schema.Enum:
		return `"` + revealed(text) + `"`
	case schema.DateTime:
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil && v.Zoned {
			return strings.Trim(string(appendMoment(nil, t, loc)), `"`)
		}
	}
	return revealed(text)
}

// revealed writes what cannot be seen as \u{…}, and marks the quotes of the
// text itself.
func revealed(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[i]), 16))
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case hidden(r) || unicode.IsSpace(r) && r != ' ':
			b.WriteString(`\u{` + strconv.FormatUint(uint64(r), 16) + `}`)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}
