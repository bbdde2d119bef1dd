package postgres_test

import (
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/target"
	"flowyte/internal/target/postgres"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
)

func TestOpenFaults(t *testing.T) {
	db := dbtest.Postgres(t)
	login := reader(t, db)
	good := targettest.API(db.Server, db.Name, login)
	change := func(f func(c *target.Credentials)) *target.Credentials {
		c := targettest.Parse(t, good, schema.Postgres)
		f(c)
		return c
	}
	foreign := egresstest.NewAuthority(t, egresstest.Certificate{})
	// Reading the system's authorities takes a busy machine longer than a
	// connection may.
	if _, err := x509.SystemCertPool(); err != nil {
		t.Fatal(err)
	}
	nobody := egresstest.Listen(t, "127.0.0.1:0", nil)
	nobody.Close()
	tests := map[string]struct {
		creds *target.Credentials
		want  fault.Code
	}{
		"good":                {change(func(*target.Credentials) {}), ""},
		"wrong password":      {targettest.Credentials(t, db.Server, db.Name, privatedb.Login{User: login.User, Password: "x"}), fault.CredentialsRejected},
		"wrong user":          {targettest.Credentials(t, db.Server, db.Name, privatedb.Login{User: "nobody", Password: "x"}), fault.CredentialsRejected},
		"unknown database":    {targettest.Credentials(t, db.Server, "nothing", login), fault.DatabaseUnknown},
		"foreign CA":          {change(func(c *target.Credentials) { c.TLS.CAPEM = foreign.PEM() }), fault.CertificateUnknownCA},
		"system's CAs":        {change(func(c *target.Credentials) { c.TLS.CAPEM = nil }), fault.CertificateUnknownCA},
		"another name":        {change(func(c *target.Credentials) { c.TLS.Host = host(t, "db.example.com") }), fault.CertificateHost},
		"verify-ca":           {change(func(c *target.Credentials) { c.TLS.Mode, c.TLS.Host = egress.VerifyCA, host(t, "db.example.com") }), ""},
		"require":             {change(func(c *target.Credentials) { c.TLS.Mode, c.TLS.CAPEM = egress.Require, nil }), ""},
		"require, other pins": {change(func(c *target.Credentials) { c.TLS.Mode, c.TLS.Pins = egress.Require, []egress.Pin{{1}, {2}} }), fault.ServerIdentity},
		"nobody listens":      {change(func(c *target.Credentials) { c.Port = nobody.Port() }), fault.Unreachable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got, _ := tryOpen(t, t.Context(), test.creds); got != test.want {
				t.Errorf("%q instead of %q", got, test.want)
			}
		})
	}
	t.Run("no right to connect", func(t *testing.T) {
		db.Exec(t, "REVOKE CONNECT ON DATABASE "+db.Name+" FROM PUBLIC")
		if got, _ := tryOpen(t, t.Context(), targettest.Parse(t, good, schema.Postgres)); got != fault.DatabaseUnknown {
			t.Errorf("%q", got)
		}
	})
	t.Run("connection limit", func(t *testing.T) {
		db.Exec(t, "GRANT CONNECT ON DATABASE "+db.Name+" TO PUBLIC", "ALTER ROLE "+login.User+" CONNECTION LIMIT 0")
		if got, _ := tryOpen(t, t.Context(), targettest.Parse(t, good, schema.Postgres)); got != fault.ServerBusy {
			t.Errorf("%q", got)
		}
	})
}

func TestOpenFaultsBehindAPooler(t *testing.T) {
	db := dbtest.Postgres(t)
	creds := pooled(t, db, reader(t, db))
	change := func(f func(c *target.Credentials)) *target.Credentials {
		c := *creds
		f(&c)
		return &c
	}
	for name, test := range map[string]struct {
		creds *target.Credentials
		want  fault.Code
	}{
		"good":             {creds, ""},
		"wrong password":   {change(func(c *target.Credentials) { c.Password = secret.New("x") }), fault.CredentialsRejected},
		"wrong user":       {change(func(c *target.Credentials) { c.User = "nobody" }), fault.CredentialsRejected},
		"unknown database": {change(func(c *target.Credentials) { c.Database = "nothing" }), fault.DatabaseUnknown},
	} {
		dials := 0
		count := egress.OnDial(func(netip.AddrPort) { dials++ })
		got, _ := tryOpen(t, t.Context(), test.creds, count)
		if got != test.want {
			t.Errorf("%s: %q instead of %q", name, got, test.want)
		}
		// Once with the startup parameters and once without: a password that is
		// wrong is proven wrong once.
		if dials != 2 {
			t.Errorf("%s: %d connections", name, dials)
		}
	}
}

func host(t *testing.T, name string) egress.Host {
	t.Helper()
	h, err := egress.ParseHost(name)
	must(t, err)
	return h
}

