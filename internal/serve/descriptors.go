package serve

import (
	"log/slog"
	"syscall"

	"flowyte/internal/target"
)

// fitDescriptors holds connections and sessions to the file descriptors that
// the process may open, half for the API and a quarter for databases, so that a
// flood at one door cannot close the others: neither the databases' nor the
// store's. A limit of 8,192 leaves the standard settings as they are.
func fitDescriptors(o *Options, limit uint64, log *slog.Logger) {
	connections, sessions := int(limit/2), int(limit/4)
	if o.Fleet.Total == 0 {
		o.Fleet.Total = target.StandardTotal
	}
	if o.MaxConnections <= connections && o.Fleet.Total <= sessions {
		return
	}
	o.MaxConnections, o.Fleet.Total = min(o.MaxConnections, connections), min(o.Fleet.Total, sessions)
	log.Warn("the process may open fewer files than its settings ask for; fewer connections and sessions are served", "files", limit,
		"connections", o.MaxConnections, "sessions", o.Fleet.Total)
}

// descriptors is how many files the process may open; Go has raised it as far
// as it may go.
func descriptors() uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 1 << 20 // a kernel that does not say has no limit
	}
	return l.Cur
}
