package apptest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/httpapi"
	"flowyte/internal/privatedb"
)

// What is blocked in the differential test. The views are blocked because of
// what they read; "safe" stays, vouched for where its sources cannot be proven.
const blocked = `{"blockedTables": ["PAYMENTS", "customer_old"], "allowedViews": ["safe"],
	"blockedColumns": {"customers": ["SSN"], "*": ["internal_note"]}}`

// shop makes the database, with the blocked things or without them.
func shop(t *testing.T, db *dbtest.Database, whole bool) {
	t.Helper()
	only := func(text string) string {
		if whole {
			return text
		}
		return ""
	}
	db.Exec(t, "CREATE TABLE customers (id int PRIMARY KEY, email varchar(99), phone varchar(32), "+
		only("ssn varchar(20), hint varchar(40) GENERATED ALWAYS AS (upper(ssn)) STORED, ")+"internal_id int)",
		"CREATE INDEX by_email ON customers (email)", "CREATE INDEX by_phone ON customers (phone)",
		"CREATE TABLE orders (id int PRIMARY KEY, customer_id int, "+only("internal_note varchar(9), ")+"payment_id int, customer_old_id int, placed date, FOREIGN KEY (customer_id) REFERENCES customers (id))",
		// The indexes that keys of the MySQL family would make by themselves.
		"CREATE INDEX by_payment ON orders (payment_id)", "CREATE INDEX by_customer ON orders (customer_id)",
		"CREATE VIEW safe AS SELECT id, email FROM customers")
	if whole {
		addBlocked(t, db)
	}
	db.Exec(t, "INSERT INTO customers (id, email, phone, internal_id) VALUES (1, 'anna@example.com', '+12065550177', 5)",
		map[string]string{"postgres": "ANALYZE", "mysql": "ANALYZE TABLE customers, orders"}[db.Kind])
}

// addBlocked makes what is blocked, and what tells of it.
func addBlocked(t *testing.T, db *dbtest.Database) {
	t.Helper()
	db.Exec(t, "CREATE INDEX email_ssn ON customers (email, ssn)", "CREATE UNIQUE INDEX one_ssn ON customers (ssn)", "CREATE INDEX by_hint ON customers (hint)",
		"CREATE TABLE payments (id int PRIMARY KEY, customer_id int, amount int, FOREIGN KEY (customer_id) REFERENCES customers (id))",
		"ALTER TABLE orders ADD CONSTRAINT a_pay FOREIGN KEY (payment_id) REFERENCES payments (id)",
		"CREATE TABLE customer_old (id int PRIMARY KEY)",
		"CREATE VIEW reads_ssn AS SELECT ssn AS s FROM customers", "CREATE VIEW above AS SELECT s FROM reads_ssn", "CREATE VIEW reads_pay AS SELECT count(*) AS n FROM payments")
}

// later changes the blocked things, which must not be a change.
var later = []string{
	"ALTER TABLE payments ADD COLUMN method varchar(9)", "DROP VIEW above", "DROP VIEW reads_ssn", "CREATE TABLE customer_older (id int)", "DROP TABLE customer_older",
	"ALTER TABLE orders DROP COLUMN internal_note",
}

