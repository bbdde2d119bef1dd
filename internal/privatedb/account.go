package privatedb

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// nobody is the uid and gid that Linux systems keep for processes without
// rights; PostgreSQL and PgBouncer refuse to run as root.
const nobody = 65534

// account is the user that servers run as.
type account struct {
	uid, gid int
	drop     bool // this process is root: children and files change owner
}

// serverAccount is the current user, or nobody when that is root.
func serverAccount() account {
	if os.Geteuid() == 0 {
		return account{uid: nobody, gid: nobody, drop: true}
	}
	return account{uid: os.Geteuid(), gid: os.Getegid()}
}

// mkdir makes a folder that only the account can read.
func (a account) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("privatedb: make folder: %w", err)
	}
	return a.own(dir)
}

// write makes a file that only the account can read.
func (a account) write(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("privatedb: write file: %w", err)
	}
	return a.own(path)
}

func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	if err := os.Lchown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("privatedb: change owner: %w", err)
	}
	return nil
}

// copyTree copies src to dst, which must not exist, for the account alone.
func (a account) copyTree(dst, src string) error {
	if err := a.mkdir(dst); err != nil {
		return err
	}
	if err := os.CopyFS(dst, os.DirFS(src)); err != nil {
		return fmt.Errorf("privatedb: copy data folder: %w", err)
	}
	return filepath.WalkDir(dst, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			// PostgreSQL refuses a data folder that others may read.
			if err := os.Chmod(path, 0o700); err != nil {
				return err
			}
		}
		return a.own(path)
	})
}

// reachable reports an error when the account cannot enter dir. Only a root
// process can be wrong here: what it made may lie below its private home.
func (a account) reachable(dir string) error {
	if !a.drop {
		return nil
	}
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return fmt.Errorf("privatedb: look at folder: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("privatedb: servers run as user %d, which may not enter %s: choose another folder with TMPDIR or FLOWYTE_DB_CACHE", a.uid, at)
		}
		if at == filepath.Dir(at) {
			return nil
		}
	}
}
