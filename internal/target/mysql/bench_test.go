package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"fmt"
	"io"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/schema"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"github.com/go-sql-driver/mysql"
)

// BenchmarkRun compares a read through this package with the bare driver on
// the same server, both over TLS and prepared.
func BenchmarkRun(b *testing.B) {
	db := dbtest.MariaDB(b)
	db.Exec(b, "CREATE TABLE c (id int PRIMARY KEY, name varchar(40), at datetime); INSERT INTO c VALUES (1, 'Anna', '2026-05-01 15:00:00')")
	login := db.User(b, "SELECT")
	const statement = "SELECT id, name, at FROM c WHERE id = ? LIMIT 2"
	b.Run("bare", func(b *testing.B) {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(db.Server.CAPEM))
		config := mysql.NewConfig()
		config.User, config.Passwd, config.DBName = login.User, login.Password, db.Name
		config.Net, config.Addr = "tcp", fmt.Sprintf("%s:%d", db.Server.Host, db.Server.Port)
		config.TLS = &tls.Config{RootCAs: roots, ServerName: db.Server.Host}
		connector, err := mysql.NewConnector(config)
		must(b, err)
		conn, err := connector.Connect(b.Context())
		must(b, err)
		defer conn.Close()
		stmt, err := conn.Prepare(statement)
		must(b, err)
		raw := make([]driver.Value, 3)
		b.ReportAllocs()
		for b.Loop() {
			rows, err := stmt.(driver.StmtQueryContext).QueryContext(b.Context(), []driver.NamedValue{{Ordinal: 1, Value: int64(1)}})
			must(b, err)
			for rows.Next(raw) != io.EOF {
			}
			must(b, rows.Close())
		}
	})
	b.Run("session", func(b *testing.B) {
		s := openWith(b, targettest.Credentials(b, db.Server, db.Name, login), target.ForReads)
		p := read(statement, []column{integer}, []column{integer, varchar, {base: "datetime", is: schema.DateTime}}, 1)
		args := targettest.Text("1")
		b.ReportAllocs()
		for b.Loop() {
			must(b, s.Run(b.Context(), p, args, targettest.Discard{}))
		}
	})
}
