package privatedb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// templateFormat is part of a template's name; raise it when the way data
// folders are initialised changes, so that old ones are not used.
const templateFormat = 1

// errNoCache means that templates cannot be kept, only made each time.
var errNoCache = errors.New("privatedb: cache folder cannot be written to")

// template returns a folder holding a freshly initialised data folder, made
// on first use and shared by every process of this user afterwards. fill is
// called at most once at a time across processes and must fill the folder it
// is given. It is errNoCache when the cache folder cannot be written to.
func template(install Install, as account, fill func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", errors.Join(errNoCache, err)
	}
	// A data folder is readable by its owner alone, hence one set per user.
	shelf := filepath.Join(cache, "templates", fmt.Sprint(as.uid))
	if err := os.MkdirAll(shelf, 0o755); err != nil {
		return "", errors.Join(errNoCache, err)
	}
	name := fmt.Sprintf("%s-%s-%d", install.Flavor, install.Version, templateFormat)
	final := filepath.Join(shelf, name)
	lock, err := lockFile(filepath.Join(shelf, name+".lock"))
	if err != nil {
		return "", errors.Join(errNoCache, err)
	}
	defer lock.Close()
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	// What an interrupted run left behind; the lock proves nobody is using it.
	partial := final + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", fmt.Errorf("privatedb: clear template: %w", err)
	}
	if err := as.mkdir(partial); err != nil {
		return "", err
	}
	if err := fill(partial); err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	if err := os.Rename(partial, final); err != nil {
		return "", fmt.Errorf("privatedb: keep template: %w", err)
	}
	return final, nil
}
