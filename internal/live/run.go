package live

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"flowyte/internal/target"
)

const (
	// grace is how long after the deadline a run may still hand in what it has
	// to say, which is nearly always that it was stopped.
	grace = 25 * time.Millisecond
	// maxStuck is how many runs of one connection may ignore their deadline
	// before no more are begun.
	maxStuck = 16
	// maxIdle is how many goroutines wait for work at most.
	maxIdle = 64
)

// job is one run of a statement: what goes in, what comes out, and the memory
// for both, which is used again.
type job struct {
	ctx    context.Context
	conn   *Connection
	tool   *Tool
	values []target.Value
	sink   target.RowSink // of the rows
	shape  shaper         // the sink of a tool call
	stats  target.Stats
	err    error

	state atomic.Int32
	done  chan struct{}
}

// The states of a job.
const (
	running int32 = iota
	finished
	abandoned
)

func newJob() *job { return &job{done: make(chan struct{}, 1)} }

// forget lets go of what the job points to.
func (j *job) forget() {
	clear(j.values)
	j.ctx, j.conn, j.tool, j.values, j.sink, j.err = nil, nil, nil, j.values[:0], nil, nil
	j.stats = target.Stats{}
	j.state.Store(running)
}

// panicked is a bug that a run met. Hostile bytes are caught further down.
type panicked struct {
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("live: a run panicked with a %T\n%s", p.value, p.stack)
}

// execute runs the statement, on a goroutine of its own: a panic there would
// end the process.
func (j *job) execute() {
	defer func() {
		if v := recover(); v != nil {
			j.err = &panicked{v, debug.Stack()}
		}
	}()
	j.stats, j.err = j.conn.Runner.Run(j.ctx, j.tool.Plan, j.values, j.sink)
}

// end hands the job back, unless nobody waits any more.
func (j *job) end() {
	if j.state.CompareAndSwap(running, finished) {
		j.done <- struct{}{}
		return
	}
	j.conn.stuck.Add(-1)
}

// await waits for the end of the job, or until shortly after its deadline. It
// is false for a job that was abandoned: its memory belongs to the run.
func (j *job) await() bool {
	select {
	case <-j.done:
		return true
	case <-j.ctx.Done():
	}
	last := time.NewTimer(grace)
	defer last.Stop()
	select {
	case <-j.done:
		return true
	case <-last.C:
	}
	j.conn.stuck.Add(1)
	if j.state.CompareAndSwap(running, abandoned) {
		return false
	}
	j.conn.stuck.Add(-1)
	<-j.done
	return true
}

// workers are goroutines that run statements, so that a caller can be released
// at the deadline while a driver does not return. They wait for the next call:
// a statement costs two switches between goroutines and no new one, and only a
// run that is stuck takes a goroutine out of use.
type workers struct {
	mu     sync.Mutex
	idle   []chan *job
	closed bool
}

// start gives the job to a goroutine.
func (w *workers) start(j *job) {
	w.mu.Lock()
	n := len(w.idle)
	if n == 0 {
		w.mu.Unlock()
		go w.work(j)
		return
	}
	next := w.idle[n-1]
	w.idle = w.idle[:n-1]
	w.mu.Unlock()
	next <- j
}

// work runs jobs until enough others wait for them.
func (w *workers) work(j *job) {
	jobs := make(chan *job, 1)
	for {
		j.execute()
		stay := w.park(jobs)
		j.end()
		if !stay {
			return
		}
		var more bool
		if j, more = <-jobs; !more {
			return
		}
	}
}

func (w *workers) park(jobs chan *job) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.idle) == maxIdle {
		return false
	}
	w.idle = append(w.idle, jobs)
	return true
}

func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, jobs := range w.idle {
		close(jobs)
	}
	w.idle = nil
}