// Names that look like options are names, and passwords are any text.
func TestFieldsAreLiteral(t *testing.T) {
	db := dbtest.Postgres(t)
	login := reader(t, db)
	for _, name := range []string{"x sslmode=disable", "x' sslmode='disable", "d?sslmode=disable", "d&tls=false", "postgres://h/d", "replication=database", `a\b"c`} {
		if got, _ := tryOpen(t, t.Context(), targettest.Credentials(t, db.Server, name, login)); got != fault.DatabaseUnknown {
			t.Errorf("database %q: %q", name, got)
		}
	}
	passwords := []string{` !"#$%&'()*+,-./:;<=>?@[\]^_` + "`{|}~", "pass word", "pässwörd 🔑", strings.Repeat("x", 1000), `\`, "'", "%00"}
	for _, password := range passwords {
		db.Exec(t, "ALTER ROLE "+login.User+" PASSWORD '"+strings.ReplaceAll(password, "'", "''")+"'")
		creds := targettest.Credentials(t, db.Server, db.Name, privatedb.Login{User: login.User, Password: password})
		if got, _ := tryOpen(t, t.Context(), creds); got != "" {
			t.Errorf("password %q: %q", password, got)
		}
	}
}

// Neither the environment nor files in the service account's home change a
// connection.
func TestEnvironmentHasNoEffect(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	creds := credentials(t, db, reader(t, db))
	home := t.TempDir()
	t.Setenv("HOME", home)
	write := func(name, text string) string {
		path := filepath.Join(home, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write(".postgresql/postgresql.crt", "rubbish")
	write(".postgresql/postgresql.key", "rubbish")
	write(".postgresql/root.crt", "rubbish")
	for name, value := range map[string]string{
		"PGHOST": "/var/run/postgresql", "PGPORT": "1", "PGDATABASE": "other", "PGUSER": "other", "PGPASSWORD": "other",
		"PGPASSFILE":    write(".pgpass", "*:*:*:*:other\n"),
		"PGSERVICEFILE": write(".pg_service.conf", "[s]\nhost=192.0.2.1\n"), "PGSERVICE": "s",
		"PGSSLMODE": "disable", "PGSSLROOTCERT": "system", "PGSSLCERT": home, "PGSSLKEY": home, "PGSSLCERTMODE": "require", "PGSSLNEGOTIATION": "direct", "PGSSLSNI": "0",
		"PGOPTIONS": "-c default_transaction_read_only=off", "PGTZ": "Asia/Tokyo", "PGAPPNAME": "other", "PGCONNECT_TIMEOUT": "never",
		"PGTARGETSESSIONATTRS": "standby", "PGREQUIREAUTH": "password", "PGCHANNELBINDING": "require", "PGMINPROTOCOLVERSION": "3.2", "PGMAXPROTOCOLVERSION": "latest",
	} {
		t.Setenv(name, value)
	}
	must(t, postgres.ParseAgain())
	s := open(t, creds, target.ForReads)
	p := read(`SELECT current_setting('application_name'), current_setting('TimeZone'), current_setting('transaction_read_only'), current_database(), current_user::text, (s.ssl AND s.client_dn IS NULL)::text
		FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid() AND $1::int4 = 1`, 1, 6, 1)
	var got targettest.Rows
	must(t, s.Run(t.Context(), p, targettest.Text("1"), &got))
	if diff := cmp.Diff(targettest.Rows{{"flowyte", "UTC", "on", db.Name, creds.User, "true"}}, got); diff != "" {
		t.Error(diff)
	}
	if os.Getenv("PGSERVICE") != "s" {
		t.Error("the environment was changed")
	}
}

func TestIdentity(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	login := reader(t, db)
	creds := credentials(t, db, login)
	want := open(t, creds, target.ForReads).Server().Identity
	if len(want) != 64 {
		t.Errorf("identity %q", want)
	}
	if got := open(t, pooled(t, db, login), target.ForReads).Server().Identity; got != want {
		t.Error("another way to the database makes it another one")
	}
	// The system identifier is not for everybody where an administrator says so.
	db.Exec(t, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
	s := open(t, creds, target.ForReads)
	alone := s.Server().Identity
	if alone == want || len(alone) != 64 || s.Broken() {
		t.Errorf("without the system identifier: %q, broken %v", alone, s.Broken())
	}
	if got := open(t, creds, target.ForReads).Server().Identity; got != alone {
		t.Error("it changes from session to session")
	}
	db.Exec(t, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
	neighbour := dbtest.New(t, db.Server)
	if got := open(t, credentials(t, neighbour, login), target.ForReads).Server().Identity; got == want {
		t.Error("another database of the cluster is the same")
	}
}

func TestIdentitySurvivesRestart(t *testing.T) {
	server := dbtest.Own(t, privatedb.Postgres)
	creds := targettest.Credentials(t, server, "postgres", privatedb.Login{User: server.AdminUser, Password: server.AdminPassword})
	before := open(t, creds, target.ForReads).Server()
	must(t, server.Restart(t.Context()))
	if diff := cmp.Diff(before, open(t, creds, target.ForReads).Server()); diff != "" {
		t.Error(diff)
	}
}