// bindings name the blocked things in every place that takes a name; the last
// is one that is good.
var bindings = []string{
	`{"toolName":"T1","operation":"payments.read","inputs":[{"param":"p","arg":"id","required":true}],"projection":[{"path":["amount"],"leaf":"a"}]}`,
	`{"toolName":"T2","operation":"Payments.read","inputs":[{"param":"p","arg":"nothing","required":true}],"projection":[{"path":["nothing"],"leaf":"a"}]}`,
	`{"toolName":"T3","operation":"reads_ssn.read","inputs":[{"param":"p","arg":"s","required":true}],"projection":[{"path":["s"],"leaf":"a"}]}`,
	`{"toolName":"T4","operation":"customer_old.insert","isWrite":true,"inputObjectMap":[{"field":"id","param":"p","required":true}]}`,
	`{"toolName":"T5","operation":"customers.read","inputs":[{"param":"p","arg":"ssn","required":true}],"projection":[{"path":["email"],"leaf":"a"}]}`,
	`{"toolName":"T6","operation":"customers.read","inputs":[{"param":"p","arg":"phone","required":true}],"projection":[{"path":["SSN"],"leaf":"a"},{"path":["hint"],"leaf":"b"}]}`,
	`{"toolName":"T7","operation":"customers.read","sqlSearch":{"column":"phone","param":"p","orderBy":{"column":"ssn","direction":"asc"},"ownedBy":{"column":"ssn","subject":"id"}},"projection":[{"path":["email"],"leaf":"a"}]}`,
	`{"toolName":"T8","operation":"orders.read","inputs":[{"param":"p","arg":"customer_id","required":true}],"projection":[{"path":["payment","amount"],"leaf":"a"},{"path":["customer","ssn"],"leaf":"b"},{"path":["internal_note"],"leaf":"c"},{"path":["customer_old","id"],"leaf":"d"}]}`,
	`{"toolName":"T9","operation":"customers.update","isWrite":true,"inputObjectMap":[{"field":"ssn","param":"v","required":true}],"sqlWrite":{"keyColumn":"ssn","keyParam":"k"}}`,
	`{"toolName":"T10","operation":"customers.insert","isWrite":true,"inputObjectMap":[{"field":"id","param":"i","required":true},{"field":"ssn","const":"1"},{"field":"paymen","param":"x","required":true}]}`,
	`{"toolName":"T11","operation":"payment.read","inputs":[{"param":"p","arg":"id","required":true}],"projection":[{"path":["ss"],"leaf":"a"}]}`,
	good,
}

const good = `{"toolName":"Look up a customer","operation":"customers.read","inputs":[{"param":"caller_phone","arg":"phone","required":true}],"projection":[{"path":["email"],"leaf":"email"},{"path":["internal_id"],"leaf":"number"}],"enabled":true}`

// variants are the requests of a route beyond the one that every route gets.
// "?" begins a query, anything else is a body, NAME= replaces {name}.
var variants = map[string][]string{
	"GET /api/v1/integrations/{kind}/search": {
		"?q=payments", "?q=ssn", "?q=social+security+number", "?q=customer+email", "?q=internal+note", "?q=customer_old", "?q=order&limit=100",
		"?q=customer&type=operation", "?q=payment&type=object", "?q=hint&type=field", "?q=reads_ssn",
	},
	"GET /api/v1/integrations/{kind}/objects":                             {"?q=pay", "?q=cust", "?q=reads", "?limit=1"},
	"GET /api/v1/integrations/{kind}/objects/{name}":                      {"NAME=customers", "NAME=orders", "NAME=safe", "NAME=payments", "NAME=Payments", "NAME=customer_old", "NAME=reads_ssn", "NAME=above", "NAME=never"},
	"GET /api/v1/integrations/{kind}/sql/scripts":                         {"?database=shop&tables=payments&password=pw-pw-pw-pw"},
	"POST /api/v1/agents/{agentId}/integrations/{kind}/bindings":          bindings,
	"PUT /api/v1/agents/{agentId}/integrations/{kind}/bindings/{skillId}": bindings,
	"POST /api/v1/agents/{agentId}/skills/{skillId}/test": {
		`{"arguments":{"caller_phone":"+12065550177"}}`, `{"arguments":{"caller_phone":"+12065550199"}}`, `{"arguments":{"ssn":"1"}}`,
	},
	"PATCH /api/v1/agents/{agentId}/skills/{skillId}": {`{"toolName":"payments"}`, `{"name":"Find by ssn"}`, `{"isEnabled":false}`, `{"isEnabled":true}`},
	"PUT /api/v1/agents/{agentId}/caller-verification": {
		`{"method":"verifier_skill","verifierSkillId":"VERIFIER","requiredFields":["customer_number","ssn"],"subject":"customer_id"}`,
		`{"method":"verifier_skill","verifierSkillId":"VERIFIER","requiredFields":["customer_number","email"],"subject":"ssn"}`,
		`{"method":"verifier_skill","verifierSkillId":"VERIFIER","requiredFields":["customer_number","email"],"subject":"customer_id","stepUpFor":["payments"]}`,
		whoCallsCustomers,
	},
	"POST /api/v1/conversations/{id}/verification": {
		`{"fields":{"customer_number":1,"email":"anna@example.com"}}`, `{"fields":{"customer_number":1,"ssn":"1"}}`, `{"fields":{"customer_number":7,"email":"x@example.com"}}`,
	},
	"POST /api/v1/agents/{agentId}/integrations/{kind}/bindings/auto": {
		`{"goal":"look up the payments of a customer","dryRun":true}`, `{"goal":"tell the caller their ssn","dryRun":true}`, `{"goal":"find a customer by phone","dryRun":true}`,
		`{"goal":"Look up a payment by its id and say the amount","dryRun":true}`, `{"goal":"Find a customer by social security number.","dryRun":true}`,
		`{"goal":"Change the ssn of a customer, found by id.","dryRun":true}`, `{"goal":"Record a payment with the customer and the amount.","dryRun":true}`,
		`{"goal":"When was an order placed, and what does its internal note say? By order id.","dryRun":true}`,
		`{"goal":"Find an old customer by id.","dryRun":true}`, `{"goal":"Return the hint of a customer by email."}`,
		`{"goal":"Find the order by payment id and tell the amount of the payment."}`, `{"goal":"Drop the payments table.","dryRun":true}`,
	},
}

