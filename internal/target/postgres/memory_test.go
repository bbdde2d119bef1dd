package postgres_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/jackc/pgx/v5/pgproto3"
)

// allocated is the memory that f asked for, on all goroutines.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestLengthsThatLie(t *testing.T) {
	for name, length := range map[string]uint32{"1 GiB": 1 << 30, "2 GiB - 1": 1<<31 - 1, "0": 0, "3": 3, "negative": 1<<32 - 5} {
		t.Run(name+" before ready", func(t *testing.T) {
			creds := rogue(t, func(p *peer) { p.startup(); p.raw('S', length, 'x'); p.silence() })
			var code fault.Code
			bytes := allocated(func() { code, _ = tryOpen(t, t.Context(), creds) })
			if code != fault.ProtocolError || bytes > 1<<20 {
				t.Errorf("%q, %d bytes allocated", code, bytes)
			}
		})
		t.Run(name+" in a result", func(t *testing.T) {
			creds := rogue(t, func(p *peer) {
				p.prepare(description(25))
				p.query()
				p.send(&pgproto3.BindComplete{})
				p.raw('D', length, 0, 1)
				p.silence()
			})
			s := open(t, creds, target.ForReads)
			var err error
			bytes := allocated(func() {
				err = s.Run(t.Context(), read("SELECT $1", 1, 1, 1), targettest.Text("1"), targettest.Discard{})
			})
			if !fault.Is(err, fault.ProtocolError) || !s.Broken() || bytes > 1<<20 {
				t.Errorf("%v, broken %v, %d bytes allocated", err, s.Broken(), bytes)
			}
		})
	}
}

// What a session keeps of its prepared statements does not depend on how the
// server names their columns.
func TestNamesAreNotKept(t *testing.T) {
	const statements, long = 16, 4 << 20
	s := open(t, rogue(t, func(p *peer) {
		p.greet()
		name := bytes.Repeat([]byte("n"), long)
		for {
			p.query()
			p.send(&pgproto3.ParseComplete{}, &pgproto3.ParameterDescription{ParameterOIDs: []uint32{23}},
				&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: name, DataTypeOID: 25}}}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
			p.query()
			p.send(append([]pgproto3.BackendMessage{&pgproto3.BindComplete{}, row("a")}, finished...)...)
		}
	}), target.ForReads)
	before := liveHeap()
	for i := range statements {
		must(t, s.Run(deadline(t, 5*time.Second), read(fmt.Sprintf("SELECT $1, %d", i), 1, 1, 1), targettest.Text("1"), targettest.Discard{}))
	}
	if growth := liveHeap() - before; growth > 5*long {
		t.Errorf("%d statements keep %d bytes", statements, growth)
	}
}

// liveHeap is the memory in use.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
