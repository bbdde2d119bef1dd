package privatedb

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes makes a child run as the account in a process group of its
// own and die with this process.
func childAttributes(as account, orphaned syscall.Signal) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
	if as.drop {
		attributes.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
	return attributes
}

// lockFile opens path and waits for the exclusive lock on it, which Close
// gives back and the kernel releases when this process dies.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("privatedb: open lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("privatedb: take lock: %w", err)
	}
	return file, nil
}

// abandoned tells whether the process that locked path is gone.
func abandoned(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// freeBytes is the room left on the file system of dir, 0 when it has none.
func freeBytes(dir string) uint64 {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0
	}
	return stat.Bavail * uint64(stat.Bsize)
}

// removeSharedMemory drops a System V segment that a killed server left. The
// id may be another's by now, so the key must match and nobody be attached.
func removeSharedMemory(key int32, id int) {
	var segment unix.SysvShmDesc
	if _, err := unix.SysvShmCtl(id, unix.IPC_STAT, &segment); err != nil {
		return
	}
	if segment.Perm.Key == key && segment.Nattch == 0 {
		// When it cannot be dropped it is not ours.
		_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	}
}

// child is a process, told apart from a later one with the same pid by when
// it began.
type child struct {
	pid   int
	began string
}

func (c child) alive() bool {
	stat, err := readStat(c.pid)
	return err == nil && stat.began == c.began && stat.state != "Z" && stat.state != "X"
}

// descendants lists every process below pid. A server's children may form
// sessions and groups of their own, so the parent links are the one thing to go by.
func descendants(pid int) ([]child, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("privatedb: list processes: %w", err)
	}
	children := map[int][]child{}
	for _, entry := range entries {
		id, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		// A process that ended meanwhile is nobody's child any more.
		if stat, err := readStat(id); err == nil {
			children[stat.parent] = append(children[stat.parent], child{pid: id, began: stat.began})
		}
	}
	found := slices.Clone(children[pid])
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].pid]...)
	}
	return found, nil
}

type processStat struct {
	state  string
	parent int
	began  string // clock ticks after boot
}

func readStat(pid int) (processStat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, err
	}
	// The second field is the program's name in brackets and may hold anything.
	_, rest, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')'):]), " ")
	fields := strings.Fields(rest)
	const stateField, parentField, beganField = 0, 1, 19
	if len(fields) <= beganField {
		return processStat{}, fmt.Errorf("privatedb: short /proc/%d/stat", pid)
	}
	parent, err := strconv.Atoi(fields[parentField])
	if err != nil {
		return processStat{}, fmt.Errorf("privatedb: read /proc/%d/stat: %w", pid, err)
	}
	return processStat{state: fields[stateField], parent: parent, began: fields[beganField]}, nil
}
