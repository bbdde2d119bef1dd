package crashtest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"flowyte/client"
	"flowyte/internal/dbtest"
)

func TestMain(m *testing.M) {
	if data := os.Getenv(dataVariable); data != "" {
		if err := serveUntilKilled(data); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	dbtest.Main(m)
}

// service is the service in another process.
type service struct {
	*client.Client
	ready time.Time // when it began to serve

	http    *http.Client
	process *exec.Cmd
	in      io.WriteCloser
	says    chan string // closed when the process has ended
	log     *lockedBuffer
}

// start runs the service on a folder, and ends it with the test.
func start(t *testing.T, data, key string) *service {
	t.Helper()
	s := &service{process: exec.Command(os.Args[0]), says: make(chan string, 8), log: &lockedBuffer{}, http: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}
	s.process.Env = append(os.Environ(), dataVariable+"="+data)
	s.process.Stderr = s.log
	var err error
	if s.in, err = s.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.says)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.says <- lines.Text()
		}
	}()
	t.Cleanup(func() { s.end(t) })
	address, ok := strings.CutPrefix(s.hear(t), saidReady+" ")
	if !ok {
		t.Fatalf("the service does not start: %s", s.log)
	}
	s.ready = time.Now()
	s.Client = client.New("http://"+address, key, s.http)
	return s
}

// hear waits for a line; it is empty when the process has ended.
func (s *service) hear(t *testing.T) string {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	select {
	case line := <-s.says:
		return line
	case <-limit.C:
		t.Fatalf("the service says nothing: %s", s.log)
		return ""
	}
}

func (s *service) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		t.Fatal(err)
	}
}

// trap sets one: the service dies at the station, or waits there.
func (s *service) trap(t *testing.T, at station, nth int, how string) {
	t.Helper()
	s.tell(t, fmt.Sprintf("%s %s %d %s", tellSet, at, nth, how))
	if got := s.hear(t); got != saidSet {
		t.Fatalf("the service says %q: %s", got, s.log)
	}
}

// died waits until the process is gone, and wants it to have been killed.
func (s *service) died(t *testing.T) {
	t.Helper()
	if got := s.hear(t); got != "" {
		t.Fatalf("instead of dying the service says %q", got)
	}
	_ = s.process.Wait() // of a signal, as the state tells
	s.http.CloseIdleConnections()
	if state, ok := s.process.ProcessState.Sys().(syscall.WaitStatus); !ok || state.Signal() != syscall.SIGKILL {
		t.Fatalf("the service ended by itself: %v\n%s", s.process.ProcessState, s.log)
	}
}

// end ends the service, unless it has ended.
func (s *service) end(t *testing.T) {
	t.Helper()
	if s.process.ProcessState != nil {
		return
	}
	s.http.CloseIdleConnections()
	_ = s.in.Close() // it hears of it
	for range s.says {
	}
	if err := s.process.Wait(); err != nil {
		t.Errorf("the service ends with %v: %s", err, s.log)
	}
}

// lockedBuffer is written by one goroutine and read by another. It shows its
// end.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.b.Bytes()
	return string(b[max(0, len(b)-4000):])
}
