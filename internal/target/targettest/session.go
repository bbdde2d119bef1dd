package targettest

import (
	"bytes"
	"embed"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// Session is what a real server said in one connection, turn by turn. Who
// replays it is that server, as far as a client can tell.
type Session struct {
	Kind schema.Kind
	// Greeting is what a MySQL server says before TLS, nil on PostgreSQL.
	Greeting []byte
	// Turns are the server's answers inside TLS, each to one thing the client
	// sent.
	Turns [][]byte
}

// The recorded sessions: a look-up that is prepared and run twice, and the
// whole of a connection test.
const (
	Reading = "reading"
	Testing = "testing"
)

//go:embed sessions/*.txt
var recorded embed.FS

// Recorded is the session of a flavour, such as "postgres", and a kind of use.
func Recorded(t testing.TB, flavor, use string) Session {
	t.Helper()
	text, err := recorded.ReadFile("sessions/" + flavor + "-" + use + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSession(string(text))
	if err != nil {
		t.Fatalf("%s-%s: %v", flavor, use, err)
	}
	return s
}

// Flavor is the recorded flavour that stands for a kind.
func Flavor(kind schema.Kind) string {
	if kind == schema.MySQL {
		return "mariadb"
	}
	return string(kind)
}

// String is the form in which sessions are kept: a line for each part, bytes
// as Go writes them in quotes.
func (s Session) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kind %q\n", s.Kind)
	if s.Greeting != nil {
		fmt.Fprintf(&b, "greeting %+q\n", s.Greeting)
	}
	for _, turn := range s.Turns {
		fmt.Fprintf(&b, "turn %+q\n", turn)
	}
	return b.String()
}

// ParseSession reads the form of String.
func ParseSession(text string) (Session, error) {
	var s Session
	for line := range strings.Lines(text) {
		word, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return s, fmt.Errorf("line %.40q: %w", line, err)
		}
		switch word {
		case "kind":
			s.Kind = schema.Kind(value)
		case "greeting":
			s.Greeting = []byte(value)
		case "turn":
			s.Turns = append(s.Turns, []byte(value))
		default:
			return s, fmt.Errorf("line %.40q: unknown word", line)
		}
	}
	return s, nil
}

// Stream is all that the server says inside TLS.
func (s Session) Stream() []byte { return bytes.Join(s.Turns, nil) }

// SessionOf is what the server said on a wire.
func SessionOf(kind schema.Kind, w *Wire) Session {
	s := Session{Kind: kind, Greeting: w.Greeting}
	for _, t := range w.Turns() {
		if len(t.Server) > 0 {
			s.Turns = append(s.Turns, t.Server)
		}
	}
	return s
}

// People is the table of the recorded look-up, in words of both kinds.
const People = `CREATE TABLE people (id bigint PRIMARY KEY, name varchar(80) NOT NULL, phone varchar(32), balance decimal(10,2), vip boolean, seen timestamp NULL, born date);
CREATE INDEX people_phone ON people (phone);
INSERT INTO people VALUES (1, 'Änna Dahl', '0612345678', 12.50, true, '2026-05-01 15:00:00', '1980-02-29'), (2, 'Ben', '0612345678', NULL, false, NULL, NULL), (3, 'Cy', '0699', 0, NULL, NULL, NULL)`

// LookUp is the recorded look-up, with its arguments and what it finds.
// identity is the database's own.
func LookUp(kind schema.Kind, identity string) (p *plan.Plan, args []target.Value, want Rows) {
	const statement = `SELECT "id", "name", "balance", "vip", "seen", "born" FROM "people" WHERE "phone" = $1 ORDER BY "id" LIMIT 6`
	p = &plan.Plan{
		Format: plan.Format, Kind: kind, Operation: "people.read", Action: plan.Read, Identity: identity, MaxRows: 5,
		TimeoutMs: int(target.LimitsFor(target.ForReads).Statement.Milliseconds()), // the session's own: none is set before
		Statement: strings.Replace(statement, `"people"`, `"public"."people"`, 1),
		Slots:     []plan.Slot{{Source: plan.FromParam, Type: plan.ValueType{Type: schema.String, BaseType: "varchar"}}},
	}
	seen := "2026-05-01T15:00:00"
	for _, c := range []plan.ValueType{
		{Type: schema.Integer, BaseType: "bigint"}, {Type: schema.String, BaseType: "varchar"}, {Type: schema.Number, BaseType: "decimal"},
		{Type: schema.Boolean, BaseType: "tinyint"}, {Type: schema.DateTime, BaseType: "timestamp", Zoned: kind == schema.MySQL}, {Type: schema.Date, BaseType: "date"},
	} {
		p.Results = append(p.Results, plan.Result{Type: c})
	}
	if kind == schema.MySQL {
		p.Statement = strings.NewReplacer(`"`, "`", "$1", "?").Replace(statement)
		seen += "Z"
	}
	want = Rows{{"1", "Änna Dahl", "12.50", "true", seen, "1980-02-29"}, {"2", "Ben", "NULL", "false", "NULL", "NULL"}}
	return p, Text("0612345678"), want
}
