package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// WriteState is how far a write is known to have come.
type WriteState string

// The states. A write begins as intended, and ends as committed or rolled back;
// unknown is that nobody could say, which may change.
const (
	WriteIntended   WriteState = "intended" // nothing was committed unless it is executed, too
	WriteExecuted   WriteState = "executed" // COMMIT may have been sent
	WriteCommitted  WriteState = "committed"
	WriteRolledBack WriteState = "rolled_back"
	WriteUnknown    WriteState = "unknown"
)

// settled tells whether nothing about the write is open any more.
func (s WriteState) settled() bool { return s == WriteCommitted || s == WriteRolledBack }

// WriteRecord is one write on a customer's database as the journal knows it.
type WriteRecord struct {
	ID             id.Write
	OrgID          id.Org
	ConversationID id.Conversation
	AgentID        id.Agent
	VersionID      id.Version // "" for a draft's
	SkillID        id.Skill
	Kind           schema.Kind
	Object         string // "schema.table"
	Tool           string
	ToolCallID     string
	// Plan is the statement that runs, as JSON, and PlanDigest its SHA-256 in
	// hex. It is kept here because versions go with their agent, and drafts
	// change.
	Plan       json.RawMessage
	PlanDigest string
	State      WriteState
	Outcome    string // "" before the end
	Reason     string
	IntendedAt time.Time
	ExecutedAt *time.Time // nil before it was
	EndedAt    *time.Time // nil before it did
	// Arguments, Execution and Result are sealed by their owner; nil for what
	// is not there yet, and when they were forgotten.
	Arguments []byte
	Execution []byte
	Result    []byte
}

// writeRow is a write with what ties it to the chain of the journal.
type writeRow struct {
	WriteRecord
	sealedDigest []byte
	link         int64 // of the last record
}

const writeColumns = `writes.id, writes.org_id, conversation_id, agent_id, version_id, skill_id, kind, object, tool, tool_call_id, plan_digest, state, outcome, reason,
	intended_at, executed_at, ended_at, arguments, execution, result, sealed_digest, link`

func scanWrite(r row) (writeRow, error) { return scanWriteAnd(r) }

// scanWriteAnd reads a write, and whatever columns come after its own.
func scanWriteAnd(r row, more ...any) (writeRow, error) {
	var w writeRow
	var intended int64
	var executed, ended sql.NullInt64
	dest := []any{
		&w.ID, &w.OrgID, &w.ConversationID, &w.AgentID, &w.VersionID, &w.SkillID, &w.Kind, &w.Object, &w.Tool, &w.ToolCallID, &w.PlanDigest, &w.State, &w.Outcome,
		&w.Reason, &intended, &executed, &ended, &w.Arguments, &w.Execution, &w.Result, &w.sealedDigest, &w.link,
	}
	err := r.Scan(append(dest, more...)...)
	w.IntendedAt, w.ExecutedAt, w.EndedAt = fromMillis(intended), fromNullMillis(executed), fromNullMillis(ended)
	return w, err
}

// scanWholeWrite reads a write with its plan. A plan without the digest it was
// kept with is left out: the write's end can then not be asked for.
func scanWholeWrite(r row) (WriteRecord, error) {
	var plan string
	w, err := scanWriteAnd(r, &plan)
	if digestOf([]byte(plan)) == w.PlanDigest {
		w.Plan = json.RawMessage(plan)
	}
	return w.WriteRecord, err
}

const wholeWrites = `SELECT ` + writeColumns + `, plan FROM writes JOIN write_plans ON write_plans.org_id = writes.org_id AND digest = plan_digest `

