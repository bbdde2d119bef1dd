package live

import (
	"context"
	"slices"
	"testing"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// trying is a draft's version with one tool.
func trying(t *testing.T, tool *Tool, c *clerk) (*kit, *Version) {
	t.Helper()
	k := newKit(t, oneRow)
	k.connect(connection(c))
	return k, NewVersion(Version{Org: org, Agent: agent, Country: "US", Draft: true, Tools: []*Tool{tool}})
}

// owned is an update whose row belongs to somebody.
func owned() *Tool {
	number := plan.ValueType{Type: schema.Integer, BaseType: "int8"}
	return &Tool{
		Skill: "skl_move", Name: "move_it", RequiresConfirmation: true, RequiresVerifiedIdentity: true,
		Plan: &plan.Plan{
			Format: plan.Format, Kind: schema.Postgres, Operation: "visits.update", Action: plan.Update, OwnedBy: true, Statement: "UPDATE visits …",
			Slots: []plan.Slot{
				{Source: plan.FromParam, Name: "city", Column: "city", Type: text()}, {Source: plan.FromSystem, Name: "conversation_id", Column: "note", Type: text()},
				{Source: plan.FromParam, Name: "id", Type: number}, {Source: plan.FromSubject, Name: "customer", Type: number},
			},
			Params: []plan.Param{{Name: "city", Type: text(), Required: true}, {Name: "id", Type: number, Required: true}},
		},
	}
}

func argsOf(pairs ...string) []Arg {
	var args []Arg
	for i := 0; i < len(pairs); i += 2 {
		args = append(args, Arg{Name: pairs[i], Raw: []byte(pairs[i+1])})
	}
	return args
}

// A trial asks for no gate, keeps nothing, and changes nothing.
func TestTrialOfAWrite(t *testing.T) {
	c := &clerk{}
	k, v := trying(t, owned(), c)
	noted := len(k.rec.list())
	tried := k.Try(t.Context(), v, v.Tools[0], Trial{Args: argsOf("city", `"Leiden"`, "id", "7"), Subject: "42"})
	want(t, &tried.Answer, OK, "")
	if string(tried.Result) != `{"updated":1}` || tried.Summary == "" || tried.Tool != "move_it" {
		t.Errorf("tried %+v", tried)
	}
	sent := c.statements()
	if len(sent) != 1 || !sent[0].trial || sent[0].values[0] != "Leiden" || sent[0].values[1] == "" || !slices.Equal(sent[0].values[2:], []string{"7", "42"}) {
		t.Errorf("sent %v", sent)
	}
	if n := len(k.rec.list()); n != noted {
		t.Errorf("%d events are kept of a trial", n-noted)
	}
}

func TestTrialComplains(t *testing.T) {
	c := &clerk{}
	k, v := trying(t, owned(), c)
	for name, trial := range map[string]Trial{
		"subject":   {Args: argsOf("city", `"Leiden"`, "id", "7")},
		"id":        {Args: argsOf("city", `"Leiden"`, "id", `"x"`), Subject: "42"},
		"arguments": {Args: argsOf("city", `"Leiden"`, "id", "7", "more", "1"), Subject: "42"},
	} {
		tried := k.Try(t.Context(), v, v.Tools[0], trial)
		if tried.Outcome != InvalidArguments || len(tried.Complaints) != 1 || tried.Complaints[0].Param != name || tried.Summary != "" {
			t.Errorf("%s: %+v", name, tried)
		}
	}
	for _, subject := range []string{"anna", "4\t2", "1.5"} {
		if tried := k.Try(t.Context(), v, v.Tools[0], Trial{Args: argsOf("city", `"Leiden"`, "id", "7"), Subject: subject}); tried.Outcome != InvalidArguments {
			t.Errorf("the subject %q: %+v", subject, tried)
		}
	}
	c.wantSent(t, 0)
}

func TestTrialThatFails(t *testing.T) {
	for name, f := range map[string]struct {
		write   func(context.Context, *statement) error
		outcome Outcome
		reason  string
	}{
		"no row":        {failsWrite(fault.NoRow), NotFound, ""},
		"two rows":      {failsWrite(fault.MoreThanOneRow), Conflict, "more_than_one_row"},
		"taken":         {failsWrite(fault.AlreadyExists), Conflict, "already_exists"},
		"not the right": {failsWrite(fault.RoleCannotWrite), Unavailable, "role_cannot_write"},
		"unreachable":   {failsWrite(fault.Unreachable), Unavailable, "unreachable"},
		"a bug":         {func(context.Context, *statement) error { panic("a bug") }, Failed, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			k, v := trying(t, owned(), &clerk{write: f.write})
			tried := k.Try(t.Context(), v, v.Tools[0], Trial{Args: argsOf("city", `"Leiden"`, "id", "7"), Subject: "42"})
			want(t, &tried.Answer, f.outcome, f.reason)
			if tried.Err == nil || tried.Result != nil {
				t.Errorf("tried %+v", tried)
			}
		})
	}
}

// What is suspended or not connected is not tried.
func TestTrialOfWhatIsNotThere(t *testing.T) {
	c := &clerk{database: oneRow}
	k, v := trying(t, byPhone(), c)
	trial := Trial{Args: argsOf("phone", `"+12065550142"`)}
	tried := k.Try(t.Context(), v, v.Tools[0], trial)
	if want(t, &tried.Answer, OK, ""); tried.Rows != 1 {
		t.Errorf("a read: %+v", tried)
	}
	k.suspend(v.Tools[0].Skill)
	tried = k.Try(t.Context(), v, v.Tools[0], trial)
	want(t, &tried.Answer, Unavailable, "suspended")
	k.suspend()
	k.publish(func(next *Table) { next.Connections = nil })
	tried = k.Try(t.Context(), v, v.Tools[0], trial)
	want(t, &tried.Answer, Unavailable, "not_connected")
}
