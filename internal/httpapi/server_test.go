package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"flowyte/internal/fault"
)

// listen serves a kit with NewServer, its times cut down by change.
func listen(t *testing.T, k *kit, maxConnections int, withTLS bool, change func(*http.Server)) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	state := server.Config.ConnState
	server.Config = NewServer(k, maxConnections, discard)
	if state != nil {
		t.Fatal("httptest has a ConnState of its own")
	}
	if change != nil {
		change(server.Config)
	}
	server.EnableHTTP2 = withTLS
	if withTLS {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

func healthy(t *testing.T, server *httptest.Server) {
	t.Helper()
	client := *server.Client()
	client.Timeout = 10 * time.Second
	resp, err := client.Get(server.URL + "/healthz")
	if err != nil {
		t.Fatalf("another client is refused: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatalf("another client got %d", resp.StatusCode)
	}
}

func TestServerBounds(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), 1, discard)
	for name, d := range map[string]time.Duration{"ReadHeaderTimeout": s.ReadHeaderTimeout, "IdleTimeout": s.IdleTimeout, "WriteTimeout": s.WriteTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s is %v", name, d)
		}
	}
	if s.ReadTimeout != 0 {
		t.Error("ReadTimeout would end the work of long requests: net/http cancels their context")
	}
	if s.MaxHeaderBytes != 32<<10 || s.HTTP2.MaxConcurrentStreams != 100 {
		t.Errorf("headers %d, streams %d", s.MaxHeaderBytes, s.HTTP2.MaxConcurrentStreams)
	}
}

// TestSlowAndLargeHeaders is the first half of A14.
func TestSlowAndLargeHeaders(t *testing.T) {
	k := newKit(t)
	server := listen(t, k, 100, false, func(s *http.Server) { s.ReadHeaderTimeout = 100 * time.Millisecond })
	addr := server.Listener.Addr().String()

	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(conn); err != nil { // closed by the server, with or without a word
		t.Errorf("slow headers are waited for: %v", err)
	}

	line := "X-Flood: " + big(1000) + "\r\n"
	resp := raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\n"+strings.Repeat(line, 20)+"\r\n", nil)
	if resp == nil || resp.StatusCode != 431 {
		t.Errorf("20 KiB of headers: %+v", resp)
	} else if body, _ := io.ReadAll(resp.Body); code(body) != string(fault.HeadersTooLarge) {
		t.Errorf("20 KiB of headers: %s", body)
	}
	resp = raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\n", func(w io.Writer) {
		_, _ = io.WriteString(w, strings.Repeat(line, 1024)+"\r\n")
	})
	if resp != nil && resp.StatusCode != 431 { // nil: the reset overtook the answer
		t.Errorf("1 MiB of headers: %+v", resp)
	}
	healthy(t, server)
}

// TestSlowBodyLetsGo: the bound on a body holds though it is never sent, and
// work that takes longer than the bound is not cut off by it.
func TestSlowBodyLetsGo(t *testing.T) {
	k := newKit(t)
	k.limits.body = 50 * time.Millisecond
	k.addSample()
	k.streaming(func(ctx context.Context) (string, error) {
		timer := time.NewTimer(200 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-timer.C:
			return "all", nil
		}
	})
	server := listen(t, k, 100, false, nil)
	addr := server.Listener.Addr().String()
	start := time.Now()
	resp := raw(t, addr, jsonHead+"Content-Length: 50\r\n\r\n{", nil)
	if resp == nil || resp.StatusCode != 408 || time.Since(start) > 5*time.Second {
		t.Errorf("slow body: %+v after %v", resp, time.Since(start))
	}
	head := strings.Replace(jsonHead, "/api/v1/things/x", "/api/v1/discover", 1)
	resp = raw(t, addr, head+"Content-Length: 2\r\n\r\n{}", nil)
	if resp == nil || resp.StatusCode != 200 {
		t.Fatalf("long work: %+v", resp)
	}
	if body, _ := io.ReadAll(resp.Body); string(body) != `{"success":true,"data":"all"}`+"\n" {
		t.Errorf("long work: %s", body)
	}
}

