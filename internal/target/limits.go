package target

import (
	"time"

	"flowyte/internal/egress"
)

// ConnectLimit is the most time that opening a session may take, all stages
// together.
const ConnectLimit = 3 * time.Second

// Limits are the backstops that a session sets on the server and on its own
// connection. A caller's deadline is nearly always earlier; these hold when
// nobody is left to cancel.
type Limits struct {
	Statement time.Duration // one statement
	Lock      time.Duration // waiting for a lock
	Idle      time.Duration // a transaction in which nothing happens
	Bytes     int64         // what the server may send for one statement
}

// LimitsFor gives the backstops of a purpose. Reads live 2 s at most, so 2.1 s
// ends what their cancel did not. A write has 5 s in all, and half a second for
// a row that somebody else holds: there is a caller on the line. Catalogue queries grow with the schema and nobody is on the line.
func LimitsFor(p Purpose) Limits {
	switch p {
	case ForWrites:
		return Limits{Statement: 5 * time.Second, Lock: 500 * time.Millisecond, Idle: 2 * time.Second, Bytes: egress.StatementBudget}
	case ForCatalog:
		return Limits{Statement: 20 * time.Second, Lock: 5 * time.Second, Idle: 5 * time.Second, Bytes: 128 << 20}
	default:
		return Limits{Statement: 2100 * time.Millisecond, Lock: 2 * time.Second, Idle: 2 * time.Second, Bytes: egress.StatementBudget}
	}
}