// digestSealed is the SHA-256 of what is sealed.
func (w *writeRow) digestSealed() []byte {
	var b []byte
	for _, part := range [][]byte{w.Arguments, w.Execution, w.Result} {
		b = appendTexts(b, string(part))
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// content is the SHA-256 of the row, without its plan, which has its own.
func (w *writeRow) content() []byte {
	b := appendTexts(nil, string(w.ID), string(w.OrgID), string(w.ConversationID), string(w.AgentID), string(w.VersionID), string(w.SkillID), string(w.Kind), w.Object,
		w.Tool, w.ToolCallID, w.PlanDigest, string(w.State), w.Outcome, w.Reason, string(w.sealedDigest))
	b = appendNumbers(b, millis(w.IntendedAt))
	for _, at := range []*time.Time{w.ExecutedAt, w.EndedAt} {
		ms := nullMillis(at)
		b = appendNumbers(b, int64(bit(ms.Valid)), ms.Int64)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// IntendWrite keeps a write that is about to be sent. Of w it takes all but
// State, Outcome, Reason, the later times and what is sealed later. The fault
// is tool_call_id_reused when the conversation has a write under that
// ToolCallID which is not known to have been rolled back. When it returns an
// error nothing was kept.
func (s *Store) IntendWrite(ctx context.Context, w WriteRecord) error {
	w.State, w.Outcome, w.Reason, w.ExecutedAt, w.EndedAt, w.Execution, w.Result = WriteIntended, "", "", nil, nil, nil, nil
	return s.write(ctx, func(tx *sql.Tx) error {
		kept := writeRow{WriteRecord: w}
		_, err := tx.ExecContext(ctx, `INSERT INTO write_plans (org_id, digest, plan) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, w.OrgID, w.PlanDigest, string(w.Plan))
		if err != nil {
			return err
		}
		kept.sealedDigest = kept.digestSealed()
		if kept.link, err = s.linkWrite(ctx, tx, &kept); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO writes (id, org_id, conversation_id, agent_id, version_id, skill_id, kind, object, tool, tool_call_id, plan_digest,
			state, outcome, reason, intended_at, arguments, sealed_digest, link) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			w.ID, w.OrgID, w.ConversationID, w.AgentID, w.VersionID, w.SkillID, w.Kind, w.Object, w.Tool, w.ToolCallID, w.PlanDigest,
			w.State, w.Outcome, w.Reason, millis(w.IntendedAt), w.Arguments, kept.sealedDigest, kept.link)
		if taken(err) {
			return fault.Wrap(fault.ToolCallIDReused, err)
		}
		return err
	})
}

// ExecuteWrite keeps, before COMMIT is sent, by what its end can be asked for,
// sealed. A second call replaces the first. The fault is write_not_open for a
// write that has ended.
func (s *Store) ExecuteWrite(ctx context.Context, org id.Org, write id.Write, execution []byte) error {
	at := s.clock()
	return s.changeWrite(ctx, org, write, func(_ *sql.Tx, w *WriteRecord) error {
		if w.State != WriteIntended && w.State != WriteExecuted {
			return fault.New(fault.WriteNotOpen)
		}
		w.State, w.Execution, w.ExecutedAt = WriteExecuted, execution, &at
		return nil
	})
}

// WriteEnd is how a write ended.
type WriteEnd struct {
	State   WriteState // committed, rolled back or unknown
	Outcome string
	Reason  string
	Result  []byte // sealed; nil when there is none
	At      time.Time
}

// FinishWrite keeps the end of a write. One that was unknown may end again. A
// settled write stays as it is: the same end again is no error, another is
// the fault write_not_open.
func (s *Store) FinishWrite(ctx context.Context, org id.Org, write id.Write, end WriteEnd) error {
	return s.changeWrite(ctx, org, write, func(_ *sql.Tx, w *WriteRecord) error {
		if w.State.settled() && w.State == end.State {
			return errUnchanged
		}
		if w.State.settled() {
			return fault.New(fault.WriteNotOpen)
		}
		w.State, w.Outcome, w.Reason, w.Result, w.EndedAt = end.State, end.Outcome, end.Reason, end.Result, &end.At
		return nil
	})
}

// settledByHand is the reason of a write whose end an operator found out.
const settledByHand = "settled_by_operator"

// SettleWrite ends a write of unknown end by what an operator found out, with
// the outcome that goes with it, and leaves a line of Activity. The fault is
// write_not_unknown for any other.
func (s *Store) SettleWrite(ctx context.Context, by Actor, write id.Write, state WriteState, outcome string) error {
	now := s.clock()
	return s.changeWrite(ctx, by.Org, write, func(tx *sql.Tx, w *WriteRecord) error {
		if w.State != WriteUnknown {
			return fault.New(fault.WriteNotUnknown)
		}
		w.State, w.Outcome, w.Reason, w.EndedAt = state, outcome, settledByHand, &now
		return s.record(ctx, tx, by, "write.settle_"+string(state), string(write))
	})
}

// errUnchanged is what a change of a write says that has nothing to change.
var errUnchanged = errors.New("store: the write is as it should be")

// changeWrite lets change work on a write and keeps the outcome as the next
// record of the journal.
func (s *Store) changeWrite(ctx context.Context, org id.Org, write id.Write, change func(tx *sql.Tx, w *WriteRecord) error) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		w, err := scanWrite(tx.QueryRowContext(ctx, `SELECT `+writeColumns+` FROM writes WHERE org_id = ? AND id = ?`, org, write))
		if err != nil {
			return err
		}
		switch err := change(tx, &w.WriteRecord); {
		case errors.Is(err, errUnchanged):
			return nil
		case err != nil:
			return err
		}
		w.sealedDigest = w.digestSealed()
		if w.link, err = s.linkWrite(ctx, tx, &w); err != nil {
			return err
		}
		return one(tx.ExecContext(ctx, `UPDATE writes SET state = ?, outcome = ?, reason = ?, executed_at = ?, ended_at = ?, execution = ?, result = ?, sealed_digest = ?, link = ?
			WHERE org_id = ? AND id = ?`,
			w.State, w.Outcome, w.Reason, nullMillis(w.ExecutedAt), nullMillis(w.EndedAt), w.Execution, w.Result, w.sealedDigest, w.link, org, write))
	})
}
