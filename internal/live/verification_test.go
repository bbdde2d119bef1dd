package live

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// finder is a verifier: by phone, with a subject and secrets of three types.
func finder() *Tool {
	v := tool("find_caller", "phone", plan.Plain)
	scale, precision := 2, 8
	v.Plan.Results = []plan.Result{
		{Leaf: "customer", Type: plan.ValueType{Type: schema.Integer, BaseType: "int4"}},
		{Leaf: "surname", Type: plan.ValueType{Type: schema.String, BaseType: "bpchar", MaxLength: new(8)}},
		{Leaf: "born", Type: plan.ValueType{Type: schema.Date, BaseType: "date"}},
		{Leaf: "paid", Type: plan.ValueType{Type: schema.Number, BaseType: "numeric", Precision: &precision, Scale: &scale}},
	}
	return v
}

var known = []string{"17", "Ödberg  ", "1980-02-29", "12.50"}

// own is a read of the caller's own rows.
func own() *Tool {
	t := tool("own", "number", plan.Plain)
	t.Plan.OwnedBy = true
	t.Plan.Slots = append(t.Plan.Slots, plan.Slot{Source: plan.FromSubject, Name: "customer", Type: plan.ValueType{Type: schema.Integer, BaseType: "int4"}})
	return t
}

// customers answers the verifier with rows, and everything else with oneRow.
func customers(rs ...[]string) database {
	return func(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error) {
		if p.Results[0].Leaf != "customer" {
			return oneRow(ctx, p, values, sink)
		}
		return rows(rs...)(ctx, p, values, sink)
	}
}

func verifierOf() *Verification {
	return &Verification{Verifier: finder(), Fields: []string{"phone", "surname", "born", "paid"}, Subject: "customer", TTL: 15 * time.Minute, MaxAttempts: 3}
}

// verifies is a kit whose version verifies its callers.
func verifies(t *testing.T, v *Verification, d database, tools ...*Tool) *kit {
	t.Helper()
	k := newKit(t, d, tools...)
	k.version = NewVersion(Version{ID: "ver_1", Number: 1, Org: org, Agent: agent, Country: "US", Tools: k.version.Tools, Verification: v})
	k.publish(func(next *Table) { next.Live = map[id.Agent]*Version{agent: k.version} })
	return k
}

func field(name, text string) Arg { return Arg{name, quoted(text)} }

// says are the fields of a caller at a number.
func says(phone, surname, born, paid string) []Arg {
	return []Arg{field("phone", phone), field("surname", surname), field("born", born), {"paid", []byte(paid)}}
}

var right = says("1", "ödberg", "1980-02-29", "12.5")

func (k *kit) verify(c *Conversation, fields []Arg) *VerificationAnswer {
	k.t.Helper()
	a, err := k.Verify(k.t.Context(), c, fields)
	if err != nil {
		k.t.Errorf("verify: %v", err)
		return &VerificationAnswer{}
	}
	return a
}

func wantVerified(t *testing.T, what string, a *VerificationAnswer, o Outcome, reason string, left int) {
	t.Helper()
	if a.Outcome != o || a.Reason != reason || a.AttemptsLeft != left || (o == OK) == a.ExpiresAt.IsZero() {
		t.Errorf("%s: %+v, want %s (%s) with %d left", what, *a, o, reason, left)
	}
}

func ownCall(toolCallID, number string) Request {
	return Request{ToolCallID: toolCallID, Tool: "own", Args: []Arg{field("number", number)}}
}

