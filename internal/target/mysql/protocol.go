package mysql

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"flowyte/internal/fault"
)

// Capabilities of the protocol, as both sides announce them.
const (
	capLongPassword     = 1 << 0 // MariaDB clears it to say that it is MariaDB
	capFoundRows        = 1 << 1
	capLongFlag         = 1 << 2
	capConnectWithDB    = 1 << 3
	capProtocol41       = 1 << 9
	capTLS              = 1 << 11
	capTransactions     = 1 << 13
	capSecureConnection = 1 << 15
	capPluginAuth       = 1 << 19
	capConnectAttrs     = 1 << 20
	capLongAuthData     = 1 << 21
	capDeprecateEOF     = 1 << 24
)

// usedCapabilities are those that the driver may use if the server has them.
// Left out on purpose: compression, LOCAL INFILE, several statements or several
// results at once, session tracking.
const usedCapabilities = capLongPassword | capFoundRows | capLongFlag | capConnectWithDB | capProtocol41 |
	capTransactions | capSecureConnection | capPluginAuth | capConnectAttrs | capLongAuthData | capDeprecateEOF

// neededCapabilities are what every supported server has.
const neededCapabilities = capProtocol41 | capSecureConnection | capPluginAuth | capConnectWithDB

const (
	headerSize   = 4
	maxGreeting  = 1024
	challengeLen = 20
	utf8mb4      = 45 // utf8mb4_general_ci, which every supported server knows

	protocolVersion = 10
	packetOK        = 0x00
	packetMore      = 0x01
	packetLocalFile = 0xfb
	packetEOF       = 0xfe
	packetError     = 0xff
)

// The methods by which this service proves a password. caching_sha2_password
// may send it as it is inside TLS, to a peer that was accepted before.
const (
	pluginSHA2    = "caching_sha2_password"
	pluginNative  = "mysql_native_password"
	pluginEd25519 = "client_ed25519"
	// pluginSHA256 is not one of them. MySQL pretends it for user names that it
	// does not know, so the login goes on with an answer that proves nothing
	// and is rejected: breaking off would count against this host there.
	pluginSHA256 = "sha256_password"
)

// greeting is what a server says first.
type greeting struct {
	version      string
	thread       uint32
	capabilities uint32
	challenge    [challengeLen]byte
	plugin       string
}

// mariaDB tells the two families of servers apart before anything was asked.
func (g *greeting) mariaDB() bool { return g.capabilities&capLongPassword == 0 }

var errNotMySQL = errors.New("mysql: what came first is not a server's greeting")

// readGreeting reads the one packet that comes in clear. Errors are faults:
// unreachable_or_not_a_database for what is no greeting, the server's own
// refusal by its number, tls_not_offered and server_unsupported.
func readGreeting(r io.Reader) (*greeting, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, fault.Wrap(fault.Unreachable, plain(err))
	}
	length := packetLength(header[:])
	if length == 0 || length > maxGreeting || header[3] != 0 {
		return nil, fault.Wrap(fault.Unreachable, errNotMySQL)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fault.Wrap(fault.Unreachable, plain(err))
	}
	if body[0] == packetError {
		if len(body) < 3 {
			return nil, fault.Wrap(fault.Unreachable, errNotMySQL)
		}
		// Neither text nor number is the word of an accepted peer, but a number
		// tells the operator that the server is full or refuses this host.
		return nil, connectRefusal(binary.LittleEndian.Uint16(body[1:]))
	}
	g, ok := parseGreeting(body)
	switch {
	case !ok:
		return nil, fault.Wrap(fault.Unreachable, errNotMySQL)
	case g.capabilities&capTLS == 0:
		return nil, fault.New(fault.TLSNotOffered)
	case g.capabilities&neededCapabilities != neededCapabilities:
		return nil, fault.Wrap(fault.ServerUnsupported, errors.New("mysql: the server lacks a part of the protocol"))
	}
	return g, nil
}

