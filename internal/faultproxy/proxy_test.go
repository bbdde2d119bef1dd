package faultproxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that says everything again, behind a proxy.
func echo(t *testing.T) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // until the client leaves
			}()
		}
	}()
	p, err := Listen(t.Context(), Address(0), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", Address(p.Port()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// say sends a text and reads as many bytes.
func say(c net.Conn, text string) (string, time.Duration, error) {
	begun := time.Now()
	if _, err := io.WriteString(c, text); err != nil {
		return "", 0, err
	}
	b := make([]byte, len(text))
	n, err := io.ReadFull(c, b)
	return string(b[:n]), time.Since(begun), err
}

func wantEcho(t *testing.T, c net.Conn, text string, atLeast time.Duration) {
	t.Helper()
	if got, took, err := say(c, text); err != nil || got != text || took < atLeast {
		t.Errorf("%d bytes of %d after %v: %v", len(got), len(text), took, err)
	}
}

func TestEverythingPasses(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	wantEcho(t, c, string(bytes.Repeat([]byte("0123456789"), 50_000)), 0)
	if p.Accepted() != 1 || p.Open() != 1 || p.Received() != 500_000 {
		t.Errorf("%d connections, %d of them open, %d bytes", p.Accepted(), p.Open(), p.Received())
	}
}

func TestLateAndSlow(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	p.Set(Faults{Latency: 30 * time.Millisecond})
	wantEcho(t, c, "late", 60*time.Millisecond)
	p.Set(Faults{Latency: 20 * time.Millisecond, Jitter: 10 * time.Millisecond})
	wantEcho(t, c, "about", 20*time.Millisecond)
	p.Set(Faults{BytesPerSecond: 1000})
	wantEcho(t, c, string(make([]byte, 300)), 180*time.Millisecond)
	p.Set(Faults{Slice: 1})
	wantEcho(t, c, "in pieces", 0)
}

func TestHole(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	wantEcho(t, c, "before", 0)
	p.Set(Faults{Hole: true})
	for _, one := range []net.Conn{c, dial(t, p)} {
		if err := one.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if got, _, err := say(one, "held"); !isTimeout(err) {
			t.Errorf("%q came: %v", got, err)
		}
	}
	p.Set(Faults{})
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "held" {
		t.Errorf("what was held does not come: %q %v", b, err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestEnds(t *testing.T) {
	for name, reset := range map[string]bool{"farewell": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			p := echo(t)
			c := dial(t, p)
			wantEcho(t, c, "before", 0)
			p.Set(Faults{CutAfter: 5, Reset: reset})
			got, _, err := say(c, "0123456789")
			if abrupt := errors.Is(err, syscall.ECONNRESET); err == nil || abrupt != reset {
				t.Errorf("it ends with %v", err)
			}
			if len(got) > 5 || !reset && len(got) != 5 {
				t.Errorf("%d bytes came before the end", len(got))
			}
			p.Set(Faults{Refuse: true, Reset: reset})
			if got, _, err := say(dial(t, p), "x"); err == nil {
				t.Errorf("a refused connection says %q", got)
			}
			p.Set(Faults{Reset: reset})
			c = dial(t, p)
			wantEcho(t, c, "again", 0)
			p.Cut()
			if _, _, err := say(c, "x"); err == nil {
				t.Error("a connection that was cut goes on")
			}
		})
	}
}
