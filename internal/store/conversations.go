package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"hash"
	"sync"
	"time"

	"flowyte/internal/id"
)

// ConversationRecord is a conversation as it stood when it was written. The
// one that counts while it is open is in memory.
type ConversationRecord struct {
	ID            id.Conversation
	OrgID         id.Org
	AgentID       id.Agent
	VersionID     id.Version
	VersionNumber int
	Channel       string
	Draft         bool
	StartedAt     time.Time
	ActiveAt      time.Time  // of the last call
	EndedAt       *time.Time // nil while it is open
	ToolCalls     int
	Outcomes      map[string]int
	Metadata      json.RawMessage // nil for none
	// State is what going on with it after a restart takes, sealed by its
	// owner; nil when there is nothing to go on with.
	State []byte
}

// EventRecord is one step of a conversation.
type EventRecord struct {
	ID             id.Event
	OrgID          id.Org
	ConversationID id.Conversation
	Seq            int64 // from 1 within the conversation, without gaps
	At             time.Time
	Channel        string
	Type           string
	Payload        json.RawMessage
}

const conversationColumns = `id, org_id, agent_id, version_id, version_number, channel, draft, started_at, active_at, ended_at,
	tool_calls, outcomes, metadata, state`

func scanConversation(r row) (ConversationRecord, error) {
	var c ConversationRecord
	var started, active int64
	var ended sql.NullInt64
	var outcomes string
	var metadata sql.NullString
	err := r.Scan(&c.ID, &c.OrgID, &c.AgentID, &c.VersionID, &c.VersionNumber, &c.Channel, &c.Draft, &started, &active, &ended,
		&c.ToolCalls, &outcomes, &metadata, &c.State)
	if err != nil {
		return ConversationRecord{}, err
	}
	c.StartedAt, c.ActiveAt, c.EndedAt = fromMillis(started), fromMillis(active), fromNullMillis(ended)
	c.Metadata = fromNullText(metadata)
	return c, fromJSON(outcomes, &c.Outcomes)
}

// A conversation is written anew each time; one of another organisation is
// never touched, whatever its id.
const putConversation = `INSERT INTO conversations (` + conversationColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET active_at = excluded.active_at, ended_at = excluded.ended_at, tool_calls = excluded.tool_calls,
		outcomes = excluded.outcomes, metadata = excluded.metadata, state = excluded.state
	WHERE conversations.org_id = excluded.org_id`

// batches holds the memory of a batch for the next one: on a busy day each is as
// large as the one before. One beyond maxRoom is of a bad hour, and not kept.
var batches = sync.Pool{New: func() any { return new([]byte) }}

const maxRoom = 1 << 20

// AppendBatch writes, in one transaction, the conversations as they stand now
// and the events that happened since. Conversations come new or known, events
// in order of Seq within their conversation. A batch whose outcome is not
// known may be written again, alone or joined with later events. The events
// become one link of the chain of receipts.
func (s *Store) AppendBatch(ctx context.Context, conversations []ConversationRecord, events []EventRecord) error {
	room := batches.Get().(*[]byte)
	defer batches.Put(room)
	body, segments := packEvents(*room, events)
	if cap(body) <= maxRoom {
		*room = body
	}
	return s.write(ctx, func(tx *sql.Tx) error {
		if err := putConversations(ctx, tx, conversations); err != nil {
			return err
		}
		if len(segments) == 0 {
			return nil
		}
		at := millis(s.clock())
		batch, sum, err := s.extend(ctx, tx, receiptChain, func(h hash.Hash) { hashBatch(h, at, body, segments) })
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO event_batches (id, at, body, hash) VALUES (?, ?, ?, ?)`, batch, at, body, sum[:]); err != nil {
			return err
		}
		return putSegments(ctx, tx, batch, segments)
	})
}

func putConversations(ctx context.Context, tx *sql.Tx, conversations []ConversationRecord) error {
	if len(conversations) == 0 {
		return nil
	}
	put, err := tx.PrepareContext(ctx, putConversation)
	if err != nil {
		return err
	}
	defer put.Close()
	for i := range conversations {
		c := &conversations[i]
		outcomes, err := jsonText(c.Outcomes)
		if err != nil {
			return err
		}
		_, err = put.ExecContext(ctx, c.ID, c.OrgID, c.AgentID, c.VersionID, c.VersionNumber, c.Channel, bit(c.Draft), millis(c.StartedAt), millis(c.ActiveAt),
			nullMillis(c.EndedAt), c.ToolCalls, outcomes, nullText(c.Metadata), c.State)
		if err != nil {
			return err
		}
	}
	return nil
}

func putSegments(ctx context.Context, tx *sql.Tx, batch int64, segments []segment) error {
	put, err := tx.PrepareContext(ctx, `INSERT INTO event_segments (conversation_id, batch_id, org_id, first_seq, last_seq, start, length) VALUES (?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, g := range segments {
		if _, err := put.ExecContext(ctx, g.conversation, batch, g.org, g.first, g.last, g.start, g.length); err != nil {
			return err
		}
	}
	return nil
}

// LoadOpenConversations reads every conversation of every organisation that
// has not ended, for the live path at start.
func (s *Store) LoadOpenConversations(ctx context.Context) ([]ConversationRecord, error) {
	return all(ctx, s.reader, scanConversation, `SELECT `+conversationColumns+` FROM conversations WHERE ended_at IS NULL ORDER BY id`)
}

// Conversation reads one conversation.
func (s *Store) Conversation(ctx context.Context, org id.Org, conversation id.Conversation) (ConversationRecord, error) {
	c, err := scanConversation(s.reader.QueryRowContext(ctx, `SELECT `+conversationColumns+` FROM conversations WHERE org_id = ? AND id = ?`, org, conversation))
	return c, failure(err)
}

var conversationList = listing[ConversationRecord]{
	name:   "conversations",
	newest: true,
	query:  `SELECT ` + conversationColumns + ` FROM conversations WHERE org_id = ? AND id < ? ORDER BY id DESC LIMIT ?`,
	scan:   scanConversation,
	idOf:   func(c ConversationRecord) string { return string(c.ID) },
}

// Conversations lists an organisation's conversations, newest first.
func (s *Store) Conversations(ctx context.Context, org id.Org, p Page) (List[ConversationRecord], error) {
	return page(ctx, s, conversationList, org, p)
}

// PruneConversations forgets the events written before a time, and the
// conversations that ended before it. The chain of receipts goes on from the
// last batch that is forgotten.
func (s *Store) PruneConversations(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		// The first batch that is kept: the chain loses its beginning and
		// nothing else, also when the clock was once turned back.
		var keep int64
		err := tx.QueryRowContext(ctx, `SELECT COALESCE((SELECT id FROM event_batches WHERE at >= ? ORDER BY id LIMIT 1), 9223372036854775807)`, millis(before)).Scan(&keep)
		if err != nil {
			return err
		}
		err = s.cut(ctx, tx, receiptChain, func() *sql.Row {
			return tx.QueryRowContext(ctx, `SELECT id, hash FROM event_batches WHERE id < ? ORDER BY id DESC LIMIT 1`, keep)
		})
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM event_batches WHERE id < ?`, keep); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM conversations WHERE ended_at < ?`, millis(before))
		return err
	})
}
