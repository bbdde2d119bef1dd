package dbtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// open connects as login, over TLS that is verified in full or without any.
func open(t *testing.T, db *dbtest.Database, login privatedb.Login, secure bool) *sql.DB {
	t.Helper()
	var settings *tls.Config
	if secure {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(db.Server.CAPEM)) {
			t.Fatal("the authority's certificate cannot be read")
		}
		settings = &tls.Config{RootCAs: pool, ServerName: db.Server.Host}
	}
	address := net.JoinHostPort(db.Server.Host, strconv.Itoa(db.Server.Port))
	var pool *sql.DB
	if db.Kind == "postgres" {
		place := url.URL{Scheme: "postgres", Host: address, Path: db.Name, User: url.UserPassword(login.User, login.Password), RawQuery: "sslmode=disable"}
		config, err := pgx.ParseConfig(place.String())
		if err != nil {
			t.Fatal(err)
		}
		config.TLSConfig = settings
		pool = stdlib.OpenDB(*config)
	} else {
		config := mysql.NewConfig()
		config.Net, config.Addr, config.DBName = "tcp", address, db.Name
		config.User, config.Passwd, config.TLS = login.User, login.Password, settings
		connector, err := mysql.NewConnector(config)
		if err != nil {
			t.Fatal(err)
		}
		pool = sql.OpenDB(connector)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// denied tells whether the server refused a login or a right.
func denied(err error) bool {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code == "28000" || refused.Code == "42501"
	}
	var number *mysql.MySQLError
	return errors.As(err, &number) && (number.Number == 1045 || number.Number == 1142 || number.Number == 1044)
}

func TestEachDatabaseIsATestsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		another := dbtest.New(t, db.Server)
		for _, own := range []*dbtest.Database{db, another} {
			own.Exec(t, "CREATE TABLE n (id int PRIMARY KEY, name varchar(9))", "INSERT INTO n VALUES (1, 'x'); INSERT INTO n VALUES (2, NULL)")
		}
		db.Exec(t, "DELETE FROM n WHERE id = 1")
		if diff := cmp.Diff([][]string{{"2", "NULL"}}, db.Query(t, "SELECT id, name FROM n")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([][]string{{"2"}}, another.Query(t, "SELECT count(*) FROM n")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEveryCoversTheCore(t *testing.T) {
	seen := map[privatedb.Flavor]string{}
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) { seen[db.Server.Install.Flavor] = db.Kind })
	if seen[privatedb.Postgres] != "postgres" || seen[privatedb.MariaDB] != "mysql" {
		t.Errorf("only %v ran", seen)
	}
}

func TestUserHoldsItsGrantsOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int PRIMARY KEY)", "CREATE TABLE b (id int PRIMARY KEY)")
		tests := []struct {
			grants  []string
			sql     string
			allowed bool
		}{
			{[]string{"SELECT"}, "SELECT id FROM a", true},
			{[]string{"SELECT"}, "SELECT id FROM b", true},
			{[]string{"SELECT"}, "INSERT INTO a VALUES (1)", false},
			{[]string{"SELECT ON a"}, "SELECT id FROM b", false},
			{[]string{"SELECT ON a", "INSERT ON b"}, "INSERT INTO b VALUES (1)", true},
			{nil, "SELECT id FROM a", false},
		}
		for _, test := range tests {
			conn := open(t, db, db.User(t, test.grants...), true)
			if _, err := conn.ExecContext(t.Context(), test.sql); test.allowed && err != nil || !test.allowed && !denied(err) {
				t.Errorf("%q with %q: %v", test.sql, test.grants, err)
			}
		}
	})
}

func TestUserNeedsTLS(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		db.Exec(t, "CREATE TABLE a (id int PRIMARY KEY)")
		user := db.User(t, "SELECT")
		if err := open(t, db, user, true).PingContext(t.Context()); err != nil {
			t.Errorf("with TLS: %v", err)
		}
		if err := open(t, db, user, false).PingContext(t.Context()); !denied(err) {
			t.Errorf("without TLS: %v", err)
		}
	})
}

func TestNothingStaysAfterATest(t *testing.T) {
	lists := map[string]string{
		"postgres": "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles ORDER BY 1",
		"mysql":    "SELECT schema_name FROM information_schema.schemata UNION SELECT user FROM mysql.user ORDER BY 1",
	}
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		list := lists[db.Kind]
		before := db.Query(t, list)
		t.Run("one test", func(t *testing.T) {
			inner := dbtest.New(t, db.Server)
			inner.Exec(t, "CREATE TABLE a (id int PRIMARY KEY)")
			user := inner.User(t, "SELECT")
			// A session that is still open must not keep the database alive.
			if err := open(t, inner, user, true).PingContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if during := inner.Query(t, list); len(during) != len(before)+2 {
				t.Errorf("a database and a user were to be added to %v: %v", before, during)
			}
		})
		if diff := cmp.Diff(before, db.Query(t, list)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOwnServerEndsWithItsTest(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB} {
		var own *privatedb.Server
		t.Run(string(flavor), func(t *testing.T) {
			own = dbtest.Own(t, flavor)
			db := dbtest.New(t, own)
			db.Exec(t, "CREATE TABLE a (id int PRIMARY KEY)")
			db.User(t, "SELECT")
			// What cannot be dropped on a frozen server must not fail the test.
			if err := own.Pause(); err != nil {
				t.Fatal(err)
			}
		})
		if _, err := os.Stat(own.DataDir); own.Running() || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the %s server outlives its test: %v", flavor, err)
		}
	}
}

func TestPgBouncer(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, "CREATE TABLE a (id int PRIMARY KEY)", "INSERT INTO a VALUES (5)")
	user := db.User(t, "SELECT")
	pooler := dbtest.PgBouncer(t, db, user)
	pooled := *db
	server := privatedb.Server{Host: pooler.Host, Port: pooler.Port, CAPEM: pooler.CAPEM}
	pooled.Server = &server
	var id int
	if err := open(t, &pooled, user, true).QueryRowContext(t.Context(), "SELECT id FROM a").Scan(&id); err != nil || id != 5 {
		t.Errorf("through the pooler: %d, %v", id, err)
	}
}

// TestMainClosesSharedServers runs another test of this package in a process
// of its own, with a temporary folder that is empty again afterwards.
func TestMainClosesSharedServers(t *testing.T) {
	temp, err := os.MkdirTemp("", "dbtest-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	// Servers of a root process run as somebody else.
	if err := os.Chmod(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestUserNeedsTLS$", "-test.v")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if left, err := filepath.Glob(filepath.Join(temp, "*")); err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}
