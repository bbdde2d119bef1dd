package live

import (
	"context"
	"slices"
	"strings"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
)

// Verification is how the callers of a version prove who they are. It never
// changes.
type Verification struct {
	// Verifier is the read that finds the caller's row. It is no tool of the
	// version: nothing of its rows is ever answered. It is nil where somebody
	// with the right to do so asserts who the caller is.
	Verifier *Tool
	// Fields are what the caller must give: the parameter of Verifier, unless
	// the conversation knows it, and leaves of its row that must have the given
	// values.
	Fields []string
	// Subject names what the caller is known by afterwards: a leaf of Verifier's
	// row, or what is asserted. "" for nothing.
	Subject string
	// TTL is how long a verification holds.
	TTL time.Duration
	// MaxAttempts is how many may fail in one conversation.
	MaxAttempts int

	secrets []secretField
	subject int // place of Subject in the row, -1 for none
	sound   bool
}

// secretField is a column of the verifier's row whose value the caller must know.
type secretField struct {
	at    int // place in the row
	param plan.Param
}

// prepared finds the columns of the fields. A verifier that lacks one, as that
// of a draft may, verifies nobody.
func (v *Verification) prepared() *Verification {
	out := *v
	out.secrets, out.subject = nil, -1
	if v.Verifier == nil {
		return &out
	}
	out.Verifier.prepare()
	p := v.Verifier.Plan
	out.sound = p.Action == plan.Read
	for _, field := range v.Fields {
		if isParam(p, field) {
			continue
		}
		at := leafAt(p, field)
		if at < 0 {
			out.sound = false
			continue
		}
		t := p.Results[at].Type
		// It is compared and never sent: what the column could not hold is wrong,
		// and that is all there is to say of it.
		t.MaxLength, t.Charset = nil, ""
		out.secrets = append(out.secrets, secretField{at: at, param: plan.Param{Name: field, Type: t, Required: true}})
	}
	if v.Subject != "" {
		out.subject = leafAt(p, v.Subject)
		out.sound = out.sound && out.subject >= 0
	}
	out.sound = out.sound && len(out.secrets) > 0
	return &out
}

func isParam(p *plan.Plan, name string) bool {
	return slices.ContainsFunc(p.Params, func(q plan.Param) bool { return q.Name == name })
}

func leafAt(p *plan.Plan, leaf string) int {
	return slices.IndexFunc(p.Results, func(r plan.Result) bool { return r.Leaf == leaf })
}

// VerificationAnswer tells what came of a verification. Nothing in it differs
// between a caller whose row is not there and one who does not know what is in
// it.
type VerificationAnswer struct {
	// Outcome is ok for a caller who is verified now and verification_required
	// for one who is not; the others mean that nothing was found out.
	Outcome    Outcome
	Reason     string
	Complaints []Complaint // of invalid_arguments
	// ExpiresAt is zero unless the outcome is ok.
	ExpiresAt    time.Time
	AttemptsLeft int
	RetryAfter   time.Duration
	// Err is what stands behind an outcome that is somebody's trouble, for the
	// log. It is never sent.
	Err error
}

// Say is one fixed sentence that an agent may speak, "" for a verified caller.
func (a *VerificationAnswer) Say() string {
	switch {
	case a.Outcome == VerificationRequired:
		return "That does not match what I have on file."
	case a.Outcome == Refused:
		return "I was not able to make sure who I am speaking with."
	}
	return say(a.Outcome, a.Reason)
}

// The reasons of verifications, and what is wanted of their fields.
const (
	reasonNoMatch  = "not_matched"
	reasonAttempts = "too_many_attempts"
	reasonUnsound  = "verifier_not_usable"

	fieldPrefix  = "fields."
	fieldSubject = "subject"
	wantListed   = "only the fields that verification asks for"
	wantSubject  = "required: what the caller is known by"
	wantPlain    = "a text of at most 256 characters on one line, or a whole number"
)

