package egress_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
)

// pair connects through a guard to a server that runs serve.
func pair(t testing.TB, serve func(net.Conn), options ...egress.GuardOption) *egress.Conn {
	t.Helper()
	target := egresstest.Listen(t, "127.0.1.1:0", serve)
	g := egress.NewGuard(policy(t, egress.Options{Allow: prefixes("127.0.1.0/24")}), egress.ResolverOptions{}, options...)
	conn, err := g.Dial(t.Context(), host(t, "127.0.1.1"), target.Port())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// flood sends n bytes, or without end when n is negative, until the peer is gone.
func flood(n int) func(net.Conn) {
	return func(conn net.Conn) {
		chunk := bytes.Repeat([]byte{'x'}, 64<<10)
		for n != 0 {
			if n > 0 && n < len(chunk) {
				chunk = chunk[:n]
			}
			if _, err := conn.Write(chunk); err != nil {
				return
			}
			if n > 0 {
				n -= len(chunk)
			}
		}
		io.Copy(io.Discard, conn)
	}
}

func TestBudgetUntilReady(t *testing.T) {
	t.Parallel()
	chaos := &egresstest.Chaos{}
	conn := pair(t, flood(-1), egress.Wrap(chaos.Wrap))
	n, err := io.Copy(io.Discard, conn)
	if !errors.Is(err, egress.ErrBudget) || n > egress.ReadyBudget {
		t.Errorf("read %d bytes, then %v; want at most %d, then ErrBudget", n, err, egress.ReadyBudget)
	}
	if got := len(chaos.Received()); got != egress.ReadyBudget+1 {
		t.Errorf("took %d bytes from the network", got)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, egress.ErrBudget) {
		t.Errorf("the next read: %v", err)
	}
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection was not closed: %v", err)
	}
}

// TestBudgetExactly: a peer that uses its budget and no more is served.
func TestBudgetExactly(t *testing.T) {
	t.Parallel()
	more := make(chan int)
	conn := pair(t, func(c net.Conn) {
		for n := range more {
			c.Write(bytes.Repeat([]byte{'x'}, n))
		}
	})
	defer close(more)
	take := func(n int) {
		t.Helper()
		more <- n
		if _, err := io.ReadFull(conn, make([]byte, n)); err != nil {
			t.Fatalf("%d bytes inside the budget: %v", n, err)
		}
	}
	take(egress.ReadyBudget)
	conn.Ready()
	take(egress.StatementBudget)
	for range 2 {
		conn.BeginStatementUpTo(egress.StatementBudget)
		take(egress.StatementBudget)
	}
	conn.BeginStatementUpTo(100)
	take(100)
	more <- 1
	if _, err := conn.Read(make([]byte, 10)); !errors.Is(err, egress.ErrBudget) {
		t.Errorf("one byte more: %v", err)
	}
}

// TestBudgetUnderTLS: the budget holds before TLS's own buffers, and its error
// comes through.
func TestBudgetUnderTLS(t *testing.T) {
	t.Parallel()
	ca := egresstest.NewAuthority(t, egresstest.Certificate{CommonName: "ca"})
	cert := ca.Leaf(t, egresstest.Certificate{Addrs: []string{"127.0.1.1"}})
	conn := pair(t, func(c net.Conn) { flood(-1)(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})) })
	config, err := egress.TLS(egress.TLSOptions{Mode: egress.VerifyFull, Host: host(t, "127.0.1.1"), CAPEM: ca.PEM()})
	if err != nil {
		t.Fatal(err)
	}
	client := tls.Client(conn, config)
	n, err := io.Copy(io.Discard, client)
	if !errors.Is(err, egress.ErrBudget) || n > egress.ReadyBudget {
		t.Errorf("read %d bytes, then %v", n, err)
	}
	if f := egress.TranslateTLS(err); f.Code != fault.ProtocolError {
		t.Errorf("translated to %q", f.Code)
	}
}

// TestStageDeadline: silence at any point ends when the stage does, whatever
// the driver sets (R01).
func TestStageDeadline(t *testing.T) {
	t.Parallel()
	far := time.Now().Add(time.Hour)
	for name, set := range map[string]func(c *egress.Conn){
		"alone":                    func(c *egress.Conn) {},
		"driver sets none":         func(c *egress.Conn) { c.SetDeadline(time.Time{}) },
		"driver sets a later one":  func(c *egress.Conn) { c.SetDeadline(far) },
		"driver sets a later read": func(c *egress.Conn) { c.SetReadDeadline(far); c.SetWriteDeadline(far) },
		"driver clears read":       func(c *egress.Conn) { c.SetReadDeadline(time.Time{}); c.SetWriteDeadline(time.Time{}) },
		"driver changes its mind":  func(c *egress.Conn) { c.SetDeadline(time.Now()); c.SetDeadline(time.Time{}) },
		"stage set after driver's": func(c *egress.Conn) { c.SetDeadline(far); c.SetStageDeadline(time.Now().Add(60 * time.Millisecond)) },
		"stage moved nearer, again": func(c *egress.Conn) {
			c.SetStageDeadline(far)
			c.SetStageDeadline(time.Now().Add(60 * time.Millisecond))
		},
	} {
		conn := pair(t, nil)
		conn.SetStageDeadline(time.Now().Add(60 * time.Millisecond))
		set(conn)
		within(t, 5*time.Second, name, func() {
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: read: %v", name, err)
			}
			// The peer reads nothing, so that the socket fills up.
			for {
				if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%s: write: %v", name, err)
					}
					break
				}
			}
		})
	}
}

