//go:build !race

package apptest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/oplog"
	"flowyte/internal/serve"
)

// maxRouteAllocs is the ceiling of a live read on PostgreSQL through everything
// that one goes through: HTTP, key, checks, session, receipt and answer; see
// docs/performance.md.
const maxRouteAllocs = 60

// asker asks one question after the other over one connection and makes
// nothing while it does.
type asker struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	id      []byte // the digits of the toolCallId in request
	body    []byte
}

func newAsker(t testing.TB, p *Practice) *asker {
	t.Helper()
	conversation := p.Ring(t)
	body := `{"toolCallId":"call_00000000","tool":"look_up_an_appointment"}`
	request := fmt.Appendf(nil, "POST %s/conversations/%s/tool-calls HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		api.Base, conversation.ID, p.Key, len(body), body)
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	at := bytes.Index(request, []byte("call_")) + len("call_")
	return &asker{conn: conn, in: bufio.NewReader(conn), request: request, id: request[at : at+8], body: make([]byte, 4096)}
}

func (a *asker) ask(t testing.TB) {
	for i := len(a.id) - 1; i >= 0; i-- { // count on
		if a.id[i]++; a.id[i] <= '9' {
			break
		}
		a.id[i] = '0'
	}
	if _, err := a.conn.Write(a.request); err != nil {
		t.Fatal(err)
	}
	length := 0
	for {
		line, err := a.in.ReadSlice('\n')
		if err != nil {
			t.Fatal(err)
		}
		if number, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			for _, digit := range bytes.TrimSpace(number) {
				length = 10*length + int(digit-'0')
			}
		}
		if len(line) <= 2 {
			break
		}
	}
	body := a.body[:length]
	if _, err := io.ReadFull(a.in, body); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(body, []byte(`"outcome":"ok"`)) || !bytes.Contains(body, []byte(`"replayed":false`)) {
		t.Fatalf("answered %s", body)
	}
}

// asInProduction logs no line for a call that succeeds.
var asInProduction = Options{Serve: func(o *serve.Options) { o.Log = oplog.New(io.Discard, slog.LevelInfo) }}

// settled is how many calls come before what a conversation remembers stops
// growing.
const settled = 600

// TestRouteAllocations counts what the whole process allocates, receipts
// written behind included.
func TestRouteAllocations(t *testing.T) {
	a := newAsker(t, Published(t, dbtest.Postgres(t), asInProduction))
	for range settled {
		a.ask(t)
	}
	const calls, tries = 1500, 5
	least := 0.0
	for try := range tries {
		// The least counts: what the process does by the clock, such as writing
		// batches, weighs more on each call the slower the machine is.
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			a.ask(t)
		}
		runtime.ReadMemStats(&after)
		if got := float64(after.Mallocs-before.Mallocs) / calls; try == 0 || got < least {
			least = got
		}
	}
	if least > maxRouteAllocs {
		t.Errorf("%.1f allocations a call, want at most %d", least, maxRouteAllocs)
	}
	t.Logf("%.1f allocations a call", least)
}

// BenchmarkWholeRoute is the same with figures.
func BenchmarkWholeRoute(b *testing.B) {
	a := newAsker(b, Published(b, dbtest.Postgres(b), asInProduction))
	for range settled {
		a.ask(b)
	}
	b.ReportAllocs()
	for b.Loop() {
		a.ask(b)
	}
}
