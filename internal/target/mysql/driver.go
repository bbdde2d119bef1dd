package mysql

import (
	"context"
	"database/sql/driver"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/target"

	"github.com/go-sql-driver/mysql"
)

// Driver opens sessions to MySQL and MariaDB. It has no state.
type Driver struct{}

var _ target.Driver = Driver{}

// Kind implements target.Driver.
func (Driver) Kind() schema.Kind { return schema.MySQL }

// account is the user of one session.
type account struct {
	user     string
	password secret.Text
}

func accountFor(c *target.Credentials, purpose target.Purpose) account {
	if purpose == target.ForWrites {
		return account{c.WriteUser, c.WritePassword}
	}
	return account{c.User, c.Password}
}

// Open implements target.Driver.
func (Driver) Open(ctx context.Context, guard *egress.Guard, creds *target.Credentials, purpose target.Purpose) (target.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, target.ConnectLimit)
	defer cancel()
	d := &dialer{guard: guard, creds: creds, tls: creds.TLS}
	conn, err := connect(ctx, d, accountFor(creds, purpose))
	if err != nil {
		return nil, err
	}
	s := newSession(conn, d, purpose)
	if err := s.setUp(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.ready = true
	return s, nil
}

// connection is what this package uses of the driver's connection.
type connection interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

// connect logs in. Errors are faults. When it returns one, or panics, no
// connection is left behind.
func connect(ctx context.Context, d *dialer, as account) (conn connection, err error) {
	config, err := buildConfig(d.creds, as, d)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, errConfig)
	}
	defer func() {
		if v := recover(); v != nil {
			conn, err = nil, panicked(v)
		}
		if err != nil && d.screen != nil {
			d.screen.Close()
		}
	}()
	opened, err := connector.Connect(ctx)
	if err != nil {
		return nil, connectFault(ctx, d, err)
	}
	d.screen.raw.Ready()
	conn, ok := opened.(connection)
	if !ok {
		_ = opened.Close()
		return nil, fault.Wrap(fault.Internal, errConfig)
	}
	return conn, nil
}
