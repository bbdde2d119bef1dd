package privatedb_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowyte/internal/privatedb"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// eachFlavor runs test on every server that is on this machine. The core ones
// must be.
func eachFlavor(t *testing.T, test func(t *testing.T, install privatedb.Install)) {
	each(t, privatedb.Flavors(), test)
}

// eachCore runs test on the core servers: one of either kind.
func eachCore(t *testing.T, test func(t *testing.T, install privatedb.Install)) {
	each(t, []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB}, test)
}

func each(t *testing.T, flavors []privatedb.Flavor, test func(t *testing.T, install privatedb.Install)) {
	for _, flavor := range flavors {
		t.Run(string(flavor), func(t *testing.T) {
			install, err := privatedb.Find(flavor)
			if err != nil && flavor.Core() {
				t.Fatal(err)
			}
			if err != nil {
				t.Skip(err)
			}
			test(t, install)
		})
	}
}

func start(t *testing.T, install privatedb.Install, options privatedb.Options) *privatedb.Server {
	t.Helper()
	server, err := privatedb.Start(t.Context(), install, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func query(t *testing.T, server *privatedb.Server, sql string) [][]string {
	t.Helper()
	rows, err := server.Query(t.Context(), "", sql)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestStart(t *testing.T) {
	checks := map[string]func(t *testing.T, server *privatedb.Server){
		"answers with its own version": answersWithItsOwnVersion,
		"TLS is verified in full":      verifiesInFull,
		"administrator needs TLS":      administratorNeedsTLS,
		"listens on loopback only":     listensOnLoopbackOnly,
		"settings reach the server":    settingsReachTheServer,
		"several statements at once":   runsSeveralStatements,
		"no account without password":  noAccountWithoutPassword,
	}
	eachFlavor(t, func(t *testing.T, install privatedb.Install) {
		server := start(t, install, privatedb.Options{
			NoSync: true, Hosts: []string{"db.example.test"}, Settings: []string{"max_connections=23"}})
		for name, check := range checks {
			t.Run(name, func(t *testing.T) { check(t, server) })
		}
	})
}

func answersWithItsOwnVersion(t *testing.T, server *privatedb.Server) {
	got := query(t, server, "SELECT version()")[0][0]
	if !strings.Contains(got, server.Install.Version) {
		t.Errorf("the server says %q, its program says %q", got, server.Install.Version)
	}
	t.Log(got)
}

func verifiesInFull(t *testing.T, server *privatedb.Server) {
	other, err := privatedb.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "db.example.test"} {
		if err := connect(t.Context(), server, trusting(t, server.CAPEM, host)); err != nil {
			t.Errorf("as %s: %v", host, err)
		}
	}
	err = connect(t.Context(), server, trusting(t, server.CAPEM, "other.example.test"))
	var wrongHost x509.HostnameError
	if !errors.As(err, &wrongHost) {
		t.Errorf("a name that is not in the certificate: %v", err)
	}
	err = connect(t.Context(), server, trusting(t, other.PEM(), "localhost"))
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("another authority: %v", err)
	}
}

func administratorNeedsTLS(t *testing.T, server *privatedb.Server) {
	err := connect(t.Context(), server, nil)
	if !refusedLogin(err) {
		t.Errorf("without TLS: %v", err)
	}
}

// refusedLogin tells whether a server turned the user away.
func refusedLogin(err error) bool {
	var refused *pgconn.PgError
	var denied *mysql.MySQLError
	return errors.As(err, &refused) && refused.Code == "28000" || errors.As(err, &denied) && denied.Number == 1045
}

func listensOnLoopbackOnly(t *testing.T, server *privatedb.Server) {
	// Both tables tell the local address as hexadecimal "address:port".
	port := fmt.Sprintf(":%04X", server.Port)
	var listening []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			const address, state, listen = 1, 3, "0A"
			if fields := strings.Fields(line); fields[state] == listen && strings.HasSuffix(fields[address], port) {
				listening = append(listening, fields[address])
			}
		}
	}
	if diff := cmp.Diff([]string{"0100007F" + port}, listening); diff != "" {
		t.Error(diff)
	}
}

func settingsReachTheServer(t *testing.T, server *privatedb.Server) {
	show := map[string]string{"postgres": "SHOW max_connections", "mysql": "SELECT @@max_connections"}[server.Kind()]
	if diff := cmp.Diff([][]string{{"23"}}, query(t, server, show)); diff != "" {
		t.Error(diff)
	}
}

