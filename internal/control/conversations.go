package control

import (
	"context"
	"encoding/json"
	"time"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/store"
	"flowyte/internal/target"
)

// DraftVersion makes a version of the agent's draft for a trial conversation.
// It is not stored and not live.
func (s *Service) DraftVersion(ctx context.Context, p auth.Principal, agent id.Agent) (*live.Version, error) {
	a, records, err := s.store.AgentSkills(ctx, p.OrgID, agent)
	if err != nil {
		return nil, err
	}
	var skills []frozenSkill
	for _, r := range records {
		if !r.Enabled {
			continue
		}
		v, err := s.viewSkill(ctx, r)
		if err != nil {
			return nil, err
		}
		compiled, err := readPlan(r.Plan)
		if err != nil {
			return nil, err
		}
		skills = append(skills, frozenSkill{Skill: v, Plan: compiled})
	}
	verification, err := verificationOf(a)
	if err != nil {
		return nil, err
	}
	return serving(frozen{Agent: viewAgent(a), Skills: skills, Verification: verification}, p.OrgID, "", 0)
}

// PublishedVersion is the version that a new conversation gets. It needs
// nothing but memory.
func (s *Service) PublishedVersion(ctx context.Context, p auth.Principal, agent id.Agent) (*live.Version, error) {
	if v, ok := s.engine.LiveVersion(p.OrgID, agent); ok {
		s.warm(v)
		return v, nil
	}
	// Not published, or not theirs: only the store knows which.
	if _, err := s.store.Agent(ctx, p.OrgID, agent); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.NoPublishedVersion)
}

// warmLimit bounds opening a session ahead of the first question.
const warmLimit = 3 * time.Second

// warm opens a session to each database of the version while the agent is
// still saying hello, so that the first question does not wait for it.
func (s *Service) warm(v *live.Version) {
	kinds := map[schema.Kind]bool{}
	for _, t := range v.Statements() {
		kinds[t.Plan.Kind] = true
	}
	for kind := range kinds {
		db, ok := s.engine.Runner(v.Org, kind).(*target.Database)
		if !ok || db.Warmed() {
			continue
		}
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), warmLimit)
			defer cancel()
			if err := db.Warm(ctx, 1); err != nil {
				s.log.Debug("a database could not be reached ahead of a call", "code", fault.CodeOf(err))
			}
		}()
	}
}

// knownAD binds a caller's sealed values to their organisation and conversation.
func knownAD(org id.Org, c id.Conversation) secret.AD {
	return secret.AD{Org: string(org), Kind: string(c), Field: "caller", Version: sealedVersion}
}

// AppendReceipts implements audit.Sink: what the conversation knows of its
// caller is sealed before it is kept.
func (s *Service) AppendReceipts(ctx context.Context, conversations []live.Record, events []live.Event) error {
	cs := make([]store.ConversationRecord, 0, len(conversations))
	for _, r := range conversations {
		c, err := s.keptConversation(r)
		if err != nil {
			return err
		}
		cs = append(cs, c)
	}
	es := make([]store.EventRecord, 0, len(events))
	for _, e := range events {
		es = append(es, store.EventRecord{
			ID: e.ID, ConversationID: e.Conversation, OrgID: e.Org, Seq: e.Seq, At: e.At, Channel: e.Channel, Type: e.Type, Payload: e.Payload,
		})
	}
	return s.store.AppendBatch(ctx, cs, es)
}

// conversationState is what going on with a conversation after a restart takes.
type conversationState struct {
	Known map[string]string `json:"known,omitempty"`
	// FailedVerifications stay counted over a restart; a verification does not.
	FailedVerifications int   `json:"failedVerifications,omitempty"`
	Seq                 int64 `json:"seq"`
}