// TestWhatIsSaidIsCompared: canonical by type, text without regard to case and
// to space around it, and nothing else.
func TestWhatIsSaidIsCompared(t *testing.T) {
	row := func(surname, born, paid string) []string { return []string{"17", surname, born, paid} }
	for _, c := range []struct {
		name string
		rows [][]string
		said []Arg
		want bool
	}{
		{"all", [][]string{known}, right, true},
		{"text decomposed, in capitals, with space", [][]string{known}, says("1", " O\u0308DBERG", "1980-02-29", "12.50"), true},
		{"number as text", [][]string{known}, says("1", "Ödberg", "1980-02-29", `"12.500"`), true},
		{"text that differs inside", [][]string{row("Öd berg", "1980-02-29", "12.50")}, right, false},
		{"text longer than the column", [][]string{known}, says("1", "ödberg the longer", "1980-02-29", "12.5"), false},
		{"another date", [][]string{known}, says("1", "ödberg", "1980-02-28", "12.5"), false},
		{"another number", [][]string{known}, says("1", "ödberg", "1980-02-29", "12.51"), false},
		{"NULL", [][]string{row("NULL", "1980-02-29", "12.50")}, right, false},
		{"no row", nil, right, false},
		{"two rows", [][]string{known, known}, right, false},
		{"two rows, the second another's", [][]string{known, row("Dahl", "1999-01-01", "1")}, right, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := verifies(t, verifierOf(), customers(c.rows...), own())
			conv := k.ring()
			a := k.verify(conv, c.said)
			if !c.want {
				wantVerified(t, c.name, a, VerificationRequired, "not_matched", 2)
				want(t, k.ask(conv, ownCall("1", "x")), VerificationRequired, "")
				return
			}
			wantVerified(t, c.name, a, OK, "", 3)
			want(t, k.ask(conv, ownCall("1", "x")), OK, "")
		})
	}
}

// TestUnverifiedIsOneAnswer: the answer and the event do not tell a caller who
// is not there from one who does not know (M15).
func TestUnverifiedIsOneAnswer(t *testing.T) {
	var first string
	for _, rs := range [][][]string{nil, {{"17", "Dahl", "1980-02-29", "12.50"}}, {known, known}, {{"NULL", "NULL", "NULL", "NULL"}}} {
		k := verifies(t, verifierOf(), customers(rs...))
		a := k.verify(k.ring(), right)
		events := k.rec.list()
		got := fmt.Sprintf("%+v %s %s %s", *a, a.Say(), events[1].Type, events[1].Payload)
		if first == "" {
			first = got
		}
		if got != first || strings.Contains(got, "ödberg") || strings.Contains(got, "1980") || events[1].Type != "caller.not_verified" {
			t.Errorf("%v: %s, the first one was %s", rs, got, first)
		}
	}
}

// TestNothingFoundOutCostsNothing: what is not a wrong answer of the caller
// takes no attempt.
func TestNothingFoundOutCostsNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		d       database
		said    []Arg
		disturb func(k *kit)
		outcome Outcome
		reason  string
	}{
		{"stopped database", fails(fault.Unreachable), right, nil, Unavailable, "unreachable"},
		{"changed database", fails(fault.SchemaDrift), right, nil, Unavailable, "drifted"},
		{"busy", fails(fault.DatabaseBusy), right, nil, Busy, "pool"},
		{"failing", fails(fault.DatabaseError), right, nil, Failed, "database_error"},
		{"slow", fails(fault.DatabaseTimeout), right, nil, TimedOut, "deadline"},
		{"suspended", customers(known), right, func(k *kit) { k.suspend("skl_find_caller") }, Unavailable, "suspended"},
		{"receipts full", customers(known), right, func(k *kit) { k.rec.set(true) }, Busy, "receipts_full"},
		{"no receipt", customers(known), right, func(k *kit) { k.rec.refuse = true }, Busy, "receipts_full"},
		{"a field missing", customers(known), right[:3], nil, InvalidArguments, ""},
		{"no field", customers(known), nil, nil, InvalidArguments, ""},
		{"a field more", customers(known), append(right[:4:4], field("customer", "17")), nil, InvalidArguments, ""},
		{"no date", customers(known), says("1", "ödberg", "long ago", "12.5"), nil, InvalidArguments, ""},
		{"null", customers(known), says("1", "ödberg", "1980-02-29", "null"), nil, InvalidArguments, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := verifies(t, verifierOf(), c.d, own())
			conv := k.ring()
			if c.disturb != nil {
				c.disturb(k)
			}
			for range 5 {
				a := k.verify(conv, c.said)
				wantVerified(t, c.name, a, c.outcome, c.reason, 3)
				for _, complaint := range a.Complaints {
					if strings.Contains(complaint.Wanted+complaint.Param, "long ago") || strings.Contains(complaint.Param, "customer") {
						t.Errorf("a complaint repeats what was sent: %+v", complaint)
					}
				}
			}
			k.suspend()
			k.rec.set(false)
			k.rec.refuse = false
			want(t, k.ask(conv, ownCall("1", "x")), VerificationRequired, "")
		})
	}
}

