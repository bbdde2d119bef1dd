package mysql

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestSettingsHoldOnAnyServer: the server's own settings, however odd, have no
// effect on a session.
func TestSettingsHoldOnAnyServer(t *testing.T) {
	odd := []string{
		"sql_mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT", "default-time-zone=+05:30", "autocommit=0",
		"character-set-server=latin1", "init-connect=SET NAMES latin1, sql_auto_is_null=1",
	}
	for _, flavor := range []privatedb.Flavor{privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			db := dbtest.New(t, dbtest.Own(t, flavor, privatedb.Options{NoSync: true, Settings: odd}))
			db.Exec(t, "CREATE TABLE words (w varchar(20) CHARACTER SET utf8mb4); INSERT INTO words VALUES ('é'); COMMIT")
			s := open(t, db, target.ForReads)
			var cells []any
			must(t, s.Select(t.Context(), `SELECT "a\nb", 1 || 0, @@sql_auto_is_null, @@autocommit, @@time_zone, (SELECT w FROM words)`, nil, func(c []any) error {
				cells = append(cells, c...)
				return nil
			}))
			if diff := cmp.Diff([]any{"a\nb", int64(1), int64(0), int64(1), "+00:00", "é"}, cells); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLimitsOfThePurposes(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		variable := "@@max_statement_time * 1000"
		if db.Server.Install.Flavor == privatedb.MySQL {
			variable = "@@max_execution_time"
		}
		for purpose, want := range map[target.Purpose]string{
			target.ForReads: "2100 2 1792", target.ForCatalog: "20000 5 1792", target.ForWrites: "5000 1 0",
		} {
			s := open(t, db, purpose, "SELECT", "CREATE TEMPORARY TABLES", "CREATE")
			limit := query(t, s, "SELECT CAST("+variable+" AS SIGNED)")[0]
			lock := query(t, s, "SELECT @@lock_wait_timeout")[0]
			write := refusal(s.exec(t.Context(), "CREATE TABLE IF NOT EXISTS made_by_test (id int)"))
			if got := fmt.Sprint(limit, lock, uint16(write)); got != want {
				t.Errorf("%s: %s, want %s", purpose, got, want)
			}
		}
		if s := open(t, db, target.ForWrites); query(t, s, "SELECT @@innodb_lock_wait_timeout")[0] != int64(1) {
			t.Error("a write may wait for a lock for longer than 1 s")
		}
	})
}

func TestServer(t *testing.T) {
	seen := map[string]string{}
	each(t, func(t *testing.T, db *dbtest.Database) {
		product, flavor := "MariaDB", schema.FlavorMariaDB
		if db.Server.Install.Flavor == privatedb.MySQL {
			product, flavor = "MySQL", schema.FlavorMySQL
		}
		other := dbtest.New(t, db.Server)
		for _, d := range []*dbtest.Database{db, other} {
			server := open(t, d, target.ForReads).Server()
			want := schema.Server{Product: product, Version: db.Server.Install.Version, Flavor: flavor, Identity: server.Identity}
			if diff := cmp.Diff(want, server); diff != "" {
				t.Error(diff)
			}
			if place, twice := seen[server.Identity]; twice || len(server.Identity) != 64 {
				t.Errorf("the identity %q is also that of %s", server.Identity, place)
			}
			seen[server.Identity] = t.Name()
			if again := open(t, d, target.ForCatalog, "SELECT", "SHOW VIEW").Server(); again.Identity != server.Identity {
				t.Error("another user's session has another identity")
			}
		}
	})
}

func TestFoldedNamesAndReplica(t *testing.T) {
	server := dbtest.Own(t, privatedb.MariaDB, privatedb.Options{NoSync: true, Settings: []string{"lower_case_table_names=1", "read_only=1"}})
	got := open(t, dbtest.New(t, server), target.ForReads).Server()
	if !got.CaseInsensitiveNames || !got.Replica {
		t.Errorf("folds names: %v, refuses writes: %v", got.CaseInsensitiveNames, got.Replica)
	}
}

