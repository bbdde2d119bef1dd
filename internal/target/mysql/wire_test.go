package mysql

import (
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestOnTheWire: what a session sends is this and nothing else, and a read that
// was prepared costs one round trip.
func TestOnTheWire(t *testing.T) {
	var mu sync.Mutex
	var commands []string
	names := map[byte]string{comQuit: "quit", comQuery: "query ", comStmtPrepare: "prepare ", comStmtExecute: "execute", comStmtClose: "close"}
	var announced atomic.Uint32
	creds, _ := rogue(t, func(p *peer) {
		p.secure()
		announced.Store(binary.LittleEndian.Uint32(p.receive()))
		p.send(acknowledgement...)
		for {
			body := p.receive()
			entry := names[body[0]]
			if body[0] == comQuery || body[0] == comStmtPrepare {
				entry += string(body[1:])
			}
			mu.Lock()
			commands = append(commands, entry)
			mu.Unlock()
			switch {
			case body[0] == comStmtPrepare:
				p.prepared(1, 0)
			case body[0] == comStmtExecute:
				p.send(1)
				p.send(definition(8)...)
				p.send(end...)
			case body[0] == comQuit:
				return
			case entry == "query "+question("mysql"):
				p.table(rogueFacts)
			default:
				p.send(acknowledgement...)
			}
		}
	})
	s := openWith(t, creds, target.ForReads)
	p := read("SELECT 1", nil, []column{integer}, 1)
	for range 2 {
		must(t, s.Run(t.Context(), p, nil, targettest.Discard{}))
	}
	s.Close()
	want := []string{"query " + settings("mysql", target.ForReads), "query " + question("mysql"), "prepare SELECT 1", "execute", "execute", "quit"}
	var got []string
	targettest.Eventually(t, 2*time.Second, "quit", func() bool {
		mu.Lock()
		defer mu.Unlock()
		got = slices.Clone(commands)
		return slices.Contains(got, "quit")
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	capabilities := announced.Load()
	if extra := capabilities &^ (usedCapabilities | capTLS); extra != 0 || capabilities&capTLS == 0 {
		t.Errorf("capabilities %#x: %#x were not to be used", capabilities, extra)
	}
}

// TestSettings holds the texts that ready a session.
func TestSettings(t *testing.T) {
	const modes = "'ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_ALL_TABLES'"
	const common = "SET NAMES utf8mb4, SESSION sql_mode = " + modes + ", SESSION time_zone = '+00:00', SESSION autocommit = 1, SESSION sql_auto_is_null = 0, SESSION lock_wait_timeout = "
	writes := func(isolation string) string {
		return ", SESSION innodb_lock_wait_timeout = 1, SESSION foreign_key_checks = 1, SESSION unique_checks = 1, SESSION " +
			isolation + " = 'READ-COMMITTED', SESSION completion_type = 'NO_CHAIN'"
	}
	for _, c := range []struct{ got, want string }{
		{settings("mysql", target.ForReads), common + "2, SESSION max_execution_time = 2100, SESSION transaction_read_only = 1"},
		{settings("mariadb", target.ForReads), common + "2, SESSION max_statement_time = 2.1, SESSION tx_read_only = 1"},
		{settings("mysql", target.ForCatalog), common + "5, SESSION max_execution_time = 20000, SESSION transaction_read_only = 1"},
		{settings("mysql", target.ForWrites), common + "1, SESSION max_execution_time = 5000, SESSION transaction_read_only = 0" + writes("transaction_isolation")},
		{settings("mariadb", target.ForWrites), common + "1, SESSION max_statement_time = 5, SESSION tx_read_only = 0" + writes("tx_isolation") + ", SESSION idle_transaction_timeout = 2"},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestHostileText: the readers of what servers send take anything.
func TestHostileText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOf(rapid.SampledFrom([]rune("GRANTOS `'\".*,()@\\%_ü\x00\u202ex"))).Draw(t, "line")
		for _, text := range []string{line, "GRANT " + line, "GRANT SELECT ON " + line, "GRANT " + line + " ON *.* TO `u`@`%`", "GRANT `" + line} {
			if r, ok := parseGrant(text); ok {
				p := rights{r}.beyond("db")
				for _, word := range slices.Concat(p.Superuser, p.Wider, p.Public) {
					if len(word) > 64 || strings.ContainsAny(word, "\x00\u202e") {
						t.Fatalf("%q is shown", word)
					}
				}
			}
		}
		body := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body")
		if g, ok := parseGreeting(body); ok {
			if again, ok := parseGreeting(g.forDriver()[headerSize:]); !ok || again.thread != g.thread || again.challenge != g.challenge {
				t.Fatal("the driver gets another greeting than a sound one")
			}
		}
		_, _ = lengthEncoded(body)
		for at := login; at <= rows; at++ {
			s := &screen{stage: at, left: 1, shift: 1}
			_ = s.judge(body, len(body))
		}
		if got := clean(string(body), 16); len(got) > 16 {
			t.Fatal("a text is longer than its limit")
		}
		if got := clean("a\u202e\u2028\x00"+line, 200); strings.ContainsAny(got, "\u202e\u2028\x00") {
			t.Fatalf("%q is not clean", got)
		}
		if version := versionNumber(line + "9.9"); len(version) > 32 {
			t.Fatal("a version is longer than its limit")
		}
	})
}

func TestSupported(t *testing.T) {
	for version, want := range map[string]bool{"9.7.4": true, "8.0.36": true, "5.7.44": false, "": false, "9": true, "x": false} {
		if supported("mysql", version) != want {
			t.Errorf("MySQL %s: want %v", version, want)
		}
	}
	for version, want := range map[string]bool{"10.11.2": true, "11.8.1": true, "12.0": true, "10.6.20": false, "5.5.68": false} {
		if supported("mariadb", version) != want {
			t.Errorf("MariaDB %s: want %v", version, want)
		}
	}
	if got := versionNumber("5.5.5-10.11.19-MariaDB-0+deb12u1"); got != "10.11.19" {
		t.Errorf("got %s", got)
	}
}

// TestServersThatSendEOF: the older form of results passes as well, and its end
// is judged like the newer one's.
func TestServersThatSendEOF(t *testing.T) {
	for _, c := range []struct {
		end  []byte
		want fault.Code
	}{
		{eof, ""},
		{[]byte{packetEOF, 0, 0, 8, 0}, fault.ProtocolError}, // more results
		{[]byte{packetEOF, 0, 0}, fault.ProtocolError},
		{end, fault.ProtocolError},
	} {
		creds, _ := rogue(t, func(p *peer) {
			p.old = true
			p.serve(func(command byte, _ string) {
				if command == comStmtPrepare {
					p.prepared(1, 1)
					return
				}
				p.send(1)
				p.define(1, 8)
				p.send(0, 0, 7, 0, 0, 0, 0, 0, 0, 0)
				p.send(c.end...)
			})
		})
		s := openWith(t, creds, target.ForReads)
		var got targettest.Rows
		err := s.Run(t.Context(), read("SELECT ?", []column{integer}, []column{integer}, 1), targettest.Text("7"), &got)
		if fault.CodeOf(err) != c.want {
			t.Errorf("%x: %v (%v), want %q", c.end, err, fault.Cause(err), c.want)
		}
		if diff := cmp.Diff(targettest.Rows{{"7"}}, got); diff != "" {
			t.Errorf("%x: (-want +got):\n%s", c.end, diff)
		}
	}
}

// TestNumbers holds what the server's error numbers are taken for.
func TestNumbers(t *testing.T) {
	for number, want := range map[uint16][2]fault.Code{ // in the login, in a statement
		1040: {fault.ServerBusy, fault.ServerBusy},
		1044: {fault.DatabaseUnknown, fault.PermissionDenied},
		1045: {fault.CredentialsRejected, fault.DatabaseError},
		1049: {fault.DatabaseUnknown, fault.DatabaseError},
		1053: {fault.ServerStarting, fault.ConnectionLost},
		1054: {fault.DatabaseError, fault.SchemaDrift},
		1062: {fault.DatabaseError, fault.DatabaseError},
		1130: {fault.CredentialsRejected, fault.DatabaseError},
		1142: {fault.DatabaseError, fault.PermissionDenied},
		1146: {fault.DatabaseError, fault.SchemaDrift},
		1203: {fault.ServerBusy, fault.ServerBusy},
		1205: {fault.DatabaseError, fault.DatabaseTimeout},
		1226: {fault.ServerBusy, fault.ServerBusy},
		1251: {fault.AuthMethodRefused, fault.DatabaseError},
		1356: {fault.DatabaseError, fault.SchemaDrift},
		1370: {fault.DatabaseError, fault.PermissionDenied},
		1524: {fault.AuthMethodRefused, fault.DatabaseError},
		1698: {fault.CredentialsRejected, fault.DatabaseError},
		1969: {fault.DatabaseError, fault.DatabaseTimeout},
		3024: {fault.DatabaseError, fault.DatabaseTimeout},
		4031: {fault.DatabaseError, fault.ConnectionLost},
	} {
		if got := [2]fault.Code{connectRefusal(number).Code, codeOf(number)}; got != want {
			t.Errorf("%d: %v, want %v", number, got, want)
		}
	}
}

// TestSamples: every type has a sample that can be bound as it.
func TestSamples(t *testing.T) {
	for is, want := range map[schema.Type]any{
		schema.Integer: int64(1), schema.Number: "1", schema.Boolean: int64(1), schema.Date: "2000-01-01", schema.Time: "12:00:00",
		schema.DateTime: "2000-01-01 12:00:00", schema.UUID: "00000000-0000-4000-8000-000000000000", schema.Enum: "a", schema.String: "x",
	} {
		vt := plan.ValueType{Type: is, EnumValues: []string{"a", "b"}}
		got, err := bind(&vt, &target.Value{Text: sample(&vt)})
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", is, got, err, want)
		}
	}
	if year := sample(&plan.ValueType{Type: schema.Integer, BaseType: "year"}); year != "2000" {
		t.Errorf("a year is %s", year)
	}
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ in, want any }{
		{nil, nil}, {int64(1), int64(1)}, {1.5, 1.5}, {float32(0.5), 0.5}, {uint64(7), int64(7)}, {uint64(1 << 63), "9223372036854775808"},
		{[]byte("a\xffb"), "a\uFFFDb"}, {"a\xff", "a\uFFFD"},
	} {
		if got, err := decode(c.in); err != nil || got != c.want {
			t.Errorf("%v: %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	_, err := decode(time.Time{})
	wantFault(t, err, fault.ProtocolError)
}
