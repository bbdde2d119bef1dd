package privatedb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// homePrefix begins the name of every private server's folder.
const homePrefix = "flowyte-db-"

// memoryFolder is a file system in memory. A new database is hundreds of
// files, which some disks take most of a second to create.
const memoryFolder = "/dev/shm"

// memoryFree is how much room, in bytes, it must have to be used; a server
// takes 25 to 110 MB when new.
const memoryFree = 2 << 30

// home is one server's folder: data, certificate, configuration, socket, log.
// It is locked while in use.
type home struct {
	dir  string
	as   account
	lock *os.File
}

// newHome makes a folder and removes those that processes which died left.
func newHome(as account, inMemory bool) (*home, error) {
	parent := homeParent(inMemory)
	removeAbandoned(parent)
	dir, err := os.MkdirTemp(parent, homePrefix)
	if err != nil {
		return nil, fmt.Errorf("privatedb: make server folder: %w", err)
	}
	h := &home{dir: dir, as: as}
	if h.lock, err = lockFile(h.path("lock")); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := errors.Join(as.own(dir), as.reachable(filepath.Dir(dir))); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	return h, nil
}

// homeParent is the system's temporary folder, which TMPDIR overrides, or one
// in memory for a server that may use it.
func homeParent(inMemory bool) string {
	if inMemory && os.Getenv("TMPDIR") == "" && freeBytes(memoryFolder) >= memoryFree {
		return memoryFolder
	}
	return os.TempDir()
}

func (h *home) path(elements ...string) string {
	return filepath.Join(append([]string{h.dir}, elements...)...)
}

func (h *home) remove() error {
	h.lock.Close()
	if err := os.RemoveAll(h.dir); err != nil {
		return fmt.Errorf("privatedb: remove server folder: %w", err)
	}
	return nil
}

// writeCertificate puts ca.pem, server.pem and server-key.pem into the folder.
func (h *home) writeCertificate(authority *Authority, hosts []string) error {
	certificate, key, err := authority.Issue(append([]string{"localhost", "127.0.0.1"}, hosts...)...)
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"ca.pem": authority.PEM(), "server.pem": certificate, "server-key.pem": key} {
		if err := h.as.write(h.path(name), []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

// removeAbandoned removes folders whose owner died without closing them. A
// young folder may be about to be locked and is left alone.
func removeAbandoned(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, homePrefix+"*", "lock"))
	for _, lock := range locks {
		info, err := os.Stat(lock)
		if err == nil && time.Since(info.ModTime()) > time.Minute && abandoned(lock) {
			left := filepath.Dir(lock)
			postgresEngine{}.killed(filepath.Join(left, "data"))
			// Another user's folder cannot be removed and is not ours to.
			_ = os.RemoveAll(left)
		}
	}
}
