package targettest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"go.uber.org/goleak"
)

// hostileEnv is how many hostile connections each driver gets; `make hostile`
// sets it.
const hostileEnv = "FLOWYTE_HOSTILE"

func hostileConnections(t *testing.T) int64 {
	t.Helper()
	text := os.Getenv(hostileEnv)
	if text == "" {
		return 2000
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", hostileEnv, err)
	}
	return n
}

const (
	// A siege is laid to the standard caps: 25 organisations of 20 sessions are
	// the 500 of the process.
	siegeOrgs      = 25
	siegeDatabases = 10 // of one organisation
	siegeAtOnce    = 200
	siegeMemory    = 64 << 20
	siegeCall      = 400 * time.Millisecond
	// siegeSlack is for servers that drip, which notice late that the client
	// has left.
	siegeSlack = 750 * time.Millisecond
	// siegeWakes is how often something that ends in time has to be woken up
	// for it, each time as late as the machine is busy.
	siegeWakes = 5
	// siegePeace is how long it may take until everything is good again, on a
	// machine that has other things to do.
	siegePeace        = time.Minute
	siegeFew          = 5 // failures of one sort are told
	siegeLimit        = 3 * time.Minute
	poolOfOneDatabase = 5
	capOfOneOrg       = 20
)

// siege is a crowd of rogue servers that share a count.
type siege struct {
	t      *testing.T
	quota  int64
	peace  atomic.Bool
	met    atomic.Int64 // hostile connections
	open   atomic.Int64
	most   atomic.Int64 // open at once
	ended  atomic.Int64
	slow   atomic.Int64 // nanoseconds that the client stayed longest with one that went wrong
	full   chan struct{}
	filled sync.Once
	watch  *watch
	peers  sync.Map // of *Peer, hostile
	failed atomic.Int64
}

// fail tells the first few failures.
func (s *siege) fail(format string, args ...any) {
	if s.failed.Add(1) <= siegeFew {
		s.t.Errorf(format, args...)
	}
}

// patience is how much later than planned things may end on this machine.
func (s *siege) patience() time.Duration {
	return slowdown * (siegeSlack + siegeWakes*s.watch.late())
}

