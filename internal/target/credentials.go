package target

import (
	"unicode"
	"unicode/utf8"

	"flowyte/api"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
)

// The longest values that are looked at. Names are compared by servers in
// their own, shorter limits: PostgreSQL cuts a longer name silently, which
// would connect as somebody else, so there the limit is exact.
const (
	maxHostBytes     = 255
	maxPassword      = 4096
	maxPostgresName  = 63
	maxMySQLUser     = 128 // MariaDB's; MySQL itself allows 32
	maxMySQLDatabase = 64 * utf8.UTFMax
	maxCABytes       = 64 << 10
)

// ParseCredentials judges what an operator connects with, without touching the
// network. Whether the host may be dialled is for egress to say later.
//
// Errors are faults with the fields concerned, named as in the request
// (`credentials.host`): invalid_request for values of the wrong form (control
// characters, over length, not UTF-8), then the first of host_invalid,
// port_not_allowed, sslmode_invalid, ca_required, ca_invalid,
// ca_contains_private_key, password_empty and value_invalid.
func ParseCredentials(c api.Credentials, kind schema.Kind) (*Credentials, error) {
	if f := form(c, kind); f != nil {
		return nil, f
	}
	host, err := egress.ParseHost(c.Host)
	if err != nil {
		return nil, at(err, "credentials.host", "must be one DNS name or one address")
	}
	port, err := egress.ParsePort(string(c.Port))
	if err != nil {
		return nil, at(err, "credentials.port", "must be a whole number from 1 to 65535")
	}
	mode, err := egress.ParseMode(c.SSLMode)
	if err != nil {
		return nil, at(err, "credentials.sslmode", "must be require, verify-ca or verify-full")
	}
	options := egress.TLSOptions{Mode: mode, Host: host}
	if c.CAPEM != "" {
		options.CAPEM = []byte(c.CAPEM)
	}
	if _, err := egress.TLS(options); err != nil {
		return nil, at(err, "credentials.ca_pem", "must hold the certificates of the authority")
	}
	if f := logins(c); f != nil {
		return nil, f
	}
	parsed := &Credentials{
		Kind: kind, Host: host, Port: port, Database: c.Database,
		User: c.User, Password: secret.New(c.Password), TLS: options,
		WriteUser: c.WriteUser, WritePassword: secret.New(c.WritePassword),
	}
	if c.WriteUser == "" {
		parsed.WriteUser, parsed.WritePassword = parsed.User, parsed.Password
	}
	return parsed, nil
}

// at names the field that a fault is about.
func at(err error, field, message string) error {
	if f, ok := fault.As(err); ok {
		return f.WithField(field, "%s", message)
	}
	return err
}

// form checks what no server may ever see, whatever it means.
func form(c api.Credentials, kind schema.Kind) *fault.Error {
	user, database := maxPostgresName, maxPostgresName
	if kind == schema.MySQL {
		user, database = maxMySQLUser, maxMySQLDatabase
	}
	f := fault.New(fault.InvalidRequest)
	for _, v := range []struct {
		field, value string
		most         int
		lines        bool
	}{
		{"credentials.host", c.Host, maxHostBytes, false},
		{"credentials.port", string(c.Port), len("65535"), false},
		{"credentials.database", c.Database, database, false},
		{"credentials.user", c.User, user, false},
		{"credentials.password", c.Password, maxPassword, false},
		{"credentials.sslmode", c.SSLMode, len(egress.VerifyFull), false},
		{"credentials.writeUser", c.WriteUser, user, false},
		{"credentials.writePassword", c.WritePassword, maxPassword, false},
		// Longer ones are left to the CA's own fault, which says the limit.
		{"credentials.ca_pem", c.CAPEM, 4 * maxCABytes, true},
	} {
		switch {
		case len(v.value) > v.most:
			f.WithField(v.field, "must be at most %d bytes", v.most)
		case !utf8.ValidString(v.value):
			f.WithField(v.field, "must be UTF-8")
		case hasControl(v.value, v.lines):
			f.WithField(v.field, "must not contain control characters")
		}
	}
	if len(f.Fields) == 0 {
		return nil
	}
	return f
}

func hasControl(s string, lines bool) bool {
	for _, r := range s {
		if unicode.IsControl(r) && !(lines && (r == '\n' || r == '\r' || r == '\t')) {
			return true
		}
	}
	return false
}

// logins checks that nobody logs in without a name or a password.
func logins(c api.Credentials) *fault.Error {
	f := fault.New(fault.ValueInvalid)
	if c.Database == "" {
		f.WithField("credentials.database", "must not be empty")
	}
	if c.User == "" {
		f.WithField("credentials.user", "must not be empty")
	}
	if c.WriteUser == "" && c.WritePassword != "" {
		f.WithField("credentials.writeUser", "must name the user of writePassword")
	}
	if len(f.Fields) > 0 {
		return f
	}
	f = fault.New(fault.PasswordEmpty)
	if c.Password == "" {
		f.WithField("credentials.password", "must not be empty")
	}
	if c.WriteUser != "" && c.WritePassword == "" {
		f.WithField("credentials.writePassword", "must not be empty")
	}
	if len(f.Fields) > 0 {
		return f
	}
	return nil
}
