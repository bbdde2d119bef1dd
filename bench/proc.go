package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit of processor time in /proc, the same on every Linux.
const tick = 10 * time.Millisecond

// stat is a line of /proc/PID/stat.
type stat struct {
	parent int
	cpu    time.Duration // of the process and of its children that have ended
}

func statOf(pid int) (stat, bool) {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, false
	}
	// The fields count from behind the name, which may hold anything.
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	const parent, user, childSystem = 1, 11, 14
	if len(fields) <= childSystem {
		return stat{}, false
	}
	var s stat
	s.parent, _ = strconv.Atoi(fields[parent])
	for _, f := range fields[user : childSystem+1] {
		n, _ := strconv.ParseInt(f, 10, 64)
		s.cpu += time.Duration(n) * tick
	}
	return s, true
}

// cpuOf is the processor time of a process.
func cpuOf(pid int) time.Duration {
	s, _ := statOf(pid)
	return s.cpu
}

// serverOf finds the process whose command line names the folder, which is the
// database server that this run started on it.
func serverOf(folder string) int {
	for _, pid := range pids() {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && bytes.Contains(line, []byte(folder)) {
			return pid
		}
	}
	return 0
}

// cpuBelow is the processor time of a process and of its children.
func cpuBelow(pid int) time.Duration {
	whole := cpuOf(pid)
	for _, child := range pids() {
		if s, ok := statOf(child); ok && s.parent == pid {
			whole += s.cpu
		}
	}
	return whole
}

func pids() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, pid)
		}
	}
	return all
}