// TestLockOut: attempts at once are no way around the limit, being right does
// not give back what failed, and the lock-out outlives a restart.
func TestLockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		k := verifies(t, verifierOf(), counting(&runs, customers(known)), own())
		conv := k.ring()
		wantVerified(t, "wrong", k.verify(conv, says("1", "x", "1980-02-29", "1")), VerificationRequired, "not_matched", 2)
		wantVerified(t, "right", k.verify(conv, right), OK, "", 2)
		past := make(chan struct{})
		k.rec.onFull = func() { <-past }
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { k.verify(conv, says("1", "x", "1980-02-29", "1")) })
		}
		synctest.Wait()
		close(past)
		all.Wait()
		if runs.Load() != 4 {
			t.Errorf("%d lookups, want the two before and two more", runs.Load())
		}
		wantVerified(t, "locked out", k.verify(conv, right), Refused, "too_many_attempts", 0)
		want(t, k.ask(conv, ownCall("1", "x")), OK, "") // it was verified, and is for its time

		next := verifies(t, verifierOf(), customers(known), own())
		if !next.Restore(conv.Record(), next.version, nil) {
			t.Fatal("the conversation is not taken up")
		}
		again, err := next.Find(org, conv.ID)
		if err != nil {
			t.Fatal(err)
		}
		wantVerified(t, "after a restart", next.verify(again, right), Refused, "too_many_attempts", 0)
		want(t, next.ask(again, ownCall("1", "x")), VerificationRequired, "")
	})
}

func TestVerificationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := verifies(t, verifierOf(), customers(known), own())
		conv := k.ring()
		if a := k.verify(conv, right); !a.ExpiresAt.Equal(time.Now().Add(15 * time.Minute)) {
			t.Errorf("expires at %v", a.ExpiresAt)
		}
		time.Sleep(15*time.Minute - 1)
		want(t, k.ask(conv, ownCall("1", "x")), OK, "")
		time.Sleep(time.Nanosecond)
		want(t, k.ask(conv, ownCall("1", "x")), VerificationRequired, "expired")
		if late, err := k.Late(t.Context(), conv, "1"); err != nil || late.Outcome != VerificationRequired {
			t.Errorf("the late result: %+v, %v", late, err)
		}
		wantVerified(t, "again", k.verify(conv, right), OK, "", 3)
		if a := k.ask(conv, ownCall("1", "x")); !a.Replayed {
			t.Errorf("the same call of the same caller: %+v", a)
		}
	})
}

// TestBrake: a key that was guessed at ten times rests, whoever rings; others
// do not.
func TestBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := verifies(t, verifierOf(), customers(known), own())
		for i := range maxFailures {
			if i == maxFailures/2 {
				time.Sleep(brakeWindow - time.Minute)
			}
			wantVerified(t, "a guess", k.verify(k.ring(), says("1", "x", "1980-02-29", "1")), VerificationRequired, "not_matched", 2)
			wantVerified(t, "the customer", k.verify(k.ring(), says("2", "ödberg", "1980-02-29", "12.5")), OK, "", 3)
		}
		time.Sleep(2 * time.Minute)
		wantVerified(t, "the key that was guessed at", k.verify(k.ring(), right), Refused, "too_many_attempts", 3)
		wantVerified(t, "another key", k.verify(k.ring(), says("2", "ödberg", "1980-02-29", "12.5")), OK, "", 3)
		time.Sleep(2 * brakeWindow)
		wantVerified(t, "the key later", k.verify(k.ring(), right), OK, "", 3)
	})
}

