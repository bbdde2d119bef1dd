package crashtest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/target"
)

// station is a place on the way of a write.
type station string

// The stations, in the order in which a write comes by them.
const (
	intended   station = "intended"   // the intent is durable, nothing was sent
	sent       station = "sent"       // something was sent, and not answered
	executed   station = "executed"   // the evidence is durable, COMMIT was not sent
	committing station = "committing" // COMMIT was sent, and not answered
	committed  station = "committed"  // COMMIT was answered, nothing is journalled
	finished   station = "finished"   // the ending is durable, nobody was answered
)

// failpoints are the four of the figures, with the stations that each has.
var failpoints = []struct {
	name     string
	stations []station
}{
	{"before the statement is sent", []station{intended}},
	{"after it was sent, before the reply", []station{sent}},
	{"after the evidence, before COMMIT's reply", []station{executed, committing}},
	{"after COMMIT's reply, before the answer", []station{committed, finished}},
}

// trap springs where it was set, once: when a write comes by a station for the
// nth time. It needs writes that come one at a time, as one session for writes
// makes them.
type trap struct {
	spring func()

	mu   sync.Mutex
	at   station
	left int
	wire station // what a message to the database would be now
}

func (p *trap) set(at station, nth int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.left = at, nth
}

// pass tells that a write comes by a station.
func (p *trap) pass(at station) {
	p.mu.Lock()
	caught := p.at == at
	if caught {
		p.left--
		caught = p.left <= 0
	}
	if caught {
		p.at = ""
	}
	p.mu.Unlock()
	if caught {
		p.spring()
	}
}

// missed springs a trap at a station that has been left for good.
func (p *trap) missed(at station) {
	p.mu.Lock()
	caught := p.at == at
	if caught {
		p.at = ""
	}
	p.mu.Unlock()
	if caught {
		p.spring()
	}
}

func (p *trap) expect(at station) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wire = at
}

// message tells that a message has gone to a database.
func (p *trap) message() {
	p.mu.Lock()
	at := p.wire
	if at == committing {
		p.wire = ""
	}
	p.mu.Unlock()
	if at != "" {
		p.pass(at)
	}
}

// onWire sees the messages of one connection.
type onWire struct {
	net.Conn
	trap *trap
}

func (w onWire) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	w.trap.message()
	return n, err
}

// onJournal sees what is journalled.
type onJournal struct {
	live.Journal
	trap *trap
}

func (j onJournal) Intend(ctx context.Context, i live.Intent) error {
	err := j.Journal.Intend(ctx, i)
	j.trap.pass(intended)
	j.trap.expect(sent)
	return err
}

func (j onJournal) Executed(ctx context.Context, w id.Write, e target.Evidence, result []byte) error {
	j.trap.missed(sent)
	err := j.Journal.Executed(ctx, w, e, result)
	j.trap.pass(executed)
	j.trap.expect(committing)
	return err
}

func (j onJournal) Finish(ctx context.Context, w id.Write, end live.Ending) error {
	j.trap.pass(committed)
	err := j.Journal.Finish(ctx, w, end)
	j.trap.pass(finished)
	return err
}

// parseStation reads what String wrote.
func parseStation(text string) (station, error) {
	all := []station{intended, sent, executed, committing, committed, finished}
	if i := slices.Index(all, station(text)); i >= 0 {
		return all[i], nil
	}
	return "", fmt.Errorf("no station %q", text)
}