func TestIdentityWithoutServerUID(t *testing.T) {
	cells := make([]any, facts)
	cells[factDatabase], cells[factHostname], cells[factPort] = "appdb", "one", int64(3306)
	first := identity(cells)
	cells[factHostname] = "two"
	if second := identity(cells); first == second {
		t.Error("two servers without identifiers are the same")
	}
}

// TestRefusedLogins wants the code for each way in which a login can fail.
func TestRefusedLogins(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		good := db.User(t, "SELECT")
		locked, busy := db.User(t, "SELECT"), db.User(t, "SELECT")
		db.Exec(t, "ALTER USER '"+locked.User+"'@'%' ACCOUNT LOCK", "ALTER USER '"+busy.User+"'@'%' WITH MAX_USER_CONNECTIONS 1")
		strange := egresstest.NewAuthority(t, egresstest.Certificate{})
		holder := openWith(t, targettest.Credentials(t, db.Server, db.Name, busy), target.ForReads)
		for name, c := range map[string]struct {
			login  privatedb.Login
			change func(*target.Credentials)
			want   fault.Code
		}{
			"wrong password":   {good, func(c *target.Credentials) { c.Password = secret.New("wrong") }, fault.CredentialsRejected},
			"unknown user":     {good, func(c *target.Credentials) { c.User = "nobody'\"\\`" }, fault.CredentialsRejected},
			"locked":           {locked, func(*target.Credentials) {}, fault.CredentialsRejected},
			"unknown database": {good, func(c *target.Credentials) { c.Database = "nosuch" }, fault.DatabaseUnknown},
			"database is DSN":  {good, func(c *target.Credentials) { c.Database = "d?tls=false&allowAllFiles=true" }, fault.DatabaseUnknown},
			"no connection":    {busy, func(*target.Credentials) {}, fault.ServerBusy},
			"unknown CA":       {good, func(c *target.Credentials) { c.TLS.CAPEM = strange.PEM() }, fault.CertificateUnknownCA},
			"another key":      {good, func(c *target.Credentials) { c.TLS.Mode, c.TLS.Pins = egress.Require, []egress.Pin{{1}} }, fault.ServerIdentity},
			"closed port":      {good, func(c *target.Credentials) { c.Port = 1025 }, fault.Unreachable},
		} {
			creds := targettest.Credentials(t, db.Server, db.Name, c.login)
			c.change(creds)
			s, err := Driver{}.Open(t.Context(), targettest.Guard(t), creds, target.ForReads)
			if err == nil {
				s.Close()
			}
			if !fault.Is(err, c.want) {
				t.Errorf("%s: %v (%v), want %s", name, err, fault.Cause(err), c.want)
			}
			if shown := fmt.Sprint(fault.Cause(err)); strings.Contains(shown, good.User) || strings.Contains(shown, db.Name) {
				t.Errorf("%s: the cause names user or database: %s", name, shown)
			}
		}
		must(t, holder.Probe(t.Context()))
	})
}

// TestPasswords logs in with passwords that mean something to some reader of
// connection strings.
func TestPasswords(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		login := db.User(t, "SELECT")
		for _, password := range []string{" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "p@ss:w/rd?x=1&y", "ключ 🔑", strings.Repeat("long", 60)} {
			quoted := strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(password)
			db.Exec(t, "ALTER USER '"+login.User+"'@'%' IDENTIFIED BY '"+quoted+"'")
			login.Password = password
			// The second time, MySQL remembers the password and asks less.
			for range 2 {
				must(t, openWith(t, targettest.Credentials(t, db.Server, db.Name, login), target.ForReads).Probe(t.Context()))
			}
		}
	})
}