// notHere are the routes that the test leaves out, each with its reason.
var notHere = map[string]string{
	"GET /api/v1/integrations/{kind}/scoping":   "it tells what is blocked, and what was renamed",
	"PATCH /api/v1/integrations/{kind}/scoping": "it tells what is blocked, and what was renamed",
}

// side is one of the two databases, behind a service of its own.
type side struct {
	*App
	db     *dbtest.Database
	ids    ids
	names  map[string]string // ids and digests by the order in which they appear
	record []string
	// What is written behind and must be there before it is asked for.
	conversations, events int
	routes                map[string]bool
}

// TestBlockedThingsChangeNoAnswer: two services with the same scoping, over a
// database that has the blocked things and one that has not, answer every
// route of the router with the same bytes, apart from ids and times.
func TestBlockedThingsChangeNoAnswer(t *testing.T) {
	for _, flavor := range []privatedb.Flavor{privatedb.Postgres, privatedb.MariaDB, privatedb.MySQL} {
		t.Run(string(flavor), func(t *testing.T) {
			with, without := newSide(t, flavor, true), newSide(t, flavor, false)
			for _, s := range []*side{with, without} {
				s.everything(t)
			}
			if len(with.record) != len(without.record) || len(with.record) < 130 {
				t.Fatalf("%d and %d answers", len(with.record), len(without.record))
			}
			for i := range with.record {
				if diff := cmp.Diff(without.record[i], with.record[i]); diff != "" {
					t.Errorf("(-without +with):\n%s", diff)
				}
			}
			for _, op := range with.Server.Routes() {
				if route := op.Method + " " + op.Path; !with.routes[route] && notHere[route] == "" {
					t.Errorf("%s was not tried", route)
				}
			}
		})
	}
}

// newSide starts a server whose database is named like the other side's, since
// on the MySQL family that name is the schema's.
func newSide(t *testing.T, flavor privatedb.Flavor, whole bool) *side {
	t.Helper()
	server := dbtest.Own(t, flavor, privatedb.Options{NoSync: true})
	if err := server.Exec(t.Context(), "", "CREATE DATABASE shop"); err != nil {
		t.Fatal(err)
	}
	s := &side{
		App: New(t), db: &dbtest.Database{Server: server, Name: "shop", Kind: server.Kind()},
		names: map[string]string{}, routes: map[string]bool{},
	}
	s.ids = ids{"kind": s.db.Kind, "toolCallId": "call-1", "name": "customers"}
	shop(t, s.db, whole)
	return s
}