// TestVerifierKeysAreLimited is M10 for the verifier.
func TestVerifierKeysAreLimited(t *testing.T) {
	v := verifierOf()
	v.MaxAttempts = 10
	k := verifies(t, v, customers(), own())
	conv := k.ring()
	for i := range MaxLookups {
		wantVerified(t, "a key", k.verify(conv, says(fmt.Sprint(i), "x", "1980-02-29", "1")), VerificationRequired, "not_matched", 9-i)
	}
	wantVerified(t, "one key more", k.verify(conv, says("x", "x", "1980-02-29", "1")), Refused, "too_many_lookups", 5)
	wantVerified(t, "a key again", k.verify(conv, says("0", "x", "1980-02-29", "1")), VerificationRequired, "not_matched", 4)
}

// TestAnotherCaller is W05: what was confirmed, read or counted as one caller
// is worth nothing as another.
func TestAnotherCaller(t *testing.T) {
	customer := known
	var asked []target.Value
	d := func(ctx context.Context, p *plan.Plan, values []target.Value, sink target.RowSink) (target.Stats, error) {
		if p.OwnedBy {
			asked = append([]target.Value(nil), values...)
		}
		return customers(customer)(ctx, p, values, sink)
	}
	confirmed := own()
	confirmed.RequiresConfirmation = true
	k := verifies(t, verifierOf(), d, confirmed)
	conv := k.ring()
	k.verify(conv, right)
	token := k.ask(conv, ownCall("1", "x")).Confirmation.Token
	with := func(toolCallID string) Request {
		r := ownCall(toolCallID, "x")
		r.ConfirmationToken = token
		return r
	}
	customer = []string{"18", known[1], known[2], known[3]}
	wantVerified(t, "another caller", k.verify(conv, says("2", "ödberg", "1980-02-29", "12.5")), OK, "", 3)
	want(t, k.ask(conv, with("1")), ConfirmationRequired, "confirmation_not_valid")
	customer = known
	k.verify(conv, right)
	want(t, k.ask(conv, with("1")), OK, "")
	if !reflect.DeepEqual(asked, []target.Value{{Text: "x"}, {Text: "17"}}) {
		t.Errorf("the statement was given %+v", asked)
	}
	customer = []string{"18", known[1], known[2], known[3]}
	k.verify(conv, says("2", "ödberg", "1980-02-29", "12.5"))
	k.refused(conv, with("1"), fault.ToolCallIDReused)
	if late, err := k.Late(t.Context(), conv, "1"); err != nil || late.Outcome != VerificationRequired || late.Result != nil {
		t.Errorf("the other's late result: %+v, %v", late, err)
	}
}

// TestSubjects: a statement that asks for what verification did not yield is
// not run.
func TestSubjects(t *testing.T) {
	typed := func(t schema.Type, base string) plan.ValueType { return plan.ValueType{Type: t, BaseType: base} }
	for _, c := range []struct {
		name    string
		subject string
		slot    plan.Slot
		reason  string
	}{
		{"number", "17", plan.Slot{Name: "customer", Type: typed(schema.Integer, "int8")}, ""},
		{"text", "17", plan.Slot{Name: "customer", Type: text()}, ""},
		{"out of range", "70000", plan.Slot{Name: "customer", Type: typed(schema.Integer, "int2")}, "subject_not_usable"},
		{"no uuid", "17", plan.Slot{Name: "customer", Type: typed(schema.UUID, "uuid")}, "subject_not_usable"},
		{"NULL", "NULL", plan.Slot{Name: "customer", Type: text()}, "subject_missing"},
		{"with a line break", "1\n7", plan.Slot{Name: "customer", Type: text()}, "subject_missing"},
		{"another subject", "17", plan.Slot{Name: "household", Type: text()}, "subject_missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := own()
			c.slot.Source = plan.FromSubject
			o.Plan.Slots[1] = c.slot
			var runs atomic.Int32
			k := verifies(t, verifierOf(), counting(&runs, customers([]string{c.subject, known[1], known[2], known[3]})), o)
			conv := k.ring()
			wantVerified(t, c.name, k.verify(conv, right), OK, "", 3)
			if c.reason == "" {
				want(t, k.ask(conv, ownCall("1", "x")), OK, "")
				return
			}
			want(t, k.ask(conv, ownCall("1", "x")), VerificationRequired, c.reason)
			if runs.Load() != 1 {
				t.Error("the statement ran")
			}
		})
	}
	t.Run("owned without a slot", func(t *testing.T) {
		o := own()
		o.Plan.Slots = o.Plan.Slots[:1]
		k := verifies(t, verifierOf(), customers(known), o)
		conv := k.ring()
		k.verify(conv, right)
		want(t, k.ask(conv, ownCall("1", "x")), VerificationRequired, "subject_missing")
	})
}

