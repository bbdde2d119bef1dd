package postgres

import (
	"errors"
	"maps"
	"os"
	"strconv"
	"time"

	"flowyte/internal/egress"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

// constantConfig is the only connection string that is ever parsed. It names
// every key that the driver would otherwise take from the environment or from
// files in the home folder of the service's account; all that matters is then
// set field by field.
const constantConfig = "host=database.invalid port=5432 dbname=none user=none password=none passfile='' " +
	"sslmode=disable sslrootcert='' sslcert='' sslkey='' sslpassword='' sslcertmode=disable sslsni=1 sslnegotiation=postgres " +
	"connect_timeout=3 target_session_attrs=any application_name='' timezone='' options='' " +
	"min_protocol_version=3.0 max_protocol_version=3.0 channel_binding=prefer require_auth=scram-sha-256"

// requireAuth is the one method by which this service proves a password: it
// tells an impostor nothing. The screen refuses the others by name before the
// driver sees them; this is the second lock.
const requireAuth = "scram-sha-256"

// maxMessage bounds one protocol message. The driver makes room for a message
// when it has read its header, so the bound is also one of memory.
const maxMessage = egress.StatementBudget

// template is the parsed constant. It is made when the program starts, before
// anything else runs, because making it touches the environment.
var template, errTemplate = parseTemplate()

// parseTemplate parses the constant. PGSERVICE is the one variable that the
// string cannot override: it makes the driver look for a service file, and
// fail when there is none.
func parseTemplate() (*pgconn.Config, error) {
	const service = "PGSERVICE"
	if value, set := os.LookupEnv(service); set {
		if err := os.Unsetenv(service); err != nil {
			return nil, err
		}
		defer os.Setenv(service, value)
	}
	return pgconn.ParseConfig(constantConfig)
}

// buildConfig makes the driver's configuration for one session. The dialer
// brings connections on which TLS is already up, so the driver has no TLS
// settings of its own to get wrong, and nothing to fall back to.
func buildConfig(c *target.Credentials, login login, parameters map[string]string, d *dialer) (*pgconn.Config, error) {
	if errTemplate != nil {
		return nil, errTemplate
	}
	config := template.Copy()
	config.Host = c.Host.String()
	config.Port = c.Port
	config.Database = c.Database
	config.User = login.user
	config.Password = login.password.Reveal()
	config.TLSConfig = nil
	config.Fallbacks = nil
	config.ConnectTimeout = target.ConnectLimit
	config.DialFunc = d.dial
	config.LookupFunc = egress.NoLookup
	config.BuildFrontend = d.frontend
	config.MaxProtocolMessageBodyLen = maxMessage
	config.RuntimeParams = maps.Clone(parameters)
	config.KerberosSrvName, config.KerberosSpn = "", ""
	config.ValidateConnect, config.AfterConnect, config.AfterNetConnect = nil, nil, nil
	config.OnNotice, config.OnNotification, config.OAuthTokenProvider = nil, nil, nil
	config.RequireAuth = requireAuth
	return config, assert(config, c, login, parameters)
}

var errConfig = errors.New("postgres: the driver's configuration is not the one that was asked for")

// assert compares the built configuration with what it was built from, so that
// a new release of the driver cannot change the meaning of a field unnoticed.
func assert(config *pgconn.Config, c *target.Credentials, login login, parameters map[string]string) error {
	ok := config.Host == c.Host.String() && config.Port == c.Port && config.Database == c.Database &&
		config.User == login.user && config.Password == login.password.Reveal() && config.Password != "" &&
		config.TLSConfig == nil && len(config.Fallbacks) == 0 && config.SSLNegotiation == "postgres" &&
		config.MaxProtocolMessageBodyLen == maxMessage && config.RequireAuth == requireAuth &&
		config.MinProtocolVersion == "3.0" && config.MaxProtocolVersion == "3.0" &&
		config.DialFunc != nil && config.BuildFrontend != nil && config.OAuthTokenProvider == nil &&
		maps.Equal(config.RuntimeParams, parameters)
	if !ok {
		return errConfig
	}
	return nil
}

// pooledParameters are what every pooler takes in a startup message.
func pooledParameters() map[string]string {
	return map[string]string{
		"application_name": "flowyte",
		"client_encoding":  "UTF8",
	}
}

// directParameters are the session's settings on a direct connection.
func directParameters(purpose target.Purpose) map[string]string {
	parameters := pooledParameters()
	parameters["standard_conforming_strings"] = "on"
	parameters["default_transaction_isolation"] = "read committed"
	parameters["default_transaction_read_only"] = "on"
	if purpose == target.ForWrites {
		parameters["default_transaction_read_only"] = "off"
	}
	for _, s := range sessionSettings(purpose) {
		parameters[s.name] = s.value
	}
	return parameters
}

// statementLimit is the setting that ends a statement.
const statementLimit = "statement_timeout"

type setting struct{ name, value string }

// sessionSettings are the settings that a statement's meaning or its end
// depends on: startup parameters on a direct connection, set for each
// transaction behind a pooler.
func sessionSettings(purpose target.Purpose) []setting {
	limits := target.LimitsFor(purpose)
	settings := []setting{
		{statementLimit, milliseconds(limits.Statement)},
		{"lock_timeout", milliseconds(limits.Lock)},
		{"idle_in_transaction_session_timeout", milliseconds(limits.Idle)},
		{"TimeZone", "UTC"},
		{"DateStyle", "ISO"},
		{"IntervalStyle", "iso_8601"},
		{"extra_float_digits", "1"}, // the shortest text that is exact
	}
	if purpose == target.ForWrites {
		// The triggers of the customer's tables may name things as the role
		// finds them. Our statements name everything in full.
		return settings
	}
	// Only the system's functions and operators are found by bare name.
	return append(settings, setting{"search_path", "pg_catalog"})
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
