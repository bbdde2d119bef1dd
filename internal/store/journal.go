package store

import (
	"bytes"
	"context"
	"database/sql"
	"hash"
	"time"

	"flowyte/internal/id"
)

// WriteContentKept is how long what is sealed of a settled write stays after
// its conversation is over.
const WriteContentKept = 24 * time.Hour

// linkWrite adds a record of the write as it stands to the chain of the
// journal, in the transaction that writes it.
func (s *Store) linkWrite(ctx context.Context, tx *sql.Tx, w *writeRow) (number int64, err error) {
	at, content := millis(s.clock()), w.content()
	number, sum, err := s.extend(ctx, tx, writeChain, func(h hash.Hash) { hashWrite(h, w.ID, at, content) })
	if err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO write_links (link, write_id, at, content, hash) VALUES (?, ?, ?, ?, ?)`, number, w.ID, at, content, sum[:])
	return number, err
}

// Writes lists, over all organisations, the writes whose end is open or
// unknown, oldest first, or all of them: for operators.
func (s *Store) Writes(ctx context.Context, settled bool) ([]WriteRecord, error) {
	query := wholeWrites + `WHERE state IN ('intended', 'executed', 'unknown') ORDER BY writes.id`
	if settled {
		query = wholeWrites + `ORDER BY writes.id`
	}
	return all(ctx, s.reader, scanWholeWrite, query)
}

// LoadWrites reads, over all organisations, every write that the live path may
// be asked for or has to see to, at start: those whose end is open, and those
// of open conversations; oldest first.
func (s *Store) LoadWrites(ctx context.Context) ([]WriteRecord, error) {
	return all(ctx, s.reader, scanWholeWrite, wholeWrites+`WHERE writes.id IN (
			SELECT id FROM writes WHERE state IN ('intended', 'executed')
			UNION SELECT w.id FROM conversations JOIN writes AS w ON w.org_id = conversations.org_id AND w.conversation_id = conversations.id
				WHERE conversations.ended_at IS NULL)
		ORDER BY writes.id`)
}

// WriteOfCall is the latest write of a conversation under a toolCallId. The fault
// is not_found.
func (s *Store) WriteOfCall(ctx context.Context, org id.Org, conversation id.Conversation, toolCallID string) (WriteRecord, error) {
	w, err := scanWholeWrite(s.reader.QueryRowContext(ctx, wholeWrites+`WHERE writes.org_id = ? AND conversation_id = ? AND tool_call_id = ? ORDER BY writes.id DESC LIMIT 1`,
		org, conversation, toolCallID))
	return w, failure(err)
}

// WriteOwner is the organisation that a write belongs to.
func (s *Store) WriteOwner(ctx context.Context, write id.Write) (id.Org, error) {
	var org id.Org
	err := s.reader.QueryRowContext(ctx, `SELECT org_id FROM writes WHERE id = ?`, write).Scan(&org)
	return org, failure(err)
}

// ForgetWrites removes what is sealed of settled writes when their conversation
// has been over for a day.
func (s *Store) ForgetWrites(ctx context.Context) error {
	before := millis(s.now().Add(-WriteContentKept))
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE writes SET arguments = NULL, execution = NULL, result = NULL
			WHERE arguments IS NOT NULL AND ended_at <= ? AND state IN ('committed', 'rolled_back') AND NOT EXISTS (SELECT 1 FROM conversations
				WHERE conversations.id = writes.conversation_id AND COALESCE(conversations.ended_at > ?, TRUE))`, before, before)
		return err
	})
}

// keptWrites are the writes that retention leaves alone: without a settled end,
// or with a conversation in which they may be asked for again.
const keptWrites = `(state IN ('intended', 'executed', 'unknown')
	OR EXISTS (SELECT 1 FROM conversations WHERE conversations.id = writes.conversation_id AND conversations.ended_at IS NULL))`

