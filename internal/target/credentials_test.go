package target_test

import (
	"strconv"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func seedCredentials() api.Credentials {
	return api.Credentials{Host: "db.example.com", Port: "5432", Database: "appdb", User: "flowyte_ro", Password: "…", SSLMode: "verify-full"}
}

func TestParseCredentials(t *testing.T) {
	c, err := target.ParseCredentials(seedCredentials(), schema.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	if c.Host.String() != "db.example.com" || c.Port != 5432 || c.Database != "appdb" || c.User != "flowyte_ro" || c.Password.Reveal() != "…" ||
		c.TLS.Mode != "verify-full" || c.TLS.Host != c.Host || c.TLS.CAPEM != nil || c.Kind != schema.Postgres {
		t.Errorf("%+v", c)
	}
	if c.WriteUser != c.User || !c.WritePassword.Equal(c.Password) {
		t.Error("writes do not use the same user")
	}
	two := seedCredentials()
	two.WriteUser, two.WritePassword = "flowyte_rw", "other"
	if c, err = target.ParseCredentials(two, schema.Postgres); err != nil || c.WriteUser != "flowyte_rw" || c.WritePassword.Reveal() != "other" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestParseCredentialsRefuses(t *testing.T) {
	authority := egresstest.NewAuthority(t, egresstest.Certificate{})
	tests := []struct {
		name   string
		change func(c *api.Credentials)
		code   fault.Code
		fields []string
	}{
		{"socket", func(c *api.Credentials) { c.Host = "/var/run/postgresql" }, fault.HostInvalid, []string{"credentials.host"}},
		{"two hosts", func(c *api.Credentials) { c.Host = "a.example.com,127.0.0.1" }, fault.HostInvalid, []string{"credentials.host"}},
		{"no host", func(c *api.Credentials) { c.Host = "" }, fault.HostInvalid, []string{"credentials.host"}},
		{"host with NUL", func(c *api.Credentials) { c.Host = "a\x00b" }, fault.InvalidRequest, []string{"credentials.host"}},
		{"long host", func(c *api.Credentials) { c.Host = strings.Repeat("a", 256) }, fault.InvalidRequest, []string{"credentials.host"}},
		{"two ports", func(c *api.Credentials) { c.Port = "1,2" }, fault.PortNotAllowed, []string{"credentials.port"}},
		{"no port", func(c *api.Credentials) { c.Port = "" }, fault.PortNotAllowed, []string{"credentials.port"}},
		{"port 0", func(c *api.Credentials) { c.Port = "0" }, fault.PortNotAllowed, []string{"credentials.port"}},
		{"disable", func(c *api.Credentials) { c.SSLMode = "disable" }, fault.SSLModeInvalid, []string{"credentials.sslmode"}},
		{"no mode", func(c *api.Credentials) { c.SSLMode = "" }, fault.SSLModeInvalid, []string{"credentials.sslmode"}},
		{"upper case", func(c *api.Credentials) { c.SSLMode = "VERIFY-FULL" }, fault.SSLModeInvalid, []string{"credentials.sslmode"}},
		{"verify-ca alone", func(c *api.Credentials) { c.SSLMode = "verify-ca" }, fault.CARequired, []string{"credentials.ca_pem"}},
		{"rubbish CA", func(c *api.Credentials) { c.CAPEM = "rubbish" }, fault.CAInvalid, []string{"credentials.ca_pem"}},
		{"large CA", func(c *api.Credentials) { c.CAPEM = strings.Repeat(string(authority.PEM()), 200) }, fault.CAInvalid, []string{"credentials.ca_pem"}},
		{"private key", func(c *api.Credentials) { c.CAPEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }, fault.CAContainsPrivateKey, []string{"credentials.ca_pem"}},
		{"no password", func(c *api.Credentials) { c.Password = "" }, fault.PasswordEmpty, []string{"credentials.password"}},
		{"writer without password", func(c *api.Credentials) { c.WriteUser = "w" }, fault.PasswordEmpty, []string{"credentials.writePassword"}},
		{"password without writer", func(c *api.Credentials) { c.WritePassword = "w" }, fault.ValueInvalid, []string{"credentials.writeUser"}},
		{"no names", func(c *api.Credentials) { c.User, c.Database = "", "" }, fault.ValueInvalid, []string{"credentials.database", "credentials.user"}},
		{"control characters", func(c *api.Credentials) { c.User, c.Database, c.Password = "a\x00user\x00postgres", "a\nb", "p\x1b" }, fault.InvalidRequest,
			[]string{"credentials.database", "credentials.user", "credentials.password"}},
		{"not UTF-8", func(c *api.Credentials) { c.Password = "\xff" }, fault.InvalidRequest, []string{"credentials.password"}},
		{"a name that the server would cut", func(c *api.Credentials) { c.User = strings.Repeat("a", 64) }, fault.InvalidRequest, []string{"credentials.user"}},
		{"long password", func(c *api.Credentials) { c.Password = strings.Repeat("a", 4097) }, fault.InvalidRequest, []string{"credentials.password"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := seedCredentials()
			test.change(&c)
			got, err := target.ParseCredentials(c, schema.Postgres)
			f, ok := fault.As(err)
			if got != nil || !ok || f.Code != test.code {
				t.Fatalf("%v", err)
			}
			var fields []string
			for _, field := range f.Fields {
				fields = append(fields, field.Field)
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" {
				t.Error(diff)
			}
		})
	}
	long := seedCredentials()
	long.User = strings.Repeat("a", 64)
	if _, err := target.ParseCredentials(long, schema.MySQL); err != nil {
		t.Errorf("a name of 64 bytes on MySQL: %v", err)
	}
	private := seedCredentials()
	private.SSLMode, private.CAPEM = "verify-ca", string(authority.PEM())
	if _, err := target.ParseCredentials(private, schema.Postgres); err != nil {
		t.Errorf("a private CA: %v", err)
	}
}

// No refusal repeats what was sent, and what passes is what was sent.
func TestParseCredentialsIsVerbatim(t *testing.T) {
	const canary = "CANARY"
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "db.example.com", "127.0.0.1", "5432", "verify-full", "require", "\x00"}))
		draw := func(name string) string {
			s := text.Draw(t, name)
			if rapid.Bool().Draw(t, name+" marked") {
				s += canary
			}
			return s
		}
		c := api.Credentials{
			Host: draw("host"), Port: api.Port(draw("port")), Database: draw("database"), User: draw("user"), Password: draw("password"),
			SSLMode: draw("sslmode"), CAPEM: draw("ca"), WriteUser: draw("writeUser"), WritePassword: draw("writePassword"),
		}
		if rapid.Bool().Draw(t, "plausible") {
			c.Host, c.Port, c.SSLMode, c.CAPEM = "db.example.com", "5432", "verify-full", ""
		}
		got, err := target.ParseCredentials(c, schema.Postgres)
		if err != nil {
			f, ok := fault.As(err)
			if !ok {
				t.Fatalf("%T", err)
			}
			for _, field := range f.Fields {
				if strings.Contains(field.Message, canary) {
					t.Fatal("a value is repeated")
				}
			}
			return
		}
		if got.User != c.User || got.Database != c.Database || got.Password.Reveal() != c.Password {
			t.Fatal("a value was changed")
		}
	})
}

