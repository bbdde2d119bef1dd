package egress

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"flowyte/internal/fault"
)

const (
	maxHost  = 253 // bytes of a name without its final dot
	maxLabel = 63
)

// Host is one syntactically correct destination: a DNS name or an address. The
// zero Host is not usable; ParseHost makes them.
type Host struct {
	name string     // lower case, without a final dot; "" for an address
	addr netip.Addr // the zero Addr for a name
}

// ParseHost reads one DNS name or one address. A name has labels of letters,
// digits and inner hyphens, at most 63 bytes each and 253 together; one final
// dot is accepted and dropped. IPv4 is four decimal numbers without leading
// zeros, IPv6 is bare or in brackets and without a zone. Nothing is mapped:
// names outside ASCII are sent in their xn-- form.
//
// The only error is the fault host_invalid. A form that some resolver would
// take for an address (2130706433, 0x7f.1, 127.1) is not a host here.
func ParseHost(s string) (Host, error) {
	if addr, ok := parseAddr(s); ok {
		return Host{addr: addr}, nil
	}
	// Lower case comes after the check: Unicode has letters outside ASCII whose
	// lower case is inside.
	name := strings.TrimSuffix(s, ".")
	if !isName(name) {
		return Host{}, fault.New(fault.HostInvalid)
	}
	return Host{name: strings.ToLower(name)}, nil
}

func parseAddr(s string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return addr, ok && err == nil && addr.Is6() && addr.Zone() == ""
	}
	addr, err := netip.ParseAddr(s)
	return addr, err == nil && addr.Zone() == ""
}

func isName(name string) bool {
	if name == "" || len(name) > maxHost {
		return false
	}
	labels := strings.Split(name, ".")
	for _, l := range labels {
		if !isLabel(l) {
			return false
		}
	}
	return !isNumber(labels[len(labels)-1])
}

func isLabel(l string) bool {
	if l == "" || len(l) > maxLabel || l[0] == '-' || l[len(l)-1] == '-' {
		return false
	}
	return strings.IndexFunc(l, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

// isNumber recognises a last label that makes the whole an IPv4 address for
// lenient parsers: decimal, octal or hexadecimal digits.
func isNumber(label string) bool {
	digits, hex := strings.CutPrefix(strings.ToLower(label), "0x")
	return strings.IndexFunc(digits, func(r rune) bool {
		return (r < '0' || r > '9') && (!hex || r < 'a' || r > 'f')
	}) < 0
}

// Addr is the address when the host is one.
func (h Host) Addr() (netip.Addr, bool) { return h.addr, h.addr.IsValid() }

// IsValid reports whether the host came from ParseHost.
func (h Host) IsValid() bool { return h.name != "" || h.addr.IsValid() }

// String is the canonical form: the name in lower case without a final dot, or
// the address without brackets. It is also the name that certificates are
// checked against.
func (h Host) String() string {
	if h.name != "" {
		return h.name
	}
	if h.addr.IsValid() {
		return h.addr.String()
	}
	return ""
}

// isLocalhost says whether the name stands for this machine by RFC 6761.
func (h Host) isLocalhost() bool {
	return h.name == "localhost" || strings.HasSuffix(h.name, ".localhost")
}

// privateSuffixes are domains that no public DNS serves, so that a name below
// them can only lead into somebody's own network.
var privateSuffixes = []string{
	".localhost", ".localdomain", ".local", ".internal", ".intranet", ".private",
	".corp", ".home", ".lan", ".home.arpa",
}

// isPrivateName says of a name whether it is refused unless all of its
// addresses lie in ranges that the operator admitted.
func (h Host) isPrivateName() bool {
	return !strings.Contains(h.name, ".") ||
		slices.ContainsFunc(privateSuffixes, func(s string) bool { return strings.HasSuffix(h.name, s) })
}

// ParsePort reads a port in decimal without sign, space or leading zero. The
// only error is the fault port_not_allowed; whether a legal port may be used is
// the policy's business (Policy.Port).
func ParsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, fault.New(fault.PortNotAllowed)
	}
	return uint16(n), nil
}