// Verify finds out through the version's verifier whether the caller is who
// they say. Values are judged by the types of their columns; a value that cannot
// be one, a database that does not answer and a limit that is reached cost no
// attempt.
//
// The error is a fault: conversation_ended, or verification_not_offered when
// the version has no verifier.
func (e *Engine) Verify(ctx context.Context, c *Conversation, fields []Arg) (*VerificationAnswer, error) {
	began := e.now()
	if err := e.touch(c, began); err != nil {
		return nil, err
	}
	v := c.Version.Verification
	if v == nil || v.Verifier == nil {
		return nil, fault.New(fault.VerificationNotOffered)
	}
	ctx, cancel := context.WithTimeout(ctx, v.Verifier.Timeout)
	defer cancel()
	k := verifying{call: call{e: e, c: c, t: v.Verifier, began: began}, v: v}
	return k.finish(k.answer(ctx, fields)), nil
}

// verifying is one attempt on its way.
type verifying struct {
	call
	v *Verification
	// said are the values of v.secrets, in that order.
	said []string
	// subject is what a caller who is verified is known by.
	subject string
}

// answer runs the gates of a call, in their order, then the lookup.
func (k *verifying) answer(ctx context.Context, fields []Arg) *VerificationAnswer {
	if !k.v.sound {
		return &VerificationAnswer{Outcome: Unavailable, Reason: reasonUnsound}
	}
	if complaints := k.judge(fields); complaints != nil {
		return &VerificationAnswer{Outcome: InvalidArguments, Complaints: complaints}
	}
	conn, stop := k.available()
	if stop != nil {
		return asVerification(stop)
	}
	if stop := k.limited(); stop != nil {
		return stop
	}
	key := k.e.brake.keyOf(k.c.Version.Org, k.t, k.args.canonical)
	switch {
	case k.e.recorder.Full():
		return asVerification(receiptsFull())
	case !k.e.drift.try(k.t, conn, k.began):
		return &VerificationAnswer{Outcome: Unavailable, Reason: reasonDrifted}
	case !k.c.lookUp(k.t, k.args.canonical):
		return refusedFor(reasonLookups)
	case !k.c.attempt(k.v.MaxAttempts):
		return refusedFor(reasonAttempts)
	case !k.e.brake.take(key, k.began):
		k.c.forgive()
		return refusedFor(reasonAttempts)
	}
	a := k.ask(ctx, conn)
	if a.Outcome != VerificationRequired {
		k.c.forgive()
		k.e.brake.giveBack(key)
	}
	return a
}

// limited says which limit of the conversation is reached, if any.
func (k *verifying) limited() *VerificationAnswer {
	k.c.mu.Lock()
	left := k.v.attemptsLeft(k.c.failures)
	k.c.mu.Unlock()
	switch {
	case left == 0:
		return refusedFor(reasonAttempts)
	case !k.mayLookUp():
		return refusedFor(reasonLookups)
	}
	return nil
}

func refusedFor(reason string) *VerificationAnswer {
	return &VerificationAnswer{Outcome: Refused, Reason: reason}
}

func asVerification(a *Answer) *VerificationAnswer {
	return &VerificationAnswer{Outcome: a.Outcome, Reason: a.Reason, RetryAfter: a.RetryAfter, Err: a.Err}
}

// judge takes the key and the secrets out of the fields. All complaints come
// together.
func (k *verifying) judge(fields []Arg) []Complaint {
	var key []Arg
	var complaints []Complaint
	foreign := false
	given := map[string][]byte{}
	for _, f := range fields {
		switch {
		case isParam(k.t.Plan, f.Name):
			key = append(key, f)
		case !slices.Contains(k.v.Fields, f.Name):
			foreign = true
		default:
			given[f.Name] = f.Raw
		}
	}
	for _, complaint := range k.c.judge(k.t, key, &k.args) {
		if complaint.Param == paramArguments { // one that only the conversation supplies
			foreign = true
			continue
		}
		complaint.Param = fieldPrefix + complaint.Param
		complaints = append(complaints, complaint)
	}
	for i := range k.v.secrets {
		p := &k.v.secrets[i].param
		raw, there := given[p.Name]
		if !there {
			complaints = append(complaints, Complaint{Param: fieldPrefix + p.Name, Wanted: "required: " + plan.Wanted(p)})
			continue
		}
		said, wanted := judgeOne(p, raw, true, k.c.Version)
		if wanted != "" {
			complaints = append(complaints, Complaint{Param: fieldPrefix + p.Name, Wanted: wanted})
		}
		k.said = append(k.said, said.text)
	}
	if foreign {
		complaints = append(complaints, Complaint{Param: "fields", Wanted: wantListed + ": " + strings.Join(k.v.Fields, ", ")})
	}
	return complaints
}

