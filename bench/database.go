package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"flowyte/api"
	"flowyte/internal/privatedb"
)

// The company that is asked about.
const (
	orders    = 500_000
	customers = 100_000
	database  = "bench"
)

// reference is the unique key of an order; n is from 1 to orders.
func reference(n int) string { return fmt.Sprintf("ORD-%07d", n) }

// company is a private database with its rows and a user that may read them.
type company struct {
	server *privatedb.Server
	kind   string
	login  privatedb.Login
	ca     string // file with the authority's certificate
}

const tables = `CREATE TABLE customers (id int PRIMARY KEY, name varchar(80) NOT NULL, city varchar(60) NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, reference varchar(16) NOT NULL UNIQUE, customer_id int NOT NULL, status varchar(20) NOT NULL,
  carrier varchar(40) NOT NULL, parcels int NOT NULL, CONSTRAINT order_customer FOREIGN KEY (customer_id) REFERENCES customers (id));`

// fill says how each kind makes rows, which columns they have is the same.
var fill = map[string]string{
	"postgres": `INSERT INTO customers SELECT n, 'Customer ' || n, 'City ' || n %% 100 FROM generate_series(1, %d) AS n;
INSERT INTO orders SELECT n, 'ORD-' || lpad(n::text, 7, '0'), 1 + (n::bigint * 7919) %% %d, (ARRAY['placed','packed','shipped','delivered'])[1 + n %% 4],
  'Carrier ' || n %% 9, 1 + n %% 5 FROM generate_series(1, %d) AS n;
ANALYZE; CREATE ROLE reader LOGIN PASSWORD '%s'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;`,
	"mysql": `INSERT INTO customers SELECT seq, CONCAT('Customer ', seq), CONCAT('City ', seq %% 100) FROM seq_1_to_%d;
INSERT INTO orders SELECT seq, CONCAT('ORD-', LPAD(seq, 7, '0')), 1 + (seq * 7919) %% %d, ELT(1 + seq %% 4, 'placed', 'packed', 'shipped', 'delivered'),
  CONCAT('Carrier ', seq %% 9), 1 + seq %% 5 FROM seq_1_to_%d;
ANALYZE TABLE customers, orders; CREATE USER 'reader'@'%%' IDENTIFIED BY '%s' REQUIRE SSL; GRANT SELECT ON bench.* TO 'reader'@'%%';`,
}

// openCompany starts a server and fills it. Close of the server ends it.
func openCompany(ctx context.Context, kind, dir string) (*company, error) {
	flavor := privatedb.Postgres
	settings := []string{"max_connections=400", "shared_buffers=256MB"}
	if kind == "mysql" {
		flavor = privatedb.MariaDB
		settings = []string{"max_connections=400", "innodb_buffer_pool_size=256M"}
	}
	install, err := privatedb.Find(flavor)
	if err != nil {
		return nil, err
	}
	server, err := privatedb.Start(ctx, install, privatedb.Options{NoSync: true, Settings: settings})
	if err != nil {
		return nil, err
	}
	c := &company{server: server, kind: kind, login: privatedb.Login{User: "reader", Password: rand.Text()}, ca: filepath.Join(dir, kind+"-ca.pem")}
	if err := c.load(ctx); err != nil {
		server.Close()
		return nil, err
	}
	return c, nil
}

func (c *company) load(ctx context.Context) error {
	if err := os.WriteFile(c.ca, []byte(c.server.CAPEM), 0o600); err != nil {
		return err
	}
	if err := c.server.Exec(ctx, "", "CREATE DATABASE "+database); err != nil {
		return err
	}
	if err := c.server.Exec(ctx, database, tables); err != nil {
		return err
	}
	return c.server.Exec(ctx, database, fmt.Sprintf(fill[c.kind], customers, customers, orders, c.login.Password))
}

// version is what the server calls itself.
func (c *company) version() string { return c.server.Install.Version }

// credentials are those of the reader, by way of port.
func (c *company) credentials(port int) api.Credentials {
	return api.Credentials{
		Host: c.server.Host, Port: api.Port(strconv.Itoa(port)), Database: database, User: c.login.User, Password: c.login.Password,
		SSLMode: "verify-full", CAPEM: c.server.CAPEM,
	}
}

// dsn is the same in the words of the floor's driver.
func (c *company) dsn() string {
	if c.kind == "mysql" {
		return fmt.Sprintf("%s:%s@tcp(localhost:%d)/%s?tls=bench", c.login.User, c.login.Password, c.server.Port, database)
	}
	return fmt.Sprintf("host=localhost port=%d dbname=%s user=%s password=%s sslmode=verify-full sslrootcert=%s",
		c.server.Port, database, c.login.User, c.login.Password, c.ca)
}