func (s *Service) keptConversation(r live.Record) (store.ConversationRecord, error) {
	c := store.ConversationRecord{
		ID: r.ID, OrgID: r.Org, AgentID: r.Agent, VersionID: r.VersionID, VersionNumber: r.Version, Draft: r.Draft, Channel: r.Channel,
		StartedAt: r.StartedAt, ActiveAt: r.LastUsed, ToolCalls: r.Calls, Outcomes: r.Outcomes,
	}
	var err error
	if len(r.Metadata) > 0 {
		if c.Metadata, err = json.Marshal(r.Metadata); err != nil {
			return c, fault.Wrap(fault.Internal, err)
		}
	}
	if !r.EndedAt.IsZero() {
		c.EndedAt = &r.EndedAt
		return c, nil
	}
	plain, err := json.Marshal(conversationState{Known: r.Known, FailedVerifications: r.FailedVerifications, Seq: r.Seq})
	if err != nil {
		return c, fault.Wrap(fault.Internal, err)
	}
	c.State, err = s.ring.Seal(plain, knownAD(r.Org, r.ID))
	return c, err
}

// restore takes up the conversations that were open when the process stopped,
// and every write whose end was, whatever became of its conversation.
// Those that cannot go on, a draft's and those of an agent that is gone, end
// here. One that cannot be read is reported and does not keep the others out.
func (s *Service) restore(ctx context.Context) error {
	open, err := s.store.LoadOpenConversations(ctx)
	if err != nil {
		return err
	}
	writes, err := s.journal.load(ctx)
	if err != nil {
		return err
	}
	var over []store.ConversationRecord
	versions := map[id.Version]*live.Version{}
	for _, c := range open {
		err := s.restoreOne(ctx, c, versions, writes[c.ID])
		switch {
		case err == nil:
		case fault.Is(err, fault.ConversationEnded):
			ended := s.now().UTC()
			c.EndedAt, c.State = &ended, nil
			over = append(over, c)
		case fault.Is(err, fault.StoreUnavailable):
			return err
		default:
			s.log.Error("an open conversation cannot be taken up", "conversationId", c.ID, "code", fault.CodeOf(err))
		}
	}
	for _, w := range writes {
		s.engine.Resume(w) // of those whose conversation did not take them up
	}
	if len(over) == 0 {
		return nil
	}
	return s.store.AppendBatch(ctx, over, nil)
}

// restoreOne takes up one conversation, or tells with conversation_ended that
// there is nothing left to go on with. versions are those already read, writes
// the conversation's own.
func (s *Service) restoreOne(ctx context.Context, c store.ConversationRecord, versions map[id.Version]*live.Version, writes []live.Written) error {
	if c.Draft {
		return fault.New(fault.ConversationEnded)
	}
	v := versions[c.VersionID]
	if v == nil {
		record, err := s.store.Version(ctx, c.OrgID, c.AgentID, c.VersionID)
		if fault.Is(err, fault.NotFound) {
			return fault.New(fault.ConversationEnded)
		}
		if err != nil {
			return err
		}
		if v, err = s.thaw(record); err != nil {
			return err
		}
		versions[c.VersionID] = v
	}
	r, err := s.thawConversation(c)
	if err != nil {
		return err
	}
	s.engine.Restore(r, v, writes)
	return nil
}

func (s *Service) thawConversation(c store.ConversationRecord) (live.Record, error) {
	r := live.Record{ID: c.ID, Channel: c.Channel, StartedAt: c.StartedAt, LastUsed: c.ActiveAt, Calls: c.ToolCalls, Outcomes: c.Outcomes}
	if len(c.Metadata) > 0 {
		if err := json.Unmarshal(c.Metadata, &r.Metadata); err != nil {
			return r, fault.Wrap(fault.StoreDamaged, err)
		}
	}
	plain, err := s.ring.Open(c.State, knownAD(c.OrgID, c.ID))
	if err != nil {
		return r, err
	}
	var state conversationState
	if err := json.Unmarshal(plain, &state); err != nil {
		return r, fault.Wrap(fault.StoreDamaged, err)
	}
	r.Known, r.FailedVerifications, r.Seq = state.Known, state.FailedVerifications, state.Seq
	return r, nil
}

