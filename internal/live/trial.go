package live

import (
	"context"
	"time"

	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/target"
)

// Trial is one try of a skill by the operator who is about to enable it.
type Trial struct {
	Args   []Arg
	Caller Caller
	// Subject stands for what a verification of the caller would yield; it is
	// needed by a skill whose rows belong to somebody.
	Subject string
}

// Tried is how a trial ended. Of a write, the answer is what it would have been.
type Tried struct {
	Answer
	// Summary is what a caller is asked to confirm; "" without usable arguments.
	Summary string
}

const paramSubject = "subject"

// Try runs a draft's tool once, outside any conversation: a read for real, a
// write rolled back. Arguments are judged and results shaped as in a call. The
// gates of a call are not asked, since no caller is there, and neither receipt
// nor answer is kept.
func (e *Engine) Try(ctx context.Context, v *Version, t *Tool, r Trial) *Tried {
	began := e.now()
	c := &Conversation{ID: id.New[id.Conversation](), Version: v, StartedAt: began, known: knownOf(r.Caller, v.Country)}
	k := call{e: e, c: c, t: t, began: began}
	tried := &Tried{}
	complaints := append(c.judge(t, r.Args, &k.args), subjectWanted(t, r.Subject)...)
	if complaints != nil {
		tried.Answer = Answer{Outcome: InvalidArguments, Complaints: complaints}
		return tried.at(&k)
	}
	k.args.ownedBy(r.Subject)
	tried.Summary = c.summary(t, &k.args)
	conn, stop := k.available()
	switch {
	case stop != nil:
		tried.Answer = *stop
	case t.writes():
		tried.Answer = *k.tryWrite(ctx, conn)
	default:
		ctx, cancel := context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		tried.Answer = *k.ask(ctx, conn)
	}
	return tried.at(&k)
}

func (t *Tried) at(k *call) *Tried {
	t.Tool, t.Latency = k.t.Name, k.e.now().Sub(k.began)
	return t
}

// subjectWanted complains of a subject that is missing, does not fit the column,
// or has nothing to stand for.
func subjectWanted(t *Tool, subject string) []Complaint {
	for i := range t.Plan.Slots {
		slot := &t.Plan.Slots[i]
		if slot.Source != plan.FromSubject {
			continue
		}
		if _, ok := subjectFor(slot, subject); !ok || !plainSubject(subject) {
			return []Complaint{{Param: paramSubject, Wanted: "required: whose rows these are, as verification would yield it; " + plan.Wanted(&plan.Param{Type: slot.Type})}}
		}
		return nil
	}
	if subject != "" {
		return []Complaint{{Param: paramSubject, Wanted: "no subject: the rows of this skill belong to nobody"}}
	}
	return nil
}

// tryWrite runs a write that is rolled back at its end, with the time that a
// write has.
func (k *call) tryWrite(ctx context.Context, conn *Connection) *Answer {
	ctx, cancel := context.WithTimeout(ctx, writeLimit)
	defer cancel()
	k.args.system = k.c.system(k.t, k.began)
	values, ok := k.args.fill(k.t.Plan, nil)
	if !ok {
		return failed(errSlots)
	}
	sink := &createdRow{leaves: k.t.leaves, action: k.t.Plan.Action, location: k.c.Version.Location}
	begun := time.Now()
	stats, err := within(ctx, conn, func() (target.Stats, error) { return conn.Runner.Trial(ctx, k.t.Plan, values, sink) })
	var a *Answer
	switch {
	case err == nil:
		a = &Answer{Outcome: OK, Result: sink.result(), Rows: 1}
	case err == errStuck:
		a, stats.DB = &Answer{Outcome: Failed, Reason: reasonDeadline}, time.Since(begun)
	default:
		a = outcomeOfWrite(err, false)
	}
	a.Wait, a.DB, a.Err = stats.Wait, stats.DB, err
	return a
}
