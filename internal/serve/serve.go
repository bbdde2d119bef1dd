// Package serve assembles the process: store, keys, egress, pools, live path,
// control plane and listeners. A Server is a value that tests open, use and
// close.
package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"flowyte/internal/assist"
	"flowyte/internal/audit"
	"flowyte/internal/auth"
	"flowyte/internal/config"
	"flowyte/internal/control"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/httpapi"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/metrics"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/store"
	"flowyte/internal/target"
	"flowyte/internal/target/mysql"
	"flowyte/internal/target/postgres"
)

// Options are what the process is started with.
type Options struct {
	config.Settings
	Version string
	Log     *slog.Logger
	// Resolver, Dialing and Fleet are for tests; zero means the system's name
	// servers, nobody who looks on, and the standard caps.
	Resolver egress.ResolverOptions
	Dialing  []egress.GuardOption
	Fleet    target.Options
	// DriftInterval and Journal are also for tests: zero means
	// control.DriftInterval, and nobody between live calls and the journal.
	DriftInterval time.Duration
	Journal       func(live.Journal) live.Journal
}

// MasterKeyName is the master key's file in the data folder.
const MasterKeyName = "master.key"

const (
	// drainLimit is how long calls in flight may take to end at a stop.
	drainLimit = 5 * time.Second
	// maxScrapers bounds the connections to the metrics.
	maxScrapers = 32
)

// Server is a running process.
type Server struct {
	log      *slog.Logger
	store    *store.Store
	keys     *auth.Keys
	fleet    *target.Fleet
	receipts *audit.Writer
	engine   *live.Engine
	service  *control.Service
	api      *httpapi.API
	http     *http.Server
	listener net.Listener
	// The metrics have a server of their own, so that who may scrape is for
	// the network to say; both are nil when nobody may.
	metricsHTTP     *http.Server
	metricsListener net.Listener
	pressure        *pressure
	stop            context.CancelFunc
	background      sync.WaitGroup // what runs until stop
	served          chan error     // of the API's server
	scraped         chan error     // of the metrics' server
}

// Open brings the process up and serves. Customers' databases are not touched.
// What was opened is closed again when a later step fails.
func Open(ctx context.Context, o Options) (_ *Server, err error) {
	fitDescriptors(&o, descriptors(), o.Log)
	s := &Server{log: o.Log, pressure: newPressure(o.Log)}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if s.store, err = store.Open(ctx, o.Data, store.Options{Serve: true}); err != nil {
		return nil, err
	}
	ring, err := s.unlock(ctx, o)
	if err != nil {
		return nil, err
	}
	if s.keys, err = auth.OpenKeys(ctx, s.store, ring, o.Log); err != nil {
		return nil, err
	}
	if err := s.listen(o); err != nil {
		return nil, err
	}
	guard, err := s.guard(o)
	if err != nil {
		return nil, err
	}
	s.fleet = target.NewFleet(guard, o.Fleet)
	meter := metrics.New(o.Version, metrics.Sources{Databases: s.fleet.Census, Buffered: func() int { return s.receipts.Buffered() }})
	model, err := s.model(o)
	if err != nil {
		return nil, err
	}
	service, err := s.assemble(ctx, o, ring, guard, meter, model)
	if err != nil {
		return nil, err
	}
	s.api = httpapi.New(httpapi.Options{
		Keys: s.keys, Idempotency: &idempotency{s.store, ring}, Ring: ring, Log: o.Log, Ready: s.ready, Overloaded: s.pressure.tells, Meter: meter.Route,
		Control: httpapi.Rate{PerSecond: o.RequestsPerSecond, AtOnce: o.RequestsAtOnce},
		Live:    httpapi.Rate{PerSecond: o.CallsPerSecond, AtOnce: o.CallsAtOnce},
	})
	httpapi.Register(s.api, service, s.engine)
	s.http = httpapi.NewServer(s.api, o.MaxConnections, o.Log)
	if s.metricsListener != nil {
		s.metricsHTTP = httpapi.NewServer(meter.Handler(), maxScrapers, o.Log)
	}
	s.start(o, service)
	return s, nil
}

func (s *Server) unlock(ctx context.Context, o Options) (*secret.Keyring, error) {
	path := o.MasterKeyFile
	if path == "" {
		path = filepath.Join(o.Data, MasterKeyName)
	}
	ring, made, err := s.store.Keyring(ctx, path)
	if made {
		o.Log.Warn("a master key was made beside the data it protects; keep a copy elsewhere, and consider FLOWYTE_MASTER_KEY_FILE on another volume", "file", MasterKeyName)
	}
	return ring, err
}

