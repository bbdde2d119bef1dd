package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"flowyte/internal/fault"
)

// lowestPort is the first port that needs no listing: below it live the
// services of the machine itself, which are never a tenant's database.
const lowestPort = 1024

// Options is what the operator configures. There is no other source: no API,
// no tenant setting and no environment variable of a library widens a policy.
type Options struct {
	// Allow admits ranges that are not public, such as 10.1.0.0/16. It never
	// admits link-local, metadata, multicast, unspecified or embedded
	// addresses, nor the process's own listeners.
	Allow []netip.Prefix
	// Listeners are the addresses at which this process itself accepts
	// connections. An unspecified address stands for every address of this
	// machine. A public address that is forwarded to this process belongs here too.
	Listeners []netip.AddrPort
	// AllowPorts admits ports below 1024.
	AllowPorts []uint16
	// NAT64 decodes 64:ff9b::/96 and judges the IPv4 address inside, which
	// must be public. Without it the prefix is refused.
	NAT64 bool
	// Interfaces lists this machine's addresses; nil asks the kernel.
	Interfaces func() ([]netip.Addr, error)
}

// Policy decides where connections may go. It is immutable; its zero value
// admits public addresses and ports from 1024.
type Policy struct {
	allow      []netip.Prefix
	listeners  []netip.AddrPort
	ports      []uint16
	nat64      bool
	interfaces func() ([]netip.Addr, error)
}

// NewPolicy builds a policy. Host bits in a range do not matter. The error joins
// everything that is wrong with the options, in words for the operator who
// wrote them.
func NewPolicy(o Options) (Policy, error) {
	p := Policy{
		ports:      slices.Clone(o.AllowPorts),
		nat64:      o.NAT64,
		interfaces: o.Interfaces,
	}
	if p.interfaces == nil {
		p.interfaces = interfaceAddrs
	}
	var errs []error
	for _, prefix := range o.Allow {
		if !prefix.IsValid() || prefix.Addr().Is4In6() {
			errs = append(errs, fmt.Errorf("allowed range %q: want an IPv4 or IPv6 prefix such as 10.1.0.0/16", prefix))
			continue
		}
		p.allow = append(p.allow, prefix)
	}
	for _, l := range o.Listeners {
		if !l.IsValid() || l.Port() == 0 {
			errs = append(errs, fmt.Errorf("own listener %q: want an address and the port it listens on", l))
			continue
		}
		p.listeners = append(p.listeners, netip.AddrPortFrom(l.Addr().Unmap().WithZone(""), l.Port()))
	}
	if slices.Contains(o.AllowPorts, 0) {
		errs = append(errs, errors.New("allowed port 0: want a port from 1 to 65535"))
	}
	if err := errors.Join(errs...); err != nil {
		return Policy{}, err
	}
	return p, nil
}

// Port judges a port on its own: nil or the fault port_not_allowed.
func (p Policy) Port(port uint16) error {
	if port >= lowestPort || slices.Contains(p.ports, port) {
		return nil
	}
	return fault.New(fault.PortNotAllowed)
}

// Judge decides about one destination: nil, port_not_allowed or
// host_not_allowed. The reason is in the fault's cause, for the log.
func (p Policy) Judge(to netip.AddrPort) error {
	if err := p.Port(to.Port()); err != nil {
		return err
	}
	if why := p.refusal(to); why != nil {
		return fault.Wrap(fault.HostNotAllowed, fmt.Errorf("%s: %w", to.Addr(), why))
	}
	return nil
}

// Reasons for the log; the reader of the fault never sees them.
var (
	errOwnListener = errors.New("an address at which this process listens")
	errOutside     = errors.New("neither public nor admitted by the operator")
	errNever       = errors.New("in a range that is never admitted")
	errByName      = errors.New("a name that is not public and not wholly inside an admitted range")
)

func (p Policy) refusal(to netip.AddrPort) error {
	addr := to.Addr()
	class := Classify(addr)
	if class == NAT64 && p.nat64 {
		addr = embedded4(addr)
		if class = Classify(addr); class != Public {
			return errNever
		}
	}
	switch {
	case class != Public && !class.admissible():
		return errNever
	case class != Public && !p.admits(addr):
		return errOutside
	}
	return p.own(netip.AddrPortFrom(addr, to.Port()))
}

// admits says whether an operator's CIDR contains the address.
func (p Policy) admits(addr netip.Addr) bool {
	return slices.ContainsFunc(p.allow, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// own refuses connections of the process to itself.
func (p Policy) own(to netip.AddrPort) error {
	wildcard := false
	for _, l := range p.listeners {
		if l == to {
			return errOwnListener
		}
		wildcard = wildcard || l.Port() == to.Port() && l.Addr().IsUnspecified()
	}
	if !wildcard {
		return nil
	}
	if to.Addr().IsLoopback() {
		return errOwnListener
	}
	addrs, err := p.interfaces()
	if err != nil {
		return fmt.Errorf("cannot tell whether it is our own: %w", err)
	}
	if slices.Contains(addrs, to.Addr()) {
		return errOwnListener
	}
	return nil
}

func interfaceAddrs() ([]netip.Addr, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.Addr, 0, len(nets))
	for _, n := range nets {
		if prefix, err := netip.ParsePrefix(n.String()); err == nil {
			addrs = append(addrs, prefix.Addr().Unmap())
		}
	}
	return addrs, nil
}