// TestVerifierIsNoTool: it is neither listed nor found, but whoever watches the
// version's statements sees it.
func TestVerifierIsNoTool(t *testing.T) {
	k := verifies(t, verifierOf(), customers(known), own())
	conv := k.ring()
	if tools := conv.Tools(); len(tools) != 1 || tools[0].Name != "own" {
		t.Errorf("offered %+v", tools)
	}
	k.refused(conv, Request{ToolCallID: "1", Tool: "find_caller", Args: []Arg{field("phone", "1")}}, fault.UnknownTool)
	if s := k.version.Statements(); len(s) != 2 || s[1].Name != "find_caller" || len(k.version.Tools) != 1 {
		t.Errorf("statements %+v", s)
	}
}

// TestVerifierThatDoesNotFit verifies nobody: a leaf is gone, nothing is
// compared, or it writes.
func TestVerifierThatDoesNotFit(t *testing.T) {
	for name, change := range map[string]func(v *Verification){
		"leaf gone":    func(v *Verification) { v.Verifier.Plan.Results = v.Verifier.Plan.Results[:3] },
		"subject gone": func(v *Verification) { v.Subject = "household" },
		"no secret":    func(v *Verification) { v.Fields = []string{"phone"} },
		"a write":      func(v *Verification) { v.Verifier.Plan.Action = plan.Update },
	} {
		v := verifierOf()
		change(v)
		var runs atomic.Int32
		k := verifies(t, v, counting(&runs, customers(known)), own())
		wantVerified(t, name, k.verify(k.ring(), right), Unavailable, "verifier_not_usable", 3)
		if runs.Load() != 0 {
			t.Errorf("%s: the statement ran", name)
		}
	}
}

// TestKnownKey: a verifier's parameter that the conversation knows need not be
// given.
func TestKnownKey(t *testing.T) {
	v := verifierOf()
	v.Verifier = finder()
	v.Verifier.Plan.Params[0] = plan.Param{Name: "caller_phone", Type: text(), Format: plan.Phone, Required: true}
	v.Verifier.Plan.Slots[0] = plan.Slot{Source: plan.FromParam, Name: "caller_phone", Variant: plan.AllVariants, Type: text()}
	v.Fields = v.Fields[1:]
	k := verifies(t, v, customers(known), own())
	wantVerified(t, "known", k.verify(k.ringAs(Caller{Phone: phoneOf(1)}), right[1:]), OK, "", 3)
	wantVerified(t, "not known", k.verify(k.ring(), right[1:]), InvalidArguments, "", 3)
	wantVerified(t, "given", k.verify(k.ring(), append(right[1:4:4], field("caller_phone", phoneOf(1)))), OK, "", 3)
}

