package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// threadText asks whether a connection is there. A user sees its own.
const threadText = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ?"

const (
	// endLimit is how long Resolve waits for a connection that it ended.
	endLimit = 500 * time.Millisecond
	endStep  = 20 * time.Millisecond
)

// Resolve implements target.Session. The row says what became of the write when
// nobody can change it any more for the write's own connection.
func (s *Session) Resolve(ctx context.Context, p *plan.Plan, e target.Evidence) (fate target.Fate, err error) {
	defer s.protect(&err)
	if p.Check == nil || e.After == nil || len(e.Key) != len(p.Check.Slots) {
		return target.FateUnknown, nil
	}
	gone, err := s.ended(ctx, e.Thread)
	if err != nil {
		return "", err
	}
	if !gone {
		return target.FateOpen, nil
	}
	end, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer end()
	now, err := s.fingerprint(ctx, p, e.Key, fault.NoRow)
	switch {
	case fault.Is(err, fault.RowLocked):
		return target.FateOpen, nil // somebody, perhaps the write itself, has the row
	case fault.Is(err, fault.MoreThanOneRow):
		return target.FateUnknown, nil
	case err != nil && !fault.Is(err, fault.NoRow):
		return "", err
	case slices.Equal(now, e.After):
		return target.FateCommitted, nil
	case slices.Equal(now, e.Before):
		return target.FateRolledBack, nil
	}
	return target.FateUnknown, nil
}

// ended makes sure that a connection of this user is gone. After a restart of
// the server its number may belong to another one; that one is ended, too, and
// its pool replaces it.
func (s *Session) ended(ctx context.Context, thread uint64) (bool, error) {
	if thread == uint64(s.dialer.greeting.thread) {
		return true, nil // the number has been given again
	}
	limit := time.NewTimer(endLimit)
	defer limit.Stop()
	step := time.NewTicker(endStep)
	defer step.Stop()
	for asked := false; ; {
		cells, err := s.one(ctx, threadText, int64(thread))
		if err != nil {
			return false, err
		}
		if len(cells) == 1 && cells[0] == int64(0) {
			return true, nil
		}
		if !asked {
			asked = true
			err := s.exec(ctx, killText(thread))
			if refusal(err) == numberNotOwner {
				return true, nil // the number has been given to another user
			}
			if err != nil && refusal(err) != numberUnknownThread {
				return false, err
			}
		}
		select {
		case <-limit.C:
			return false, nil
		case <-ctx.Done():
			return false, fault.Wrap(fault.DatabaseTimeout, ctx.Err())
		case <-step.C:
		}
	}
}

func killText(thread uint64) string {
	return "KILL CONNECTION " + strconv.FormatUint(thread, 10)
}

// fingerprint runs the check of a write and gives what identifies the row's
// written columns. Without a row the error is the fault none, with more than
// one more_than_one_row.
func (s *Session) fingerprint(ctx context.Context, p *plan.Plan, key []target.Value, none fault.Code) ([]byte, error) {
	values, err := s.memory.encode(checkSlots(p), key)
	if err != nil {
		return nil, err
	}
	st, err := s.prepare(ctx, p.Check.Statement, len(p.Check.Slots))
	if err != nil {
		return nil, writeFault(err)
	}
	found, err := s.query(ctx, st.prepared, values)
	if err != nil {
		return nil, writeFault(err)
	}
	rows, sum, err := s.digest(ctx, found)
	switch {
	case err != nil:
		return nil, writeFault(err)
	case rows == 0:
		return nil, fault.New(none)
	case rows > 1:
		return nil, fault.New(fault.MoreThanOneRow)
	}
	return sum, nil
}

// digest reads a result to its end, and gives the number of its rows and a sum
// of the first.
func (s *Session) digest(ctx context.Context, found driver.Rows) (rows int, sum []byte, err error) {
	raw := make([]driver.Value, len(found.Columns()))
	for ; ; rows++ {
		err := found.Next(raw)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, nil, s.cut(ctx, found, err)
		}
		if rows == 0 {
			h := sha256.New()
			for _, cell := range raw {
				add(h, cell)
			}
			sum = h.Sum(nil)
		}
	}
	if err := found.Close(); err != nil {
		return 0, nil, s.failed(ctx, err)
	}
	return rows, sum, nil
}

// checkSlots are the slots of a plan's check.
func checkSlots(p *plan.Plan) []plan.Slot {
	slots := make([]plan.Slot, len(p.Check.Slots))
	for i, slot := range p.Check.Slots {
		slots[i].Type.Type = schema.Integer // the id of an inserted row
		if slot > 0 {
			slots[i] = p.Slots[slot-1]
		}
	}
	return slots
}

// add puts one cell into a sum, so that no two rows give the same bytes.
func add(sum hash.Hash, cell driver.Value) {
	if b, isBytes := cell.([]byte); isBytes {
		fmt.Fprintf(sum, "%d:%s;", len(b), b)
		return
	}
	fmt.Fprintf(sum, "%T=%v;", cell, cell)
}
