package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

// Driver opens sessions to PostgreSQL. It has no state.
type Driver struct{}

// Kind implements target.Driver.
func (Driver) Kind() schema.Kind { return schema.Postgres }

// login is the user of one session.
type login struct {
	user     string
	password secret.Text
}

func loginFor(c *target.Credentials, purpose target.Purpose) login {
	if purpose == target.ForWrites {
		return login{c.WriteUser, c.WritePassword}
	}
	return login{c.User, c.Password}
}

// Open implements target.Driver. A server that refuses the startup parameters
// is a pooler: it is asked again without them, and its sessions bring their
// settings in each transaction.
func (Driver) Open(ctx context.Context, guard *egress.Guard, creds *target.Credentials, purpose target.Purpose) (target.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, target.ConnectLimit)
	defer cancel()
	d := &dialer{guard: guard, creds: creds, tls: creds.TLS, limited: purpose == target.ForReads}
	s, err := connect(ctx, d, purpose, directParameters(purpose))
	if slices.Contains(parameterRefusals, stateOf(err)) && !d.passwordRefused() {
		d = &dialer{guard: guard, creds: creds, tls: creds.TLS, limited: purpose == target.ForReads}
		if s, err = connect(ctx, d, purpose, pooledParameters()); s != nil {
			s.pooled = true
		}
	}
	if err != nil {
		return nil, connectFault(ctx, err, d.passwordRefused())
	}
	if err := s.greet(ctx); err != nil {
		if end, _ := ctx.Deadline(); s.Broken() || time.Until(end) < closeLimit {
			// There is nobody to say goodbye to, or no time left to try.
			s.dialer.raw.Close()
		} else {
			s.Close()
		}
		return nil, err
	}
	return s, nil
}

// parameterRefusals are the SQLSTATEs with which poolers turn a startup
// parameter away; a server itself knows all of ours. One that comes in answer
// to the password is another matter: it must not be sent a second time.
var parameterRefusals = []string{stateProtocolViolation, stateFeatureNotSupported, "42704", "22023", "55P02"}

// connect makes the driver's connection. Its error is the driver's own, with
// everything in it that must not be shown.
func connect(ctx context.Context, d *dialer, purpose target.Purpose, parameters map[string]string) (*Session, error) {
	config, err := buildConfig(d.creds, loginFor(d.creds, purpose), parameters, d)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err)
	}
	kept := false
	defer func() {
		// Also when the driver panics, which the caller recovers.
		if !kept && d.raw != nil {
			d.raw.Close()
		}
	}()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	d.raw.Ready()
	if err := d.raw.SetStageDeadline(time.Time{}); err != nil {
		return nil, err
	}
	kept = true
	d.ready.Store(true)
	s := &Session{conn: conn, dialer: d, purpose: purpose, limits: target.LimitsFor(purpose), statements: map[string]*statement{}}
	s.limitMs = s.standardMs()
	return s, nil
}

// greeting is what every session asks first, in one round trip. The system
// identifier comes from a function that a server may keep to itself.
const (
	greetingStart = `SELECT pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_backend_pid(),` +
		` pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_version'),` +
		` pg_catalog.current_setting('server_version_num')::pg_catalog.int4,` +
		` pg_catalog.current_database(), (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()), `
	greetingText          = greetingStart + `(SELECT c.system_identifier FROM pg_catalog.pg_control_system() c)`
	greetingWithoutSystem = greetingStart + `NULL::pg_catalog.int8`
)

const oldestVersion = 130000

// greet learns who the server is and checks that the session is what it was
// asked to be.
func (s *Session) greet(ctx context.Context) error {
	cells, err := s.one(ctx, greetingText)
	var refused sqlState
	if errors.As(fault.Cause(err), &refused) && !s.Broken() {
		cells, err = s.one(ctx, greetingWithoutSystem)
	}
	if err != nil {
		return err
	}
	g, err := readGreeting(cells)
	if err != nil {
		return err
	}
	if g.version < oldestVersion {
		return fault.New(fault.ServerUnsupported)
	}
	if g.pid != int64(s.conn.PID()) {
		s.pooled = true
	}
	if !s.pooled && s.purpose != target.ForWrites && (!g.readOnly || s.readOnlyLost()) {
		return fault.Wrap(fault.NotReadOnly, errors.New("postgres: the startup parameter has no effect"))
	}
	s.server = g.server(s.dialer.creds)
	if s.purpose == target.ForWrites && !g.replica {
		return s.tryTimeline(ctx)
	}
	return nil
}
