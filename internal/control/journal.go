package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/secret"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// Journal keeps the writes of live calls in the store. What a caller said, what
// the database gave, and what is needed to ask it later are sealed, bound to
// organisation and write. It implements live.Journal.
type Journal struct {
	store *store.Store
	ring  *secret.Keyring
	log   *slog.Logger
}

// NewJournal makes a journal over an unlocked store.
func NewJournal(s *store.Store, ring *secret.Keyring, log *slog.Logger) *Journal {
	return &Journal{store: s, ring: ring, log: log}
}

// The sealed parts of a write.
const (
	argumentsField = "write arguments"
	executionField = "write execution"
	resultField    = "write result"
)

func writeAD(org id.Org, write id.Write, field string) secret.AD {
	return secret.AD{Org: string(org), Kind: string(write), Field: field, Version: sealedVersion}
}

// execution is what is sealed of a write before its COMMIT is sent.
type execution struct {
	Evidence target.Evidence `json:"evidence"`
	Result   []byte          `json:"result,omitempty"`
}

// Intend implements live.Journal.
func (j *Journal) Intend(ctx context.Context, i live.Intent) error {
	statement, err := json.Marshal(i.Plan)
	if err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	sealed, err := j.ring.Seal([]byte(i.Arguments), writeAD(i.Org, i.ID, argumentsField))
	if err != nil {
		return err
	}
	return j.store.IntendWrite(ctx, store.WriteRecord{
		ID: i.ID, OrgID: i.Org, ConversationID: i.Conversation, AgentID: i.Agent, VersionID: i.Version, SkillID: i.Skill, Kind: i.Kind,
		Object: i.Object.Schema + "." + i.Object.Object, Tool: i.Tool, ToolCallID: i.ToolCallID, Plan: statement, PlanDigest: i.PlanDigest,
		IntendedAt: i.At, Arguments: sealed,
	})
}

// Executed implements live.Journal.
func (j *Journal) Executed(ctx context.Context, w id.Write, e target.Evidence, result []byte) error {
	org, err := j.store.WriteOwner(ctx, w)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(execution{Evidence: e, Result: result})
	if err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	sealed, err := j.ring.Seal(plain, writeAD(org, w, executionField))
	if err != nil {
		return err
	}
	return j.store.ExecuteWrite(ctx, org, w, sealed)
}

// Finish implements live.Journal.
func (j *Journal) Finish(ctx context.Context, w id.Write, end live.Ending) error {
	org, err := j.store.WriteOwner(ctx, w)
	if err != nil {
		return err
	}
	kept := store.WriteEnd{State: stateOf(end.Fate), Outcome: string(end.Outcome), Reason: end.Reason, At: end.At}
	if end.Result != nil {
		if kept.Result, err = j.ring.Seal(end.Result, writeAD(org, w, resultField)); err != nil {
			return err
		}
	}
	return j.store.FinishWrite(ctx, org, w, kept)
}

// stateOf is how the store calls the fate of a write that has ended.
func stateOf(f target.Fate) store.WriteState {
	switch f {
	case target.FateCommitted:
		return store.WriteCommitted
	case target.FateRolledBack:
		return store.WriteRolledBack
	}
	return store.WriteUnknown
}

// reasonDamaged is why a write whose record cannot be read is unknown.
const reasonDamaged = "journal_damaged"

// load reads what the live path takes up at start: the writes of open
// conversations, and those of others whose end is open. An open one that cannot
// be read ends as unknown, so that it is never taken for one that did not
// happen.
func (j *Journal) load(ctx context.Context) (byConversation map[id.Conversation][]live.Written, err error) {
	records, err := j.store.LoadWrites(ctx)
	if err != nil {
		return nil, err
	}
	byConversation = map[id.Conversation][]live.Written{}
	for i := range records {
		r := &records[i]
		w, err := j.thaw(r)
		if err != nil {
			j.log.Error("a write in the journal cannot be read; see `flowyte journal`", "writeId", r.ID, "code", fault.CodeOf(err))
			if w, err = j.giveUp(ctx, r); err != nil {
				return nil, err
			}
		}
		byConversation[r.ConversationID] = append(byConversation[r.ConversationID], w)
	}
	return byConversation, nil
}

// giveUp ends an open write that cannot be read; one that has ended is kept as
// it is. Both are handed on without what was sealed.
func (j *Journal) giveUp(ctx context.Context, r *store.WriteRecord) (live.Written, error) {
	if r.State == store.WriteIntended || r.State == store.WriteExecuted {
		at := time.Now()
		end := store.WriteEnd{State: store.WriteUnknown, Outcome: string(api.OutcomeUnknown), Reason: reasonDamaged, At: at}
		if err := j.store.FinishWrite(ctx, r.OrgID, r.ID, end); err != nil {
			return live.Written{}, err
		}
		r.State, r.Outcome, r.Reason, r.EndedAt = end.State, end.Outcome, end.Reason, &at
	}
	r.Arguments, r.Execution, r.Result = nil, nil, nil
	return j.thaw(r)
}

// thaw makes what live takes up of a stored write.
func (j *Journal) thaw(r *store.WriteRecord) (live.Written, error) {
	w := live.Written{Intent: live.Intent{
		ID: r.ID, Org: r.OrgID, Conversation: r.ConversationID, Agent: r.AgentID, Version: r.VersionID, Skill: r.SkillID, Kind: r.Kind,
		ToolCallID: r.ToolCallID, Tool: r.Tool, PlanDigest: r.PlanDigest, At: r.IntendedAt,
	}}
	if p, err := plan.Decode(r.Plan); err == nil {
		w.Plan, w.Object = p, p.Object
	}
	arguments, err := j.open(r, r.Arguments, argumentsField)
	if err != nil {
		return w, err
	}
	w.Arguments = string(arguments)
	var e execution
	plain, err := j.open(r, r.Execution, executionField)
	if err != nil {
		return w, err
	}
	if plain != nil {
		if err := json.Unmarshal(plain, &e); err != nil {
			return w, fault.Wrap(fault.StoreDamaged, err)
		}
		w.Evidence, w.Result = &e.Evidence, e.Result
	}
	if r.EndedAt == nil {
		return w, nil
	}
	result, err := j.open(r, r.Result, resultField)
	w.Ending = &live.Ending{Fate: target.Fate(r.State), Outcome: live.Outcome(r.Outcome), Reason: r.Reason, Result: result, At: *r.EndedAt}
	return w, err
}

// open opens one sealed part; nil for none.
func (j *Journal) open(r *store.WriteRecord, sealed []byte, field string) ([]byte, error) {
	if sealed == nil {
		return nil, nil
	}
	return j.ring.Open(sealed, writeAD(r.OrgID, r.ID, field))
}
