package targettest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"flowyte/api"
	"flowyte/internal/binding"
	"flowyte/internal/compile"
	"flowyte/internal/dbtest"
	"flowyte/internal/discover"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// salon is what the tests of writes write to. seats is a domain on PostgreSQL.
var salon = map[schema.Kind]string{
	schema.Postgres: `CREATE DOMAIN party AS integer CHECK (VALUE < 9);
CREATE TABLE customers (id integer PRIMARY KEY, name varchar(40));
CREATE TABLE slots (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, place varchar(40) NOT NULL UNIQUE, customer integer REFERENCES customers (id),
	seats party NOT NULL CHECK (seats > 0), note varchar(80) COLLATE "C" NOT NULL DEFAULT '');`,
	schema.MySQL: `CREATE TABLE customers (id integer PRIMARY KEY, name varchar(40));
CREATE TABLE slots (id bigint AUTO_INCREMENT PRIMARY KEY, place varchar(40) COLLATE utf8mb4_bin NOT NULL UNIQUE, customer integer, FOREIGN KEY (customer) REFERENCES customers (id),
	seats integer NOT NULL CHECK (seats > 0 AND seats < 9), note varchar(80) COLLATE utf8mb4_bin NOT NULL DEFAULT '')`,
}

const people = `INSERT INTO customers VALUES (1, 'Ann'), (2, 'Ben')`

var (
	bookSlot = api.BindingRequest{
		ToolName: "Book a slot", Operation: "slots.insert", IsWrite: true,
		InputObjectMap: []api.InputObject{{Field: "place", Param: "place"}, {Field: "customer", Param: "customer"}, {Field: "seats", Param: "seats"}, {Field: "note", Param: "note"}},
	}
	noteSlot = api.BindingRequest{
		ToolName: "Change a note", Operation: "slots.update", IsWrite: true,
		InputObjectMap: []api.InputObject{{Field: "note", Param: "note"}},
		SQLWrite:       &api.SQLWrite{KeyColumn: "place", KeyParam: "place"},
	}
)

// book is the arguments of an insert.
func book(place, customer, seats, note string) []target.Value {
	return Text(place, customer, seats, note)
}

// note is the arguments of an update. The key is compared twice where equality
// in its collation is not that of bytes.
func (w *way) note(text, place string) []target.Value {
	args := Text(text)
	for len(args) < len(w.update.Slots) {
		args = append(args, target.Value{Text: place})
	}
	return args
}

// way is a database and one way to it.
type way struct {
	db     *dbtest.Database
	login  privatedb.Login
	creds  *target.Credentials
	port   int // of the server or its pooler
	pooled bool
	*target.Database
	insert, update *plan.Plan
}

// kind is the database's.
func (w *way) kind() schema.Kind { return schema.Kind(w.db.Kind) }

// eachWay runs test on every server, and on PostgreSQL through a pooler, too,
// as the user that writes.
func eachWay(t *testing.T, test func(t *testing.T, w *way)) {
	t.Helper()
	dbtest.Every(t, func(t *testing.T, db *dbtest.Database) {
		t.Parallel()
		test(t, newWay(t, db, false))
	})
	t.Run("pgbouncer", func(t *testing.T) {
		t.Parallel()
		test(t, newWay(t, dbtest.Postgres(t), true))
	})
}

func newWay(t *testing.T, db *dbtest.Database, pooled bool) *way {
	t.Helper()
	db.Exec(t, salon[schema.Kind(db.Kind)], people)
	w := &way{db: db, login: db.User(t, "SELECT", "INSERT", "UPDATE"), port: db.Server.Port, pooled: pooled}
	if pooled {
		w.port = dbtest.PgBouncer(t, db, w.login).Port
	}
	w.creds = Credentials(t, db.Server, db.Name, w.login)
	w.connect(t, w.port)
	w.insert, w.update = w.compile(t, bookSlot), w.compile(t, noteSlot)
	return w
}