// TestDriversDeadline: inside the stage the driver's earlier deadline holds,
// and a stage that was ended leaves the driver's alone.
func TestDriversDeadline(t *testing.T) {
	t.Parallel()
	conn := pair(t, nil)
	timesOut := func(what string) {
		t.Helper()
		within(t, 5*time.Second, what, func() {
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	conn.SetStageDeadline(time.Now().Add(time.Hour))
	conn.SetDeadline(time.Now().Add(20 * time.Millisecond))
	timesOut("earlier than the stage")
	conn.SetReadDeadline(time.Unix(1, 0)) // how drivers interrupt a read
	timesOut("in the past")
	conn.SetStageDeadline(time.Time{})
	conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	timesOut("without a stage")
}

// TestStageDeadlineInterrupts: a stage shortened while a read waits ends it.
func TestStageDeadlineInterrupts(t *testing.T) {
	t.Parallel()
	conn := pair(t, nil)
	conn.SetStageDeadline(time.Now().Add(time.Hour))
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
	conn.SetStageDeadline(time.Now())
	wg.Wait()
}

// TestSilentHandshake: a server that accepts and says nothing costs the stage
// and is told as nothing that speaks a database's protocol (R01, R02).
func TestSilentHandshake(t *testing.T) {
	t.Parallel()
	conn := pair(t, nil)
	conn.SetStageDeadline(time.Now().Add(80 * time.Millisecond))
	config, err := egress.TLS(egress.TLSOptions{Mode: egress.Require, Host: host(t, "127.0.1.1")})
	if err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "the handshake", func() {
		err := tls.Client(conn, config).HandshakeContext(context.Background())
		if f := egress.TranslateTLS(err); f == nil || f.Code != fault.Unreachable {
			t.Errorf("%v", f)
		}
	})
}

// TestWrap: the hook sees what goes over the wire, and nothing is sent before
// somebody writes.
func TestWrap(t *testing.T) {
	t.Parallel()
	chaos := &egresstest.Chaos{}
	conn := pair(t, func(c net.Conn) { io.Copy(c, c) }, egress.Wrap(chaos.Wrap))
	if len(chaos.Sent())+len(chaos.Received()) != 0 {
		t.Errorf("bytes before the first write: %q %q", chaos.Sent(), chaos.Received())
	}
	conn.Write([]byte("hello"))
	io.ReadFull(conn, make([]byte, 5))
	if string(chaos.Sent()) != "hello" || string(chaos.Received()) != "hello" {
		t.Errorf("sent %q, received %q", chaos.Sent(), chaos.Received())
	}
}

// TestChaos: the kit does what it says.
func TestChaos(t *testing.T) {
	t.Parallel()
	echo := func(c net.Conn) { io.Copy(c, c) }
	talk := func(c *egresstest.Chaos) (string, error) {
		conn := pair(t, echo, egress.Wrap(c.Wrap))
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := conn.Write([]byte("0123456789")); err != nil {
			return "", err
		}
		buf := make([]byte, 10)
		n, err := io.ReadFull(conn, buf)
		return string(buf[:n]), err
	}
	for _, tt := range []struct {
		name  string
		chaos *egresstest.Chaos
		want  string
		err   error
	}{
		{"nothing", &egresstest.Chaos{}, "0123456789", nil},
		{"cut read", &egresstest.Chaos{CutReadAfter: 4}, "0123", egresstest.ErrCut},
		{"cut read at once", &egresstest.Chaos{CutReadAfter: -1}, "", egresstest.ErrCut},
		{"cut write", &egresstest.Chaos{CutWriteAfter: 4}, "", egresstest.ErrCut},
		{"flip", &egresstest.Chaos{FlipRead: 3}, "01\xcd3456789", nil},
		{"flip in slices", &egresstest.Chaos{FlipRead: 3, ReadSlice: 1}, "01\xcd3456789", nil},
		{"delay", &egresstest.Chaos{ReadDelay: time.Millisecond, ReadSlice: 5}, "0123456789", nil},
	} {
		if got, err := talk(tt.chaos); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// TestSyscallConn: a driver can ask the kernel about an idle connection.
func TestSyscallConn(t *testing.T) {
	t.Parallel()
	hangUp := make(chan struct{})
	conn := pair(t, func(net.Conn) { <-hangUp })
	peek := func() (n int, err error) {
		raw, rerr := conn.SyscallConn()
		if rerr != nil {
			t.Fatal(rerr)
		}
		raw.Read(func(fd uintptr) bool {
			n, _, err = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			return true
		})
		return n, err
	}
	if _, err := peek(); err != syscall.EAGAIN {
		t.Errorf("an idle connection: %v, want EAGAIN", err)
	}
	close(hangUp)
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	conn.Read(make([]byte, 1))
	if n, err := peek(); n != 0 || err != nil {
		t.Errorf("a connection that was hung up: %d, %v", n, err)
	}
}

// TestConnAllocates: counting costs the reader nothing.
func TestConnAllocates(t *testing.T) {
	conn := pair(t, flood(-1))
	conn.BeginStatementUpTo(1 << 40)
	buf := make([]byte, 512)
	if n := testing.AllocsPerRun(200, func() { conn.Read(buf) }); n != 0 {
		t.Errorf("%v allocations a read", n)
	}
}

func BenchmarkConnRead(b *testing.B) {
	conn := pair(b, flood(-1))
	conn.BeginStatementUpTo(1 << 60)
	buf := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	v4, v6 := addr("8.8.8.8"), addr("2a00:1450:4001:828::200e")
	b.ReportAllocs()
	for b.Loop() {
		if egress.Classify(v4) != egress.Public || egress.Classify(v6) != egress.Public {
			b.Fatal("not public")
		}
	}
}
