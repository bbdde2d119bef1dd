package dbtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"flowyte/internal/privatedb"
)

// Database is one empty database, dropped at the end of the test that asked
// for it. Host, port and CA certificate are those of its Server.
type Database struct {
	Server *privatedb.Server
	Name   string
	Kind   string // "postgres" or "mysql"
}

// Postgres gives a database on the core PostgreSQL.
func Postgres(t testing.TB) *Database { t.Helper(); return On(t, privatedb.Postgres) }

// MariaDB gives a database on the core MariaDB.
func MariaDB(t testing.TB) *Database { t.Helper(); return On(t, privatedb.MariaDB) }

// MySQL gives a database on a real MySQL, or skips the test and records that.
func MySQL(t testing.TB) *Database { t.Helper(); return On(t, privatedb.MySQL) }

// Each runs test on a database of each core server, as subtests named after
// the flavour.
func Each(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	run(t, []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB}, test)
}

// Every runs test on a database of every flavour; those that are not on this
// machine are skipped and recorded, unless they are core.
func Every(t *testing.T, test func(t *testing.T, db *Database)) {
	t.Helper()
	run(t, privatedb.Flavors(), test)
}

func run(t *testing.T, flavors []privatedb.Flavor, test func(t *testing.T, db *Database)) {
	t.Helper()
	for _, flavor := range flavors {
		t.Run(string(flavor), func(t *testing.T) { test(t, On(t, flavor)) })
	}
}

// On gives a database on the shared server of a flavour. When that is not on
// this machine the test fails for a core flavour, and is skipped and recorded
// for another.
func On(t testing.TB, flavor privatedb.Flavor) *Database {
	t.Helper()
	return New(t, sharedServer(t, flavor))
}

// New makes a database on server and drops it at the end of the test. A
// server that was stopped, frozen or closed by then is left as it is.
func New(t testing.TB, server *privatedb.Server) *Database {
	t.Helper()
	db := &Database{Server: server, Name: randomName("t_"), Kind: server.Kind()}
	db.admin(t, "", "CREATE DATABASE "+db.Name)
	drop := "DROP DATABASE IF EXISTS " + db.Name
	if db.Kind == "postgres" {
		drop += " WITH (FORCE)"
	}
	t.Cleanup(func() { db.cleanUp(t, "", drop) })
	return db
}

// Admin is the server's administrator.
func (db *Database) Admin() privatedb.Login {
	return privatedb.Login{User: db.Server.AdminUser, Password: db.Server.AdminPassword}
}

// Exec runs statements in the database as the administrator, in order. One
// string may hold several, separated by semicolons.
func (db *Database) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		db.admin(t, db.Name, statement)
	}
}

// Query runs statements in the database as the administrator and gives the
// rows of the last one as the server's text, NULL for NULL. It is the
// independent look at what the product did.
func (db *Database) Query(t testing.TB, statements string) [][]string {
	t.Helper()
	return db.admin(t, db.Name, statements)
}

// User makes a user that may log in with a password over TLS only, and holds
// the given grants: what stands between GRANT and TO, such as "SELECT ON
// customers". A right alone, such as "SELECT", is granted on every table that
// the database (PostgreSQL: the schema public) has now. It is dropped at the
// end of the test.
func (db *Database) User(t testing.TB, grants ...string) privatedb.Login {
	t.Helper()
	login := privatedb.Login{User: randomName("u_"), Password: rand.Text()}
	name := login.User
	if db.Kind == "mysql" {
		name = "'" + login.User + "'@'%'"
		db.Exec(t, fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s' REQUIRE SSL", name, login.Password))
		t.Cleanup(func() { db.cleanUp(t, "", "DROP USER IF EXISTS "+name) })
	} else {
		// The server's pg_hba.conf lets nobody in without TLS.
		db.Exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, login.Password))
		t.Cleanup(func() { db.cleanUp(t, db.Name, "DROP OWNED BY "+name+" CASCADE; DROP ROLE "+name) })
	}
	for _, grant := range grants {
		db.Exec(t, "GRANT "+db.onEverything(grant)+" TO "+name)
	}
	return login
}

// onEverything completes a right that names no object.
func (db *Database) onEverything(grant string) string {
	if strings.Contains(grant, " ON ") {
		return grant
	}
	if db.Kind == "mysql" {
		return grant + " ON *"
	}
	return grant + " ON ALL TABLES IN SCHEMA public"
}

func (db *Database) admin(t testing.TB, database, statement string) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	rows, err := db.Server.Query(ctx, database, statement)
	if err != nil {
		t.Fatalf("%v\nin %s", err, statement)
	}
	return rows
}

// cleanUp runs after the test's own context has ended.
func (db *Database) cleanUp(t testing.TB, database, statement string) {
	t.Helper()
	if !db.Server.Running() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	if err := db.Server.Exec(ctx, database, statement); err != nil {
		t.Errorf("%v\nin %s", err, statement)
	}
}

// randomName is a name that no other test has, of letters, digits and the
// underscore, which is a wildcard in MySQL's grants.
func randomName(prefix string) string {
	return prefix + strings.ToLower(rand.Text()[:16])
}
