package egress

import "net/netip"

// Class says what kind of place an address is. Only Public may be dialled
// without the operator's word.
type Class uint8

// The classes. Some can be admitted by an operator's CIDR, some never.
const (
	// Invalid is the zero address, and any address with a zone: never admitted.
	Invalid Class = iota
	// Public is ordinary unicast on the internet.
	Public
	// Loopback is 127.0.0.0/8 and ::1.
	Loopback
	// Private is RFC 1918, unique local, and the withdrawn site-local range.
	Private
	// Shared is 100.64.0.0/10, the space between a provider and its customers.
	Shared
	// Reserved is every other special-purpose or unassigned range:
	// documentation, benchmarking, protocol assignments, future use.
	Reserved
	// Unspecified is 0.0.0.0/8 and ::, which reach this very machine: never admitted.
	Unspecified
	// LinkLocal is 169.254.0.0/16 and fe80::/10, where metadata services live: never admitted.
	LinkLocal
	// Metadata is a cloud's metadata or platform service outside the
	// link-local ranges: never admitted.
	Metadata
	// Multicast is every group and the broadcast address: never admitted.
	Multicast
	// Embedded is an IPv6 form that carries an IPv4 address and may be turned
	// into it on the way, past every rule for IPv4: never admitted.
	Embedded
	// NAT64 is 64:ff9b::/96, the one embedding that the operator may switch on.
	NAT64
)

// admissible says whether an operator's CIDR may admit the class.
func (c Class) admissible() bool {
	return c == Loopback || c == Private || c == Shared || c == Reserved
}

type classRange struct {
	prefix netip.Prefix
	class  Class
}

func ranges(class Class, prefixes ...string) []classRange {
	out := make([]classRange, len(prefixes))
	for i, p := range prefixes {
		out[i] = classRange{netip.MustParsePrefix(p), class}
	}
	return out
}

func join(lists ...[]classRange) []classRange {
	var all []classRange
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// ranges4 is the IANA special-purpose registry for IPv4 and the clouds' own
// services; the first match decides, everything else is public.
var ranges4 = join(
	ranges(Metadata,
		"168.63.129.16/32",   // Azure: a platform service at an ordinary-looking address
		"100.100.100.200/32", // Alibaba
		"192.0.0.192/32",     // Oracle
	),
	ranges(Unspecified, "0.0.0.0/8"),
	ranges(Private, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
	ranges(Shared, "100.64.0.0/10"),
	ranges(Loopback, "127.0.0.0/8"),
	ranges(LinkLocal, "169.254.0.0/16"),
	ranges(Reserved,
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.31.196.0/24", // AS112
		"192.52.193.0/24", // AMT
		"192.88.99.0/24",  // 6to4 relays, withdrawn
		"192.175.48.0/24", // AS112
		"198.18.0.0/15",   // benchmarking
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
	),
	ranges(Multicast, "224.0.0.0/4", "255.255.255.255/32"),
	ranges(Reserved, "240.0.0.0/4"),
)

// ranges6 is the same for IPv6; what it does not name is public inside
// 2000::/3 and reserved outside.
var ranges6 = join(
	ranges(Unspecified, "::/128"),
	ranges(Loopback, "::1/128"),
	ranges(Embedded,
		"::/96",           // IPv4-compatible
		"::ffff:0:0/96",   // IPv4-mapped
		"::ffff:0:0:0/96", // SIIT
		"64:ff9b:1::/48",  // local NAT64, whose layout only its operator knows
		"2001::/32",       // Teredo
		"2002::/16",       // 6to4
	),
	ranges(NAT64, "64:ff9b::/96"),
	ranges(Metadata,
		"fd00:ec2::/32",          // AWS
		"fd20:ce::/48",           // Google
		"fd00:c1::a9fe:a9fe/128", // Oracle
		"fd00:42::42/128",        // Scaleway
	),
	ranges(LinkLocal, "fe80::/10"),
	ranges(Private, "fc00::/7", "fec0::/10"),
	ranges(Multicast, "ff00::/8"),
	ranges(Reserved,
		"2001::/23",         // protocol assignments
		"2001:db8::/32",     // documentation
		"2620:4f:8000::/48", // AS112
		"3fff::/20",         // documentation
	),
	ranges(Public, "2000::/3"),
)

// Classify says what kind of place an address is. It is a pure function of the
// address; IPv4-mapped addresses are not unwrapped but refused as Embedded,
// since nothing that is legitimate here is written that way.
func Classify(a netip.Addr) Class {
	if !a.IsValid() || a.Zone() != "" {
		return Invalid
	}
	if a.Is4() {
		return lookup(ranges4, a, Public)
	}
	class := lookup(ranges6, a, Reserved)
	if class.isUnicast() && isISATAP(a) {
		return Embedded
	}
	return class
}

// isUnicast says whether the low half of an IPv6 address of this class is an
// interface identifier.
func (c Class) isUnicast() bool { return c == Public || c.admissible() && c != Loopback }

func lookup(list []classRange, a netip.Addr, otherwise Class) Class {
	// Prefix.Contains never matches a mapped address against an IPv6 prefix
	// through its IPv4 form, so ::ffff:0:0/96 is found like any other range.
	for _, r := range list {
		if r.prefix.Contains(a) {
			return r.class
		}
	}
	return otherwise
}

// isISATAP recognises the interface identifiers 0000:5efe:a.b.c.d and
// 0200:5efe:a.b.c.d, which tunnel to the IPv4 address in their last four bytes.
func isISATAP(a netip.Addr) bool {
	b := a.As16()
	return b[8]&^0x02 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// embedded4 is the IPv4 address in the last four bytes of an IPv6 address.
func embedded4(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:]))
}
