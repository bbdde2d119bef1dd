package store

import (
	"golang.org/x/sys/unix"

	"flowyte/internal/fault"
)

// Space is how many bytes this process may still write to the disk of the data
// folder, and how many the disk has.
func (s *Store) Space() (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return 0, 0, fault.Wrap(fault.StoreUnavailable, err)
	}
	block := uint64(st.Bsize)
	return st.Bavail * block, st.Blocks * block, nil
}
