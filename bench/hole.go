package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
)

// hole stands between a client and a server and passes every byte on, until it
// is shut: then connections stay open and nothing comes through, which is what
// a firewall that drops packets looks like.
type hole struct {
	listener net.Listener
	server   string
	shut     sync.RWMutex // held for writing while nothing may pass

	mu    sync.Mutex
	conns []net.Conn
	work  sync.WaitGroup
}

func openHole(ctx context.Context, server int) (*hole, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hole{listener: l, server: "127.0.0.1:" + strconv.Itoa(server)}
	h.work.Go(h.accept)
	return h, nil
}

func (h *hole) port() int { return h.listener.Addr().(*net.TCPAddr).Port }

// close needs the hole to be open.
func (h *hole) close() {
	h.listener.Close()
	h.mu.Lock()
	for _, c := range h.conns {
		c.Close()
	}
	h.mu.Unlock()
	h.work.Wait()
}

func (h *hole) accept() {
	for {
		near, err := h.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		far, err := net.Dial("tcp", h.server)
		if err != nil {
			near.Close()
			continue
		}
		h.mu.Lock()
		h.conns = append(h.conns, near, far)
		h.mu.Unlock()
		h.work.Go(func() { h.pass(near, far) })
		h.work.Go(func() { h.pass(far, near) })
	}
}

func (h *hole) pass(from, to net.Conn) {
	defer to.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		h.shut.RLock()
		//lint:ignore SA2001 a gate that is waited at, not a section
		h.shut.RUnlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
