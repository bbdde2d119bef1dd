package crashtest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"flowyte/internal/apptest"
	"flowyte/internal/config"
	"flowyte/internal/egress"
	"flowyte/internal/live"
	"flowyte/internal/oplog"
	"flowyte/internal/serve"
	"flowyte/internal/target"
)

// dataVariable makes the test binary the service, on the folder that it names.
const dataVariable = "FLOWYTE_CRASH_TEST_DATA"

// What is said between the two processes, a line each.
const (
	saidReady   = "ready"   // and the address
	saidSet     = "set"     // the trap is
	saidReached = "reached" // the station; it waits there
	tellSet     = "set"     // station, nth, die or wait
	tellGo      = "go"      // leave the station
)

// serveUntilKilled runs the service for its parent until the trap kills it, or
// the parent is gone.
func serveUntilKilled(data string) error {
	on := make(chan struct{})
	wait := false
	p := &trap{spring: func() {
		if !wait {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not a step further
		}
		fmt.Println(saidReached)
		<-on
	}}
	server, err := serve.Open(context.Background(), options(data, p))
	if err != nil {
		return err
	}
	fmt.Println(saidReady, server.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var verb, at, how string
		var nth int
		if _, err := fmt.Sscan(in.Text(), &verb, &at, &nth, &how); verb == tellGo {
			on <- struct{}{}
			continue
		} else if err != nil {
			return fmt.Errorf("%q: %w", in.Text(), err)
		}
		place, err := parseStation(at)
		if err != nil {
			return err
		}
		wait = how == "wait"
		p.set(place, nth)
		fmt.Println(saidSet)
	}
	return server.Close()
}

func options(data string, p *trap) serve.Options {
	return serve.Options{
		Settings: config.Settings{
			Addr: "127.0.0.1:0", Data: data, AllowTargets: []netip.Prefix{apptest.Loopback},
			TestsPerMinute: 10_000, MaxConnections: 1000,
		},
		Version:       "test",
		Log:           oplog.New(os.Stderr, slog.LevelWarn),
		Fleet:         target.Options{Writes: 1},
		DriftInterval: time.Hour,
		Dialing:       []egress.GuardOption{egress.Wrap(func(c net.Conn) net.Conn { return onWire{c, p} })},
		Journal:       func(j live.Journal) live.Journal { return onJournal{j, p} },
	}
}