// TestAssert: somebody's word counts where the version takes it, and must name
// the caller where rows are owned.
func TestAssert(t *testing.T) {
	word := func() *Verification { return &Verification{Subject: "customer", TTL: time.Minute, MaxAttempts: 3} }
	assert := func(k *kit, c *Conversation, subject string) *VerificationAnswer {
		t.Helper()
		var raw []byte
		if subject != "" {
			raw = []byte(subject)
		}
		a, err := k.Assert(c, raw)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	k := verifies(t, word(), oneRow, own())
	conv := k.ring()
	for _, wrong := range []string{"", `""`, `" "`, "1.5", "1e3", "true", "{}", `"a\nb"`, `"` + strings.Repeat("x", 257) + `"`} {
		wantVerified(t, wrong, assert(k, conv, wrong), InvalidArguments, "", 3)
	}
	want(t, k.ask(conv, ownCall("1", "x")), VerificationRequired, "")
	for _, subject := range []string{"17", `"17"`} {
		wantVerified(t, subject, assert(k, conv, subject), OK, "", 3)
		want(t, k.ask(conv, ownCall("1", "x")), OK, "")
	}
	if _, err := k.Verify(t.Context(), conv, right); !fault.Is(err, fault.VerificationNotOffered) {
		t.Errorf("fields where a word is taken: %v", err)
	}
	gated := byPhone()
	gated.RequiresVerifiedIdentity = true
	k = verifies(t, word(), oneRow, gated)
	conv = k.ring()
	wantVerified(t, "nobody in particular", assert(k, conv, ""), OK, "", 3)
	want(t, k.ask(conv, with("1", phoneOf(1))), OK, "")
	k.End(conv)
	if _, err := k.Assert(conv, nil); !fault.Is(err, fault.ConversationEnded) {
		t.Errorf("after the end: %v", err)
	}
	k = verifies(t, verifierOf(), customers(known))
	if _, err := k.Assert(k.ring(), []byte("17")); !fault.Is(err, fault.VerificationNotOffered) {
		t.Errorf("a word where the caller is asked: %v", err)
	}
	k = verifies(t, nil, oneRow)
	if _, err := k.Verify(t.Context(), k.ring(), right); !fault.Is(err, fault.VerificationNotOffered) {
		t.Errorf("without verification: %v", err)
	}
}

// TestUnverifiedTakesOneTime: that there is no row cannot be told from the time
// either (M15). The least of many is what the steps themselves take.
func TestUnverifiedTakesOneTime(t *testing.T) {
	least := map[bool]time.Duration{true: time.Hour, false: time.Hour}
	kits := map[bool]*kit{true: verifies(t, verifierOf(), customers(known)), false: verifies(t, verifierOf(), customers())}
	for i := range 1000 {
		there := i%2 == 0
		c, said := kits[there].ring(), says(fmt.Sprint(i), "Dahl", "1975-01-01", "1")
		began := time.Now()
		kits[there].verify(c, said)
		least[there] = min(least[there], time.Since(began))
	}
	if a, b := least[true], least[false]; a > 2*b || b > 2*a {
		t.Errorf("a customer who is there takes %v, one who is not %v", a, b)
	}
}

// TestForeignFieldsAreOneComplaint: a body full of them is not answered with a
// list of them.
func TestForeignFieldsAreOneComplaint(t *testing.T) {
	k := verifies(t, verifierOf(), customers(known))
	said := right
	for i := range 1000 {
		said = append(said[:len(said):len(said)], field(fmt.Sprint("f", i), "x"))
	}
	if a := k.verify(k.ring(), said); len(a.Complaints) != 1 || a.Complaints[0].Param != "fields" {
		t.Errorf("%d complaints", len(a.Complaints))
	}
}

// TestBrakeIsBounded: however many keys fail, no more than two windows of them
// are remembered, and those of the latest window count.
func TestBrakeIsBounded(t *testing.T) {
	var b brake
	at := time.Now()
	finder := finder()
	for i := range 2*maxBraked + maxFailures {
		if !b.take(b.keyOf(org, finder, fmt.Sprint(i)), at) {
			t.Fatal("a key that never failed is braked")
		}
	}
	if n := len(b.now) + len(b.before); n > 2*maxBraked {
		t.Errorf("%d keys are remembered", n)
	}
	last := b.keyOf(org, finder, "last")
	for range maxFailures {
		b.take(last, at)
	}
	if b.take(last, at) {
		t.Error("a key that failed is not braked")
	}
	if b.giveBack(last); !b.take(last, at) {
		t.Error("what is given back counts")
	}
	if b.keyOf("org_else", finder, "last") == last || b.keyOf(org, own(), "last") == last {
		t.Error("the keys of two verifiers are one")
	}
}
