package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"flowyte/internal/fault"
	"flowyte/internal/secret"
)

// rootName is where the sealed root of the keyring is kept. It opens under the
// store's own master key alone, and so tells a wrong one at start.
const rootName = "keyring root"

// Keyring unlocks the store with the master key file at path. A store that has
// never been unlocked makes the file when there is none; made tells so. A
// store that has been is never given a new key: the fault is then
// master_key_missing, or master_key_wrong for the key of another store. What is
// written from then on is sealed into the chains of the audit trail.
func (s *Store) Keyring(ctx context.Context, path string) (ring *secret.Keyring, made bool, err error) {
	sealed, err := s.sealedRoot(ctx)
	if err != nil {
		return nil, false, err
	}
	master, err := secret.OpenMaster(path)
	if fault.Is(err, fault.MasterKeyMissing) && sealed == nil {
		made = true
		master, err = secret.CreateMaster(path)
	}
	if err != nil {
		return nil, false, err
	}
	if sealed == nil {
		if sealed, err = s.keepRoot(ctx, master); err != nil {
			return nil, false, err
		}
	}
	if ring, err = master.Keyring(sealed); err == nil {
		s.ring.Store(ring)
	}
	return ring, made, err
}

func (s *Store) sealedRoot(ctx context.Context) ([]byte, error) {
	var sealed []byte
	err := s.reader.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, rootName).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return bytes.Clone(sealed), failure(err)
}

// keepRoot keeps the root of a new keyring, or finds the one that another
// process kept first.
func (s *Store) keepRoot(ctx context.Context, master *secret.Master) (sealed []byte, err error) {
	_, fresh, err := master.NewKeyring()
	if err != nil {
		return nil, err
	}
	err = s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, rootName, fresh)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = ?`, rootName).Scan(&sealed)
	})
	return sealed, err
}
