// Package mysql opens, tests and asks MySQL and MariaDB databases.
//
// It speaks through go-sql-driver/mysql at the level of database/sql/driver.
// That driver trusts its server: it makes room for whatever a length says and
// indexes into whatever arrives. So the driver never meets the server. This
// package reads the greeting, negotiates TLS and accepts the peer itself, and
// then hands the driver a connection, the screen, on which only packets arrive
// that belong there and have a size that was meant to be. What the driver still
// makes of their content is run under recover.
//
// Reads run in sessions that are read-only, time-limited, in UTC and under one
// fixed sql_mode, set and read back when the session opens; afterwards a read
// costs one round trip. A statement whose caller has left is ended on the
// server through a second connection.
package mysql
