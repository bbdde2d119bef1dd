package egress_test

import (
	"strings"
	"testing"

	"flowyte/internal/egress"
	"flowyte/internal/fault"
)

func host(t testing.TB, s string) egress.Host {
	t.Helper()
	h, err := egress.ParseHost(s)
	if err != nil {
		t.Fatalf("ParseHost(%q): %v", s, err)
	}
	return h
}

func TestParseHost(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("b", 61)
	for in, want := range map[string]string{
		"db.example.com":             "db.example.com",
		"db.example.com.":            "db.example.com",
		"DB.Example.COM":             "db.example.com",
		"localhost":                  "localhost",
		"db":                         "db",
		"a-b.c--d.e1":                "a-b.c--d.e1",
		"1.2.3.example":              "1.2.3.example",
		"0x7f.example":               "0x7f.example",
		"xn--bcher-kva.example":      "xn--bcher-kva.example",
		"example.0xyz":               "example.0xyz",
		label63 + ".example":         label63 + ".example",
		name253:                      name253,
		name253 + ".":                name253,
		"192.0.2.1":                  "192.0.2.1",
		"8.8.8.8":                    "8.8.8.8",
		"2a00::1":                    "2a00::1",
		"[2a00::1]":                  "2a00::1",
		"[::1]":                      "::1",
		"0:0:0:0:0:0:0:1":            "::1",
		"2A00:0:0:0:0:0:0:1":         "2a00::1",
		"::ffff:127.0.0.1":           "::ffff:127.0.0.1",
		"::FFFF:169.254.169.254":     "::ffff:169.254.169.254",
		"ec2-1-2-3-4.compute.aws.io": "ec2-1-2-3-4.compute.aws.io",
	} {
		got, err := egress.ParseHost(in)
		if err != nil || got.String() != want || !got.IsValid() {
			t.Errorf("ParseHost(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

var badHosts = []string{
	// C03, S26: empty and too long.
	"", ".", "..", "-a.com", "a-.com", "a..b", ".a.com", "a.com..", "-", "a.-b.c",
	strings.Repeat("a", 64) + ".com",
	strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 62),
	strings.Repeat("a.", 200) + "com",
	// S02–S04, S23: what some resolver takes for an address.
	"2130706433", "0x7f000001", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1", "017700000001", "0300.0250.0.1",
	"127.1", "127.0.1", "0", "00", "0x", "0x0", "0x7f000001.", "169.254.43518", "127.0.0.1.", "1.2.3.4.5", "256.1.1.1", "1.2.3",
	"127.0.0.01", "127.0.0.0x1", "127.0.0.1:5432", "db.example.123", "db.0x1f", "1e3.1", "000127.0.0.1", "4294967297",
	// Unicode that IDNA would map (finding 7), and plain non-ASCII.
	"127。0。0。1", "１２７.0.0.1", "①②⑦.⓪.⓪.①", "ⓛocalhost", "bücher.example", "db.exämple", "localhost\u200b", "db.example\u3002com", "ı.com", "ſ.com", "\u212a.com", "\u212aelvin",
	// S25: space, control characters, escapes, quotes.
	" db.example.com", "db.example.com ", "db example.com", "db\texample.com", "db.example.com\r", "db.example.com\n", "db.example.com\x00",
	"db.example.com%00", "db\\example.com", "\"db\"", "'db'", "db%2eexample.com", "db.example.com\x7f", "\xff\xfe",
	// C01, C02: sockets, lists, ports, schemes, users.
	"/var/run/postgresql", "/", "./x", "../x", "@abstract", "C:\\x", "C:/x", "db.example.com,127.0.0.1", "db.example.com;127.0.0.1",
	"db.example.com:5432", "postgres://db.example.com", "user@db.example.com", "user:pw@db.example.com", "db.example.com/appdb", "db.example.com?x=1",
	"db.example.com#x", "host=db", "db_1.example.com", "*.example.com", "_pg._tcp.example.com", "tcp(db.example.com)", "(db)", "a=b", "$HOME", "${x}", "`id`",
	// S18: zones, and brackets that do not belong.
	"fe80::1%eth0", "127.0.0.1%lo", "[fe80::1%25eth0]", "[::1", "::1]", "[127.0.0.1]", "[]", "[db.example.com]", "[[::1]]", "[::1]:5432", "::1.", ":::", "1::2::3",
	"::ffff:256.0.0.1", "12345::", "g::1", ":", "2a00::1/64",
}

func TestParseHostRefuses(t *testing.T) {
	for _, in := range badHosts {
		h, err := egress.ParseHost(in)
		if !fault.Is(err, fault.HostInvalid) || h.IsValid() {
			t.Errorf("ParseHost(%q) = %q, %v; want host_invalid", in, h, err)
		}
	}
}

func TestZeroHost(t *testing.T) {
	var h egress.Host
	if h.IsValid() || h.String() != "" {
		t.Errorf("the zero Host is %q, valid %v", h, h.IsValid())
	}
	if _, ok := h.Addr(); ok {
		t.Error("the zero Host has an address")
	}
}

func TestParsePort(t *testing.T) {
	for in, want := range map[string]uint16{"1": 1, "1023": 1023, "5432": 5432, "65535": 65535} {
		if got, err := egress.ParsePort(in); err != nil || got != want {
			t.Errorf("ParsePort(%q) = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "0", "-1", "+5432", "05432", "65536", "5432,5433", " 5432", "5432 ", "0x1538", "5e3", "5432.0", "٣", "99999999999999999999", "5_432", "pg"} {
		if _, err := egress.ParsePort(in); !fault.Is(err, fault.PortNotAllowed) {
			t.Errorf("ParsePort(%q): %v, want port_not_allowed", in, err)
		}
	}
}

// FuzzParseHost: what is accepted is one host in canonical form, and parsing
// that form again changes nothing.
func FuzzParseHost(f *testing.F) {
	for _, s := range badHosts {
		f.Add(s)
	}
	for _, s := range []string{"db.example.com.", "LOCALHOST", "[::1]", "8.8.8.8", "::ffff:1.2.3.4", "a.b-c.d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := egress.ParseHost(s)
		if err != nil {
			if !fault.Is(err, fault.HostInvalid) || h != (egress.Host{}) {
				t.Fatalf("%q: %v, %v", s, h, err)
			}
			return
		}
		form := h.String()
		if strings.ContainsAny(form, " \t\r\n\x00%,;/\\@'\"[]=?#") || len(form) > 253 || strings.HasSuffix(form, ".") {
			t.Fatalf("%q was accepted as %q", s, form)
		}
		again, err := egress.ParseHost(form)
		if err != nil || again != h {
			t.Fatalf("%q: %q parses to %q, %v", s, form, again, err)
		}
		if _, isAddr := h.Addr(); !isAddr {
			last := form[strings.LastIndexByte(form, '.')+1:]
			if strings.Trim(last, "0123456789") == "" || strings.Contains(form, ":") {
				t.Fatalf("%q became the name %q, which lenient resolvers take for an address", s, form)
			}
		}
	})
}