// FuzzParseCredentials: what passes is one host, one port and the names as they
// were sent, without a character that could end one of them early.
func FuzzParseCredentials(f *testing.F) {
	for _, host := range []string{"db.example.com", "192.0.2.1", "[2001:db8::1]", "/tmp", "a,b", "0x7f.1"} {
		f.Add(host, "5432", "appdb", "flowyte_ro", "secret", "require", "", "", "")
	}
	f.Add("db.example.com", "05432", "x sslmode=disable", "a\x00user\x00b", "p\n", "VERIFY-FULL", "-----BEGIN CERTIFICATE-----", "w", "x")
	f.Fuzz(func(t *testing.T, host, port, database, user, password, mode, ca, writer, writePassword string) {
		c := api.Credentials{
			Host: host, Port: api.Port(port), Database: database, User: user, Password: password, SSLMode: mode, CAPEM: ca,
			WriteUser: writer, WritePassword: writePassword,
		}
		for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
			got, err := target.ParseCredentials(c, kind)
			if err != nil {
				if _, ok := fault.As(err); !ok || got != nil {
					t.Errorf("%v, %T", got, err)
				}
				continue
			}
			if got.User != user || got.Database != database || got.Password.Reveal() != password || strconv.Itoa(int(got.Port)) != port || string(got.TLS.Mode) != mode {
				t.Error("a value was changed")
			}
			if strings.ContainsAny(user+database+password+got.WriteUser+got.Host.String(), "\x00\r\n") || strings.ContainsAny(got.Host.String(), "/,%@ ") {
				t.Error("a value that could end early was accepted")
			}
		}
	})
}
