// Command floor is what a live call is measured against: a handler that looks
// the same row up with no key, no checks, no limits and no receipt. It is what
// somebody would write in an afternoon for one question, and nothing that asks
// a database over HTTP can be much faster.
//
// It prints its address and serves until it is ended.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const statement = "SELECT o.status, o.carrier, o.parcels, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer_id WHERE o.reference = "

// lookup finds the order with a reference.
type lookup func(ctx context.Context, reference string, o *order) error

type order struct {
	Status   string `json:"order_status"`
	Carrier  string `json:"order_carrier"`
	Parcels  int    `json:"order_parcels"`
	Customer string `json:"customer_name"`
}

type question struct {
	ToolCallID string `json:"toolCallId"`
	Tool       string `json:"tool"`
	Arguments  struct {
		Reference string `json:"reference"`
	} `json:"arguments"`
}

// answer has the fields of the product's answer, in its order.
type answer struct {
	Success bool `json:"success"`
	Data    struct {
		ToolCallID string  `json:"toolCallId"`
		Tool       string  `json:"tool"`
		Outcome    string  `json:"outcome"`
		Reason     *string `json:"reason"`
		Result     struct {
			Rows      []order `json:"rows"`
			RowCount  int     `json:"rowCount"`
			Truncated bool    `json:"truncated"`
		} `json:"result"`
		Say          *string `json:"say"`
		LatencyMs    float64 `json:"latencyMs"`
		DBMs         float64 `json:"dbMs"`
		Replayed     bool    `json:"replayed"`
		RetryAfterMs *int64  `json:"retryAfterMs"`
		Confirmation *string `json:"confirmation"`
	} `json:"data"`
}

func (find lookup) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	var q question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	var a answer
	a.Data.Result.Rows = make([]order, 1)
	asked := time.Now()
	if err := find(r.Context(), q.Arguments.Reference, &a.Data.Result.Rows[0]); err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	a.Success, a.Data.ToolCallID, a.Data.Tool, a.Data.Outcome, a.Data.Result.RowCount = true, q.ToolCallID, q.Tool, "ok", 1
	a.Data.DBMs = float64(time.Since(asked).Microseconds()) / 1000
	a.Data.LatencyMs = float64(time.Since(began).Microseconds()) / 1000
	body, err := json.Marshal(&a)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that has gone is no news
}

func main() {
	kind := flag.String("kind", "postgres", "postgres or mysql")
	dsn := flag.String("dsn", "", "where the database is, in its driver's words")
	ca := flag.String("ca", "", "the PEM file of its authority (mysql)")
	sessions := flag.Int("sessions", 5, "how many sessions to open at most")
	flag.Parse()
	if err := run(*kind, *dsn, *ca, *sessions); err != nil {
		log.Fatal(err)
	}
}

func run(kind, dsn, ca string, sessions int) error {
	open := openPostgres
	if kind == "mysql" {
		open = openMySQL
	}
	find, err := open(dsn, ca, sessions)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, l.Addr())
	server := &http.Server{Handler: find, ReadHeaderTimeout: 5 * time.Second}
	return server.Serve(l)
}
