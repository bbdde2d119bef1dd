package live

import (
	"slices"
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

// judged are the arguments of one call after they passed, in the order of the
// plan's parameters.
type judged struct {
	values []argument
	// canonical is the same as one string, for comparing calls of one tool.
	canonical string
	// subject is of the verified caller, "" for a tool that does not ask for it.
	subject string
	// system is for a write, nil for a read.
	system *system
	room   [4]argument
}

// argument is a value in canonical text, or given false.
type argument struct {
	given bool
	text  string
	forms *[plan.Variants]string // nil for a value without forms
}

// Phrases for what no column asks for.
const (
	wantFromCall = "this comes from the call itself, and the call does not have it"
	// paramArguments stands for all of them, and for those that do not belong.
	paramArguments = "arguments"
	wantOnly       = "only the parameters that the tool lists: "
)

// judge checks the arguments against the tool's parameters. What the
// conversation knows fills in for what the agent left out, and is the only
// source of what only the caller may say.
func (c *Conversation) judge(t *Tool, args []Arg, j *judged) []Complaint {
	params := t.Plan.Params
	j.values = j.room[:0]
	var complaints []Complaint
	taken := 0
	for i := range params {
		p := &params[i]
		at := slices.IndexFunc(args, func(a Arg) bool { return a.Name == p.Name })
		if at >= 0 && p.CallerOnly {
			// Not taken: it is not a parameter of this tool's schema.
			continue
		}
		var v argument
		var wanted string
		known, filled := c.known[p.Name]
		switch {
		case at >= 0:
			taken++
			v, wanted = c.read(p, args[at].Raw, true)
		case filled:
			v, wanted = c.read(p, []byte(known), false)
		case p.CallerOnly:
			wanted = wantFromCall
		case p.Required:
			wanted = "required: " + plan.Wanted(p)
		}
		if wanted != "" {
			complaints = append(complaints, Complaint{Param: p.Name, Wanted: wanted})
		}
		j.values = append(j.values, v)
	}
	if t.needsPhone && !c.knows(string(plan.CallerPhone)) {
		complaints = append(complaints, Complaint{Param: string(plan.CallerPhone), Wanted: wantFromCall})
	}
	if taken < len(args) {
		complaints = append(complaints, Complaint{Param: paramArguments, Wanted: wantOnly + listed(t)})
	}
	if complaints == nil {
		j.canonical = canonical(j.values)
	}
	return complaints
}

// read judges one value: raw JSON, or the plain text of what the conversation
// knows. wanted is "" for a value that passed.
func (c *Conversation) read(p *plan.Param, said []byte, isJSON bool) (v argument, wanted string) {
	if p.Format == plan.Plain {
		return judgeOne(p, said, isJSON, c.Version)
	}
	c.mu.Lock()
	v, seen := c.readings.find(p, said, isJSON)
	c.mu.Unlock()
	if seen {
		return v, ""
	}
	if v, wanted = judgeOne(p, said, isJSON, c.Version); wanted != "" {
		return v, wanted
	}
	forms, _ := p.Forms(v.text, c.Version.Country)
	v.forms = &forms
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readings.keep(p, said, isJSON, v)
	return v, ""
}

func judgeOne(p *plan.Param, said []byte, isJSON bool, v *Version) (argument, string) {
	var text, wanted string
	var ok bool
	if isJSON {
		text, wanted, ok = plan.Judge(p, said, v.Country, v.Location)
	} else {
		text, wanted, ok = plan.JudgeText(p, string(said), v.Country, v.Location)
	}
	if !ok {
		return argument{}, wanted
	}
	return argument{given: true, text: text}, ""
}

// readings remembers the latest telephone numbers and e-mail addresses that a
// conversation spoke of: reading one takes longer than the rest of a call, and
// most conversations are about one.
type readings struct {
	latest [4]reading
	next   int
}

type reading struct {
	param  *plan.Param
	isJSON bool
	said   string
	value  argument
}

func (rs *readings) find(p *plan.Param, said []byte, isJSON bool) (argument, bool) {
	for i := range rs.latest {
		if r := &rs.latest[i]; r.param == p && r.isJSON == isJSON && r.said == string(said) {
			return r.value, true
		}
	}
	return argument{}, false
}

func (rs *readings) keep(p *plan.Param, said []byte, isJSON bool, v argument) {
	rs.latest[rs.next] = reading{param: p, isJSON: isJSON, said: string(said), value: v}
	rs.next = (rs.next + 1) % len(rs.latest)
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

// canonical joins the values into one string in which no two different sets
// look alike: no value is empty or holds a control character.
func canonical(values []argument) string {
	if len(values) == 1 {
		return values[0].text
	}
	var b strings.Builder
	for i := range values {
		b.WriteString(values[i].text)
		b.WriteByte(0)
	}
	return b.String()
}

// fill gives the statement's slots their values, in out. ok is false for a slot
// that cannot be filled.
func (j *judged) fill(p *plan.Plan, out []target.Value) (values []target.Value, ok bool) {
	for i := range p.Slots {
		slot := &p.Slots[i]
		switch slot.Source {
		case plan.FromConst:
			out = append(out, target.Value{Text: slot.Const})
		case plan.FromParam:
			at := slices.IndexFunc(p.Params, func(q plan.Param) bool { return q.Name == slot.Name })
			if at < 0 {
				return nil, false
			}
			out = append(out, j.values[at].slot(slot))
		case plan.FromSystem:
			v, ok := j.system.value(slot)
			if !ok {
				return nil, false
			}
			out = append(out, v)
		case plan.FromSubject:
			v, ok := subjectFor(slot, j.subject)
			if !ok {
				return nil, false
			}
			out = append(out, target.Value{Text: v})
		default:
			return nil, false
		}
	}
	return out, true
}

func (a *argument) slot(s *plan.Slot) target.Value {
	switch {
	case !a.given:
		return target.Value{Null: true}
	case a.forms == nil:
		return target.Value{Text: a.text}
	case s.Variant == plan.AllVariants:
		return target.Value{All: a.forms[:]}
	}
	return target.Value{Text: a.forms[s.Variant]}
}
