package faulttest

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
)

// TestDescriptorsRunOut is F18: more clients than the process has files come and
// stay. Calls are answered, databases are reached, and the process lives.
func TestDescriptorsRunOut(t *testing.T) {
	p := behind(t, dbtest.Postgres(t))
	one := p.apart(t, filesVariable+"=96")
	address := strings.TrimPrefix(p.URL, "http://")
	var crowd []net.Conn
	defer func() {
		for _, c := range crowd {
			c.Close()
		}
	}()
	for range 10 {
		for range 40 {
			c, err := net.DialTimeout("tcp", address, 5*time.Second)
			if err != nil {
				t.Fatalf("%v\n%s", err, one.log.String())
			}
			crowd = append(crowd, c)
		}
		p.HTTP.CloseIdleConnections()
		p.kick(t) // so that the database must be reached anew
		p.wantOK(t)
	}
	one.stop(t)
}

// TestMemoryRunsOut is F18 with real memory: with nothing left requests are shed,
// health says so, and all is well as soon as there is memory again.
func TestMemoryRunsOut(t *testing.T) {
	const mib = 1 << 20
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	debug.SetMemoryLimit(int64(now.HeapAlloc) + 256*mib)
	p := behind(t, dbtest.Postgres(t))
	ballast := make([]byte, 320*mib)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	status := func(path string) (int, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+p.Key)
		resp, err := p.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header
	}
	const path = api.Base + "/agents"
	within(t, 5*time.Second, "shed", func() bool { s, h := status(path); return s == 503 && h.Get("Retry-After") != "" })
	if s, _ := status("/healthz"); s != 200 {
		t.Errorf("a living process says %d", s)
	}
	if s, _ := status("/readyz"); s != 503 {
		t.Errorf("a process without memory says %d", s)
	}
	runtime.KeepAlive(ballast)
	ballast = nil
	within(t, 5*time.Second, "served again", func() bool { s, _ := status(path); return s == 200 })
	p.wantOK(t)
}

// TestDrain is F19: on SIGTERM the call under way gets its answer, nothing new is
// taken, and the process is gone within five seconds.
func TestDrain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db)
		one := p.apart(t)
		p.wantOK(t)
		release := lock(t, db)
		defer release()
		answer := make(chan api.ToolCallAnswer, 1)
		go func() { answer <- apptest.Ask(t, p.Client(), p.conv, "under way") }()
		within(t, 5*time.Second, "at work", func() bool { return p.atWork(t) })
		took := one.stop(t)
		wantOutcome(t, <-answer, api.OutcomeTimedOut, "deadline")
		if took > 5*time.Second+slack {
			t.Errorf("the process was gone after %v", took)
		}
		if _, err := net.DialTimeout("tcp", strings.TrimPrefix(p.URL, "http://"), time.Second); err == nil {
			t.Error("somebody still listens")
		}
		within(t, 2*time.Second, "gone from the server", func() bool { return !p.atWork(t) })
	})
}

// TestFileSizeLimit is K02: the kernel lets no file of the store grow any more.
// Changes are refused and reads go on; what was acknowledged is there when the
// limit is gone.
func TestFileSizeLimit(t *testing.T) {
	p := behind(t, dbtest.Postgres(t))
	p.Stop()
	info, err := os.Stat(filepath.Join(p.Data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	limit := max(info.Size(), 64<<10) + 128<<10
	one := p.apart(t, fileSizeVariable+"="+strconv.FormatInt(limit, 10))
	made := map[string]bool{}
	refused := 0
	for i := 0; refused < 3; i++ {
		a, err := p.Client().CreateAgent(t.Context(), api.AgentRequest{Name: strings.Repeat("a", 80), Country: "US"})
		switch {
		case err == nil:
			made[a.ID] = true
		case strings.Contains(err.Error(), "store_unavailable") || strings.Contains(err.Error(), "503"):
			refused++
			p.wantOK(t) // reads go on
		default:
			t.Fatalf("%v\n%s", err, one.log.String())
		}
		if i > 5000 {
			t.Fatal("the limit is never met; the test proves nothing")
		}
	}
	t.Logf("%d agents were made under the limit", len(made))
	one.stop(t)
	p.apart(t)
	for id := range made {
		if err := p.Client().Do(t.Context(), http.MethodGet, "/agents/"+id, nil, nil); err != nil {
			t.Errorf("an agent that was acknowledged: %v", err)
		}
	}
	p.wantOK(t)
}
