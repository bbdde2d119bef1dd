package store

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"errors"
	"fmt"
	"hash"
)

// ChainReport is what a walk along a chain found.
type ChainReport struct {
	Name        string
	First, Last int64  // the links that are kept; none when Last < First
	Head        string // hash of the last link, in hex: whoever notes it can tell later that nothing before it changed
	Uncovered   int64  // entries from before there was a chain, of which nothing can be told
	Breaks      []Break
}

// Break is a place at which a chain does not hold.
type Break struct {
	From, To int64 // numbers of links
	Problem  string
}

// maxBreaks bounds a report.
const maxBreaks = 100

func (r *ChainReport) broken(from, to int64, problem string) {
	if len(r.Breaks) < maxBreaks {
		r.Breaks = append(r.Breaks, Break{from, to, problem})
	}
}

// What can be wrong with a link.
const (
	brokenContent = "what is kept here is not what was written, or does not follow from what is before it"
	brokenGap     = "removed"
	brokenEnd     = "removed from the end"
	brokenBeyond  = "behind the end of the chain, where nothing was written"
	brokenBefore  = "was removed as too old, and is there again"
	brokenHead    = "the end of the chain is not the one that was written last"
	brokenRow     = "the write that this is the last record of is not kept as it was written"
	brokenNoLink  = "a write stands in the journal without a record of it"
	brokenSeal    = "where the chain begins and ends was changed by somebody without the master key"
)

// VerifyAudit walks along the chains of receipts, of changes and of writes, and
// compares the writes with their records. The store must be unlocked, since the ends of a chain are sealed. It reads one moment of the
// store, beside everything else that goes on.
func (s *Store) VerifyAudit(ctx context.Context) ([]ChainReport, error) {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, failure(err)
	}
	defer tx.Rollback() // nothing was written
	var reports []ChainReport
	for _, walk := range []struct {
		name      string
		uncovered string
		next      func(ctx context.Context, tx *sql.Tx, after int64) (entry, error)
	}{
		{receiptChain, `SELECT COUNT(*) FROM event_batches WHERE id <= ?`, nextBatch},
		{changeChain, `SELECT COUNT(*) FROM activity WHERE link IS NULL AND ? >= 0`, nextActivity},
		{writeChain, `SELECT 0 WHERE ? >= 0`, nextWriteLink},
	} {
		r, err := s.walk(ctx, tx, walk.name, walk.next)
		if err == nil && walk.name == writeChain {
			err = s.compareWrites(ctx, tx, &r.ChainReport)
		}
		if err == nil {
			err = tx.QueryRowContext(ctx, walk.uncovered, r.legacy).Scan(&r.Uncovered)
		}
		if err != nil {
			return nil, failure(err)
		}
		reports = append(reports, r.ChainReport)
	}
	return reports, nil
}

// entry is a link as it is kept.
type entry struct {
	number int64
	sum    []byte
	write  func(h hash.Hash)
}

type walked struct {
	ChainReport
	legacy int64
}

// walk compares every link with what its content and the link before it make.
// Behind a break it goes on with what is kept, so that each place is named.
func (s *Store) walk(ctx context.Context, tx *sql.Tx, name string, next func(context.Context, *sql.Tx, int64) (entry, error)) (walked, error) {
	c, err := readChain(ctx, tx, name)
	if err != nil {
		return walked{}, err
	}
	w := walked{ChainReport{Name: name, First: c.anchor + 1, Last: c.head, Head: fmt.Sprintf("%x", c.headHash)}, c.legacy}
	if !s.sealHolds(&c) {
		w.broken(c.anchor+1, c.head, brokenSeal)
	}
	at, before := c.anchor, c.anchorHash
	for from := c.legacy; ; {
		e, err := next(ctx, tx, from)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return walked{}, err
		}
		switch from = e.number; {
		case e.number <= c.anchor:
			w.broken(e.number, e.number, brokenBefore)
			continue
		case e.number > c.head:
			w.broken(e.number, e.number, brokenBeyond)
			continue
		case e.number > at+1:
			w.broken(at+1, e.number-1, brokenGap)
		default:
			if sum := c.next(before, e.number, e.write); string(sum[:]) != string(e.sum) {
				w.broken(e.number, e.number, brokenContent)
			}
		}
		at, before = e.number, link{}
		copy(before[:], e.sum)
	}
	switch {
	case at < c.head:
		w.broken(at+1, c.head, brokenEnd)
	case before != c.headHash:
		w.broken(c.head, c.head, brokenHead)
	}
	return w, nil
}

// sealHolds tells whether the ends of a chain are where this store put them. A
// chain without any link yet is not sealed.
func (s *Store) sealHolds(c *chain) bool {
	if c.sealed == nil {
		return c.head == c.legacy && c.anchor == c.legacy
	}
	ring := s.ring.Load()
	if ring == nil {
		return false
	}
	mac := c.seal(ring)
	return hmac.Equal(mac[:], c.sealed)
}

// nextBatch reads the first batch after a number.
func nextBatch(ctx context.Context, tx *sql.Tx, after int64) (entry, error) {
	var e entry
	var at int64
	var body []byte
	err := tx.QueryRowContext(ctx, `SELECT id, at, body, hash FROM event_batches WHERE id > ? ORDER BY id LIMIT 1`, after).Scan(&e.number, &at, &body, &e.sum)
	if err != nil {
		return entry{}, err
	}
	segments, err := all(ctx, tx, func(r row) (segment, error) {
		var g segment
		err := r.Scan(&g.conversation, &g.org, &g.first, &g.last, &g.start, &g.length)
		return g, err
	}, `SELECT conversation_id, org_id, first_seq, last_seq, start, length FROM event_segments WHERE batch_id = ? ORDER BY start`, e.number)
	e.write = func(h hash.Hash) { hashBatch(h, at, body, segments) }
	return e, err
}

// nextActivity reads the first change after a number.
func nextActivity(ctx context.Context, tx *sql.Tx, after int64) (entry, error) {
	var e entry
	var a Activity
	var at int64
	err := tx.QueryRowContext(ctx, `SELECT link, id, org_id, key_id, action, target, at, hash FROM activity WHERE link > ? ORDER BY link LIMIT 1`, after).
		Scan(&e.number, &a.ID, &a.OrgID, &a.KeyID, &a.Action, &a.Target, &at, &e.sum)
	a.At = fromMillis(at)
	e.write = func(h hash.Hash) { hashActivity(h, a) }
	return e, err
}
