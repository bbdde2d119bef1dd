package egresstest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// maxDatagram is the answer size from which a Reply is truncated over UDP.
const maxDatagram = 1232

// Reply is one scripted answer. The zero Reply is NOERROR without records.
type Reply struct {
	// Addrs are the addresses; a question gets those of its own family.
	Addrs []string
	// Aliases is a chain of CNAMEs from the name asked; Addrs belong to the last.
	Aliases []string
	// RCode is the response code when it is not success.
	RCode dnsmessage.RCode
	// Silent says nothing at all.
	Silent bool
	// SilentFor names one family that gets no answer.
	SilentFor dnsmessage.Type
	// Pace sends the answer over TCP, one byte in each interval.
	Pace time.Duration
	// Padding adds TXT records until the answer has about this many bytes.
	Padding int
	// Forge turns the honest answer into the messages that are really sent.
	Forge func(honest []byte) [][]byte
}

// Answer is a Reply with addresses and nothing else.
func Answer(addrs ...string) Reply { return Reply{Addrs: addrs} }

// DNS is a nameserver on loopback, over UDP and TCP at one port. Every record
// has a TTL of zero. Names without a script do not exist.
type DNS struct {
	udp  *net.UDPConn
	tcp  *net.TCPListener
	done chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	scripts map[string][]Reply
	asked   map[dnsmessage.Question]int
	conns   map[net.Conn]bool
}

// NewDNS starts a nameserver that stops with the test.
func NewDNS(t testing.TB) *DNS {
	t.Helper()
	d := &DNS{
		done:    make(chan struct{}),
		scripts: map[string][]Reply{},
		asked:   map[dnsmessage.Question]int{},
		conns:   map[net.Conn]bool{},
	}
	d.listen(t)
	d.wg.Add(2)
	go d.serveUDP()
	go d.serveTCP()
	t.Cleanup(d.close)
	return d
}

// listen finds a port that is free for both protocols.
func (d *DNS) listen(t testing.TB) {
	t.Helper()
	for range 20 {
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Addr().(*net.TCPAddr).Port})
		if err == nil {
			d.tcp, d.udp = tcp, udp
			return
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
}

func (d *DNS) close() {
	close(d.done)
	d.udp.Close()
	d.tcp.Close()
	d.mu.Lock()
	for c := range d.conns {
		c.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// Addr is where the nameserver listens.
func (d *DNS) Addr() netip.AddrPort { return d.udp.LocalAddr().(*net.UDPAddr).AddrPort() }

// Script sets the replies for a name: the first question of each family gets
// the first reply, the next the second, and the last reply stays.
func (d *DNS) Script(name string, replies ...Reply) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scripts[fqdn(name)] = replies
}

// Asked is how many questions for the name and family came, over both
// protocols; a question repeated over TCP counts once.
func (d *DNS) Asked(name string, family dnsmessage.Type) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[question(fqdn(name), family)]
}

// Total is how many questions came for any name.
func (d *DNS) Total() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := 0
	for _, n := range d.asked {
		total += n
	}
	return total
}

func question(name string, family dnsmessage.Type) dnsmessage.Question {
	return dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: family, Class: dnsmessage.ClassINET}
}

func fqdn(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

// reply finds what the script says; first is false for the repetition of a
// question over TCP.
func (d *DNS) reply(q dnsmessage.Question, first bool) (Reply, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := question(fqdn(q.Name.String()), q.Type)
	n := d.asked[key]
	if first {
		d.asked[key]++
	} else {
		n--
	}
	script, ok := d.scripts[fqdn(q.Name.String())]
	if !ok || len(script) == 0 {
		return Reply{RCode: dnsmessage.RCodeNameError}, ok
	}
	return script[max(0, min(n, len(script)-1))], true
}

func (d *DNS) serveUDP() {
	defer d.wg.Done()
	buf := make([]byte, 4096)
	for {
		n, from, err := d.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		h, q, ok := parse(buf[:n])
		if !ok {
			continue
		}
		r, _ := d.reply(q, true)
		if r.Silent || r.SilentFor == q.Type {
			continue
		}
		for _, msg := range r.messages(h, q, maxDatagram) {
			d.udp.WriteToUDPAddrPort(msg, from)
		}
	}
}

func (d *DNS) serveTCP() {
	defer d.wg.Done()
	for {
		conn, err := d.tcp.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns[conn] = true
		d.mu.Unlock()
		d.wg.Add(1)
		go func() {
			defer d.wg.Done()
			defer conn.Close()
			d.answerTCP(conn)
		}()
	}
}

func (d *DNS) answerTCP(conn net.Conn) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, buf); err != nil {
		return
	}
	h, q, ok := parse(buf)
	if !ok {
		return
	}
	r, _ := d.reply(q, false)
	for _, msg := range r.messages(h, q, 0) {
		framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(msg))), msg...)
		if r.Pace == 0 {
			conn.Write(framed)
			continue
		}
		for i := range framed {
			select {
			case <-d.done:
				return
			case <-time.After(r.Pace):
			}
			if _, err := conn.Write(framed[i : i+1]); err != nil {
				return
			}
		}
	}
}

func parse(msg []byte) (dnsmessage.Header, dnsmessage.Question, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil {
		return h, dnsmessage.Question{}, false
	}
	q, err := p.Question()
	return h, q, err == nil
}

// messages is what goes on the wire; limit is the datagram size, 0 for TCP.
func (r Reply) messages(h dnsmessage.Header, q dnsmessage.Question, limit int) [][]byte {
	honest := r.pack(h, q, false)
	if limit > 0 && (len(honest) > limit || r.Pace > 0) {
		honest = r.pack(h, q, true)
	}
	if r.Forge != nil {
		return r.Forge(honest)
	}
	return [][]byte{honest}
}

func (r Reply) pack(h dnsmessage.Header, q dnsmessage.Question, truncated bool) []byte {
	msg := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: h.ID, Response: true, RecursionDesired: true, RecursionAvailable: true,
			RCode: r.RCode, Truncated: truncated,
		},
		Questions: []dnsmessage.Question{q},
	}
	if !truncated {
		msg.Answers = r.answers(q)
	}
	packed, err := msg.Pack()
	if err != nil {
		panic("egresstest: a script that cannot be packed: " + err.Error())
	}
	return packed
}

func (r Reply) answers(q dnsmessage.Question) []dnsmessage.Resource {
	owner := q.Name
	var out []dnsmessage.Resource
	add := func(body dnsmessage.ResourceBody) {
		out = append(out, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: owner, Class: dnsmessage.ClassINET}, Body: body,
		})
	}
	for _, alias := range r.Aliases {
		next := dnsmessage.MustNewName(fqdn(alias))
		add(&dnsmessage.CNAMEResource{CNAME: next})
		owner = next
	}
	for _, s := range r.Addrs {
		switch a := netip.MustParseAddr(s); {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			add(&dnsmessage.AResource{A: a.As4()})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			add(&dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	for size := 0; size < r.Padding; size += 256 {
		add(&dnsmessage.TXTResource{TXT: []string{strings.Repeat("x", 240)}})
	}
	return out
}
