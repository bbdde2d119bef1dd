package postgres

import (
	"maps"
	"strings"
	"testing"

	"flowyte/internal/egress"
	"flowyte/internal/secret"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"
)

// Whatever stands in the fields, the driver's configuration holds it verbatim
// and nothing else follows from it.
func TestConfigIsVerbatim(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"x sslmode=disable", "postgres://u:p@h/d?sslmode=disable", "host=/tmp", "a,b", "'", `\`, "options=-c x=y",
		}))
		hosts := rapid.SampledFrom([]string{"db.example.com", "192.0.2.1", "2001:db8::1", "localhost"})
		host, err := egress.ParseHost(hosts.Draw(t, "host"))
		if err != nil {
			t.Fatal(err)
		}
		c := &target.Credentials{
			Host: host, Port: rapid.Uint16Min(1).Draw(t, "port"), Database: texts.Draw(t, "database"),
			User: texts.Draw(t, "user"), Password: secret.New("p" + texts.Draw(t, "password")),
			TLS: egress.TLSOptions{Mode: egress.VerifyFull, Host: host},
		}
		purpose := rapid.SampledFrom([]target.Purpose{target.ForReads, target.ForWrites, target.ForCatalog}).Draw(t, "purpose")
		c.WriteUser, c.WritePassword = c.User, c.Password
		parameters := directParameters(purpose)
		config, err := buildConfig(c, loginFor(c, purpose), parameters, &dialer{})
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != c.Host.String() || config.Port != c.Port || config.Database != c.Database ||
			config.User != c.User || config.Password != c.Password.Reveal() {
			t.Fatalf("a field was changed: %q %d %q %q", config.Host, config.Port, config.Database, config.User)
		}
		if len(config.Fallbacks) != 0 || config.MaxProtocolMessageBodyLen != maxMessage || config.RequireAuth != "scram-sha-256" {
			t.Fatal("a fallback, no limit, or another way to authenticate")
		}
		number := 13
		if purpose == target.ForWrites {
			number-- // the role's own search_path stays
		}
		if !maps.Equal(config.RuntimeParams, parameters) || len(parameters) != number {
			t.Fatalf("parameters: %v", config.RuntimeParams)
		}
	})
}

func TestAssertNoticesEveryField(t *testing.T) {
	host, err := egress.ParseHost("db.example.com")
	if err != nil {
		t.Fatal(err)
	}
	c := &target.Credentials{Host: host, Port: 5432, Database: "d", User: "u", Password: secret.New("p")}
	login := loginFor(c, target.ForReads)
	parameters := directParameters(target.ForReads)
	changes := map[string]func(*pgconn.Config){
		"host":       func(c *pgconn.Config) { c.Host = "/tmp" },
		"port":       func(c *pgconn.Config) { c.Port = 1 },
		"database":   func(c *pgconn.Config) { c.Database = "" },
		"user":       func(c *pgconn.Config) { c.User = "" },
		"password":   func(c *pgconn.Config) { c.Password = "" },
		"fallback":   func(c *pgconn.Config) { c.Fallbacks = []*pgconn.FallbackConfig{{Host: "h"}} },
		"limit":      func(c *pgconn.Config) { c.MaxProtocolMessageBodyLen = 0 },
		"auth":       func(c *pgconn.Config) { c.RequireAuth = "" },
		"negotiate":  func(c *pgconn.Config) { c.SSLNegotiation = "direct" },
		"protocol":   func(c *pgconn.Config) { c.MaxProtocolVersion = "latest" },
		"dialer":     func(c *pgconn.Config) { c.DialFunc = nil },
		"screen":     func(c *pgconn.Config) { c.BuildFrontend = nil },
		"parameters": func(c *pgconn.Config) { c.RuntimeParams["options"] = "-c x=y" },
	}
	for name, change := range changes {
		config, err := buildConfig(c, login, parameters, &dialer{})
		if err != nil {
			t.Fatal(err)
		}
		change(config)
		if assert(config, c, login, parameters) == nil {
			t.Errorf("%s: a changed configuration passes", name)
		}
	}
}

// What an array of texts becomes is read back as the same texts.
func TestArrayRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.String()).Draw(t, "elements")
		got, err := parseArray(string(appendArray(nil, want)))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %v", got, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%q instead of %q", got[i], want[i])
			}
		}
	})
}

func TestMalformedArrays(t *testing.T) {
	for _, text := range []string{"", "x", "{", "{a", `{"a`, `{"a\`, "{a}b", "{a,", "{{a},{b}}", `{a"b}`} {
		if got, err := parseArray(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
	for text, want := range map[string]int{"{}": 0, "{NULL,a}": 2, "[2:3]={a,b}": 2} {
		if got, err := parseArray(text); err != nil || len(got) != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestVersionNumber(t *testing.T) {
	for text, want := range map[string]string{
		"15.18 (Debian 15.18-1)": "15.18", "18beta1": "18", "": "", "x": "", "17.": "17",
	} {
		if got := versionNumber(text); got != want {
			t.Errorf("%q: %q instead of %q", text, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"Index Scan": "Index Scan", "a\x00b\x1b[31mc\x7f\u0085": "ab[31mc", "\u202eevil\u2066\u200b\ufeff": "evil", "line\u2028\u2029": "line", "\xff\xfeü": "\uFFFDü",
		strings.Repeat("ü", 9): strings.Repeat("ü", 8),
	} {
		if got := clean(text, 16); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