// everything makes every request there is, in one order.
func (s *side) everything(t *testing.T) {
	t.Helper()
	c := s.Client()
	login := s.db.User(t, "SELECT", "INSERT", "UPDATE")
	if _, err := c.Connect(t.Context(), s.db.Kind, Credentials(s.db, login)); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), "PATCH", "/integrations/"+s.db.Kind+"/scoping", json.RawMessage(blocked), nil); err != nil {
		t.Fatal(err)
	}
	discover := "/api/v1/integrations/" + s.db.Kind + "/discover"
	s.try(t, "POST", discover, "", http.Header{"Accept": {"text/event-stream"}})
	s.begin(t)
	s.routesOnce(t, func(op httpapi.Op) bool { return op.Method != http.MethodDelete && !ends(op) })
	if len(s.db.Query(t, "SELECT table_name FROM information_schema.tables WHERE table_name = 'payments'")) > 0 {
		s.db.Exec(t, later...)
	}
	s.try(t, "POST", discover, "", nil)
	s.try(t, "GET", "/api/v1/integrations/"+s.db.Kind+"/schema", "", nil)
	s.routesOnce(t, ends)
	// Skills before their agent, and both before the connection.
	for _, parameter := range []string{"{skillId}", "{agentId}", "{kind}"} {
		s.routesOnce(t, func(op httpapi.Op) bool {
			return op.Method == http.MethodDelete && !s.routes[op.Method+" "+op.Path] && strings.HasSuffix(op.Path, parameter)
		})
	}
	s.routesOnce(t, func(op httpapi.Op) bool { return !s.routes[op.Method+" "+op.Path] })
}

// ends are the routes after which a conversation or a connection is not what
// it was.
func ends(op httpapi.Op) bool {
	return strings.HasSuffix(op.Path, "/end") || strings.HasSuffix(op.Path, "/suspend") || strings.HasSuffix(op.Path, "/rollback")
}

// begin makes an agent with a published skill and a conversation with a call.
func (s *side) begin(t *testing.T) {
	t.Helper()
	c := s.Client()
	agent, err := c.CreateAgent(t.Context(), api.AgentRequest{Name: "Desk", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	s.ids["agentId"] = agent.ID
	var skill api.Skill
	if err := c.Do(t.Context(), "POST", "/agents/"+agent.ID+"/integrations/"+s.db.Kind+"/bindings", json.RawMessage(good), &skill); err != nil {
		t.Fatal(err)
	}
	s.mayWrite(t)
	version, err := c.Publish(t.Context(), agent.ID, "first")
	if err != nil {
		t.Fatal(err)
	}
	conv, err := c.Start(t.Context(), agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}})
	if err != nil {
		t.Fatal(err)
	}
	s.ids["skillId"], s.ids["versionId"], s.ids["id"] = skill.ID, version.ID, conv.ID
	a, err := c.Call(t.Context(), conv.ID, api.ToolCallRequest{ToolCallID: "call-1", Tool: "look_up_a_customer"})
	if err != nil || a.Outcome != api.OutcomeOK {
		t.Fatalf("%+v, %v", a, err)
	}
	s.conversations, s.events = 1, 2
	s.write(t)
}

// settle waits until what conversations leave behind is written.
func (s *side) settle(t *testing.T) {
	t.Helper()
	count := func(path string) int {
		var list []json.RawMessage
		if err := s.Client().Do(t.Context(), "GET", path, nil, &list); err != nil {
			return 0
		}
		return len(list)
	}
	eventually(t, "writing conversations down", func() bool {
		return count("/conversations?limit=200") >= s.conversations && count("/conversations/"+s.ids["id"]+"/events?limit=200") >= s.events
	})
}

