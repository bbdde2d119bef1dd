package postgres_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/target"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// spoiler is the server's end of a connection on which bytes are lost, changed
// or added on their way to the client, inside TLS.
type spoiler struct {
	net.Conn
	spoil func(at int, b []byte) []byte
	sent  int
}

func (s *spoiler) Write(b []byte) (int, error) {
	out := s.spoil(s.sent, append([]byte(nil), b...))
	s.sent += len(b)
	if out == nil {
		s.Close()
		return 0, io.ErrClosedPipe
	}
	_, err := s.Conn.Write(out)
	return len(b), err
}

// spoiled plays a good server whose bytes after the handshake pass spoil.
func spoiled(spoil func(at int, b []byte) []byte) func(*peer) {
	return func(p *peer) {
		p.secure()
		p.Conn = &spoiler{Conn: p.Conn, spoil: spoil}
		p.backend = pgproto3.NewBackend(p.Conn, p.Conn)
		p.spoiled = true
		rows(description(20, 25, 16, 1114), row("1", "Anna", "t", "2026-05-01 15:00:00"))(p)
	}
}

// use opens a session and runs one read, as the pool does, and reports what
// must never happen. It gives the rows of a read that seemed to succeed.
func use(t *testing.T, name string, limit time.Duration, creds *target.Credentials) (got targettest.Rows) {
	defer func() {
		if v := recover(); v != nil {
			t.Errorf("%s: panic: %v", name, v)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	s, err := postgres.Driver{}.Open(ctx, targettest.Guard(t), creds, target.ForReads)
	if err == nil {
		defer s.Close()
		err = s.Run(ctx, read("SELECT $1", 1, 4, 1), targettest.Text("1"), &got)
	}
	if _, ok := err.(*fault.Error); err != nil && !ok {
		t.Errorf("%s: the error is a %T", name, err)
	}
	if err != nil {
		return nil
	}
	return got
}

// A connection that is cut at any byte gives a fault or the whole row, never
// part of it.
func TestCutAnywhere(t *testing.T) {
	const length, stride = 1100, 13 // the whole good session is shorter
	var all sync.WaitGroup
	lanes := make(chan struct{}, 8)
	complete := 0
	var mu sync.Mutex
	for cut := 0; cut < length; cut += stride {
		creds := rogue(t, spoiled(func(at int, b []byte) []byte {
			if at+len(b) > cut {
				return nil
			}
			return b
		}))
		lanes <- struct{}{}
		all.Go(func() {
			defer func() { <-lanes }()
			got := use(t, fmt.Sprintf("cut at %d", cut), time.Minute, creds)
			if fmt.Sprint(got) == "[[1 Anna true 2026-05-01T15:00:00]]" {
				mu.Lock()
				complete++
				mu.Unlock()
			} else if got != nil {
				t.Errorf("cut at %d: %q", cut, got)
			}
		})
	}
	all.Wait()
	if complete == 0 {
		t.Error("not even the whole session succeeds")
	}
}

// Bytes that are changed, lost, doubled or added anywhere never panic and never
// grow memory without bound. Every failure names its seed.
func TestMutations(t *testing.T) {
	const seeds = 400
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	lanes := make(chan struct{}, 8)
	for seed := range uint64(seeds) {
		creds := rogue(t, spoiled(mutation(seed)))
		lanes <- struct{}{}
		all.Go(func() {
			defer func() { <-lanes }()
			use(t, fmt.Sprintf("seed %d", seed), 500*time.Millisecond, creds)
		})
	}
	all.Wait()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if growth := int64(after.HeapAlloc) - int64(before.HeapAlloc); growth > 64<<20 {
		t.Errorf("the heap grew by %d bytes", growth)
	}
}

// mutation spoils one to three places of a session of about a thousand bytes.
func mutation(seed uint64) func(at int, b []byte) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	type spot struct{ at, kind, value int }
	spots := make([]spot, 1+r.IntN(3))
	for i := range spots {
		spots[i] = spot{r.IntN(1000), r.IntN(5), r.IntN(256)}
	}
	return func(at int, b []byte) []byte {
		for _, s := range spots {
			i := s.at - at
			if i < 0 || i >= len(b) {
				continue
			}
			switch s.kind {
			case 0:
				b[i] = byte(s.value)
			case 1:
				b[i] ^= 1 << (s.value % 8)
			case 2:
				b = append(b[:i], b[i+1:]...)
			case 3:
				b = append(b[:i+1], b[i:]...)
			case 4:
				b = append(b[:i], append([]byte{0xff, 0xff, 0xff, byte(s.value)}, b[i:]...)...)
			}
		}
		return b
	}
}