// PruneWrites forgets the settled writes whose last record is from before a
// time. The chain of the journal loses its beginning and nothing else: what is
// to stay is recorded once more at its end.
func (s *Store) PruneWrites(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		var keep int64 // the first link that stays
		err := tx.QueryRowContext(ctx, `SELECT COALESCE((SELECT link FROM write_links WHERE at >= ? ORDER BY link LIMIT 1),
			(SELECT head + 1 FROM chains WHERE name = ?))`, millis(before), writeChain).Scan(&keep)
		if err != nil {
			return err
		}
		stay, err := all(ctx, tx, scanWrite, `SELECT `+writeColumns+` FROM writes WHERE link < ? AND `+keptWrites+` ORDER BY link`, keep)
		if err != nil {
			return err
		}
		for i := range stay {
			link, err := s.linkWrite(ctx, tx, &stay[i])
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE writes SET link = ? WHERE org_id = ? AND id = ?`, link, stay[i].OrgID, stay[i].ID); err != nil {
				return err
			}
		}
		err = s.cut(ctx, tx, writeChain, func() *sql.Row {
			return tx.QueryRowContext(ctx, `SELECT link, hash FROM write_links WHERE link < ? ORDER BY link DESC LIMIT 1`, keep)
		})
		if err != nil {
			return err
		}
		for _, query := range []string{
			`DELETE FROM write_links WHERE link < ?`, `DELETE FROM writes WHERE link < ?`,
			`DELETE FROM write_plans WHERE ? > 0 AND NOT EXISTS (SELECT 1 FROM writes WHERE writes.org_id = write_plans.org_id AND plan_digest = digest)`,
		} {
			if _, err := tx.ExecContext(ctx, query, keep); err != nil {
				return err
			}
		}
		return nil
	})
}

// nextWriteLink reads the first record of the journal after a number.
func nextWriteLink(ctx context.Context, tx *sql.Tx, after int64) (entry, error) {
	var e entry
	var write id.Write
	var at int64
	var content []byte
	err := tx.QueryRowContext(ctx, `SELECT link, write_id, at, content, hash FROM write_links WHERE link > ? ORDER BY link LIMIT 1`, after).
		Scan(&e.number, &write, &at, &content, &e.sum)
	e.write = func(h hash.Hash) { hashWrite(h, write, at, content) }
	return e, err
}

// compareWrites holds every write against its last record, and every last
// record against its write.
func (s *Store) compareWrites(ctx context.Context, tx *sql.Tx, r *ChainReport) error {
	rows, err := tx.QueryContext(ctx, `SELECT `+writeColumns+`, plan, write_links.write_id, content FROM writes
		LEFT JOIN write_plans ON write_plans.org_id = writes.org_id AND digest = plan_digest LEFT JOIN write_links USING (link) ORDER BY link`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var plan, of sql.NullString
		var content []byte
		w, err := scanWriteAnd(rows, &plan, &of, &content)
		if err != nil {
			return err
		}
		switch {
		case !of.Valid:
			r.broken(w.link, w.link, brokenNoLink)
		case of.String != string(w.ID) || !bytes.Equal(content, w.content()) || !s.sealedHolds(&w) || digestOf([]byte(plan.String)) != w.PlanDigest:
			r.broken(w.link, w.link, brokenRow)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	gone, err := all(ctx, tx, func(r row) (int64, error) {
		var link int64
		err := r.Scan(&link)
		return link, err
	}, `SELECT MAX(link) FROM write_links GROUP BY write_id EXCEPT SELECT link FROM writes ORDER BY 1`)
	for _, link := range gone {
		r.broken(link, link, brokenRow)
	}
	return err
}

// sealedHolds tells whether what is sealed is what was, or was forgotten when
// it could be.
func (s *Store) sealedHolds(w *writeRow) bool {
	forgotten := w.Arguments == nil && w.Execution == nil && w.Result == nil
	mayBe := w.State.settled() && w.EndedAt != nil && !w.EndedAt.After(s.now().Add(-WriteContentKept))
	return bytes.Equal(w.sealedDigest, w.digestSealed()) || forgotten && mayBe
}