// routesOnce makes the requests of the routes that are wanted.
func (s *side) routesOnce(t *testing.T, wanted func(httpapi.Op) bool) {
	t.Helper()
	for _, op := range s.Server.Routes() {
		route := op.Method + " " + op.Path
		if notHere[route] != "" || !wanted(op) {
			continue
		}
		s.routes[route] = true
		path := s.path(op.Path)
		ask := query[route]
		if strings.HasSuffix(op.Path, "/sql/scripts") {
			ask += "&password=of-my-own-making" // else one is made up
		}
		s.try(t, op.Method, path+ask, s.filled(bodies[route]), nil)
		for _, v := range variants[route] {
			name, named := strings.CutPrefix(v, "NAME=")
			switch {
			case named:
				s.try(t, op.Method, strings.Replace(path, "/customers", "/"+name, 1), "", nil)
			case v[0] == '?':
				s.try(t, op.Method, path+v, "", nil)
			default:
				s.try(t, op.Method, path, s.filled(v), nil)
			}
		}
	}
}

// path fills in ids. One that the test did not make never was.
func (s *side) path(path string) string {
	return parameter.ReplaceAllStringFunc(path, func(p string) string {
		if v, ok := s.ids[strings.Trim(p, "{}")]; ok {
			return v
		}
		return "never"
	})
}

// try makes one request and records the answer.
func (s *side) try(t *testing.T, method, path, body string, header http.Header) {
	t.Helper()
	if method == "GET" && strings.HasPrefix(path, "/api/v1/conversations") {
		s.settle(t)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case method == "POST" && strings.HasSuffix(path, "/conversations") && resp.StatusCode == http.StatusCreated:
		s.conversations++
	case strings.HasPrefix(path, "/api/v1/conversations/"+s.ids["id"]+"/") && method == "POST" && resp.StatusCode == http.StatusOK:
		s.events++
	}
	head := resp.Header.Clone()
	head.Del("Content-Length") // counts the digits of times
	answer := fmt.Sprintf("%s %s %s\n%d\n%s\n%s", method, path, body, resp.StatusCode, headers(head), raw)
	s.record = append(s.record, s.plain(answer))
}

var (
	anyID     = regexp.MustCompile(`\b(agt|skl|ver|cnv|org|key|evt|con|act)_[0-9A-Za-z]{22}\b`)
	anyTime   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	anyMs     = regexp.MustCompile(`"(durationMs|latencyMs|dbMs|p50Ms|p95Ms|tsMs|expectedLatencyMs|retryAfterMs)":[0-9.]+`)
	anyDigest = regexp.MustCompile(`"(planDigest|digest|nextCursor|compiledDigest)":"([^"]+)"`)
	anySecret = regexp.MustCompile(`flowyte_sk_[0-9A-Za-z]+|"lastFour":"[^"]*"|"(token|confirmationToken)":"[^"]*"`)
	lastCheck = regexp.MustCompile(`\{"id":"latency"[^}]*\}`)
	verdict   = regexp.MustCompile(`"verdict":"[a-z_]+"`)
)

// plain takes out what differs by nature. Ids and the digests of what carries
// the database's identity keep the order in which they appeared.
func (s *side) plain(text string) string {
	text = requestID.ReplaceAllString(text, "REQUEST")
	text = anyID.ReplaceAllStringFunc(text, func(v string) string { return v[:4] + s.named(v) })
	text = anyDigest.ReplaceAllStringFunc(text, func(v string) string {
		part := anyDigest.FindStringSubmatch(v)
		return part[1] + " " + s.named(part[2])
	})
	text = anyTime.ReplaceAllString(text, "TIME")
	text = anySecret.ReplaceAllString(text, "SECRET")
	text = anyMs.ReplaceAllString(text, "$1 MS")
	text = lastCheck.ReplaceAllString(text, "LATENCY")
	return verdict.ReplaceAllString(text, "VERDICT")
}

func (s *side) named(v string) string {
	if s.names[v] == "" {
		s.names[v] = fmt.Sprint(len(s.names))
	}
	return s.names[v]
}
