package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"flowyte/internal/fault"
)

// prepareFolder makes the data folder, or sees to it that nobody else may
// enter it. A folder with other things in it is not narrowed but refused: it
// may be anybody's.
func prepareFolder(dir string) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return fault.Wrap(fault.DataFolderUnusable, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fault.Wrap(fault.DataFolderUnusable, err)
	}
	if !info.IsDir() {
		return fault.Wrap(fault.DataFolderUnusable, fmt.Errorf("%s is not a folder", dir))
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	ours, err := isOurs(dir)
	if err != nil {
		return fault.Wrap(fault.DataFolderUnusable, err)
	}
	if !ours {
		return fault.Wrap(fault.DataFolderUnusable, fmt.Errorf("%s has mode %v and holds other files", dir, info.Mode().Perm())).
			WithDetail("Others may enter the data folder, and it holds files that are not this program's.")
	}
	if err := os.Chmod(dir, folderMode); err != nil {
		return fault.Wrap(fault.DataFolderUnusable, err)
	}
	return nil
}

// isOurs tells whether a folder is empty, as a fresh volume is, or a store.
func isOurs(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	empty := true
	for _, e := range entries {
		if e.Name() == databaseName {
			return true, nil
		}
		empty = empty && e.Name() == "lost+found" // every ext volume has one
	}
	return empty, nil
}

const (
	// lockWait lets a server that is draining go, and stays below the five
	// seconds in which a second one must be refused.
	lockWait = 4 * time.Second
	lockPoll = 50 * time.Millisecond
)

// folderLock is the hold on a data folder. The system gives it free when the
// process ends, however it ends.
type folderLock struct {
	file *os.File
}

// lockFolder takes the hold on dir, waiting at most wait for another process
// to give it free. It comes back with nil, nil when needless, if given, turns
// true meanwhile.
func lockFolder(ctx context.Context, dir string, wait time.Duration, needless func() (bool, error)) (*folderLock, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fault.Wrap(fault.DataFolderUnusable, err)
	}
	lock := &folderLock{file: file}
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return lock, lock.sign()
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fault.Wrap(fault.DataFolderUnusable, err), file.Close())
		}
		if needless != nil {
			if done, err := needless(); done || err != nil {
				return nil, errors.Join(err, file.Close())
			}
		}
		select {
		case <-poll.C:
		case <-deadline.C:
			return nil, errors.Join(fault.Wrap(fault.StoreLocked, lock.holder()), file.Close())
		case <-ctx.Done():
			return nil, errors.Join(fault.Wrap(fault.StoreUnavailable, ctx.Err()), file.Close())
		}
	}
}

// sign writes this process's number into the lock, for whoever finds it held.
func (l *folderLock) sign() error {
	text := strconv.Itoa(os.Getpid()) + "\n"
	if err := errors.Join(l.file.Truncate(0), writeAt(l.file, text)); err != nil {
		return errors.Join(fault.Wrap(fault.DataFolderUnusable, err), l.release())
	}
	return nil
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

func (l *folderLock) holder() error {
	text, err := os.ReadFile(l.file.Name())
	if err != nil {
		return err
	}
	return fmt.Errorf("held by process %s", strings.TrimSpace(string(text)))
}

// release gives the folder free. The file stays: removing it would let two
// processes hold two files of one name.
func (l *folderLock) release() error { return l.file.Close() }

// syncFolder makes a new name in dir survive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
