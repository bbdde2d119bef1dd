package mysql

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/target"
)

// dialer makes one connection: through the guard, past the greeting, with TLS
// up and the peer accepted. Only then does the driver get it.
type dialer struct {
	guard *egress.Guard
	creds *target.Credentials
	tls   egress.TLSOptions
	// to is set where a known server must be reached and no other.
	to netip.AddrPort

	greeting *greeting
	screen   *screen
	key      egress.Pin
}

// again is a dialer to the very server of an open connection, by its address
// and, where no certificate is verified, by its key.
func (d *dialer) again() (*dialer, error) {
	to, err := netip.ParseAddrPort(d.screen.raw.RemoteAddr().String())
	if err != nil {
		return nil, fault.Wrap(fault.Unreachable, err)
	}
	second := &dialer{guard: d.guard, creds: d.creds, tls: d.tls, to: to}
	second.tls.Observe = nil
	if d.tls.Mode == egress.Require {
		second.tls.Pins = []egress.Pin{d.key}
	}
	return second, nil
}

// dial is the driver's DialFunc. The address it asks for says nothing that the
// credentials do not say better. ctx has a deadline.
func (d *dialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	config, err := egress.TLS(d.tls)
	if err != nil {
		return nil, err
	}
	raw, err := d.connect(ctx)
	if err != nil {
		return nil, err
	}
	secure, err := d.accept(ctx, raw, config)
	if err != nil {
		raw.Close()
		return nil, err
	}
	d.key = egress.PinOf(secure.ConnectionState().PeerCertificates[0])
	d.screen = newScreen(raw, secure, d.greeting)
	return d.screen, nil
}

func (d *dialer) connect(ctx context.Context) (*egress.Conn, error) {
	if d.to.IsValid() {
		return d.guard.DialAddr(ctx, d.to)
	}
	return d.guard.Dial(ctx, d.creds.Host, d.creds.Port)
}

// accept reads the greeting and does the handshake. The greeting is read to
// its last byte and no further: whatever the server sends behind it meets the
// TLS layer and not the protocol.
func (d *dialer) accept(ctx context.Context, raw *egress.Conn, config *tls.Config) (*tls.Conn, error) {
	deadline, _ := ctx.Deadline()
	if err := raw.SetStageDeadline(deadline); err != nil {
		return nil, fault.Wrap(fault.Unreachable, plain(err))
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	var err error
	if d.greeting, err = readGreeting(raw); err != nil {
		return nil, err
	}
	if _, err := raw.Write(d.greeting.tlsRequest()); err != nil {
		return nil, fault.Wrap(fault.Unreachable, plain(err))
	}
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, egress.TranslateTLS(err)
	}
	return secure, nil
}
