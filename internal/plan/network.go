package plan

import (
	"net"
	"net/netip"
)

// network reads the types that hold a network address and are given as text.
// isNetwork is false for every other type.
func network(base, text string) (canonical string, isNetwork, ok bool) {
	switch base {
	case "inet", "cidr", "inet4", "inet6":
		if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
			return addr.String(), true, (base != "inet4" || addr.Is4()) && (base != "inet6" || addr.Is6())
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil || base == "inet4" || base == "inet6" || base == "cidr" && prefix != prefix.Masked() {
			return "", true, false
		}
		return prefix.String(), true, true
	case "macaddr", "macaddr8":
		hardware, err := net.ParseMAC(text)
		bytes := 6
		if base == "macaddr8" {
			bytes = 8
		}
		return hardware.String(), true, err == nil && len(hardware) == bytes
	}
	return "", false, false
}
