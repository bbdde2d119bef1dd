package live

import (
	"sort"
	"strings"

	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// Arg is one argument as the agent sent it: a name and raw JSON.
type Arg struct {
	Name string
	Raw  []byte
}

// Complaint says which parameter is not usable and what is wanted; never the value.
type Complaint struct {
	Param  string
	Wanted string
}

// judged are the arguments of one call after they passed.
type judged struct {
	text map[string]string // canonical, by parameter
	// canonical is the same as one string, for comparing calls.
	canonical string
}

// judge checks the arguments against the tool's parameters. What the
// conversation knows fills in for what the agent left out, and replaces what
// only the caller may say.
func (c *Conversation) judge(t *Tool, args []Arg) (*judged, []Complaint) {
	j := &judged{text: make(map[string]string, len(t.Plan.Params))}
	var complaints []Complaint
	given := make(map[string][]byte, len(args))
	for _, a := range args {
		given[a.Name] = a.Raw
	}
	for i := range t.Plan.Params {
		p := &t.Plan.Params[i]
		raw, sent := given[p.Name]
		if p.CallerOnly && sent {
			// Left in given: it is not a parameter of this tool's schema.
			continue
		}
		delete(given, p.Name)
		known, filled := c.known[p.Name]
		var text, wanted string
		var ok bool
		switch {
		case sent:
			text, wanted, ok = plan.Judge(p, raw, c.Version.Country, c.Version.Location)
		case filled:
			text, wanted, ok = plan.JudgeText(p, known, c.Version.Country, c.Version.Location)
		case p.CallerOnly:
			wanted = "this comes from the call itself, and the call does not have it"
		case !p.Required:
			continue
		default:
			wanted = "required: " + plan.Wanted(p)
		}
		if !ok {
			complaints = append(complaints, Complaint{Param: p.Name, Wanted: wanted})
			continue
		}
		j.text[p.Name] = text
	}
	if len(given) > 0 {
		complaints = append(complaints, Complaint{Param: "arguments", Wanted: "only the parameters that the tool lists: " + listed(t)})
	}
	if len(complaints) > 0 {
		return nil, complaints
	}
	j.canonical = canonical(j.text)
	return j, nil
}

func listed(t *Tool) string {
	var names []string
	for i := range t.Plan.Params {
		if !t.Plan.Params[i].CallerOnly {
			names = append(names, t.Plan.Params[i].Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// canonical joins the arguments into one string in which no two different sets
// look alike.
func canonical(text map[string]string) string {
	names := make([]string, 0, len(text))
	for n := range text {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		b.WriteString(n)
		b.WriteByte(0)
		b.WriteString(text[n])
		b.WriteByte(0)
	}
	return b.String()
}

// values fills the statement's slots.
func (c *Conversation) values(t *Tool, j *judged) []target.Value {
	formats := map[string]plan.ParamFormat{}
	for i := range t.Plan.Params {
		formats[t.Plan.Params[i].Name] = t.Plan.Params[i].Format
	}
	forms := map[string][plan.Variants]string{}
	values := make([]target.Value, len(t.Plan.Slots))
	for i := range t.Plan.Slots {
		slot := &t.Plan.Slots[i]
		switch slot.Source {
		case plan.FromConst:
			values[i].Text = slot.Const
		case plan.FromParam:
			text, ok := j.text[slot.Name]
			if !ok {
				values[i].Null = true
				continue
			}
			format := formats[slot.Name]
			if format == plan.Plain {
				values[i].Text = text
				continue
			}
			all, seen := forms[slot.Name]
			if !seen {
				all, _ = plan.Forms(format, text, c.Version.Country)
				forms[slot.Name] = all
			}
			if slot.Variant == plan.AllVariants {
				values[i].All = all[:]
				continue
			}
			values[i].Text = all[slot.Variant]
		}
	}
	return values
}
