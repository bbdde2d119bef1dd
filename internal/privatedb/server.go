package privatedb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// startLimit bounds one start on a busy machine; a quiet one takes 0.2 s.
const startLimit = 60 * time.Second

// Options shape a private server. The zero value is a durable server whose
// certificate names localhost and 127.0.0.1.
type Options struct {
	// NoSync gives up durability against a power cut of the machine for
	// speed, and lets the data lie in memory. A killed server still finds
	// every committed row again.
	NoSync bool
	// Hosts are further names and addresses for the server's certificate.
	Hosts []string
	// Authority signs the server's certificate; nil makes a new one.
	Authority *Authority
	// Settings are further server settings, "name=value" in the server's own
	// words, without quotes: "max_connections=20".
	Settings []string
}

// engine is what PostgreSQL and the MySQL family do differently.
type engine interface {
	kind() string
	admin() string
	// initialise fills dir with a new system; configure readies it for s.
	initialise(ctx context.Context, install Install, as account, dir string) error
	configure(s *Server) error
	args(s *Server) []string
	// ready connects for the first time after a start.
	ready(ctx context.Context, s *Server) error
	query(ctx context.Context, s *Server, database, sql string) ([][]string, error)
	// signals: to end in order, and when this process dies.
	stopSignal() syscall.Signal
	orphanSignal() syscall.Signal
	// killed clears what a killed server leaves outside its data folder.
	killed(data string)
}

// Login is a user name with its password.
type Login struct {
	User, Password string
}

// Server is one private database server. Its methods may be called from
// several goroutines.
type Server struct {
	Host          string // always "localhost", which the certificate names
	Port          int
	CAPEM         string // certificate of the authority to verify against
	AdminUser     string
	AdminPassword string
	DataDir       string
	Install       Install

	engine    engine
	as        account
	options   Options
	authority *Authority
	home      *home

	mu      sync.Mutex // guards process
	process *process
}

// Start initialises a new data folder and starts install on it, on a free
// port of 127.0.0.1. It returns when the server has answered over TLS; when it
// does not, the error carries the tail of the server's log.
func Start(ctx context.Context, install Install, options Options) (*Server, error) {
	engine := specs[install.Flavor].engine
	if engine == nil {
		return nil, fmt.Errorf("privatedb: %s is not a database server", install.Flavor)
	}
	s := &Server{Host: "localhost", AdminUser: engine.admin(), Install: install, engine: engine,
		as: serverAccount(), options: options, authority: options.Authority}
	if s.authority == nil {
		authority, err := NewAuthority()
		if err != nil {
			return nil, err
		}
		s.authority = authority
	}
	s.CAPEM = s.authority.PEM()
	var err error
	if s.home, err = newHome(s.as, options.NoSync); err != nil {
		return nil, err
	}
	s.DataDir = s.home.path("data")
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.home.remove())
	}
	launch := func(port int) error { s.Port = port; return s.launch(ctx) }
	if err := onFreePort(launch); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Kind is the product's word for the server: "postgres" or "mysql".
func (s *Server) Kind() string { return s.engine.kind() }

// Running tells whether the server is up and not paused.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.process.ended() && !s.process.paused()
}

// Exec runs one or more SQL statements, separated by semicolons, as the
// administrator, over TLS, on a connection of its own. An empty database
// means the server's own one.
func (s *Server) Exec(ctx context.Context, database, sql string) error {
	_, err := s.engine.query(ctx, s, database, sql)
	return err
}

// Query is Exec that returns the rows of the last statement as the server's
// text, with NULL for NULL.
func (s *Server) Query(ctx context.Context, database, sql string) ([][]string, error) {
	return s.engine.query(ctx, s, database, sql)
}

// Stop ends the server in order and keeps its data for Restart.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop(ctx, s.engine.stopSignal())
}

// Kill ends the server at once, as a power cut would, and keeps its data for
// Restart.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

func (s *Server) kill() error {
	if s.process == nil {
		return nil
	}
	err := s.process.kill()
	s.engine.killed(s.DataDir)
	return err
}

// Restart ends the server if it runs, and starts it again on the same data,
// port and passwords.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.stop(ctx, s.engine.stopSignal()); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Rekey gives the server a new key, and a certificate for it from the same
// authority, both in force from the next Restart on: to a client that knows
// servers by their key it is then another server.
func (s *Server) Rekey() error {
	return s.home.writeCertificate(s.authority, s.options.Hosts)
}

// Pause freezes every process of the server: connections are accepted by the
// kernel and nothing answers.
func (s *Server) Pause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.pause()
}

// Resume ends a Pause.
func (s *Server) Resume() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.resume(true)
}

// Close ends the server at once and removes its data. It may be called twice.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.kill(), s.home.remove())
}

// prepare makes the data folder, the certificate and the configuration.
func (s *Server) prepare(ctx context.Context) error {
	if err := s.as.reachable(filepath.Dir(s.Install.Program)); err != nil {
		return err
	}
	if err := s.makeSystem(ctx, s.home.path("system")); err != nil {
		return err
	}
	if err := os.Rename(s.home.path("system", "data"), s.DataDir); err != nil {
		return fmt.Errorf("privatedb: place data folder: %w", err)
	}
	if err := s.home.writeCertificate(s.authority, s.options.Hosts); err != nil {
		return err
	}
	s.AdminPassword = rand.Text()
	return s.engine.configure(s)
}

var errServerEnded = errors.New("the program ended")

// launch starts the program on the prepared folder and waits until it serves.
func (s *Server) launch(ctx context.Context) error {
	run := command{as: s.as, program: s.Install.Program, args: s.engine.args(s), dir: s.home.dir, orphaned: s.engine.orphanSignal()}
	log := s.home.path("server.log")
	process, err := run.start(log)
	if err != nil {
		return err
	}
	s.process = process
	return awaitReady(ctx, process, log, func(ctx context.Context) error { return s.engine.ready(ctx, s) })
}

// awaitReady tries ready until it succeeds, the program ends or time is up;
// in the last two cases the program is killed and the error carries its log.
func awaitReady(ctx context.Context, p *process, log string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var last error
	err := poll(ctx, func() bool {
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		last = ready(attempt)
		return last == nil || p.ended()
	})
	if last == nil {
		return nil
	}
	if p.ended() {
		err = errServerEnded
	} else {
		err = errors.Join(err, p.kill())
	}
	written, _ := os.ReadFile(log)
	return fmt.Errorf("privatedb: server does not answer: %w: %w\n%s", err, last, tail(string(written)))
}
