package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"hash"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// The chains. Their names are part of what is hashed.
const (
	receiptChain = "receipts" // batches of events
	changeChain  = "changes"  // activity
	writeChain   = "writes"   // the journal of writes
)

// link is the hash of one entry of a chain: over the hash of the entry before
// it, its number and its content. An edit, a removal, an insertion or another
// order shows in the first link that it touches.
type link [sha256.Size]byte

// chain is where a chain begins and ends. Links have the numbers after anchor
// up to head, without gaps.
type chain struct {
	name       string
	legacy     int64 // entries up to here were written before there was a chain
	anchor     int64 // the last link that is no longer kept
	anchorHash link
	head       int64 // the last link
	headHash   link
	// sealed is a keyed hash over the rest, so that nobody without the master
	// key moves either end; nil before the first link.
	sealed []byte
}

// sealPurpose sets the seals of chains apart from other keyed hashes.
const sealPurpose secret.Purpose = "audit chain"

// seal is the keyed hash of where the chain begins and ends.
func (c *chain) seal(ring *secret.Keyring) secret.MAC {
	b := appendNumbers(appendTexts(nil, c.name), c.legacy, c.anchor, c.head)
	return ring.MAC(sealPurpose, append(append(b, c.anchorHash[:]...), c.headHash[:]...))
}

// next is the hash of the link that follows before, whose content write adds.
func (c *chain) next(before link, number int64, write func(h hash.Hash)) link {
	h := sha256.New()
	b := append(appendTexts(nil, "flowyte audit chain "+c.name), before[:]...)
	h.Write(appendNumbers(b, number)) // a hash never fails
	write(h)
	return link(h.Sum(nil))
}

// appendTexts adds texts so that no two lists of them look alike.
func appendTexts(b []byte, texts ...string) []byte {
	for _, text := range texts {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(text))), text...)
	}
	return b
}

func appendNumbers(b []byte, numbers ...int64) []byte {
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// hashBatch is the content of a receipt's link: all of a batch, and whose each
// part of it is.
func hashBatch(h hash.Hash, at int64, body []byte, segments []segment) {
	b := make([]byte, 0, 24+128*len(segments))
	h.Write(appendNumbers(b, at, int64(len(body))))
	h.Write(body)
	b = appendNumbers(b, int64(len(segments)))
	for _, g := range segments {
		b = appendTexts(b, string(g.conversation), string(g.org))
		b = appendNumbers(b, g.first, g.last, int64(g.start), int64(g.length))
	}
	h.Write(b)
}

// hashActivity is the content of a change's link.
func hashActivity(h hash.Hash, a Activity) {
	b := appendTexts(nil, string(a.ID), string(a.OrgID), string(a.KeyID), a.Action, a.Target)
	h.Write(appendNumbers(b, millis(a.At)))
}

// hashWrite is the content of a link of the journal: the row of a write as the
// record left it.
func hashWrite(h hash.Hash, write id.Write, at int64, content []byte) {
	h.Write(appendNumbers(appendTexts(nil, string(write), string(content)), at))
}

func readChain(ctx context.Context, q queryer, name string) (chain, error) {
	c := chain{name: name}
	var anchor, head []byte
	err := q.QueryRowContext(ctx, `SELECT legacy, anchor, anchor_hash, head, head_hash, seal FROM chains WHERE name = ?`, name).
		Scan(&c.legacy, &c.anchor, &anchor, &c.head, &head, &c.sealed)
	if errors.Is(err, sql.ErrNoRows) {
		err = fault.Wrap(fault.StoreDamaged, err) // every chain has its row from the beginning
	}
	copy(c.anchorHash[:], anchor)
	copy(c.headHash[:], head)
	return c, err
}

// putChain writes where the chain begins and ends, sealed.
func (s *Store) putChain(ctx context.Context, tx *sql.Tx, c chain) error {
	var sealed []byte
	if ring := s.ring.Load(); ring != nil {
		mac := c.seal(ring)
		sealed = mac[:]
	}
	_, err := tx.ExecContext(ctx, `UPDATE chains SET anchor = ?, anchor_hash = ?, head = ?, head_hash = ?, seal = ? WHERE name = ?`,
		c.anchor, c.anchorHash[:], c.head, c.headHash[:], sealed, c.name)
	return err
}

// extend adds a link to a chain in the transaction that writes its content.
func (s *Store) extend(ctx context.Context, tx *sql.Tx, name string, write func(h hash.Hash)) (number int64, sum link, err error) {
	c, err := readChain(ctx, tx, name)
	if err != nil {
		return 0, link{}, err
	}
	c.headHash = c.next(c.headHash, c.head+1, write)
	c.head++
	return c.head, c.headHash, s.putChain(ctx, tx, c)
}

// cut moves the anchor of a chain to the last link that is there before keep,
// the first that is to be kept. last asks for its number and hash; no row means
// that there is nothing to cut.
func (s *Store) cut(ctx context.Context, tx *sql.Tx, name string, last func() *sql.Row) error {
	c, err := readChain(ctx, tx, name)
	if err != nil {
		return err
	}
	var number int64
	var sum []byte
	if err := last().Scan(&number, &sum); err != nil || number <= c.anchor {
		return ignoreNoRows(err)
	}
	c.anchor = number
	copy(c.anchorHash[:], sum)
	return s.putChain(ctx, tx, c)
}