// Conversations lists what was, and is, talked about; newest last.
func (s *Service) Conversations(ctx context.Context, p auth.Principal, cursor string, limit int) ([]api.Receipt, string, error) {
	page, err := s.store.Conversations(ctx, p.OrgID, store.Page{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	list := make([]api.Receipt, 0, len(page.Items))
	for _, c := range page.Items {
		r, err := viewReceipt(c)
		if err != nil {
			return nil, "", err
		}
		list = append(list, r)
	}
	return list, page.Next, nil
}

// Conversation is one receipt. An open conversation is read from memory, where
// it is newest.
func (s *Service) Conversation(ctx context.Context, p auth.Principal, conversation id.Conversation) (api.Receipt, error) {
	if c, err := s.engine.Find(p.OrgID, conversation); err == nil {
		return viewRecord(c.Record()), nil
	}
	c, err := s.store.Conversation(ctx, p.OrgID, conversation)
	if err != nil {
		return api.Receipt{}, err
	}
	return viewReceipt(c)
}

// Talking finds a conversation that may still be talked in. One that is kept
// but no longer in memory is over: conversation_ended.
func (s *Service) Talking(ctx context.Context, p auth.Principal, conversation id.Conversation) (*live.Conversation, error) {
	c, err := s.engine.Find(p.OrgID, conversation)
	if err == nil {
		return c, nil
	}
	if _, err := s.store.Conversation(ctx, p.OrgID, conversation); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.ConversationEnded)
}

// LateWrite is the answer of a write whose conversation is over and no longer in
// memory. What became of the call is in the journal; the fault not_found is for
// every other call.
func (s *Service) LateWrite(ctx context.Context, p auth.Principal, conversation id.Conversation, toolCallID string) (*live.Answer, error) {
	r, err := s.store.WriteOfCall(ctx, p.OrgID, conversation, toolCallID)
	if err != nil {
		return nil, err
	}
	w, err := s.journal.thaw(&r)
	if err != nil {
		return nil, err
	}
	if a := s.engine.Recorded(&w); a != nil {
		return a, nil
	}
	return nil, fault.New(fault.NotFound)
}

// EndConversation ends a conversation and gives its receipt; again and again
// for one that is over.
func (s *Service) EndConversation(ctx context.Context, p auth.Principal, conversation id.Conversation) (api.Receipt, error) {
	c, err := s.Talking(ctx, p, conversation)
	if fault.Is(err, fault.ConversationEnded) {
		return s.Conversation(ctx, p, conversation)
	}
	if err != nil {
		return api.Receipt{}, err
	}
	return viewRecord(s.engine.End(c)), nil
}

// viewRecord renders a conversation's present state as its receipt.
func viewRecord(r live.Record) api.Receipt {
	v := api.Receipt{
		ID: string(r.ID), AgentID: string(r.Agent), VersionID: string(r.VersionID), Version: r.Version, Channel: r.Channel,
		Status: "open", StartedAt: r.StartedAt, ToolCalls: r.Calls, Outcomes: r.Outcomes, Metadata: r.Metadata,
	}
	if !r.EndedAt.IsZero() {
		v.Status, v.EndedAt = "ended", &r.EndedAt
	}
	if v.Outcomes == nil {
		v.Outcomes = map[string]int{}
	}
	return v
}

func viewReceipt(c store.ConversationRecord) (api.Receipt, error) {
	r := live.Record{
		ID: c.ID, Agent: c.AgentID, VersionID: c.VersionID, Version: c.VersionNumber, Channel: c.Channel, StartedAt: c.StartedAt,
		Calls: c.ToolCalls, Outcomes: c.Outcomes,
	}
	if c.EndedAt != nil {
		r.EndedAt = *c.EndedAt
	}
	if len(c.Metadata) > 0 {
		if err := json.Unmarshal(c.Metadata, &r.Metadata); err != nil {
			return api.Receipt{}, fault.Wrap(fault.StoreDamaged, err)
		}
	}
	return viewRecord(r), nil
}

// Events lists the steps of a conversation in order.
func (s *Service) Events(ctx context.Context, p auth.Principal, conversation id.Conversation, cursor string, limit int) ([]api.Event, string, error) {
	page, err := s.store.Events(ctx, p.OrgID, conversation, store.Page{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	list := make([]api.Event, 0, len(page.Items))
	for _, e := range page.Items {
		list = append(list, api.Event{
			ID: string(e.ID), ConversationID: string(e.ConversationID), Seq: e.Seq, TsMs: e.At.UnixMilli(), Channel: e.Channel,
			EventType: e.Type, Payload: e.Payload,
		})
	}
	return list, page.Next, nil
}