// play is one connection with a rogue of the crowd. The first ones wait for
// each other, so that there are as many at once as there must be.
func (s *siege) play(p *Peer, session Session) {
	if s.peace.Load() {
		p.Secure(session)
		p.Replay(session)
	}
	seed := uint64(s.met.Add(1))
	now := s.open.Add(1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	if now >= siegeAtOnce {
		s.filled.Do(func() { close(s.full) })
	}
	mischief := NewMischief(seed, session)
	s.peers.Store(p, nil)
	defer func() {
		s.peers.Delete(p)
		s.open.Add(-1)
		s.ended.Add(1)
		took := int64(mischief.Struck())
		for slow := s.slow.Load(); took > slow && !s.slow.CompareAndSwap(slow, took); slow = s.slow.Load() {
		}
	}()
	if seed <= siegeAtOnce {
		select {
		case <-s.full:
		case <-time.After(target.ConnectLimit / 2):
		}
	}
	if !s.peace.Load() {
		mischief.Play(p, session)
	}
}

// makePeace has the servers behave from here on, and leave where they did not:
// a session may be sound that says it is another database's.
func (s *siege) makePeace() {
	s.peace.Store(true)
	s.peers.Range(func(p, _ any) bool {
		p.(*Peer).Raw.Close()
		return true
	})
}

var errNotAsked = errors.New("not asked")

// besieged is one database of the fleet, whose server is a rogue.
type besieged struct {
	db   *target.Database
	plan *plan.Plan
	args []target.Value
	want Rows
}

// TestHostileConnections lets thousands of hostile servers loose on each
// driver, through the pools that live calls use. The process lives, every call
// and every connection ends in its time, memory stays, and afterwards every
// place in every pool is there again.
func TestHostileConnections(t *testing.T) {
	eachKind(t, func(t *testing.T, kind schema.Kind) {
		before := goleak.IgnoreCurrent()
		s := &siege{t: t, quota: hostileConnections(t), full: make(chan struct{})}
		fleet := target.NewFleet(Guard(t), target.Options{})
		besieged := s.lay(kind, fleet)
		heap, files := liveHeap(), openFiles(t)
		s.watch = newWatch()
		defer s.watch.stop()
		begun := time.Now()
		s.run(besieged)
		took := time.Since(begun)
		s.makePeace()
		s.recover(besieged)
		growth := liveHeap() - heap
		fleet.Shutdown()
		Eventually(t, target.ConnectLimit+s.patience(), "without hostile connections", func() bool { return s.ended.Load() == s.met.Load() })
		Eventually(t, s.patience(), "without open files", func() bool { return openFiles(t) <= files })

		patience := s.patience()
		s.watch.stop()
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("flowyte/internal/egress/egresstest.(*Listener).run"))

		slow := time.Duration(s.slow.Load())
		t.Logf("%d hostile connections in %v, %d at once; one that went wrong was left after %v at most; the heap grew by %d KiB and was %d KiB at most",
			s.met.Load(), took.Round(time.Millisecond), s.most.Load(), slow.Round(time.Millisecond), growth>>10, s.watch.peak>>10)
		t.Logf("the machine was up to %v late", s.watch.late().Round(time.Millisecond))
		if s.met.Load() < s.quota || s.most.Load() < siegeAtOnce {
			t.Errorf("%d connections, %d at once: the siege proves too little", s.met.Load(), s.most.Load())
		}
		if slow > target.ConnectLimit+patience {
			t.Errorf("a connection that went wrong was left after %v", slow)
		}
		if growth > siegeMemory {
			t.Errorf("the heap grew by %d bytes", growth)
		}
		if took > siegeLimit {
			t.Errorf("it took %v", took)
		}
	})
}

// lay connects the databases, half of them to each flavour of the kind.
func (s *siege) lay(kind schema.Kind, fleet *target.Fleet) []*besieged {
	s.t.Helper()
	flavors := []string{"postgres", "postgres18"}
	if kind == schema.MySQL {
		flavors = []string{"mariadb", "mysql"}
	}
	var all []*besieged
	var creds []*target.Credentials
	var identities []string
	for _, flavor := range flavors {
		session := Recorded(s.t, flavor, Reading)
		rogue := NewRogue(s.t, kind, "127.0.0.1:0", func(p *Peer) { s.play(p, session) })
		creds = append(creds, Parse(s.t, rogue.API(), kind))
		s.peace.Store(true)
		identities = append(identities, identity(s.t, creds[len(creds)-1]))
		s.peace.Store(false)
	}
	for i := range siegeOrgs * siegeDatabases {
		org := id.Org(fmt.Sprintf("org_%d", i%siegeOrgs))
		b := &besieged{db: fleet.Open(id.Connection(fmt.Sprintf("con_%d", i)), org, drivers[kind], creds[i%len(creds)])}
		b.plan, b.args, b.want = LookUp(kind, identities[i%len(creds)])
		all = append(all, b)
	}
	return all
}

// identity is what the database calls itself.
func identity(t *testing.T, creds *target.Credentials) string {
	t.Helper()
	s, err := drivers[creds.Kind].Open(t.Context(), Guard(t), creds, target.ForReads)
	if err != nil {
		t.Fatalf("%v: %v", err, fault.Cause(err))
	}
	defer s.Close()
	return s.Server().Identity
}

// run calls every database again and again until the quota is met.
func (s *siege) run(all []*besieged) {
	var calls sync.WaitGroup
	for _, b := range all {
		calls.Go(func() {
			for s.met.Load() < s.quota && s.failed.Load() == 0 {
				pause := s.call(b)
				select {
				case <-time.After(pause):
				case <-s.t.Context().Done():
					return
				}
			}
		})
	}
	calls.Wait()
}

