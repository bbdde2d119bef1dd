package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// segment is the part of a batch's body that belongs to one conversation.
type segment struct {
	org           id.Org
	conversation  id.Conversation
	first, last   int64 // Seq
	start, length int   // bytes of the body
}

// eventForm is the first byte of a segment.
const eventForm = 1

// packEvents lays the events of a batch out conversation by conversation, in the
// memory of room where that is enough.
func packEvents(room []byte, events []EventRecord) (body []byte, segments []segment) {
	type home struct {
		org          id.Org
		conversation id.Conversation
	}
	var order []home
	of := map[home][]*EventRecord{}
	size := 0
	for i := range events {
		e := &events[i]
		size += packedFrame + len(e.ID) + len(e.Channel) + len(e.Type) + len(e.Payload)
		h := home{e.OrgID, e.ConversationID}
		if _, known := of[h]; !known {
			order = append(order, h)
		}
		of[h] = append(of[h], e)
	}
	// At once: growing a body of megabytes step by step is what the kernel would
	// spend most of the batch's time on.
	body = slices.Grow(room[:0], size+len(order))
	for _, h := range order {
		own := of[h]
		g := segment{org: h.org, conversation: h.conversation, first: own[0].Seq, last: own[len(own)-1].Seq, start: len(body)}
		body = append(body, eventForm)
		for _, e := range own {
			body = appendEvent(body, e)
		}
		g.length = len(body) - g.start
		segments = append(segments, g)
	}
	return body, segments
}

// packedFrame is the most that the numbers and lengths of a packed event take.
const packedFrame = 6 * binary.MaxVarintLen64

func appendEvent(b []byte, e *EventRecord) []byte {
	b = binary.AppendVarint(b, e.Seq)
	b = binary.AppendVarint(b, millis(e.At))
	for _, text := range []string{string(e.ID), e.Channel, e.Type} {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Payload)))
	return append(b, e.Payload...)
}

var errSegment = errors.New("store: a segment of events is not whole")

// unpackEvents reads one segment and hands out its events.
func unpackEvents(b []byte, visit func(EventRecord)) error {
	if len(b) == 0 || b[0] != eventForm {
		return errSegment
	}
	r := bytes.NewReader(b[1:])
	for r.Len() > 0 {
		var e EventRecord
		seq, errSeq := binary.ReadVarint(r)
		at, errAt := binary.ReadVarint(r)
		if err := errors.Join(errSeq, errAt); err != nil {
			return err
		}
		var parts [4][]byte
		for i := range parts {
			n, err := binary.ReadUvarint(r)
			if err != nil || n > uint64(r.Len()) {
				return errors.Join(errSegment, err)
			}
			parts[i] = make([]byte, n)
			if _, err := r.Read(parts[i]); err != nil && n > 0 {
				return err
			}
		}
		e.Seq, e.At = seq, fromMillis(at)
		e.ID, e.Channel, e.Type, e.Payload = id.Event(parts[0]), string(parts[1]), string(parts[2]), parts[3]
		visit(e)
	}
	return nil
}

// Events reads a page of a conversation's events in order of Seq. The
// conversation that is not there is not_found.
func (s *Store) Events(ctx context.Context, org id.Org, conversation id.Conversation, p Page) (List[EventRecord], error) {
	out := List[EventRecord]{Limit: p.limit()}
	scope := fmt.Sprintf("events\x00%s\x00%s", org, conversation)
	after, err := p.afterSeq(scope)
	if err != nil {
		return List[EventRecord]{}, err
	}
	if _, err := s.Conversation(ctx, org, conversation); err != nil {
		return List[EventRecord]{}, err
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT SUBSTR(body, start + 1, length) FROM event_segments JOIN event_batches ON event_batches.id = batch_id
		WHERE org_id = ? AND conversation_id = ? AND last_seq > ? ORDER BY first_seq, batch_id`, org, conversation, after)
	if err != nil {
		return List[EventRecord]{}, failure(err)
	}
	defer rows.Close()
	// A batch that was written twice repeats events: each Seq counts once.
	for len(out.Items) <= out.Limit && rows.Next() {
		var segment sql.RawBytes
		if err := rows.Scan(&segment); err != nil {
			return List[EventRecord]{}, failure(err)
		}
		err := unpackEvents(segment, func(e EventRecord) {
			if e.Seq > after {
				after = e.Seq
				e.OrgID, e.ConversationID = org, conversation
				out.Items = append(out.Items, e)
			}
		})
		if err != nil {
			return List[EventRecord]{}, fault.Wrap(fault.StoreDamaged, err)
		}
	}
	if err := rows.Err(); err != nil {
		return List[EventRecord]{}, failure(err)
	}
	if len(out.Items) > out.Limit {
		out.Items = out.Items[:out.Limit]
		out.Next = makeCursor(strconv.FormatInt(out.Items[out.Limit-1].Seq, 10), scope)
	}
	return out, nil
}

// afterSeq is the Seq after which a page of events begins.
func (p Page) afterSeq(scope string) (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	last, ok := openCursor(p.Cursor, scope)
	if !ok {
		return 0, badCursor()
	}
	after, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return 0, badCursor()
	}
	return after, nil
}
