package privatedb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// rootCache is where root keeps fetched servers: its home is private, while
// the servers run as an ordinary user that must be able to read them.
const rootCache = "/var/cache/flowyte/databases"

// CacheDir is the folder that scripts/fetch-databases.sh fills and that holds
// initialised data folders for copying: FLOWYTE_DB_CACHE, else
// flowyte/databases in the user's cache folder (/var/cache for root).
// The folder need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("FLOWYTE_DB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return rootCache, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("privatedb: no cache folder, set FLOWYTE_DB_CACHE: %w", err)
	}
	return filepath.Join(dir, "flowyte", "databases"), nil
}

// templateFormat is part of a template's name; raise it when the way systems
// are initialised changes, so that old ones are not used.
const templateFormat = 1

// makeSystem fills dir, which must not exist, with a new system. The first
// one of a release is kept in the cache, and later ones are copies of it,
// which takes a tenth of the time. Processes that start at once take turns.
func (s *Server) makeSystem(ctx context.Context, dir string) error {
	initialise := func() error {
		return errors.Join(s.as.mkdir(dir), s.engine.initialise(ctx, s.Install, s.as, dir))
	}
	kept, lock, err := lockTemplate(s.Install)
	if err != nil {
		// A cache that cannot be written to costs time and nothing else.
		return initialise()
	}
	defer lock.Close()
	if _, err := os.Stat(kept); err == nil {
		lock.Close()
		return s.as.copyTree(dir, kept)
	}
	if err := initialise(); err != nil {
		return err
	}
	return keepTemplate(kept, dir)
}

// lockTemplate gives the path of the install's template, whether or not it
// exists, and the lock under which it is made.
func lockTemplate(install Install) (string, *os.File, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", nil, err
	}
	// A template is readable by its owner alone, hence one set per user.
	shelf := filepath.Join(cache, "templates", strconv.Itoa(os.Geteuid()))
	if err := os.MkdirAll(shelf, 0o755); err != nil {
		return "", nil, fmt.Errorf("privatedb: make template folder: %w", err)
	}
	path := filepath.Join(shelf, fmt.Sprintf("%s-%s-%d", install.Flavor, install.Version, templateFormat))
	lock, err := lockFile(path + ".lock")
	return path, lock, err
}

// keepTemplate copies dir to path, which appears whole or not at all.
func keepTemplate(path, dir string) error {
	// What an interrupted run left behind; the lock proves nobody is using it.
	partial := path + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return fmt.Errorf("privatedb: clear template: %w", err)
	}
	if err := os.Mkdir(partial, 0o700); err != nil {
		return fmt.Errorf("privatedb: make template: %w", err)
	}
	if err := os.CopyFS(partial, os.DirFS(dir)); err != nil {
		return fmt.Errorf("privatedb: copy template: %w", err)
	}
	if err := os.Rename(partial, path); err != nil {
		return fmt.Errorf("privatedb: keep template: %w", err)
	}
	return nil
}
