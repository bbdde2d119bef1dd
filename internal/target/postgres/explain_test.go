package postgres_test

import (
	"slices"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"

	"github.com/google/go-cmp/cmp"
)

const shapes = `
CREATE TABLE orders (id integer PRIMARY KEY, customer_id bigint, state text);
CREATE TABLE odd (id integer PRIMARY KEY, "a$1" text, b text);
CREATE INDEX orders_state ON orders (state) WHERE id > 5;
CREATE INDEX odd_dollar ON odd ("a$1");
CREATE TABLE visits (id integer, day date NOT NULL, room integer) PARTITION BY RANGE (day);
CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE visits_2 PARTITION OF visits FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
CREATE INDEX visits_id ON visits (id);
CREATE INDEX visits_1_room ON visits_1 (room);
CREATE VIEW open_orders AS SELECT o.id, o.customer_id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer_id;
CREATE MATERIALIZED VIEW totals AS SELECT customer_id, count(*) FROM orders GROUP BY customer_id;
CREATE INDEX totals_customer ON totals (customer_id);
`

func TestExplain(t *testing.T) {
	tests := []struct {
		name, object, statement string
		uses                    bool
		indexes                 []string
	}{
		{"primary key", "orders", `SELECT id FROM public.orders WHERE id = $1 LIMIT 2`, true, []string{"orders_pkey"}},
		{"no index, but an order", "orders", `SELECT id FROM public.orders WHERE customer_id = $1 ORDER BY id LIMIT 2`, false, nil},
		{"partial index", "orders", `SELECT id FROM public.orders WHERE state = $1 ORDER BY id LIMIT 2`, false, nil},
		{"a column like a parameter", "odd", `SELECT id FROM public.odd WHERE "a$1" = '$1' AND b = $1 LIMIT 2`, false, nil},
		{"join by key, no filter index", "appointments", `SELECT a.id, c.name FROM public.appointments a LEFT JOIN public.customers c ON c.id = a.customer_id WHERE a.paid = $1 ORDER BY a.id LIMIT 2`, false, nil},
		{"several forms", "customers", `SELECT id FROM public.customers WHERE phone = ANY($1) ORDER BY id LIMIT 2`, true, []string{"customers_phone"}},
		{"every partition has it", "visits", `SELECT id FROM public.visits WHERE id = $1 LIMIT 2`, true, []string{"visits_1_id_idx", "visits_2_id_idx"}},
		{"one partition lacks it", "visits", `SELECT id FROM public.visits WHERE room = $1 LIMIT 2`, false, []string{"visits_1_room"}},
		{"view with a join", "open_orders", `SELECT id, name FROM public.open_orders WHERE id = $1 LIMIT 2`, true, []string{"orders_pkey"}},
		{"materialised view", "totals", `SELECT customer_id FROM public.totals WHERE customer_id = $1 LIMIT 2`, true, []string{"totals_customer"}},
	}
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		db.Exec(t, shapes, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+creds.User)
		s := open(t, creds, target.ForCatalog)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				p := read(test.statement, 1, 1, 1)
				if test.name == "join by key, no filter index" || test.object == "open_orders" {
					p = read(test.statement, 1, 2, 1)
				}
				p.Object = schema.ColumnRef{Schema: "public", Object: test.object}
				for range 2 { // nothing is left behind that the second time would meet
					got, err := s.Explain(t.Context(), p)
					must(t, err)
					slices.Sort(got.Indexes)
					if diff := cmp.Diff(test.indexes, got.Indexes); diff != "" || got.UsesIndex != test.uses || len(got.Nodes) == 0 {
						t.Errorf("uses %v, nodes %q, indexes %s", got.UsesIndex, got.Nodes, diff)
					}
				}
			})
		}
		if s.Broken() {
			t.Error("the session is broken")
		}
		if left := db.Query(t, `SELECT name FROM pg_prepared_statements`); len(left) > 0 && creds.Port != uint16(db.Server.Port) {
			t.Errorf("left behind the pooler: %v", left)
		}
	})
}

func TestExplainWrites(t *testing.T) {
	db := dbtest.Postgres(t)
	db.Exec(t, clinic)
	login := db.User(t, "SELECT", "INSERT", "UPDATE")
	for _, way := range []struct {
		name  string
		creds *target.Credentials
	}{{"direct", credentials(t, db, login)}, {"pooled", pooled(t, db, login)}} {
		t.Run(way.name, func(t *testing.T) {
			s := open(t, way.creds, target.ForWrites)
			update := read(`UPDATE public.customers SET name = $1 WHERE id = $2 RETURNING id, pg_catalog.pg_current_xact_id()::text`, 2, 1, 1)
			update.Action, update.Object = plan.Update, schema.ColumnRef{Schema: "public", Object: "customers"}
			got, err := s.Explain(t.Context(), update)
			must(t, err)
			if !got.UsesIndex || got.Indexes[0] != "customers_pkey" {
				t.Errorf("update: %+v", got)
			}
			insert := read(`INSERT INTO public.customers (id, name) VALUES ($1, $2) RETURNING id, pg_catalog.pg_current_xact_id()::text`, 2, 1, 1)
			insert.Action, insert.Object = plan.Insert, update.Object
			got, err = s.Explain(t.Context(), insert)
			must(t, err)
			if got.UsesIndex || s.Broken() {
				t.Errorf("insert: %+v, broken %v", got, s.Broken())
			}
		})
	}
}

func TestExplainTellsDrift(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForReads)
		typed := read(`SELECT id FROM public.customers WHERE id = $1`, 1, 1, 1)
		typed.Results[0].Type.TypeOID = 23 // the column is a bigint, 20
		for name, p := range map[string]*plan.Plan{
			"column gone":        read(`SELECT nothing FROM public.customers WHERE id = $1`, 1, 1, 1),
			"table gone":         read(`SELECT id FROM public.nothing WHERE id = $1`, 1, 1, 1),
			"another type":       typed,
			"another parameter":  read(`SELECT id FROM public.customers WHERE id = $1`, 2, 1, 1),
			"more columns":       read(`SELECT id, name FROM public.customers WHERE id = $1`, 1, 1, 1),
			"no such comparison": read(`SELECT id FROM public.customers WHERE id = $1::text`, 1, 1, 1),
		} {
			if _, err := s.Explain(t.Context(), p); !fault.Is(err, fault.SchemaDrift) || s.Broken() {
				t.Errorf("%s: %v, broken %v", name, err, s.Broken())
			}
		}
		secret := read(`SELECT rolpassword FROM pg_catalog.pg_authid WHERE oid = $1`, 1, 1, 1)
		if _, err := s.Explain(t.Context(), secret); !fault.Is(err, fault.PermissionDenied) || s.Broken() {
			t.Errorf("no right: %v", err)
		}
	})
}