// ask runs the lookup and compares.
func (k *verifying) ask(ctx context.Context, conn *Connection) *VerificationAnswer {
	j := k.e.jobs.Get().(*job)
	values, ok := k.args.fill(k.t.Plan, j.values[:0])
	if !ok {
		return asVerification(failed(errSlots))
	}
	w := &witness{columns: len(k.t.Plan.Results)}
	j.values = values
	j.run(ctx, conn, k.t, w)
	err := j.err
	j.forget()
	k.e.jobs.Put(j)
	if err != nil {
		a := outcomeOf(ctx, err)
		a.Err = err
		if a.Reason == reasonDrifted {
			k.e.drift.mark(k.t, k.c.keyOf(k.t), conn, k.e.now())
		}
		return asVerification(a)
	}
	k.e.drift.heal(k.t, conn)
	if !w.proves(k.v.secrets, k.said, k.c.Version) {
		return &VerificationAnswer{Outcome: VerificationRequired, Reason: reasonNoMatch}
	}
	if k.v.subject >= 0 {
		k.subject = w.subject(k.v.subject, &k.t.Plan.Results[k.v.subject].Type)
	}
	return &VerificationAnswer{Outcome: OK, ExpiresAt: k.began.Add(k.v.TTL)}
}

// finish keeps what was found out, and its receipt; without a receipt nobody is
// verified.
func (k *verifying) finish(a *VerificationAnswer) *VerificationAnswer {
	c := k.c
	c.mu.Lock()
	defer c.mu.Unlock()
	a.AttemptsLeft = k.v.attemptsLeft(c.failures)
	if !k.e.recordVerification(c, k.v, a) && a.Outcome == OK {
		full := asVerification(receiptsFull())
		full.AttemptsLeft = a.AttemptsLeft
		return full
	}
	if a.Outcome == OK {
		c.verified = verified{until: a.ExpiresAt, subject: k.subject}
	}
	return a
}

func (v *Verification) attemptsLeft(failures int) int { return max(0, v.MaxAttempts-failures) }

// attempt takes one of the attempts that the conversation has left. It counts
// as failed until it is forgiven, so that attempts at once are no way around
// the limit.
func (c *Conversation) attempt(limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failures >= limit {
		return false
	}
	c.failures++
	return true
}

// forgive gives an attempt back that did not fail.
func (c *Conversation) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures--
}

// Assert takes the word of somebody who has the right to give it that the
// caller is verified, and who they are. subject is raw JSON, a text or a whole
// number, or nil.
//
// The error is a fault: conversation_ended, or verification_not_offered when
// the version does not take anybody's word.
func (e *Engine) Assert(c *Conversation, subject []byte) (*VerificationAnswer, error) {
	began := e.now()
	if err := e.touch(c, began); err != nil {
		return nil, err
	}
	v := c.Version.Verification
	if v == nil || v.Verifier != nil {
		return nil, fault.New(fault.VerificationNotOffered)
	}
	k := verifying{call: call{e: e, c: c, began: began}, v: v}
	a := &VerificationAnswer{Outcome: OK, ExpiresAt: began.Add(v.TTL)}
	if wanted := k.assert(subject); wanted != "" {
		a = &VerificationAnswer{Outcome: InvalidArguments, Complaints: []Complaint{{Param: fieldSubject, Wanted: wanted}}}
	}
	return k.finish(a), nil
}

// assert judges the subject. A version in which rows are owned needs one.
func (k *verifying) assert(raw []byte) (wanted string) {
	if raw == nil {
		if slices.ContainsFunc(k.c.Version.Tools, func(t *Tool) bool { return t.Plan.OwnedBy }) {
			return wantSubject
		}
		return ""
	}
	ok := false
	if k.subject, ok = subjectOf(raw); !ok {
		return wantPlain
	}
	return ""
}
