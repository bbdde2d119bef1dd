package egress

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// lookupBudget is the time for all of a name's questions together.
	lookupBudget = time.Second
	// attemptBudget is how long one nameserver may keep us waiting for a
	// datagram before the next is asked.
	attemptBudget = 350 * time.Millisecond
	// familyGrace is how long the second address family is waited for when the
	// first has answered: some nameservers drop AAAA questions, and every
	// connection would pay the whole lookup budget for them.
	familyGrace = 300 * time.Millisecond
	// maxAttempts bounds the datagrams sent for one question.
	maxAttempts = 3
	// maxServers is how many nameservers of the configuration are used.
	maxServers = 3
	// maxAddresses is how many addresses one host may have. Judging all of them
	// is part of the policy, so a longer list is refused and not cut.
	maxAddresses = 64

	resolvConf = "/etc/resolv.conf"
)

// ResolverOptions configures name resolution. The zero value uses the
// nameservers of /etc/resolv.conf and nothing else from it: no search domains,
// and never the hosts file, so that a name means the same on every machine.
type ResolverOptions struct {
	// Servers replaces the nameservers of /etc/resolv.conf.
	Servers []netip.AddrPort
}

// resolver is a small stub resolver. The standard library's cannot be used: it
// reads the hosts file even for absolute names, does not tell a family that
// failed from one that is empty, and hands over answer lists of any length.
type resolver struct {
	servers []netip.AddrPort // nil: read the configuration on each lookup
}

var (
	errNoSuchName  = errors.New("dns: no such name")
	errNoAddresses = errors.New("dns: the name has no address")
	errTooMany     = errors.New("dns: more addresses than a host may have")
	errServer      = errors.New("dns: the nameserver failed")
	errMalformed   = errors.New("dns: malformed answer")
)

// lookup asks for both address families of one absolute name, once each, and
// returns every address found, families interleaved. Nothing is cached: what is
// dialled is what was judged a moment ago.
func (r resolver) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	fqdn, err := dnsmessage.NewName(name + ".")
	if err != nil {
		return nil, errMalformed
	}
	servers := r.nameservers()
	ctx, cancel := context.WithTimeout(ctx, lookupBudget)
	defer cancel()

	type answer struct {
		addrs []netip.Addr
		err   error
	}
	ask := func(qtype dnsmessage.Type) <-chan answer {
		c := make(chan answer, 1)
		go func() {
			addrs, err := query(ctx, servers, fqdn, qtype)
			if len(addrs) > 0 {
				time.AfterFunc(familyGrace, cancel)
			}
			c <- answer{addrs, err}
		}()
		return c
	}
	c4, c6 := ask(dnsmessage.TypeA), ask(dnsmessage.TypeAAAA)
	a4, a6 := <-c4, <-c6
	addrs := interleave(a4.addrs, a6.addrs)
	switch {
	case errors.Is(a4.err, errTooMany), errors.Is(a6.err, errTooMany), len(addrs) > maxAddresses:
		return nil, errTooMany
	case len(addrs) > 0:
		return addrs, nil
	}
	if err := errors.Join(a4.err, a6.err); err != nil {
		return nil, err
	}
	return nil, errNoAddresses
}

// query asks one question until a nameserver gives a usable answer. An answer
// that says "no such name" is usable and final.
func query(ctx context.Context, servers []netip.AddrPort, name dnsmessage.Name, qtype dnsmessage.Type) ([]netip.Addr, error) {
	var failures []error
	for i := range maxAttempts {
		if ctx.Err() != nil {
			break
		}
		addrs, err := exchange(ctx, servers[i%len(servers)], name, qtype)
		if err == nil || errors.Is(err, errNoSuchName) || errors.Is(err, errTooMany) {
			return addrs, err
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(append(failures, ctx.Err())...)
}

// interleave takes from both lists in turn, so that one family's outage costs
// one attempt and not the whole connect budget.
func interleave(a, b []netip.Addr) []netip.Addr {
	out := make([]netip.Addr, 0, len(a)+len(b))
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out
}

// nameservers is read anew for each lookup, so that a changed configuration
// needs no restart; lookups happen only when a pool grows.
func (r resolver) nameservers() []netip.AddrPort {
	if len(r.servers) > 0 {
		return r.servers
	}
	file, _ := os.ReadFile(resolvConf) // a missing file configures nothing
	return parseResolvConf(file)
}

// parseResolvConf takes the nameserver lines and falls back to this machine, as
// resolvers do when there are none.
func parseResolvConf(file []byte) []netip.AddrPort {
	const dnsPort = 53
	var servers []netip.AddrPort
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() && len(servers) < maxServers {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(addr, dnsPort))
		}
	}
	if len(servers) == 0 {
		servers = append(servers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dnsPort))
	}
	return servers
}
