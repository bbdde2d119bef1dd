package egress

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// datagramSize is what we tell nameservers we take; larger answers come
	// over TCP.
	datagramSize = 1232
	// maxRecords bounds the records of an answer that are looked at: the
	// addresses, and the aliases and signatures that may stand beside them.
	maxRecords = 4 * maxAddresses
	// maxAnswer bounds an answer over TCP. 64 addresses, their aliases and
	// signatures need less.
	maxAnswer = 16 << 10
	// maxAliases bounds a chain of CNAMEs.
	maxAliases = 16
)

// exchange asks one nameserver one question, over UDP and, when the answer does
// not fit, over TCP.
func exchange(ctx context.Context, server netip.AddrPort, name dnsmessage.Name, qtype dnsmessage.Type) ([]netip.Addr, error) {
	q := dnsmessage.Question{Name: name, Type: qtype, Class: dnsmessage.ClassINET}
	id, packet, err := pack(q)
	if err != nil {
		return nil, err
	}
	answer, err := overUDP(ctx, server, id, q, packet)
	if errors.Is(err, errTruncated) {
		answer, err = overTCP(ctx, server, id, q, packet)
	}
	return answer, err
}

var errTruncated = errors.New("dns: the answer did not fit")

// pack makes the question with a random id and room for larger datagrams.
func pack(q dnsmessage.Question) (id uint16, packet []byte, err error) {
	var random [2]byte
	rand.Read(random[:]) // never fails
	id = binary.BigEndian.Uint16(random[:])
	var opt dnsmessage.ResourceHeader
	if err := opt.SetEDNS0(datagramSize, dnsmessage.RCodeSuccess, false); err != nil {
		return 0, nil, err
	}
	message := dnsmessage.Message{
		Header:      dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions:   []dnsmessage.Question{q},
		Additionals: []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}},
	}
	packet, err = message.Pack()
	return id, packet, err
}

// overUDP waits for the one datagram that answers our question and ignores
// every other, so that a guessed datagram cannot end the wait.
func overUDP(ctx context.Context, server netip.AddrPort, id uint16, q dnsmessage.Question, packet []byte) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptBudget)
	defer cancel()
	conn, release, err := open(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		addrs, err := readAnswer(buf[:n], id, q)
		if !errors.Is(err, errNotOurs) {
			return addrs, err
		}
	}
}

func overTCP(ctx context.Context, server netip.AddrPort, id uint16, q dnsmessage.Question, packet []byte) ([]netip.Addr, error) {
	conn, release, err := open(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer release()
	framed := binary.BigEndian.AppendUint16(nil, uint16(len(packet)))
	if _, err := conn.Write(append(framed, packet...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint16(size[:])
	if length > maxAnswer {
		return nil, errTooMany
	}
	buf := make([]byte, length)
	if _, err := io.ReadFull(conn, buf); err != nil {
		return nil, err
	}
	return readAnswer(buf, id, q)
}

// open connects to a nameserver. The connection dies with the context, so that
// a silent or slow nameserver costs the budget and no more.
func open(ctx context.Context, network string, server netip.AddrPort) (net.Conn, func(), error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); conn.Close() }, nil
}

// errNotOurs marks a message that does not answer our question.
var errNotOurs = errors.New("dns: an answer to another question")

// readAnswer takes the addresses that the answer gives to the question's name,
// directly or through aliases. Records of other names are not ours to use.
func readAnswer(msg []byte, id uint16, q dnsmessage.Question) ([]netip.Addr, error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || !h.Response || h.ID != id {
		return nil, errNotOurs
	}
	got, err := p.Question()
	if err != nil || !sameName(got.Name, q.Name) || got.Type != q.Type || got.Class != q.Class {
		return nil, errNotOurs
	}
	switch {
	case h.Truncated:
		return nil, errTruncated
	case h.RCode == dnsmessage.RCodeNameError:
		return nil, errNoSuchName
	case h.RCode != dnsmessage.RCodeSuccess:
		return nil, fmt.Errorf("%w: %v", errServer, h.RCode)
	}
	if err := p.SkipAllQuestions(); err != nil {
		return nil, errMalformed
	}
	found, err := readRecords(&p)
	if err != nil {
		return nil, err
	}
	return found.follow(canonical(q.Name))
}

// records is the useful part of an answer section, by owner's name.
type records struct {
	addrs   map[string][]netip.Addr
	aliases map[string]string
}

func readRecords(p *dnsmessage.Parser) (records, error) {
	found := records{addrs: map[string][]netip.Addr{}, aliases: map[string]string{}}
	for range maxRecords {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return found, nil
		}
		if err != nil {
			return found, errMalformed
		}
		if err := found.add(p, h); err != nil {
			return found, errMalformed
		}
	}
	return found, errTooMany
}

func (r records) add(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) error {
	owner := canonical(h.Name)
	switch {
	case h.Class != dnsmessage.ClassINET:
		return p.SkipAnswer()
	case h.Type == dnsmessage.TypeA:
		a, err := p.AResource()
		r.addrs[owner] = append(r.addrs[owner], netip.AddrFrom4(a.A))
		return err
	case h.Type == dnsmessage.TypeAAAA:
		a, err := p.AAAAResource()
		r.addrs[owner] = append(r.addrs[owner], netip.AddrFrom16(a.AAAA))
		return err
	case h.Type == dnsmessage.TypeCNAME:
		c, err := p.CNAMEResource()
		r.aliases[owner] = canonical(c.CNAME)
		return err
	}
	return p.SkipAnswer()
}

// follow walks the aliases from name to its addresses. An alias whose target is
// not in the answer has none: recursive nameservers send the whole chain.
func (r records) follow(name string) ([]netip.Addr, error) {
	for range maxAliases {
		if addrs := r.addrs[name]; len(addrs) > maxAddresses {
			return nil, errTooMany
		} else if len(addrs) > 0 {
			return addrs, nil
		}
		next, ok := r.aliases[name]
		if !ok {
			return nil, nil
		}
		name = next
	}
	return nil, errMalformed
}

func canonical(n dnsmessage.Name) string { return strings.ToLower(n.String()) }

func sameName(a, b dnsmessage.Name) bool { return canonical(a) == canonical(b) }
