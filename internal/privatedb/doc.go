// Package privatedb starts private database servers for tests and for the
// demonstration: real PostgreSQL, MariaDB and MySQL, each with a data folder,
// port, password and certificate authority of its own.
//
// A private server listens on 127.0.0.1 only, offers TLS from its own
// authority, runs as an ordinary user even when this process is root, and ends
// with this process. Servers that already run on the machine are never
// contacted.
//
//	install, err := privatedb.Find(privatedb.Postgres)
//	server, err := privatedb.Start(ctx, install, privatedb.Options{})
//	defer server.Close()
//
// Errors are for the person at the terminal: they carry paths and the tail of
// the server's log, and never travel through the product's API.
package privatedb
