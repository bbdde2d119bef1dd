package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"

	"flowyte/internal/fault"
)

//go:embed migrations/*.sql
var embedded embed.FS

// formats are the steps from one format of the store to the next.
func formats() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil { // the path is a constant and valid
		panic("store: " + err.Error())
	}
	return files
}

// formatTable is where the steps that were taken are written down.
const formatTable = "store_format"

// migrate brings the file to the format of this release. Only the holder of
// the data folder changes the format: a command that finds an older one beside
// a running server waits for it, and is refused if the server keeps the old.
func (s *Store) migrate(ctx context.Context, o Options) error {
	provider, err := goose.NewProvider(goose.DialectSQLite3, s.writer, o.formats, goose.WithTableName(formatTable),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return failure(err)
	}
	steps := provider.ListSources()
	target := steps[len(steps)-1].Version
	upToDate := func() (bool, error) {
		current, err := s.format(ctx)
		if err == nil && current > target {
			err = fault.Wrap(fault.StoreNewer, fmt.Errorf("the store has format %d, this release knows %d", current, target))
		}
		return current == target, err
	}
	if done, err := upToDate(); done || err != nil {
		return err
	}
	if s.lock == nil {
		lock, err := lockFolder(ctx, s.dir, o.LockWait, upToDate)
		if lock == nil {
			return err
		}
		defer lock.release()
		if done, err := upToDate(); done || err != nil {
			return err
		}
	}
	if err := s.copyBefore(ctx); err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return failure(err)
}

// format is the number of the last step that was taken, 0 for an empty file.
func (s *Store) format(ctx context.Context) (int64, error) {
	var tables int
	err := s.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM sqlite_master WHERE name = ?`, formatTable).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, failure(err)
	}
	var format int64
	err = s.reader.QueryRowContext(ctx, `SELECT COALESCE(MAX(version_id), 0) FROM `+formatTable).Scan(&format)
	return format, failure(err)
}

// copyBefore keeps a copy of a store that holds something as it was before its
// format changes, named after the format it has.
func (s *Store) copyBefore(ctx context.Context) error {
	format, err := s.format(ctx)
	if err != nil || format == 0 {
		return err
	}
	return s.Backup(ctx, filepath.Join(s.dir, fmt.Sprintf("%s.format%d.%s.copy", databaseName, format, s.now().UTC().Format("20060102T150405Z"))))
}

// Backup writes a consistent copy of the store to a new file at path, beside
// everything else that goes on. The copy is as sealed as the store is and does
// not hold the master key. The fault is backup_exists when there is a file.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	path, err = filepath.Abs(path) // a relative one could be taken for a URI
	if err != nil {
		return fault.Wrap(fault.StoreUnavailable, err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return fault.Wrap(fault.BackupExists, err)
	}
	if err != nil {
		return fault.Wrap(fault.StoreUnavailable, err).WithDetail("The backup file could not be made.")
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	// A connection of its own: the pools are query-only or the one writer.
	db, err := openFile(filepath.Join(s.dir, databaseName), false)
	if err != nil {
		return failure(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return failure(err)
	}
	if err := errors.Join(file.Sync(), syncFolder(filepath.Dir(path))); err != nil {
		return fault.Wrap(fault.StoreUnavailable, err)
	}
	return nil
}