// call makes one call and says when to come back.
func (s *siege) call(b *besieged) (pause time.Duration) {
	ctx, cancel := context.WithTimeout(s.t.Context(), siegeCall)
	defer cancel()
	begun := time.Now()
	var got Rows
	_, err := b.db.Run(ctx, b.plan, b.args, &got)
	if took := time.Since(begun); took > siegeCall+s.patience() {
		s.fail("a call was held for %v", took)
	}
	if err == nil {
		return 0
	}
	f, ok := err.(*fault.Error)
	if !ok {
		s.fail("the error is a %T", err)
		return 0
	}
	if f.Code == fault.Internal {
		s.fail("%v: %v", f, fault.Cause(f))
	}
	return f.RetryAfter
}

// recover wants every database to answer again, and then all the places of all
// pools at the same time: five of a database, twenty of an organisation, five
// hundred in all.
func (s *siege) recover(all []*besieged) {
	// A machine of two cores shakes no hundred hands at once.
	lanes := make(chan struct{}, 16)
	var good sync.WaitGroup
	ctx, cancel := context.WithTimeout(s.t.Context(), siegePeace)
	defer cancel()
	for _, b := range all {
		good.Go(func() {
			err := errNotAsked
			for ctx.Err() == nil {
				lanes <- struct{}{}
				var got Rows
				_, err = b.db.Run(ctx, b.plan, b.args, &got)
				<-lanes
				if err == nil && fmt.Sprint(got) == fmt.Sprint(b.want) {
					return
				}
				// A shut gate lets one attempt through at a time.
				<-time.After(retryAfter(err))
			}
			s.fail("a database does not answer again: %v", err)
		})
	}
	good.Wait()
	const places = siegeOrgs * capOfOneOrg
	var held atomic.Int64
	release := make(chan struct{})
	var holders sync.WaitGroup
	for _, b := range all[:siegeOrgs*capOfOneOrg/poolOfOneDatabase] {
		for range poolOfOneDatabase {
			holders.Go(func() {
				for ctx.Err() == nil {
					lanes <- struct{}{}
					enter := sync.OnceFunc(func() { <-lanes })
					err := b.db.WithSession(ctx, target.ForReads, func(target.Session) error {
						enter()
						if held.Add(1) == places {
							close(release)
						}
						select {
						case <-release:
						case <-ctx.Done():
						}
						return nil
					})
					enter()
					if err == nil {
						return
					}
					<-time.After(retryAfter(err))
				}
			})
		}
	}
	holders.Wait()
	if n := held.Load(); n != places {
		s.t.Errorf("%d of %d places can be taken at once", n, places)
	}
}

func retryAfter(err error) time.Duration {
	if f, ok := fault.As(err); ok {
		return f.RetryAfter
	}
	return 0
}

// watch looks at the heap, and at how late this process gets its turn.
type watch struct {
	done, ended chan struct{}
	once        sync.Once
	latest      atomic.Int64 // by how many nanoseconds
	peak        uint64       // bytes, rubbish included; when it has ended
}

func newWatch() *watch {
	w := &watch{done: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

func (w *watch) run() {
	defer close(w.ended)
	const every = 20 * time.Millisecond
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		begun := time.Now()
		select {
		case <-w.done:
			return
		case <-timer.C:
		}
		w.latest.Store(max(w.latest.Load(), int64(time.Since(begun)-every)))
		metrics.Read(sample)
		w.peak = max(w.peak, sample[0].Value.Uint64())
		timer.Reset(every)
	}
}

// late is the latest turn so far.
func (w *watch) late() time.Duration { return time.Duration(w.latest.Load()) }

func (w *watch) stop() {
	w.once.Do(func() { close(w.done) })
	<-w.ended
}

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what a pool of memory kept over the first is free now
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("open files cannot be counted here: %v", err)
	}
	return len(list)
}