// connect makes a fleet of one database, through a port.
func (w *way) connect(t *testing.T, port int) {
	t.Helper()
	creds := *w.creds
	creds.Port = uint16(port)
	fleet := target.NewFleet(Guard(t), target.Options{})
	t.Cleanup(fleet.Shutdown)
	w.Database = fleet.Open("con_1", "org_1", drivers[w.kind()], &creds)
}

// tap puts a tap between the product and the server.
func (w *way) tap(t *testing.T) *Tap {
	t.Helper()
	tap := NewTapAt(t, w.db.Server, w.port)
	w.connect(t, tap.Port)
	return tap
}

// compile makes the plan of a request against the database as it is now.
func (w *way) compile(t *testing.T, request api.BindingRequest) *plan.Plan {
	t.Helper()
	b, findings := binding.FromRequest(request)
	var p *plan.Plan
	err := w.WithSession(t.Context(), target.ForCatalog, func(s target.Session) error {
		found, err := discover.Discover(t.Context(), s, w.kind(), discover.Options{Server: s.Server()})
		if err != nil {
			return err
		}
		var more []binding.Finding
		p, more = compile.Compile(b, found, schema.Scope{})
		findings = append(findings, more...)
		return nil
	})
	if err != nil || p == nil {
		t.Fatalf("%v (%v) %+v", err, fault.Cause(err), findings)
	}
	return p
}

// kept is what happened to the row and the evidence of a write.
type kept struct {
	rows     Rows
	evidence []target.Evidence
	// before is called before the evidence is kept, and may refuse.
	before func() error
}

func (k *kept) executed(e target.Evidence) error {
	if k.before != nil {
		if err := k.before(); err != nil {
			return err
		}
	}
	k.evidence = append(k.evidence, e)
	return nil
}

func (k *kept) last(t *testing.T) target.Evidence {
	t.Helper()
	if len(k.evidence) == 0 {
		t.Fatal("no evidence")
	}
	return k.evidence[len(k.evidence)-1]
}

// writeLimit is what the caller of a write gives it.
const writeLimit = 5 * time.Second

func (w *way) write(t *testing.T, p *plan.Plan, args []target.Value, k *kept) error {
	ctx, cancel := context.WithTimeout(t.Context(), writeLimit)
	defer cancel()
	_, err := w.Write(ctx, p, args, &k.rows, k.executed)
	return err
}

// look is the whole of the table, from an administrator's own connection.
func (w *way) look(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, row := range w.db.Query(t, "SELECT place, customer, seats, note FROM slots ORDER BY id") {
		b.WriteString(strings.Join(row, " ") + "\n")
	}
	return b.String()
}

func (w *way) wantRows(t *testing.T, rows ...string) {
	t.Helper()
	want := strings.Join(append(rows, ""), "\n")
	if got := w.look(t); got != want {
		t.Errorf("the table holds\n%sinstead of\n%s", got, want)
	}
}

func wantCode(t *testing.T, err error, want fault.Code) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%v (%v) instead of %s", err, fault.Cause(err), want)
	}
}

func succeed(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (%v)", err, fault.Cause(err))
	}
}

// fate asks until the server has decided.
func (w *way) fate(t *testing.T, p *plan.Plan, e target.Evidence) target.Fate {
	t.Helper()
	var fate target.Fate
	Eventually(t, writeLimit, "decided", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), writeLimit)
		defer cancel()
		var err error
		if fate, err = w.Resolve(ctx, p, e); err != nil {
			t.Logf("resolve: %v (%v)", err, fault.Cause(err))
			return false
		}
		return fate != target.FateOpen
	})
	return fate
}

// rival is another connection of an administrator, over a bare driver.
type rival struct {
	exec func(ctx context.Context, text string) error
}

