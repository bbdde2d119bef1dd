package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgproto3"
)

// cancelLimit bounds a cancel request, acknowledgement included: a peer must
// not hold a second connection for longer than it holds the first.
const cancelLimit = time.Second

// headStart is how long a statement whose time is up may take to end by the
// server's own limit before it is cancelled. Many that end at once would
// otherwise wait for as many handshakes, and the handshakes for them.
const headStart = 50 * time.Millisecond

// dialer makes the connections of one session: first the session's own, then
// one for each cancel request. All go through the guard, and the driver gets
// them when TLS is up and the peer accepted, so that not even the kind of
// message it wants to send leaves before.
type dialer struct {
	guard *egress.Guard
	creds *target.Credentials
	tls   egress.TLSOptions
	// limited: the server ends a statement by itself when its caller's time is
	// up.
	limited bool

	raw    *egress.Conn
	screen *screen
	key    egress.Pin
	// ready is set when the session is. Before, there is nothing to cancel,
	// though the driver would try.
	ready atomic.Bool
}

// dial is the driver's DialFunc. The address it asks for says nothing that the
// credentials do not say better.
func (d *dialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	if d.raw != nil {
		return d.dialAgain(ctx)
	}
	raw, err := d.guard.Dial(ctx, d.creds.Host, d.creds.Port)
	if err != nil {
		return nil, err
	}
	secure, err := encrypt(ctx, raw, d.tls)
	if err != nil {
		raw.Close()
		return nil, err
	}
	d.raw = raw
	d.key = egress.PinOf(secure.ConnectionState().PeerCertificates[0])
	return secure, nil
}

// dialAgain reaches the very server of the first connection, by its address
// and, where no certificate is verified, by its key.
func (d *dialer) dialAgain(ctx context.Context) (net.Conn, error) {
	if !d.ready.Load() || d.limited && d.over() {
		return nil, fault.Wrap(fault.Unreachable, errNothingToCancel)
	}
	to, err := netip.ParseAddrPort(d.raw.RemoteAddr().String())
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, cancelLimit)
	defer cancel()
	raw, err := d.guard.DialAddr(ctx, to)
	if err != nil {
		return nil, err
	}
	options := d.tls
	options.Observe = nil
	if options.Mode == egress.Require {
		options.Pins = []egress.Pin{d.key}
	}
	secure, err := encrypt(ctx, raw, options)
	if err == nil {
		// encrypt's deadline was for the handshake; this one stays.
		err = raw.SetStageDeadline(time.Now().Add(cancelLimit))
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return secure, nil
}

// over tells whether the server ends the statement by itself, within its head
// start. The driver has given the session up: nobody else reads from it.
func (d *dialer) over() bool {
	now := time.Now()
	if d.raw.SetStageDeadline(now.Add(closeLimit)) != nil || d.raw.SetReadDeadline(now.Add(headStart)) != nil {
		return false
	}
	buf := make([]byte, 4<<10)
	for {
		n, err := d.screen.Read(buf)
		if err != nil {
			return false
		}
		if n > 0 && d.screen.idle() {
			return true
		}
	}
}

// frontend is the driver's BuildFrontend.
func (d *dialer) frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	d.screen = newScreen(r)
	return pgproto3.NewFrontend(d.screen, w)
}

// passwordRefused tells whether the server broke off between its challenge and
// its own proof, which is where a wrong password shows.
func (d *dialer) passwordRefused() bool {
	return d.screen != nil && d.screen.challenged && !d.screen.proven
}

// sslRequest asks a PostgreSQL server for TLS; it is all that is ever sent in
// clear.
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// encrypt asks for TLS and does the handshake. ctx must have a deadline. The
// server's one byte of answer is read alone: whatever it sends behind it meets
// the TLS layer and not the protocol.
func encrypt(ctx context.Context, raw *egress.Conn, options egress.TLSOptions) (*tls.Conn, error) {
	config, err := egress.TLS(options)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := raw.SetStageDeadline(deadline); err != nil {
		return nil, fault.Wrap(fault.Unreachable, err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	if _, err := raw.Write(sslRequest); err != nil {
		return nil, fault.Wrap(fault.Unreachable, plain(err))
	}
	var answer [1]byte
	if _, err := io.ReadFull(raw, answer[:]); err != nil {
		return nil, fault.Wrap(fault.Unreachable, plain(err))
	}
	switch answer[0] {
	case 'S':
	case 'N':
		return nil, fault.New(fault.TLSNotOffered)
	default:
		return nil, fault.Wrap(fault.Unreachable, errNotPostgres)
	}
	secure := tls.Client(raw, config)
	err = secure.HandshakeContext(ctx)
	var noTLS tls.RecordHeaderError
	switch {
	case err == nil:
		return secure, nil
	case errors.As(err, &noTLS):
		// Other protocols begin with an S, too; SSH is one.
		return nil, fault.Wrap(fault.Unreachable, errNotPostgres)
	}
	return nil, egress.TranslateTLS(err)
}

var errNothingToCancel = errors.New("postgres: a cancel request for a session at which nothing runs")

var errNotPostgres = errors.New("postgres: the request for TLS was not answered as PostgreSQL does")
