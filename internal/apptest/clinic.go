package apptest

import (
	"testing"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/privatedb"
)

// Canaries are values that must not be found where they do not belong.
const (
	CanaryRow = "canary-row-7f3a91"
	// CanaryPhone is the number of the clinic's one customer of note.
	CanaryPhone = "+12065550177"
)

// Clinic is a small practice: customers with secrets, appointments with an
// indexed phone, payments, a view over payments. The DDL serves both kinds.
var clinic = []string{
	`CREATE TABLE customers (id int PRIMARY KEY, name varchar(80) NOT NULL, email varchar(120), ssn char(11), card_last4 char(4))`,
	`CREATE TABLE appointments (id int PRIMARY KEY, customer_id int NOT NULL, phone varchar(32) NOT NULL, starts_at timestamp NOT NULL,
		status varchar(20) NOT NULL, notes varchar(400), CONSTRAINT appointment_customer FOREIGN KEY (customer_id) REFERENCES customers (id))`,
	`CREATE INDEX appointments_phone ON appointments (phone)`,
	`CREATE TABLE payments (id int PRIMARY KEY, customer_id int NOT NULL, amount decimal(8,2) NOT NULL)`,
	`CREATE VIEW payment_totals AS SELECT customer_id, sum(amount) AS total FROM payments GROUP BY customer_id`,
	`INSERT INTO customers VALUES (1, 'Anna ` + CanaryRow + `', 'anna@example.com', '900-11-2222', '4242'), (2, 'Ben Dahl', NULL, NULL, NULL)`,
	`INSERT INTO appointments VALUES
		(1, 1, '(206) 555-0177', '2027-05-01 15:00:00', 'confirmed', '` + CanaryRow + `'),
		(2, 1, '2065550177', '2027-06-01 09:30:00', 'scheduled', NULL),
		(3, 2, '+12065550199', '2027-07-01 10:00:00', 'scheduled', NULL)`,
	`INSERT INTO payments VALUES (1, 1, 12.50)`,
}

// Clinic loads the practice and makes a reader of all of its tables.
func Clinic(t testing.TB, db *dbtest.Database) privatedb.Login {
	t.Helper()
	db.Exec(t, clinic...)
	return db.User(t, "SELECT")
}

// Lookup is the seed's binding.
func Lookup() api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Look up an appointment", Operation: "appointments.read",
		Inputs: []api.BindingInput{{Param: "caller_phone", Arg: "phone", Required: new(true)}},
		Projection: []api.ProjectionEntry{
			{Path: []string{"appointment", "starts_at"}, Leaf: "appointment_time"},
			{Path: []string{"appointment", "status"}, Leaf: "appointment_status"},
			{Path: []string{"customer", "name"}, Leaf: "customer_name"},
		},
		Enabled: true,
	}
}

// Practice is a clinic that is connected, discovered, bound and published.
type Practice struct {
	*App
	DB    *dbtest.Database
	Login privatedb.Login
	Kind  string
	Agent api.Agent
	Skill api.Skill
}

// onTheWay puts somebody between the service and its database, who looks on.
var onTheWay func(t testing.TB, a *App, db *dbtest.Database, creds *api.Credentials)

// Connected connects and discovers the database.
func (a *App) Connected(t testing.TB, db *dbtest.Database, login privatedb.Login) {
	t.Helper()
	c := a.Client()
	kind := string(db.Kind)
	creds := Credentials(db, login)
	switch {
	case a.connect != nil:
		a.connect(&creds)
	case onTheWay != nil:
		onTheWay(t, a, db, &creds)
	}
	if _, err := c.Connect(t.Context(), kind, creds); err != nil {
		t.Fatalf("connect: %v", err)
	}
	if _, err := c.Discover(t.Context(), kind); err != nil {
		t.Fatalf("discover: %v", err)
	}
}

// Published is a whole practice with the look-up live.
func Published(t testing.TB, db *dbtest.Database, options ...Options) *Practice {
	t.Helper()
	p := &Practice{App: New(t, options...), DB: db, Login: Clinic(t, db), Kind: string(db.Kind)}
	p.Connected(t, db, p.Login)
	c := p.Client()
	var err error
	if p.Agent, err = c.CreateAgent(t.Context(), api.AgentRequest{Name: "Front desk", Country: "US"}); err != nil {
		t.Fatalf("create agent: %v", err)
	}
	if p.Skill, err = c.Bind(t.Context(), p.Agent.ID, p.Kind, Lookup()); err != nil {
		t.Fatalf("bind: %v", err)
	}
	if _, err = c.Publish(t.Context(), p.Agent.ID, ""); err != nil {
		t.Fatalf("publish: %v", err)
	}
	return p
}

// Ring starts a conversation of the clinic's customer.
func (p *Practice) Ring(t testing.TB) api.Conversation {
	t.Helper()
	conv, err := p.Client().Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}})
	if err != nil {
		t.Fatalf("start a conversation: %v", err)
	}
	return conv
}

// Ask calls the look-up with the caller's own number.
func Ask(t testing.TB, c *client.Client, conversation, call string) api.ToolCallAnswer {
	t.Helper()
	a, err := c.Call(t.Context(), conversation, api.ToolCallRequest{ToolCallID: call, Tool: "look_up_an_appointment"})
	if err != nil {
		t.Fatalf("call: %v", err)
	}
	return a
}
