package compile_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"flowyte/internal/dbtest"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// writer is one transaction over a bare driver.
type writer interface {
	exec(ctx context.Context, p *plan.Plan, args []target.Value) (affected int64, err error)
	// query gives the one cell of a query as text.
	query(ctx context.Context, text string) (string, error)
	rollback(ctx context.Context)
}

func openWriter(t *testing.T, ctx context.Context, db *dbtest.Database) writer {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(db.Server.CAPEM))
	config := &tls.Config{RootCAs: roots, ServerName: db.Server.Host}
	if db.Kind == string(schema.Postgres) {
		return openPostgresWriter(t, ctx, db, config)
	}
	return openMySQLWriter(t, ctx, db, config)
}

type postgresWriter struct{ conn *pgx.Conn }

func openPostgresWriter(t *testing.T, ctx context.Context, db *dbtest.Database, tlsConfig *tls.Config) writer {
	t.Helper()
	config, err := pgx.ParseConfig("sslmode=require host=localhost")
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port, config.Database = "127.0.0.1", uint16(db.Server.Port), db.Name
	config.User, config.Password, config.TLSConfig, config.Fallbacks = db.Admin().User, db.Admin().Password, tlsConfig, nil
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	return &postgresWriter{conn}
}

// exec sends the values as text, each in the type that the server inferred.
func (w *postgresWriter) exec(ctx context.Context, p *plan.Plan, args []target.Value) (int64, error) {
	values := make([][]byte, len(args))
	for i, a := range args {
		switch {
		case a.Null:
		case a.All != nil:
			values[i] = []byte(`{"` + strings.Join(a.All, `","`) + `"}`)
		default:
			values[i] = []byte(a.Text)
		}
	}
	result := w.conn.PgConn().ExecParams(ctx, p.Statement, values, nil, nil, nil).Read()
	if result.Err != nil {
		return 0, result.Err
	}
	if want := len(p.Results) + 1; len(result.FieldDescriptions) != want {
		return 0, fmt.Errorf("%d columns came back, not %d", len(result.FieldDescriptions), want)
	}
	for _, row := range result.Rows {
		if _, err := strconv.ParseUint(string(row[len(row)-1]), 10, 64); err != nil {
			return 0, fmt.Errorf("the transaction's id: %w", err)
		}
	}
	return result.CommandTag.RowsAffected(), nil
}

func (w *postgresWriter) query(ctx context.Context, text string) (string, error) {
	results, err := w.conn.PgConn().Exec(ctx, text).ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

func (w *postgresWriter) rollback(ctx context.Context) { _, _ = w.conn.Exec(ctx, "ROLLBACK") }

type mysqlWriter struct{ tx *sql.Tx }

func openMySQLWriter(t *testing.T, ctx context.Context, db *dbtest.Database, tlsConfig *tls.Config) writer {
	t.Helper()
	config := mysqldriver.NewConfig()
	config.Net, config.Addr, config.DBName = "tcp", fmt.Sprintf("127.0.0.1:%d", db.Server.Port), db.Name
	config.User, config.Passwd, config.TLS = db.Admin().User, db.Admin().Password, tlsConfig
	config.ClientFoundRows = true
	connector, err := mysqldriver.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	pool := sql.OpenDB(connector)
	t.Cleanup(func() { pool.Close() })
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &mysqlWriter{tx}
}

func (w *mysqlWriter) exec(ctx context.Context, p *plan.Plan, args []target.Value) (int64, error) {
	values := make([]any, len(args))
	for i, a := range args {
		switch t := p.Slots[i].Type; {
		case a.Null:
		case t.Type == schema.Integer:
			n, err := strconv.ParseInt(a.Text, 10, 64)
			if err != nil {
				return 0, err
			}
			values[i] = n
		case t.Type == schema.Boolean:
			values[i] = a.Text == "true"
		case t.Type == schema.DateTime:
			values[i] = strings.TrimSuffix(strings.Replace(a.Text, "T", " ", 1), "Z")
		default:
			values[i] = a.Text
		}
	}
	result, err := w.tx.ExecContext(ctx, p.Statement, values...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (w *mysqlWriter) query(ctx context.Context, text string) (string, error) {
	var cell string
	err := w.tx.QueryRowContext(ctx, text).Scan(&cell)
	return cell, err
}

func (w *mysqlWriter) rollback(context.Context) { _ = w.tx.Rollback() }
