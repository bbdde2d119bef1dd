package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// Connection is an organisation's database of one kind.
type Connection struct {
	ID    id.Connection
	OrgID id.Org
	Kind  schema.Kind
	// Sealed are the credentials, sealed by the caller under the organisation,
	// the kind and SealVersion.
	Sealed      []byte
	SealVersion uint32

	Database string // the name
	SSLMode  string
	Server   schema.Server
	Pins     []string // public keys the server may prove to hold
	Status   string
	Latency  json.RawMessage // nil before the first test

	LastDiscoveredAt *time.Time
	LastTestedAt     *time.Time
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

const connectionColumns = `id, org_id, kind, sealed, seal_version, database_name, sslmode, server, pins, status, latency,
	last_discovered_at, last_tested_at, created_at, updated_at`

func scanConnection(r row) (Connection, error) {
	var c Connection
	var server, pins string
	var latency sql.NullString
	var discovered, tested sql.NullInt64
	var created, updated int64
	err := r.Scan(&c.ID, &c.OrgID, &c.Kind, &c.Sealed, &c.SealVersion, &c.Database, &c.SSLMode, &server, &pins, &c.Status, &latency,
		&discovered, &tested, &created, &updated)
	if err != nil {
		return Connection{}, err
	}
	c.Latency = fromNullText(latency)
	c.LastDiscoveredAt, c.LastTestedAt = fromNullMillis(discovered), fromNullMillis(tested)
	c.CreatedAt, c.UpdatedAt = fromMillis(created), fromMillis(updated)
	if err := fromJSON(server, &c.Server); err != nil {
		return Connection{}, err
	}
	return c, fromJSON(pins, &c.Pins)
}

// Connection reads the organisation's connection of a kind. The fault is
// not_connected when there is none.
func (s *Store) Connection(ctx context.Context, org id.Org, kind schema.Kind) (Connection, error) {
	c, err := readConnection(ctx, s.reader, org, kind)
	return c, notConnected(err)
}

func readConnection(ctx context.Context, q queryer, org id.Org, kind schema.Kind) (Connection, error) {
	return scanConnection(q.QueryRowContext(ctx, `SELECT `+connectionColumns+` FROM connections WHERE org_id = ? AND kind = ?`, org, kind))
}

func notConnected(err error) error {
	if err = failure(err); fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotConnected)
	}
	return err
}

// Connections reads every connection of an organisation.
func (s *Store) Connections(ctx context.Context, org id.Org) ([]Connection, error) {
	return all(ctx, s.reader, scanConnection, `SELECT `+connectionColumns+` FROM connections WHERE org_id = ? ORDER BY kind`, org)
}

// LoadConnections reads every connection of every organisation, for the live
// path at start.
func (s *Store) LoadConnections(ctx context.Context) ([]Connection, error) {
	return all(ctx, s.reader, scanConnection, `SELECT `+connectionColumns+` FROM connections ORDER BY id`)
}

// PutConnection keeps a connection of the actor's organisation, instead of the
// one of its kind if there is one, which keeps its id and catalogue. Of c it
// takes everything but ID, OrgID, LastDiscoveredAt and the last two times.
func (s *Store) PutConnection(ctx context.Context, by Actor, c Connection) (Connection, error) {
	err := s.write(ctx, func(tx *sql.Tx) error {
		now := s.clock()
		c.OrgID, c.CreatedAt, c.UpdatedAt, c.LastDiscoveredAt = by.Org, now, now, nil
		before, err := readConnection(ctx, tx, by.Org, c.Kind)
		switch {
		case err == nil:
			c.ID, c.CreatedAt, c.LastDiscoveredAt = before.ID, before.CreatedAt, before.LastDiscoveredAt
			if err := updateConnection(ctx, tx, c); err != nil {
				return err
			}
		case fault.Is(failure(err), fault.NotFound):
			c.ID = id.New[id.Connection]()
			if err := insertConnection(ctx, tx, c); err != nil {
				return err
			}
		default:
			return err
		}
		return s.record(ctx, tx, by, "integration.connect", string(c.Kind))
	})
	if err != nil {
		return Connection{}, err
	}
	s.forget(ctx)
	return c, nil
}

// values are what inserting and updating write, in one order.
func (c *Connection) values() ([]any, error) {
	server, err := jsonText(c.Server)
	if err != nil {
		return nil, err
	}
	pins, err := jsonText(c.Pins)
	if err != nil {
		return nil, err
	}
	return []any{c.Sealed, c.SealVersion, c.Database, c.SSLMode, server, pins,
		c.Status, nullText(c.Latency), nullMillis(c.LastTestedAt), millis(c.UpdatedAt)}, nil
}

func insertConnection(ctx context.Context, tx *sql.Tx, c Connection) error {
	values, err := c.values()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO connections
		(sealed, seal_version, database_name, sslmode, server, pins, status, latency, last_tested_at, updated_at, id, org_id, kind, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		append(values, c.ID, c.OrgID, c.Kind, millis(c.CreatedAt))...)
	return err
}

func updateConnection(ctx context.Context, tx *sql.Tx, c Connection) error {
	values, err := c.values()
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE connections SET sealed = ?, seal_version = ?, database_name = ?, sslmode = ?, server = ?, pins = ?,
		status = ?, latency = ?, last_tested_at = ?, updated_at = ? WHERE org_id = ? AND id = ?`,
		append(values, c.OrgID, c.ID)...)
	return err
}

// ChangeConnection lets change work on what is known about a connection:
// Server, Pins, Status, Latency, LastTestedAt, and the credentials when they
// are sealed anew. change must not call the store. It is the service's own
// knowledge and leaves no Activity. The fault is not_connected when there is none.
func (s *Store) ChangeConnection(ctx context.Context, org id.Org, kind schema.Kind, change func(*Connection)) (Connection, error) {
	var c Connection
	err := s.write(ctx, func(tx *sql.Tx) error {
		before, err := readConnection(ctx, tx, org, kind)
		if err != nil {
			return err
		}
		c = before
		change(&c)
		c.ID, c.OrgID, c.Kind, c.LastDiscoveredAt, c.CreatedAt = before.ID, before.OrgID, before.Kind, before.LastDiscoveredAt, before.CreatedAt
		c.UpdatedAt = s.clock()
		return updateConnection(ctx, tx, c)
	})
	if err != nil {
		return Connection{}, notConnected(err)
	}
	return c, nil
}

// DeleteConnection destroys a connection's credentials and its catalogue. The
// scoping stays. The fault is not_connected when there is none.
func (s *Store) DeleteConnection(ctx context.Context, by Actor, kind schema.Kind) error {
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := one(tx.ExecContext(ctx, `DELETE FROM connections WHERE org_id = ? AND kind = ?`, by.Org, kind)); err != nil {
			return err
		}
		return s.record(ctx, tx, by, "integration.disconnect", string(kind))
	})
	if err != nil {
		return notConnected(err)
	}
	s.forget(ctx)
	return nil
}

// forget carries what was overwritten out of the write-ahead log into the file
// and empties the log, in which the old bytes still are. Where a reader holds
// the log, such as a backup, they stay in it until a later time: they are
// sealed, so nobody waits for it.
func (s *Store) forget(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // the change is made, whoever has left
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	for _, step := range []string{
		`PRAGMA busy_timeout = 0`,
		`PRAGMA wal_checkpoint(TRUNCATE)`,
		fmt.Sprintf(`PRAGMA busy_timeout = %d`, busyTimeout.Milliseconds()),
	} {
		_, _ = conn.ExecContext(ctx, step)
	}
}
