// Package demo is the project's own demo company, Harbour Dental, and the walk
// through the product that `flowyte demo` takes with it.
package demo

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"flowyte/internal/schema"
)

//go:embed postgres.sql
var postgresDDL string

//go:embed mysql.sql
var mysqlDDL string

// Sizes of the demo company.
const (
	Customers    = 12_000
	Appointments = 50_000
	Payments     = 8_000
	Requests     = 400
)

// caller is the customer who rings.
const caller = 41

// Executor runs SQL as the database's administrator. A statement list
// separated by semicolons is one call.
type Executor interface {
	Exec(ctx context.Context, database, sql string) error
}

// Caller is somebody who is in the books: what the demo's caller says, and what
// the database should answer.
type Caller struct {
	Phone string // E.164, as a telephone network delivers it
	Name  string
}

// Load makes the tables and fills them, the same rows every time. It returns a
// caller who has appointments ahead.
func Load(ctx context.Context, db Executor, kind schema.Kind, database string) (Caller, error) {
	ddl := postgresDDL
	if kind == schema.MySQL {
		ddl = mysqlDDL
	}
	if err := db.Exec(ctx, database, ddl); err != nil {
		return Caller{}, fmt.Errorf("create the demo tables: %w", err)
	}
	c := newCompany()
	for _, t := range c.tables() {
		for _, stmt := range t.inserts(500) {
			if err := db.Exec(ctx, database, stmt); err != nil {
				return Caller{}, fmt.Errorf("fill %s: %w", t.name, err)
			}
		}
	}
	after := `ANALYZE`
	if kind == schema.MySQL {
		after = `ANALYZE TABLE customers, appointments, payments, requests`
	}
	if err := db.Exec(ctx, database, after); err != nil {
		return Caller{}, fmt.Errorf("analyse the demo tables: %w", err)
	}
	return Caller{Phone: "+1" + c.customers[caller].digits, Name: c.customers[caller].name}, nil
}

type customer struct {
	name, email, digits string
}

type company struct {
	rnd       *rand.Rand
	customers []customer
}

func newCompany() *company {
	c := &company{rnd: rand.New(rand.NewPCG(1887, 42))}
	for i := range Customers {
		first, last := pick(c.rnd, firstNames), pick(c.rnd, lastNames)
		c.customers = append(c.customers, customer{
			name:   first + " " + last,
			email:  fmt.Sprintf("%s.%s%d@example.com", strings.ToLower(first), strings.ToLower(last), i),
			digits: fmt.Sprintf("%s%d%04d", pick(c.rnd, areaCodes), 220+i%700, (i*7919)%10000),
		})
	}
	return c
}

// messy writes a number in one of the forms in which people store it.
func (c *company) messy(digits string) string {
	switch c.rnd.IntN(4) {
	case 0:
		return "+1" + digits
	case 1:
		return digits
	case 2:
		return "1" + digits
	}
	return fmt.Sprintf("(%s) %s-%s", digits[:3], digits[3:6], digits[6:])
}

type table struct {
	name    string
	columns []string
	rows    []string
}

func (t *table) add(values ...any) {
	cells := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case string:
			cells[i] = "'" + strings.ReplaceAll(v, "'", "''") + "'"
		case nil:
			cells[i] = "NULL"
		default:
			cells[i] = fmt.Sprint(v)
		}
	}
	t.rows = append(t.rows, "("+strings.Join(cells, ",")+")")
}

// inserts batches the rows into statements.
func (t *table) inserts(batch int) []string {
	head := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ",") + ") VALUES "
	var out []string
	for i := 0; i < len(t.rows); i += batch {
		out = append(out, head+strings.Join(t.rows[i:min(i+batch, len(t.rows))], ","))
	}
	return out
}

func (c *company) tables() []*table {
	customers := &table{name: "customers", columns: []string{"name", "email", "phone", "ssn", "card_last4", "birth_date", "city"}}
	for _, p := range c.customers {
		customers.add(p.name, p.email, c.messy(p.digits),
			fmt.Sprintf("%03d-%02d-%04d", 900+c.rnd.IntN(99), 1+c.rnd.IntN(98), 1+c.rnd.IntN(9998)),
			fmt.Sprintf("%04d", c.rnd.IntN(10000)),
			fmt.Sprintf("%d-%02d-%02d", 1940+c.rnd.IntN(70), 1+c.rnd.IntN(12), 1+c.rnd.IntN(28)),
			pick(c.rnd, cities))
	}
	providers := &table{name: "providers", columns: []string{"name", "specialty"}}
	for i, s := range specialties {
		providers.add("Dr. "+firstNames[i*3]+" "+lastNames[i*2], s)
	}
	services := &table{name: "services", columns: []string{"name", "minutes", "price"}}
	for i, s := range treatments {
		services.add(s, 15*(1+i%4), fmt.Sprintf("%d.50", 40+35*i))
	}
	return []*table{customers, providers, services, c.appointments(), c.payments(), c.requests()}
}

