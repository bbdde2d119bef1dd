package live

import (
	"context"
	"fmt"
	"runtime/debug"

	"flowyte/internal/target"
)

// maxStuck is how many statements of one connection may ignore their deadline
// before no more are begun.
const maxStuck = 16

// job is the memory of one read, which is used again: the values that go in and
// the shape of what comes out.
type job struct {
	values []target.Value
	shape  shaper
	stats  target.Stats
	err    error
}

func newJob() *job { return &job{} }

// forget lets go of what the job points to.
func (j *job) forget() {
	clear(j.values)
	j.values, j.stats, j.err = j.values[:0], target.Stats{}, nil
}

// panicked is a bug that a run met. Hostile bytes are caught further down.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("live: a run panicked with a %T\n%s", p.value, p.stack)
}

// run executes a read on the caller's own goroutine: another one would cost
// every call two switches, a fifth of what a single caller waits. It returns at
// ctx's deadline because every byte to and from a database passes a connection
// that ends then (egress), whatever the driver or the server does.
func (j *job) run(ctx context.Context, conn *Connection, t *Tool, sink target.RowSink) {
	defer func() {
		if v := recover(); v != nil {
			j.err = &panicked{v, debug.Stack()}
		}
	}()
	j.stats, j.err = conn.Runner.Run(ctx, t.Plan, j.values, sink)
}
