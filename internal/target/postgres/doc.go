// Package postgres opens, tests and asks PostgreSQL databases, from 13 on,
// directly or through a transaction pooler.
//
// It speaks through pgconn, the wire level of pgx: parameters and results are
// text, values are never turned into Go types, and no SQL is built from a
// value. Everything that the server sends until it is ready passes a screen
// that knows what may come; afterwards the screen still counts what the driver
// would keep.
//
// Every read runs in a read-only transaction. On a direct connection that is
// the session's default, set as a startup parameter and checked. A pooler hands
// sessions around, so there each read brings its own transaction and limits, in
// one round trip.
package postgres
