package discover_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// open connects as login and gives the querier that discovery runs on, over
// the bare drivers, counting its calls.
func open(t testing.TB, db *dbtest.Database, login privatedb.Login) *counted {
	t.Helper()
	if db.Kind == "postgres" {
		return &counted{querier: openPostgres(t, db, login)}
	}
	return &counted{querier: openMySQL(t, db, login)}
}

// find discovers the database as login.
func find(t testing.TB, db *dbtest.Database, login privatedb.Login) *schema.Database {
	t.Helper()
	return findWith(t, db, open(t, db, login))
}

func findWith(t testing.TB, db *dbtest.Database, q discover.Querier) *schema.Database {
	t.Helper()
	found, err := discover.Discover(t.Context(), q, schema.Kind(db.Kind), options(db))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func options(db *dbtest.Database) discover.Options {
	flavor := schema.FlavorPostgres
	switch db.Server.Install.Flavor {
	case privatedb.MariaDB, privatedb.MariaDB118:
		flavor = schema.FlavorMariaDB
	case privatedb.MySQL:
		flavor = schema.FlavorMySQL
	}
	return discover.Options{
		Server: schema.Server{Flavor: flavor, Version: db.Server.Install.Version, Identity: "test"},
		At:     time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
	}
}

func isPostgres(db *dbtest.Database) bool { return db.Kind == "postgres" }

func isMariaDB(db *dbtest.Database) bool {
	return strings.HasPrefix(string(db.Server.Install.Flavor), "mariadb")
}

type counted struct {
	querier discover.Querier
	texts   []string
	args    [][]any
	rows    int
}

func (c *counted) Select(ctx context.Context, text string, args []any, row func(cells []any) error) error {
	c.texts, c.args = append(c.texts, text), append(c.args, args)
	return c.querier.Select(ctx, text, args, func(cells []any) error {
		c.rows++
		return row(cells)
	})
}

func clientTLS(server *privatedb.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(server.CAPEM))
	return &tls.Config{RootCAs: pool, ServerName: server.Host}
}

type pgQuerier struct{ conn *pgx.Conn }

func openPostgres(t testing.TB, db *dbtest.Database, login privatedb.Login) *pgQuerier {
	t.Helper()
	config, err := pgx.ParseConfig("sslmode=require host=localhost")
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.Database = "127.0.0.1", uint16(db.Server.Port), db.Name
	config.User, config.Password, config.TLSConfig, config.Fallbacks = login.User, login.Password, clientTLS(db.Server), nil
	config.RuntimeParams = map[string]string{"search_path": "pg_catalog", "default_transaction_read_only": "on"}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return &pgQuerier{conn}
}

func (q *pgQuerier) Select(ctx context.Context, text string, args []any, row func(cells []any) error) error {
	rows, err := q.conn.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		cells := make([]any, len(rows.RawValues()))
		for i, raw := range rows.RawValues() {
			if cells[i], err = q.cell(rows, i, raw); err != nil {
				return err
			}
		}
		if err := row(cells); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (q *pgQuerier) cell(rows pgx.Rows, i int, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	field := rows.FieldDescriptions()[i]
	if field.DataTypeOID == pgtype.TextArrayOID {
		var list []string
		err := q.conn.TypeMap().Scan(field.DataTypeOID, field.Format, raw, &list)
		return list, err
	}
	values, err := rows.Values()
	if err != nil {
		return nil, err
	}
	switch v := values[i].(type) {
	case string, int64, float64, bool:
		return v, nil
	}
	return nil, fmt.Errorf("column %d of a catalogue query is a %T", i, values[i])
}

type mySQLQuerier struct{ conn *sql.Conn }

func openMySQL(t testing.TB, db *dbtest.Database, login privatedb.Login) *mySQLQuerier {
	t.Helper()
	config := mysqldriver.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(db.Server.Port))
	config.User, config.Passwd, config.DBName, config.TLS = login.User, login.Password, db.Name, clientTLS(db.Server)
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	pool := sql.OpenDB(connector)
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { err := errors.Join(conn.Close(), pool.Close()); _ = err })
	return &mySQLQuerier{conn}
}

func (q *mySQLQuerier) Select(ctx context.Context, text string, args []any, row func(cells []any) error) error {
	// Prepared, so that numbers arrive as numbers.
	statement, err := q.conn.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer statement.Close()
	rows, err := statement.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	cells := make([]any, len(names))
	into := make([]any, len(names))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, cell := range cells {
			if raw, ok := cell.([]byte); ok {
				cells[i] = string(raw)
			}
		}
		if err := row(cells); err != nil {
			return err
		}
	}
	return rows.Err()
}