// TestIdleConnectionsGiveWay is the second half of A14.
func TestIdleConnectionsGiveWay(t *testing.T) {
	k := newKit(t)
	const most, floods = 20, 300
	var open int
	counting := make(chan int, 10*floods)
	server := listen(t, k, most, false, func(s *http.Server) {
		state := s.ConnState
		s.ConnState = func(c net.Conn, to http.ConnState) {
			switch to {
			case http.StateNew:
				counting <- 1
			case http.StateClosed:
				counting <- -1
			}
			state(c, to)
		}
	})
	addr := server.Listener.Addr().String()
	for i := range floods {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 { // half of them as slow headers
			_, _ = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		}
		if i%50 == 0 {
			healthy(t, server)
		}
	}
	healthy(t, server)
	eventually(t, "the closing of what is too many", func() bool {
		for len(counting) > 0 {
			open += <-counting
		}
		return open <= most
	})
}

// TestSilentConnectionsEndAtAStop is F19: a client that connects and never asks
// does not hold up a stop.
func TestSilentConnectionsEndAtAStop(t *testing.T) {
	k := newKit(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(k.API, 10, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	for _, begun := range []string{"", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, begun) // what arrives does not matter
	}
	resp, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	begun := time.Now()
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestBusyConnectionsStay: a request at work is never ended for a new connection.
func TestBusyConnectionsStay(t *testing.T) {
	k := newKit(t)
	started, release := make(chan struct{}), make(chan struct{})
	k.streaming(func(context.Context) (string, error) { close(started); <-release; return "all", nil })
	server := listen(t, k, 1, false, nil)
	addr := server.Listener.Addr().String()
	head := strings.Replace(jsonHead, "/api/v1/things/x", "/api/v1/discover", 1)
	busy := make(chan *http.Response, 1)
	go func() { busy <- raw(t, addr, head+"Content-Length: 2\r\n\r\n{}", nil) }()
	<-started
	if resp := raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", nil); resp != nil {
		t.Errorf("a connection too many was served: %+v", resp)
	}
	close(release)
	if resp := <-busy; resp == nil || resp.StatusCode != 200 {
		t.Errorf("the request at work got %+v", resp)
	}
	eventually(t, "room for another", func() bool {
		resp := raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", nil)
		return resp != nil && resp.StatusCode == 200
	})
}

// dialHTTP2 opens a connection that speaks frames by hand.
func dialHTTP2(t *testing.T, server *httptest.Server) (net.Conn, *http2.Framer) {
	t.Helper()
	config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	buffered := bufio.NewWriter(conn)
	framer := http2.NewFramer(writeFlusher{buffered}, conn)
	_, _ = io.WriteString(conn, http2.ClientPreface)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return conn, framer
}

type writeFlusher struct{ *bufio.Writer }

func (w writeFlusher) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err == nil {
		err = w.Flush()
	}
	return n, err
}

func headerBlock(t *testing.T, path string) []byte {
	t.Helper()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", path}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	return block.Bytes()
}

// TestHTTP2Floods: resets and continuations without end leave others alone.
func TestHTTP2Floods(t *testing.T) {
	k := newKit(t)
	server := listen(t, k, 100, true, nil)
	resp, err := server.Client().Get(server.URL + "/healthz")
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatalf("HTTP/2 is not spoken: %v", err)
	}
	_ = resp.Body.Close()

	_, framer := dialHTTP2(t, server)
	block := headerBlock(t, "/healthz")
	for id := uint32(1); id < 10_000; id += 2 {
		if framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true}) != nil {
			break // the server has had enough
		}
		if framer.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break
		}
	}
	healthy(t, server)

	conn, framer := dialHTTP2(t, server)
	sent := 0
	err = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true})
	fragment := headerBlock(t, "/"+big(8000))
	for err == nil && sent < 64<<20 {
		err = framer.WriteContinuation(1, false, fragment)
		sent += len(fragment)
	}
	if err == nil {
		t.Errorf("%d MiB of continuations were taken", sent>>20)
	}
	_ = conn.Close()
	healthy(t, server)
}

func TestOptionsStar(t *testing.T) {
	k := newKit(t)
	server := listen(t, k, 10, false, nil)
	resp := raw(t, server.Listener.Addr().String(), "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", nil)
	if resp == nil || resp.StatusCode != 404 || resp.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %+v", resp)
	}
}

func TestGarbageIsNoRequest(t *testing.T) {
	k := newKit(t)
	server := listen(t, k, 10, false, nil)
	for _, garbage := range []string{"\x16\x03\x01\x00\x05hello\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", fmt.Sprintf("GET /%s HTTP/1.1\r\n\r\n", big(40<<10))} {
		if resp := raw(t, server.Listener.Addr().String(), garbage, nil); resp != nil && resp.StatusCode < 400 {
			t.Errorf("%.10q: %+v", garbage, resp)
		}
	}
	healthy(t, server)
}