// calendarStart is fixed so that every load gives the same rows.
var calendarStart = time.Date(2025, time.January, 6, 8, 0, 0, 0, time.UTC)

func (c *company) appointments() *table {
	t := &table{name: "appointments", columns: []string{"reference", "customer_id", "provider_id", "service_id", "phone", "starts_at", "status", "notes"}}
	for i := range Appointments {
		who := c.rnd.IntN(Customers)
		switch {
		case i == 17, i == Appointments/2, i == Appointments-200:
			who = caller
		case who == caller: // has just these three, so that an answer shows all
			who++
		}
		at := calendarStart.AddDate(0, 0, i*900/Appointments).Add(time.Duration(c.rnd.IntN(36)) * 15 * time.Minute)
		status := pick(c.rnd, []string{"completed", "completed", "completed", "cancelled", "no_show"})
		if i > Appointments*6/10 {
			status = pick(c.rnd, []string{"scheduled", "confirmed"})
		}
		var notes any
		if c.rnd.IntN(5) == 0 {
			notes = pick(c.rnd, remarks)
		}
		t.add(fmt.Sprintf("HD%06d", i+1), who+1, 1+c.rnd.IntN(len(specialties)), 1+c.rnd.IntN(len(treatments)),
			c.messy(c.customers[who].digits), at.Format("2006-01-02 15:04:05"), status, notes)
	}
	return t
}

func (c *company) payments() *table {
	t := &table{name: "payments", columns: []string{"customer_id", "appointment_id", "amount", "method", "paid_at"}}
	for range Payments {
		t.add(1+c.rnd.IntN(Customers), 1+c.rnd.IntN(Appointments), fmt.Sprintf("%d.%02d", 20+c.rnd.IntN(400), c.rnd.IntN(100)),
			pick(c.rnd, []string{"card", "cash", "transfer"}), calendarStart.AddDate(0, 0, c.rnd.IntN(500)).Format("2006-01-02 15:04:05"))
	}
	return t
}

func (c *company) requests() *table {
	t := &table{name: "requests", columns: []string{"phone", "name", "topic", "preferred_time", "status"}}
	for range Requests {
		p := c.customers[c.rnd.IntN(Customers)]
		t.add(c.messy(p.digits), p.name, pick(c.rnd, topics), pick(c.rnd, []string{"mornings", "after five", "any day but Monday"}), pick(c.rnd, []string{"open", "closed"}))
	}
	return t
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

var (
	areaCodes   = []string{"206", "253", "360", "425", "509"}
	cities      = []string{"Seattle", "Tacoma", "Olympia", "Bellevue", "Spokane", "Everett"}
	specialties = []string{"General dentistry", "Orthodontics", "Endodontics", "Oral surgery", "Periodontics", "Children's dentistry"}
	treatments  = []string{"Check-up", "Cleaning", "Filling", "Crown", "Root canal", "Extraction", "Whitening", "Braces adjustment"}
	remarks     = []string{"Prefers the window chair.", "Call before arrival.", "Running late is usual.", "Bring the X-rays from the other practice.", "Needs a parking spot near the door."}
	topics      = []string{"Wants a second opinion", "Asks for a copy of the invoice", "Would like to reschedule", "Question about aftercare", "Lost the night guard"}
	firstNames  = []string{"Anna", "Ben", "Carla", "David", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kim", "Lena", "Mateo", "Nora", "Oscar", "Priya", "Quentin", "Rosa", "Sven", "Tara", "Umar", "Vera", "Wendy", "Xavier", "Yuki", "Zoe"}
	lastNames   = []string{"Abbott", "Berger", "Castillo", "Dahl", "Eriksen", "Fontaine", "Green", "Haddad", "Ito", "Jensen", "Kaya", "Lindqvist", "Moreau", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Schmidt", "Tanaka", "Usman", "Vega", "Walsh", "Young", "Zhang", "O'Neill"}
)