// listen opens the listeners. Both are in TLS when there is a certificate.
func (s *Server) listen(o Options) (err error) {
	var config *tls.Config
	if o.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(o.TLSCert, o.TLSKey)
		if err != nil {
			return fmt.Errorf("load the TLS certificate: %w", err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	if s.listener, err = listenOn(o.Addr, config); err == nil && o.MetricsAddr != "" {
		s.metricsListener, err = listenOn(o.MetricsAddr, config)
	}
	return err
}

func listenOn(addr string, config *tls.Config) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	return l, nil
}

// guard builds the door to customers' databases. The process's own listeners
// are never behind it.
func (s *Server) guard(o Options) (*egress.Guard, error) {
	return s.door(o, o.AllowTargets, o.AllowPorts)
}

func (s *Server) door(o Options, targets []netip.Prefix, ports []uint16) (*egress.Guard, error) {
	own := []netip.AddrPort{s.listener.Addr().(*net.TCPAddr).AddrPort()}
	if s.metricsListener != nil {
		own = append(own, s.metricsListener.Addr().(*net.TCPAddr).AddrPort())
	}
	policy, err := egress.NewPolicy(egress.Options{Allow: targets, AllowPorts: ports, NAT64: o.NAT64, Listeners: own})
	if err != nil {
		return nil, err
	}
	return egress.NewGuard(policy, o.Resolver, o.Dialing...), nil
}

// sink lets the recorder be opened before the service that stores for it.
type sink struct{ *control.Service }

func (s *Server) assemble(ctx context.Context, o Options, ring *secret.Keyring, guard *egress.Guard, meter live.Meter, model assist.Model) (*control.Service, error) {
	behind := &sink{}
	s.receipts = audit.Open(behind, o.Log)
	journal := control.NewJournal(s.store, ring, o.Log)
	written := live.Journal(journal)
	if o.Journal != nil {
		written = o.Journal(journal)
	}
	s.engine = live.New(live.Options{
		Recorder: s.receipts, Meter: meter, Journal: written, Log: o.Log,
		Suspend: func(org id.Org, agent id.Agent, skill id.Skill, reason string) {
			behind.SuspendHarmful(org, agent, skill, reason)
		},
	})
	behind.Service = control.New(control.Options{
		Store: s.store, Ring: ring, Guard: guard, Fleet: s.fleet, Engine: s.engine, Journal: journal, Keys: s.keys, Log: o.Log, Model: model, TestsPerMinute: o.TestsPerMinute,
		Drivers: map[schema.Kind]target.Driver{schema.Postgres: postgres.Driver{}, schema.MySQL: mysql.Driver{}},
	})
	s.service = behind.Service
	return behind.Service, behind.Load(ctx)
}

func (s *Server) start(o Options, service *control.Service) {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	house := &housekeeping{store: s.store, idle: s.engine.Sweep, log: s.log, keepEvents: o.KeepEvents, keepAudit: o.KeepAudit, now: time.Now}
	if o.DriftInterval == 0 {
		o.DriftInterval = control.DriftInterval
	}
	s.background.Go(func() { house.run(ctx) })
	s.background.Go(func() { service.Watch(ctx, o.DriftInterval) })
	s.background.Go(func() { s.pressure.watch(ctx) })
	s.background.Go(func() { newPacer().watch(ctx) })
	s.served = serving(s.http, s.listener)
	if s.metricsHTTP != nil {
		s.scraped = serving(s.metricsHTTP, s.metricsListener)
	}
}

// serving serves until the server is shut down, and then says how it ended.
func serving(server *http.Server, listener net.Listener) chan error {
	ended := make(chan error, 1)
	go func() {
		err := server.Serve(listener)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		ended <- err
	}()
	return ended
}

// ready tells whether the process can take work.
func (s *Server) ready(ctx context.Context) error {
	if s.pressure.tells() {
		return fault.New(fault.Overloaded)
	}
	return s.store.Ping(ctx)
}

// Addr is where the API listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// MetricsAddr is where GET /metrics listens; nil when it does not.
func (s *Server) MetricsAddr() net.Addr {
	if s.metricsListener == nil {
		return nil
	}
	return s.metricsListener.Addr()
}

// Routes lists the API's routes that need a key.
func (s *Server) Routes() []httpapi.Op { return s.api.Routes() }

// Wait returns when ctx ends or serving fails, and closes the server.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case err := <-s.served:
		s.served <- nil
		return errors.Join(err, s.Close())
	case err := <-s.scraped:
		s.scraped <- nil
		return errors.Join(err, s.Close())
	case <-ctx.Done():
		s.log.Info("stopping; calls in flight may end", "limit", drainLimit.String())
		return s.Close()
	}
}

// Close stops taking requests, lets those in flight and the writes that outlive
// them end within five seconds,
// writes what is left and closes everything.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	err = errors.Join(err, <-s.served)
	if s.engine.Drain(ctx) != nil {
		s.log.Warn("writes are still under way; what became of them is found out at the next start")
	}
	if s.metricsHTTP != nil { // last, so that the draining can be watched
		err = errors.Join(err, s.metricsHTTP.Close(), <-s.scraped)
	}
	s.stop()
	s.background.Wait()
	return errors.Join(err, s.release())
}

// release closes what is open, in the order in which it depends on each other.
func (s *Server) release() error {
	var errs []error
	if s.http == nil && s.listener != nil {
		errs = append(errs, s.listener.Close())
	}
	if s.metricsHTTP == nil && s.metricsListener != nil {
		errs = append(errs, s.metricsListener.Close())
	}
	if s.fleet != nil {
		s.fleet.Shutdown()
	}
	if s.engine != nil {
		s.engine.Close()
	}
	if s.service != nil {
		s.service.Close()
	}
	if s.receipts != nil {
		s.receipts.Close()
	}
	if s.keys != nil {
		s.keys.Close()
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