// TestNothingBeforeTLS: the request for TLS is all that leaves in clear.
func TestNothingBeforeTLS(t *testing.T) {
	each(t, func(t *testing.T, db *dbtest.Database) {
		var chaos egresstest.Chaos
		login := db.User(t, "SELECT")
		s := openWith(t, targettest.Credentials(t, db.Server, db.Name, login), target.ForReads, egress.Wrap(chaos.Wrap))
		sent := chaos.Sent()
		if len(sent) < 42 || !bytes.Equal(sent[:4], []byte{32, 0, 0, 1}) || sent[36] != 0x16 {
			t.Fatalf("the first bytes are not a request for TLS and a handshake: %x", sent[:min(len(sent), 42)])
		}
		if bytes.Contains(sent, []byte(login.User)) {
			t.Error("the user's name was sent in clear")
		}
		if s.ServerKey() == (egress.Pin{}) {
			t.Error("the server's key is not known")
		}
		creds := targettest.Credentials(t, db.Server, db.Name, login)
		creds.TLS = egress.TLSOptions{Mode: egress.Require, Host: creds.Host, Pins: []egress.Pin{{9}, s.ServerKey()}}
		must(t, openWith(t, creds, target.ForReads).Probe(t.Context()))
	})
}

// TestConfig: whatever the fields hold reaches the driver as it is.
func TestConfig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 40, -1)
		c := &target.Credentials{
			Database: text.Draw(t, "database"), User: text.Draw(t, "user"), Password: secret.New(text.Draw(t, "password")),
			WriteUser: text.Draw(t, "writer"), WritePassword: secret.New(text.Draw(t, "write password")),
		}
		d := &dialer{creds: c}
		for _, purpose := range []target.Purpose{target.ForReads, target.ForWrites} {
			config, err := buildConfig(c, accountFor(c, purpose), d)
			if err != nil {
				t.Fatal(err)
			}
			user, password := c.User, c.Password
			if purpose == target.ForWrites {
				user, password = c.WriteUser, c.WritePassword
			}
			if config.User != user || config.Passwd != password.Reveal() || config.DBName != c.Database {
				t.Fatal("a field was changed")
			}
		}
		config, err := buildConfig(c, account{c.User, c.Password}, d)
		if err != nil {
			t.Fatal(err)
		}
		config.AllowAllFiles = true
		if assert(config, c, account{c.User, c.Password}) == nil {
			t.Fatal("a configuration that sends files was accepted")
		}
	})
}

func TestEndOfTheServer(t *testing.T) {
	server := dbtest.Own(t, privatedb.MariaDB)
	s := open(t, dbtest.New(t, server), target.ForReads)
	must(t, s.Probe(t.Context()))
	must(t, server.Restart(t.Context()))
	p := read("SELECT 1", nil, []column{integer}, 1)
	wantFault(t, s.Run(t.Context(), p, nil, targettest.Discard{}), fault.ConnectionLost)
	if !s.Broken() {
		t.Error("the session survived its server")
	}
	wantFault(t, s.Run(t.Context(), p, nil, targettest.Discard{}), fault.ConnectionLost)
}

// TestFrozenServer: neither a statement nor the end of a session waits for a
// server that has stopped answering.
func TestFrozenServer(t *testing.T) {
	server := dbtest.Own(t, privatedb.MariaDB)
	db := dbtest.New(t, server)
	busy, idle := open(t, db, target.ForReads), open(t, db, target.ForReads)
	must(t, server.Pause())
	defer server.Resume()
	begun := time.Now()
	wantFault(t, busy.Probe(deadline(t, 100*time.Millisecond)), fault.DatabaseTimeout)
	if took := time.Since(begun); took > 150*time.Millisecond {
		t.Errorf("the caller waited for %v", took)
	}
	for _, s := range []*Session{busy, idle} {
		begun = time.Now()
		s.Close()
		if took := time.Since(begun); took > time.Second {
			t.Errorf("Close took %v", took)
		}
	}
	creds := targettest.Credentials(t, server, db.Name, db.Admin())
	begun = time.Now()
	_, err := Driver{}.Open(t.Context(), targettest.Guard(t), creds, target.ForReads)
	wantFault(t, err, fault.Unreachable)
	if took := time.Since(begun); took > target.ConnectLimit+time.Second {
		t.Errorf("Open took %v", took)
	}
}
