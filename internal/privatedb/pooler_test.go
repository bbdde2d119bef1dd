package privatedb_test

import (
	"testing"

	"flowyte/internal/privatedb"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestPgBouncer(t *testing.T) {
	pooling, err := privatedb.Find(privatedb.PgBouncer)
	if err != nil {
		t.Skip(err)
	}
	install, err := privatedb.Find(privatedb.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, install, privatedb.Options{NoSync: true})
	user := privatedb.Login{User: "some user", Password: `pass "word"`}
	query(t, server, `CREATE ROLE "some user" LOGIN PASSWORD 'pass "word"'; CREATE ROLE unknown LOGIN PASSWORD 'known'`)
	query(t, server, "CREATE DATABASE shop")
	pooler, err := privatedb.StartPgBouncer(t.Context(), pooling, server, user)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(login privatedb.Login, tls bool) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig("sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		config.Host, config.Port, config.Database = pooler.Host, uint16(pooler.Port), "shop"
		config.User, config.Password = login.User, login.Password
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		if tls {
			config.TLSConfig = trusting(t, pooler.CAPEM, "localhost")
		}
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			t.Cleanup(func() { conn.Close(t.Context()) })
		}
		return conn, err
	}
	if _, err := dial(user, false); err == nil {
		t.Error("the pooler lets somebody in without TLS")
	}
	if _, err := dial(privatedb.Login{User: "unknown", Password: "known"}, true); err == nil {
		t.Error("the pooler lets a user in that it was not told of")
	}
	first, err := dial(user, true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := dial(user, true)
	if err != nil {
		t.Fatal(err)
	}
	// In transaction mode two idle clients take turns on one session.
	session := func(conn *pgx.Conn) (pid int, name string) {
		if err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid(), current_database()").Scan(&pid, &name); err != nil {
			t.Fatal(err)
		}
		return pid, name
	}
	firstPID, name := session(first)
	secondPID, _ := session(second)
	if firstPID != secondPID || name != "shop" {
		t.Errorf("sessions %d and %d in %s are not pooled", firstPID, secondPID, name)
	}
	if err := pooler.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(user, true); err == nil {
		t.Error("a closed pooler answers")
	}
	if diff := cmp.Diff([][]string{{"1"}}, query(t, server, "SELECT 1")); diff != "" {
		t.Error(diff)
	}
}