// parseGreeting takes the fields of protocol version 10 in order.
func parseGreeting(body []byte) (*greeting, bool) {
	if body[0] != protocolVersion {
		return nil, false
	}
	end := bytes.IndexByte(body[1:], 0)
	if end < 0 {
		return nil, false
	}
	g := &greeting{version: string(body[1 : 1+end])}
	// thread 4, challenge 8, filler 1, capabilities 2, charset 1, status 2,
	// capabilities 2, length of the challenge 1, reserved 10, challenge 12+1
	const fixed = 4 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10 + 13
	rest := body[1+end+1:]
	if len(rest) < fixed {
		return nil, false
	}
	g.thread = binary.LittleEndian.Uint32(rest)
	copy(g.challenge[:8], rest[4:12])
	g.capabilities = uint32(binary.LittleEndian.Uint16(rest[13:])) | uint32(binary.LittleEndian.Uint16(rest[18:]))<<16
	copy(g.challenge[8:], rest[31:43])
	plugin, _, _ := bytes.Cut(rest[fixed:], []byte{0})
	g.plugin = string(plugin)
	return g, true
}

// forDriver is the greeting as the driver gets it: well-formed, with the
// capabilities that may be used, without TLS, which is up by then, and with a
// method of authentication that is accepted. Servers that want another one
// switch to it, and the screen decides.
func (g *greeting) forDriver() []byte {
	plugin := g.plugin
	if !acceptedPlugin(plugin) {
		plugin = pluginNative
	}
	capabilities := g.capabilities & usedCapabilities
	body := []byte{protocolVersion, 0} // no version: the driver does not ask
	body = binary.LittleEndian.AppendUint32(body, g.thread)
	body = append(body, g.challenge[:8]...)
	body = append(body, 0)
	body = binary.LittleEndian.AppendUint16(body, uint16(capabilities))
	body = append(body, utf8mb4, 0, 0)
	body = binary.LittleEndian.AppendUint16(body, uint16(capabilities>>16))
	body = append(body, challengeLen+1)
	body = append(body, make([]byte, 10)...)
	body = append(body, g.challenge[8:]...)
	body = append(body, 0)
	body = append(body, plugin...)
	body = append(body, 0)
	return packet(0, body)
}

// tlsRequest asks for TLS. It is all that is ever sent in clear, and holds
// nothing but capabilities.
func (g *greeting) tlsRequest() []byte {
	body := binary.LittleEndian.AppendUint32(nil, g.capabilities&usedCapabilities|capTLS)
	body = append(body, 0, 0, 0, 0, utf8mb4)
	return packet(1, append(body, make([]byte, 23)...))
}

func acceptedPlugin(name string) bool {
	return name == pluginSHA2 || name == pluginNative || name == pluginEd25519
}

// packet frames a body of less than 16 MiB.
func packet(sequence byte, body []byte) []byte {
	n := len(body)
	return append([]byte{byte(n), byte(n >> 8), byte(n >> 16), sequence}, body...)
}

func packetLength(header []byte) int {
	return int(header[0]) | int(header[1])<<8 | int(header[2])<<16
}

// lengthEncoded reads an integer of the protocol's variable form. size is 0
// when b does not hold one.
func lengthEncoded(b []byte) (value uint64, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	switch b[0] {
	case 0xfb, 0xff:
		return 0, 0
	case 0xfc:
		size = 3
	case 0xfd:
		size = 4
	case 0xfe:
		size = 9
	default:
		return uint64(b[0]), 1
	}
	if len(b) < size {
		return 0, 0
	}
	for i := size - 1; i > 0; i-- {
		value = value<<8 | uint64(b[i])
	}
	return value, size
}

// violation is a protocol_error with the reason for the log.
func violation(format string, args ...any) error {
	return fault.Wrap(fault.ProtocolError, fmt.Errorf("mysql: "+format, args...))
}
