package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"flowyte/internal/fault"
	"flowyte/internal/secret"
)

const (
	databaseName = "flowyte.db"
	lockName     = "lock"

	fileMode   os.FileMode = 0o600
	folderMode os.FileMode = 0o700

	// busyTimeout is how long a write waits for the write of another process.
	busyTimeout = 5 * time.Second
	// readerIdle is after how long without work a reader is closed: each holds
	// a megabyte, and a start needs more of them than an ordinary day.
	readerIdle = 5 * time.Second
	// writerCache and readerCache are in KiB of a connection. What is needed
	// again and again is in our own memory, the rest in the kernel's, and the
	// 2 MB of SQLite's default would hold it a third time. The writer's has room
	// for what a transaction changes.
	writerCache, readerCache = 1024, 256
	// readers is how many reads run beside each other and beside the one writer.
	readers = 4
)

// Options say how a store is opened. The zero value is that of a command that
// runs beside a server.
type Options struct {
	// Serve holds the data folder for this process alone until Close; a second
	// holder is refused with store_locked. It also releases what an earlier
	// server left unfinished.
	Serve bool
	// Existing refuses a folder that holds no store with no_store, instead of
	// making one: whoever only looks has mistyped its name.
	Existing bool
	// LockWait is how long to wait for another holder to go; 4 s when zero.
	LockWait time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time

	formats fs.FS // those of this release when nil
}

func (o Options) withDefaults() Options {
	if o.LockWait == 0 {
		o.LockWait = lockWait
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.formats == nil {
		o.formats = formats()
	}
	return o
}

// Store is an open data folder. It is safe for concurrent use.
type Store struct {
	dir string
	now func() time.Time

	// SQLite has one writer at a time: one connection, so that writes of this
	// process queue here and not in the file.
	writer *sql.DB
	reader *sql.DB

	lock *folderLock // nil unless Options.Serve

	// ring seals the ends of the chains; nil until Keyring unlocks the store.
	ring atomic.Pointer[secret.Keyring]
}

// Open makes or opens the store in dir, which belongs to this process's user
// alone (mode 0700), and brings its format up to date; a copy of the file is
// made first. Faults: data_folder_unusable, store_locked, store_too_new,
// store_damaged, store_unavailable.
func Open(ctx context.Context, dir string, o Options) (_ *Store, err error) {
	o = o.withDefaults()
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fault.Wrap(fault.DataFolderUnusable, err)
	}
	if o.Existing {
		if _, err := os.Stat(filepath.Join(dir, databaseName)); errors.Is(err, os.ErrNotExist) {
			return nil, fault.Wrap(fault.NoStore, err)
		}
	}
	if err := prepareFolder(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, now: o.Now}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if o.Serve {
		if s.lock, err = lockFolder(ctx, dir, o.LockWait, nil); err != nil {
			return nil, err
		}
	}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, o); err != nil {
		return nil, err
	}
	if o.Serve {
		if err := s.releaseUnfinished(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close ends every use of the store and gives the data folder free.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return failure(errors.Join(errs...))
}

// Ping tells whether the store can be read.
func (s *Store) Ping(ctx context.Context) error {
	var rows int
	return failure(s.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM meta`).Scan(&rows))
}

func (s *Store) connect(ctx context.Context) error {
	path := filepath.Join(s.dir, databaseName)
	// SQLite would make the file with the process's umask; its side files take
	// the mode of the main one.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return fault.Wrap(fault.DataFolderUnusable, err)
	}
	if err := errors.Join(file.Chmod(fileMode), file.Close()); err != nil {
		return fault.Wrap(fault.DataFolderUnusable, err)
	}
	if s.writer, err = openFile(path, false); err != nil {
		return failure(err)
	}
	if s.reader, err = openFile(path, true); err != nil {
		return failure(err)
	}
	// The writer first: it turns a new file to WAL before a reader sees it.
	return failure(errors.Join(greet(ctx, s.writer), greet(ctx, s.reader)))
}

// greet makes a pool's first connection. While another process turns a new
// file to WAL the file is busy in a way that SQLite does not wait for.
func greet(ctx context.Context, db *sql.DB) error {
	retry := time.NewTicker(lockPoll)
	defer retry.Stop()
	for range busyTimeout / lockPoll {
		err := db.PingContext(ctx)
		if resultCode(err)&0xff != sqlite3.SQLITE_BUSY {
			return err
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return db.PingContext(ctx)
}

// openFile makes a pool of connections to one database file.
func openFile(path string, readOnly bool) (*sql.DB, error) {
	query := url.Values{
		"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
		"_journal_mode": {"WAL"},
		// A commit that was answered survives a power cut.
		"_synchronous":  {"FULL"},
		"_foreign_keys": {"on"},
		"_dqs":          {"false"},
		"_defensive":    {"true"},
		// A write takes its turn at its beginning and not in its middle, where
		// waiting could only fail.
		"_txlock": {"immediate"},
		"_pragma": {
			"secure_delete(on)", // what is deleted is overwritten in the file
			"trusted_schema(off)",
			"temp_store(memory)", // nothing spills outside the data folder
		},
	}
	cache := writerCache
	if readOnly {
		query.Set("_txlock", "deferred")
		query.Set("_query_only", "on")
		cache = readerCache
	}
	query.Add("_pragma", "cache_size(-"+strconv.Itoa(cache)+")")
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	if readOnly {
		db.SetMaxOpenConns(readers)
		db.SetMaxIdleConns(readers)
		db.SetConnMaxIdleTime(readerIdle)
	} else {
		db.SetMaxOpenConns(1)
		db.SetMaxIdleConns(1)
	}
	return db, nil
}
