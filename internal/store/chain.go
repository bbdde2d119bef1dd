package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"hash"

	"flowyte/internal/fault"
	"flowyte/internal/secret"
)

// The chains. Their names are part of what is hashed.
const (
	receiptChain = "receipts" // batches of events
	changeChain  = "changes"  // activity
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
	b := appendText(nil, c.name)
	for _, n := range []int64{c.legacy, c.anchor, c.head} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return ring.MAC(sealPurpose, append(append(b, c.anchorHash[:]...), c.headHash[:]...))
}

// next is the hash of the link that follows before, whose content write adds.
func (c *chain) next(before link, number int64, write func(h hash.Hash)) link {
	h := sha256.New()
	b := appendText(nil, "flowyte audit chain "+c.name)
	b = append(b, before[:]...)
	h.Write(binary.BigEndian.AppendUint64(b, uint64(number))) // a hash never fails
	write(h)
	return link(h.Sum(nil))
}

// hashText adds a text to a hash so that no two lists of texts look alike.
func hashText(h hash.Hash, texts ...string) {
	for _, text := range texts {
		h.Write(appendText(nil, text))
	}
}

func hashNumbers(h hash.Hash, numbers ...int64) {
	var b [8]byte
	for _, n := range numbers {
		binary.BigEndian.PutUint64(b[:], uint64(n))
		h.Write(b[:])
	}
}

func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(text))), text...)
}

// hashBatch is the content of a receipt's link: all of a batch, and whose each
// part of it is.
func hashBatch(h hash.Hash, at int64, body []byte, segments []segment) {
	hashNumbers(h, at, int64(len(body)))
	h.Write(body)
	hashNumbers(h, int64(len(segments)))
	for _, g := range segments {
		hashText(h, string(g.conversation), string(g.org))
		hashNumbers(h, g.first, g.last, int64(g.start), int64(g.length))
	}
}

// hashActivity is the content of a change's link.
func hashActivity(h hash.Hash, a Activity) {
	hashText(h, string(a.ID), string(a.OrgID), string(a.KeyID), a.Action, a.Target)
	hashNumbers(h, millis(a.At))
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
