package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"os"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgxpool"
)

// openPostgres uses the pool as its manual shows it. The authority is named in
// the connection string.
func openPostgres(dsn, _ string, sessions int) (lookup, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(sessions)
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, reference string, o *order) error {
		return pool.QueryRow(ctx, statement+"$1", reference).Scan(&o.Status, &o.Carrier, &o.Parcels, &o.Customer)
	}, nil
}

// openMySQL prepares the statement once: database/sql keeps it for each session.
func openMySQL(dsn, ca string, sessions int) (lookup, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + ca)
	}
	if err := mysql.RegisterTLSConfig("bench", &tls.Config{RootCAs: roots, ServerName: "localhost"}); err != nil {
		return nil, err
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(sessions)
	db.SetMaxIdleConns(sessions)
	prepared, err := db.Prepare(statement + "?")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, reference string, o *order) error {
		return prepared.QueryRowContext(ctx, reference).Scan(&o.Status, &o.Carrier, &o.Parcels, &o.Customer)
	}, nil
}