func runsSeveralStatements(t *testing.T, server *privatedb.Server) {
	got := query(t, server, "SELECT 1; SELECT 'a', NULL UNION ALL SELECT 'b', 'c'")
	if diff := cmp.Diff([][]string{{"a", "NULL"}, {"b", "c"}}, got); diff != "" {
		t.Error(diff)
	}
	if err := server.Exec(t.Context(), "", "SELECT 1; SELECT no_such_column"); err == nil {
		t.Error("an error in the second statement is lost")
	}
}

func noAccountWithoutPassword(t *testing.T, server *privatedb.Server) {
	empty := map[string]string{
		"postgres": "SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword IS NULL",
		// MariaDB makes mariadb.sys locked, as the owner of views.
		"mysql": "SELECT user, host FROM mysql.user WHERE authentication_string = '' AND user <> 'mariadb.sys'",
	}[server.Kind()]
	if got := query(t, server, empty); len(got) > 0 {
		t.Errorf("anybody may log in as %v", got)
	}
}

// connect dials as a client of the product would: the administrator's
// credentials, and roots and host of the test's choice.
func connect(ctx context.Context, server *privatedb.Server, settings *tls.Config) error {
	if server.Kind() == "postgres" {
		config, err := pgx.ParseConfig("sslmode=disable")
		if err != nil {
			return err
		}
		config.Host, config.Port, config.Database = server.Host, uint16(server.Port), "postgres"
		config.User, config.Password, config.TLSConfig = server.AdminUser, server.AdminPassword, settings
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(server.Host, strconv.Itoa(server.Port))
	config.User, config.Passwd, config.TLS = server.AdminUser, server.AdminPassword, settings
	config.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

func trusting(t *testing.T, caPEM, host string) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(caPEM)) {
		t.Fatal("the authority's certificate cannot be read")
	}
	return &tls.Config{RootCAs: pool, ServerName: host}
}

func TestStartTellsTheServersOwnWords(t *testing.T) {
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		_, err := privatedb.Start(t.Context(), install, privatedb.Options{Settings: []string{"no_such_setting=1"}})
		if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
			t.Errorf("the log is not in the error: %v", err)
		}
	})
}

func TestKilledServerKeepsCommittedRows(t *testing.T) {
	eachFlavor(t, func(t *testing.T, install privatedb.Install) {
		server := start(t, install, privatedb.Options{NoSync: true})
		query(t, server, "CREATE DATABASE kept")
		if err := server.Exec(t.Context(), "kept", "CREATE TABLE n (id int PRIMARY KEY); INSERT INTO n VALUES (7)"); err != nil {
			t.Fatal(err)
		}
		for _, end := range []func() error{server.Kill, func() error { return server.Stop(t.Context()) }} {
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if err := connect(t.Context(), server, trusting(t, server.CAPEM, "localhost")); err == nil {
				t.Fatal("a server that ended still answers")
			}
			if err := server.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			rows, err := server.Query(t.Context(), "kept", "SELECT id FROM n")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{{"7"}}, rows); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// serverKey is the public key that the server shows a client that trusts the
// authority.
func serverKey(t *testing.T, server *privatedb.Server, authority *privatedb.Authority) string {
	t.Helper()
	settings := trusting(t, authority.PEM(), "localhost")
	var key string
	settings.VerifyConnection = func(state tls.ConnectionState) error {
		key = string(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
		return nil
	}
	if err := connect(t.Context(), server, settings); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestRekeyedServerIsAnother(t *testing.T) {
	authority, err := privatedb.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	eachCore(t, func(t *testing.T, install privatedb.Install) {
		server := start(t, install, privatedb.Options{NoSync: true, Authority: authority})
		before := serverKey(t, server, authority)
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if serverKey(t, server, authority) != before {
			t.Error("a restart changes the key")
		}
		if err := server.Rekey(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if serverKey(t, server, authority) == before {
			t.Error("the key stays")
		}
	})
}

func TestPausedServerIsSilent(t *testing.T) {
	eachFlavor(t, func(t *testing.T, install privatedb.Install) {
		server := start(t, install, privatedb.Options{NoSync: true})
		if err := server.Pause(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if _, err := server.Query(ctx, "", "SELECT 1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a paused server: %v", err)
		}
		if server.Running() {
			t.Error("a paused server counts as running")
		}
		if err := server.Resume(); err != nil {
			t.Fatal(err)
		}
		query(t, server, "SELECT 1")
	})
}
