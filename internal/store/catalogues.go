package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// Catalogue is what a discovery found, with the digest that its finder gave it.
type Catalogue struct {
	Digest   string
	Database *schema.Database
}

// PutCatalogue keeps what was discovered over a connection, instead of what
// was discovered before. The connection that is not there is not_found.
func (s *Store) PutCatalogue(ctx context.Context, by Actor, connection id.Connection, c Catalogue) error {
	return s.putCatalogue(ctx, by, connection, c, "integration.discover")
}

// LearnCatalogue keeps what was learnt about a catalogue since it was
// discovered. The connection that is not there is not_found.
func (s *Store) LearnCatalogue(ctx context.Context, by Actor, connection id.Connection, c Catalogue) error {
	return s.putCatalogue(ctx, by, connection, c, "integration.learn")
}

func (s *Store) putCatalogue(ctx context.Context, by Actor, connection id.Connection, c Catalogue, action string) error {
	body, err := pack(c.Database)
	if err != nil {
		return failure(err)
	}
	at := millis(c.Database.DiscoveredAt)
	return s.write(ctx, func(tx *sql.Tx) error {
		err := one(tx.ExecContext(ctx, `UPDATE connections SET last_discovered_at = ? WHERE org_id = ? AND id = ?`, at, by.Org, connection))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO catalogues (connection_id, org_id, digest, discovered_at, body) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (connection_id) DO UPDATE SET digest = excluded.digest, discovered_at = excluded.discovered_at, body = excluded.body`,
			connection, by.Org, c.Digest, at, body)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, action, string(connection))
	})
}

// Catalogue reads what was discovered over a connection. The fault is
// not_discovered when nothing was.
func (s *Store) Catalogue(ctx context.Context, org id.Org, connection id.Connection) (Catalogue, error) {
	var c Catalogue
	var body []byte
	err := s.reader.QueryRowContext(ctx, `SELECT digest, body FROM catalogues WHERE org_id = ? AND connection_id = ?`, org, connection).Scan(&c.Digest, &body)
	if errors.Is(err, sql.ErrNoRows) {
		return Catalogue{}, fault.New(fault.NotDiscovered)
	}
	if err != nil {
		return Catalogue{}, failure(err)
	}
	if c.Database, err = unpack(body); err != nil {
		return Catalogue{}, fault.Wrap(fault.StoreDamaged, err)
	}
	return c, nil
}

// pack writes a database as compressed JSON: a head without objects, then one
// object after the other, so that neither writing nor reading holds the JSON
// of a large database at once.
func pack(db *schema.Database) ([]byte, error) {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	enc := json.NewEncoder(zip)
	head := *db
	head.Objects = nil
	if err := enc.Encode(packed{Database: head, Objects: len(db.Objects)}); err != nil {
		return nil, err
	}
	for i := range db.Objects {
		if err := enc.Encode(&db.Objects[i]); err != nil {
			return nil, err
		}
	}
	if err := zip.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// packed is the head of a packed database.
type packed struct {
	Database schema.Database `json:"database"`
	Objects  int             `json:"objects"`
}

var errCatalogue = errors.New("store: the catalogue is not whole")

// unpack reads what pack wrote; its checksum notices every damaged byte.
func unpack(body []byte) (*schema.Database, error) {
	zip, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(zip)
	var head packed
	if err := dec.Decode(&head); err != nil {
		return nil, err
	}
	for range head.Objects {
		var o schema.Object
		if err := dec.Decode(&o); err != nil {
			return nil, err
		}
		head.Database.Objects = append(head.Database.Objects, o)
	}
	// Only the end makes the reader compare the checksum.
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(errCatalogue, err)
	}
	return &head.Database, nil
}

// Scoping is the block list of an organisation for one kind. Revision is 0,
// and Doc nil, before the first.
type Scoping struct {
	OrgID     id.Org
	Kind      schema.Kind
	Revision  int
	Doc       json.RawMessage
	UpdatedAt time.Time
}

const scopingColumns = `org_id, kind, revision, doc, updated_at`

func scanScoping(r row) (Scoping, error) {
	var sc Scoping
	var doc string
	var updated int64
	err := r.Scan(&sc.OrgID, &sc.Kind, &sc.Revision, &doc, &updated)
	sc.Doc, sc.UpdatedAt = json.RawMessage(doc), fromMillis(updated)
	return sc, err
}

// Scoping reads the block list of a kind; there is always one, if only the
// empty one.
func (s *Store) Scoping(ctx context.Context, org id.Org, kind schema.Kind) (Scoping, error) {
	sc, err := readScoping(ctx, s.reader, org, kind)
	return sc, failure(err)
}

func readScoping(ctx context.Context, q queryer, org id.Org, kind schema.Kind) (Scoping, error) {
	sc, err := scanScoping(q.QueryRowContext(ctx, `SELECT `+scopingColumns+` FROM scopings WHERE org_id = ? AND kind = ?`, org, kind))
	if errors.Is(err, sql.ErrNoRows) {
		return Scoping{OrgID: org, Kind: kind}, nil
	}
	return sc, err
}

// LoadScopings reads every block list of every organisation, for the live path
// at start.
func (s *Store) LoadScopings(ctx context.Context) ([]Scoping, error) {
	return all(ctx, s.reader, scanScoping, `SELECT `+scopingColumns+` FROM scopings ORDER BY org_id, kind`)
}

// ChangeScoping lets change make the next block list out of the present one,
// which is nil before the first, in one step: two changes at once both count.
// An error of change leaves everything as it was and is returned; change must
// not call the store.
func (s *Store) ChangeScoping(ctx context.Context, by Actor, kind schema.Kind, change func(doc json.RawMessage) (json.RawMessage, error)) (Scoping, error) {
	var sc Scoping
	err := s.write(ctx, func(tx *sql.Tx) error {
		var err error
		if sc, err = readScoping(ctx, tx, by.Org, kind); err != nil {
			return err
		}
		if sc.Doc, err = change(sc.Doc); err != nil {
			return callerError{err}
		}
		sc.Revision, sc.UpdatedAt = sc.Revision+1, s.clock()
		_, err = tx.ExecContext(ctx, `INSERT INTO scopings (org_id, kind, revision, doc, updated_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (org_id, kind) DO UPDATE SET revision = excluded.revision, doc = excluded.doc, updated_at = excluded.updated_at`,
			sc.OrgID, sc.Kind, sc.Revision, string(sc.Doc), millis(sc.UpdatedAt))
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, "integration.scope", string(kind))
	})
	if err != nil {
		return Scoping{}, err
	}
	return sc, nil
}