func (w *way) rival(t *testing.T) *rival {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(w.db.Server.CAPEM))
	secure := &tls.Config{RootCAs: roots, ServerName: w.db.Server.Host}
	admin := w.db.Admin()
	if w.kind() == schema.Postgres {
		config, err := pgx.ParseConfig("sslmode=require host=localhost")
		succeed(t, err)
		config.Host, config.Port, config.Database = "127.0.0.1", uint16(w.db.Server.Port), w.db.Name
		config.User, config.Password, config.TLSConfig, config.Fallbacks = admin.User, admin.Password, secure, nil
		conn, err := pgx.ConnectConfig(t.Context(), config)
		succeed(t, err)
		t.Cleanup(func() { conn.Close(context.Background()) })
		return &rival{func(ctx context.Context, text string) error { _, err := conn.Exec(ctx, text); return err }}
	}
	config := mysqldriver.NewConfig()
	config.Net, config.Addr, config.DBName = "tcp", fmt.Sprintf("127.0.0.1:%d", w.db.Server.Port), w.db.Name
	config.User, config.Passwd, config.TLS = admin.User, admin.Password, secure
	connector, err := mysqldriver.NewConnector(config)
	succeed(t, err)
	pool := sql.OpenDB(connector)
	conn, err := pool.Conn(t.Context())
	succeed(t, err)
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), pool.Close()); err != nil {
			t.Log(err)
		}
	})
	return &rival{func(ctx context.Context, text string) error { _, err := conn.ExecContext(ctx, text); return err }}
}

func (r *rival) do(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := r.exec(t.Context(), text); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
}

// busy counts what the product's user has under way on the server: statements,
// and transactions that nobody ended.
func (w *way) busy(t *testing.T) string {
	t.Helper()
	text := "SELECT count(*) FROM pg_stat_activity WHERE usename = '" + w.login.User + "' AND state <> 'idle'"
	if w.kind() == schema.MySQL {
		text = "SELECT COUNT(*) FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id WHERE p.USER = '" + w.login.User + "'"
	}
	return w.db.Query(t, text)[0][0]
}

// waiting tells whether somebody waits for a lock; in a trigger a connection of
// the product's goes by the name of the trigger's owner.
func (w *way) waiting(t *testing.T) bool {
	t.Helper()
	text := "SELECT count(*) FROM pg_stat_activity WHERE usename = '" + w.login.User + "' AND wait_event_type = 'Lock'"
	if w.kind() == schema.MySQL {
		text = "SELECT COUNT(*) FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id WHERE p.DB = '" + w.db.Name + "' AND x.trx_state = 'LOCK WAIT'"
	}
	return w.db.Query(t, text)[0][0] != "0"
}

// kill ends every connection of the product's user on the server.
func (w *way) kill(t *testing.T) {
	t.Helper()
	if w.kind() == schema.Postgres {
		w.db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+w.login.User+"'")
		err := w.await(func() bool {
			return w.db.Query(t, "SELECT count(*) FROM pg_stat_activity WHERE usename = '"+w.login.User+"'")[0][0] == "0"
		})
		if err != nil {
			t.Error(err)
		}
		return
	}
	for _, row := range w.db.Query(t, "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '"+w.login.User+"'") {
		w.db.Exec(t, "KILL "+row[0])
	}
}

// await is Eventually for what the server is asked, also in functions that a
// write calls, which must return. MySQL's servers renew their list of
// transactions only when nobody has asked for it for a tenth of a second.
func (w *way) await(done func() bool) error {
	step := 5 * time.Millisecond
	if w.kind() == schema.MySQL {
		step = 150 * time.Millisecond
	}
	tick := time.NewTicker(step)
	defer tick.Stop()
	for end := time.Now().Add(writeLimit); !done(); <-tick.C {
		if time.Now().After(end) {
			return errors.New("it does not come about")
		}
	}
	return nil
}

// quiet waits until the product's user has nothing under way.
func (w *way) quiet(t *testing.T) {
	t.Helper()
	if err := w.await(func() bool { return w.busy(t) == "0" }); err != nil {
		t.Error("a transaction is left open")
	}
}
