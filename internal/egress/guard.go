package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"flowyte/internal/fault"
)

const (
	// connectBudget is the time for all TCP attempts of one Dial together.
	connectBudget = 1500 * time.Millisecond
	// attemptFloor is the least time given to one address, so that a host with
	// many addresses does not get attempts too short to succeed.
	attemptFloor = 375 * time.Millisecond
)

// Guard makes connections that a policy allows. It is the process's only
// dialer towards tenants' hosts, cancel and kill connections included. Safe for
// concurrent use.
type Guard struct {
	policy   Policy
	resolver resolver
	onDial   func(netip.AddrPort)
	wrap     func(net.Conn) net.Conn
}

// GuardOption changes a Guard in the making.
type GuardOption func(*Guard)

// OnDial has f called for every TCP attempt, at the last moment before the
// first packet leaves and after the address was judged. f must be safe for
// concurrent use.
func OnDial(f func(netip.AddrPort)) GuardOption { return func(g *Guard) { g.onDial = f } }

// Wrap puts f's connection between the Conn and the socket. It exists so that
// tests can count, tap, delay, cut and corrupt bytes; production leaves it out
// and pays nothing for it.
func Wrap(f func(net.Conn) net.Conn) GuardOption { return func(g *Guard) { g.wrap = f } }

// NewGuard builds the dialer for a policy.
func NewGuard(policy Policy, r ResolverOptions, options ...GuardOption) *Guard {
	g := &Guard{policy: policy, resolver: resolver{servers: r.Servers}}
	for _, o := range options {
		o(g)
	}
	return g
}

// Dial connects to one of the host's addresses. The host is looked up once, all
// of its addresses are judged, one that is refused refuses the host, and only
// what was judged is dialled. Proxies and the environment play no part.
//
// It takes at most 1 s for the lookup and 1.5 s for the connection, less when
// ctx ends earlier. Errors are faults: host_invalid, port_not_allowed,
// host_not_allowed, host_unresolvable, unreachable_or_not_a_database.
func (g *Guard) Dial(ctx context.Context, host Host, port uint16) (*Conn, error) {
	if !host.IsValid() {
		return nil, fault.New(fault.HostInvalid)
	}
	if err := g.policy.Port(port); err != nil {
		return nil, err
	}
	addrs, err := g.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if err := g.policy.Judge(netip.AddrPortFrom(a, port)); err != nil {
			return nil, err
		}
	}
	return g.connect(ctx, addrs, port)
}

// DialAddr connects to one known address, for the second connection that a
// cancel or kill needs: it must reach the server that runs the statement, which
// another lookup of the name would not promise. The address is judged like any
// other, and the errors are those of Dial.
func (g *Guard) DialAddr(ctx context.Context, to netip.AddrPort) (*Conn, error) {
	if err := g.policy.Judge(to); err != nil {
		return nil, err
	}
	return g.connect(ctx, []netip.Addr{to.Addr()}, to.Port())
}

// NoLookup is the lookup function for drivers that insist on one: the name goes
// unchanged to the dialer, which resolves it once.
func NoLookup(_ context.Context, host string) ([]string, error) { return []string{host}, nil }

// resolve gives the host's addresses, none of them judged yet.
func (g *Guard) resolve(ctx context.Context, host Host) ([]netip.Addr, error) {
	if addr, ok := host.Addr(); ok {
		return []netip.Addr{addr}, nil
	}
	if host.isLocalhost() {
		return g.localhost()
	}
	private := host.isPrivateName()
	if private && len(g.policy.allow) == 0 {
		return nil, fault.Wrap(fault.HostNotAllowed, errByName)
	}
	addrs, err := g.resolver.lookup(ctx, host.name)
	switch {
	case err != nil && private:
		// Whether a private name exists is nobody's business outside.
		return nil, fault.Wrap(fault.HostNotAllowed, errors.Join(errByName, err))
	case err != nil:
		return nil, fault.Wrap(fault.HostUnresolvable, err)
	case private:
		for _, a := range addrs {
			if !g.policy.admits(a) {
				return nil, fault.Wrap(fault.HostNotAllowed, errByName)
			}
		}
	}
	return addrs, nil
}

// localhost answers without DNS, as RFC 6761 demands, with those of its two
// addresses that the operator admitted: the answer is ours, so leaving one out
// hides nothing.
func (g *Guard) localhost() ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if g.policy.admits(a) {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, fault.Wrap(fault.HostNotAllowed, errByName)
	}
	return addrs, nil
}

// connect tries judged addresses in order until one answers.
func (g *Guard) connect(ctx context.Context, addrs []netip.Addr, port uint16) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectBudget)
	defer cancel()
	deadline, _ := ctx.Deadline()
	var failures []error
	for i, addr := range addrs {
		remaining := time.Until(deadline)
		if ctx.Err() != nil || remaining <= 0 {
			break
		}
		slice := max(remaining/time.Duration(len(addrs)-i), attemptFloor)
		raw, err := g.attempt(ctx, netip.AddrPortFrom(addr, port), slice)
		if err == nil {
			return newConn(raw, g.wrap), nil
		}
		if refused, ok := fault.As(err); ok {
			return nil, refused
		}
		failures = append(failures, err)
	}
	return nil, fault.Wrap(fault.Unreachable, errors.Join(append(failures, ctx.Err())...))
}

func (g *Guard) attempt(ctx context.Context, to netip.AddrPort, timeout time.Duration) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: timeout, Control: g.control}
	return d.DialTCP(ctx, "tcp", netip.AddrPort{}, to)
}

// control judges what the kernel is about to be asked for, after every
// translation that may have happened on the way here.
func (g *Guard) control(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return fault.Wrap(fault.HostNotAllowed, fmt.Errorf("not a TCP address: %w", err))
	}
	if err := g.policy.Judge(to); err != nil {
		return err
	}
	if g.onDial != nil {
		g.onDial(to)
	}
	return nil
}
