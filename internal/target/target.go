// Package target is a customer's database: how it is opened, tested and asked.
// The two engines live in postgres/ and mysql/; everything above them speaks
// the interfaces here.
//
// A server is not trusted: every call into a driver is guarded against panics,
// every byte is counted by egress, every text is cleaned before it is kept,
// and errors leave as faults by SQLSTATE or number.
package target

import (
	"context"

	"flowyte/internal/egress"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/secret"
)

// Credentials are judged and parsed; see ParseCredentials.
type Credentials struct {
	Kind     schema.Kind
	Host     egress.Host
	Port     uint16
	Database string
	User     string
	Password secret.Text
	TLS      egress.TLSOptions

	// WriteUser and WritePassword serve the write pool. ParseCredentials fills
	// them with User and Password when no write user was given.
	WriteUser     string
	WritePassword secret.Text
}

// Purpose decides which limits a session gets.
type Purpose string

// The purposes.
const (
	// ForReads: read-only session, statement limit for live calls.
	ForReads Purpose = "reads"
	// ForWrites: read-write session of the write user.
	ForWrites Purpose = "writes"
	// ForCatalog: read-only session with a longer limit, for discovery and tests.
	ForCatalog Purpose = "catalog"
)

// Driver opens sessions to one kind of database.
type Driver interface {
	Kind() schema.Kind
	// Open connects, negotiates TLS, authenticates and prepares the session
	// for its purpose, all within ConnectLimit whatever the peer does. The
	// error is a *fault.Error. It may panic on hostile bytes: callers recover.
	Open(ctx context.Context, guard *egress.Guard, creds *Credentials, purpose Purpose) (Session, error)
}

// RowSink receives the rows of a read. A cell is the value's canonical text,
// nil for NULL; cells are valid only during the call. An error stops the read
// and is what Run returns.
//
// Canonical text: integers and decimals as digits, booleans "true"/"false",
// dates 2006-01-02, times 15:04:05[.999999], datetimes 2006-01-02T15:04:05[.999999]
// with a trailing Z when zoned (sessions run in UTC), uuid in lower case,
// text as it is. What has no such form (infinity, years beyond 9999) is sent as
// the server writes it.
type RowSink interface {
	Row(cells [][]byte) error
}

// Value is one argument in canonical text, NULL when Null. It is bound as the
// type of its slot.
type Value struct {
	Text string
	Null bool
	// All holds every form of a value for a slot with plan.AllVariants.
	All []string
}

// Session is one authenticated connection. It is not safe for concurrent use.
// Errors are *fault.Error, except those that a RowSink or a row function
// returned. A session that may have lost its place in the protocol, its
// read-only setting or its connection says so in Broken.
type Session interface {
	// Server is what the server said of itself when the session was opened.
	Server() schema.Server
	// ServerKey is the SHA-256 of the public key the server proved to hold.
	ServerKey() egress.Pin

	// Run executes a frozen read and hands its rows to sink, at most
	// plan.MaxRows+1 of them. args pair with plan.Slots. The statement is
	// prepared once per session. On expiry of ctx it returns at once and the
	// work on the server is stopped through the egress guard; the session is
	// then broken.
	Run(ctx context.Context, p *plan.Plan, args []Value, sink RowSink) error

	// Write executes a frozen insert or update in a transaction of its own and
	// commits it when exactly one row was written; see Database.Write. A
	// deadlock is tried once more here, a lost session is not. On expiry of ctx
	// before COMMIT is sent the write is rolled back, and stopped on the server
	// through the egress guard; the session may then be broken.
	Write(ctx context.Context, p *plan.Plan, args []Value, sink RowSink, executed func(Evidence) error) error
	// Resolve asks what became of a write; see Database.Resolve.
	Resolve(ctx context.Context, p *plan.Plan, e Evidence) (Fate, error)

	// Explain prepares the statement and asks the server for its plan without
	// running it.
	Explain(ctx context.Context, p *plan.Plan) (*Explanation, error)

	// Select runs one catalogue text of ours with scalar arguments (string,
	// int64, bool, []string) and hands each row to row. Cells are string,
	// int64, float64, bool, []string (any array, its elements as text, "" for
	// NULL) or nil; no driver type gets through. The slice of cells is reused.
	Select(ctx context.Context, text string, args []any, row func(cells []any) error) error

	// SchemaReadable counts the tables and views outside the system schemas of
	// which the role may select a column.
	SchemaReadable(ctx context.Context) (tables int, err error)
	// Probe is a one-row read that touches no user table.
	Probe(ctx context.Context) error
	// ProveReadOnly attempts a write that must be refused for being one.
	ProveReadOnly(ctx context.Context) (ReadOnlyProof, error)
	// Privileges tells what the session's role may do beyond the script.
	Privileges(ctx context.Context) (Privileges, error)

	// Broken tells whether the session must not be used again.
	Broken() bool
	// Close ends the session within a second, whatever the peer does.
	Close()
}

// Explanation is what a live server said about a statement.
type Explanation struct {
	// UsesIndex tells whether the server can answer through an index on the
	// object of the statement, judged with sequential scans discouraged.
	UsesIndex bool
	Indexes   []string // used on the object, in order of appearance
	Nodes     []string // the plan's node types, outermost first
}

// ReadOnlyProof are three facts, reported apart.
type ReadOnlyProof struct {
	SessionReadOnly bool // the server refused a CREATE TABLE for being read-only
	RoleCanWrite    bool // the role holds a write privilege on some user table
	Replica         bool // the server refuses writes anyway
}

// Privileges are what the role may do beyond its tables. Entries are fixed
// phrases and names of privileges, never names of a customer's objects.
type Privileges struct {
	// Superuser lists the powers that are refused: superuser, CREATEROLE,
	// BYPASSRLS, pg_write_server_files, FILE, SUPER, GRANT OPTION …
	Superuser []string
	// Wider lists rights merely wider than the script gives.
	Wider []string
	// Public lists what every role holds there (PUBLIC's CREATE or TEMP).
	Public []string
}
