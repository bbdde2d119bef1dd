package postgres

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/target"

	"github.com/jackc/pgx/v5/pgconn"
)

// The planner is asked twice, for any value and with sequential scans
// discouraged, so that the answer does not depend on how many rows a table has
// today. The second time plain index scans are discouraged as well: on a small
// table the server may prefer to walk the primary key in the statement's order,
// and only a bitmap scan has nothing but the filter to choose its index by.
// Partitions are not pruned, since no value is given and none would be left.
var (
	discourageSeqScans   = command{text: "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true), pg_catalog.set_config('enable_seqscan', 'off', true), pg_catalog.set_config('enable_partition_pruning', 'off', true)"}
	discourageIndexScans = command{text: "SELECT pg_catalog.set_config('enable_indexscan', 'off', true), pg_catalog.set_config('enable_indexonlyscan', 'off', true)"}
	// Without it the statement keeps the plan of the first time.
	discardPlans = command{text: "DISCARD PLANS"}
)

// Explain implements target.Session. The statement is prepared, which proves
// that the server accepts it and that its columns are the plan's, and then
// explained under its name.
func (s *Session) Explain(ctx context.Context, p *plan.Plan) (*target.Explanation, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	commands, err := s.explanation(ctx, p)
	if err != nil {
		return nil, err
	}
	var found *target.Explanation
	err = s.batch(ctx, commands, func(i int, rr *pgconn.ResultReader) error {
		if !strings.HasPrefix(commands[i].text, explainPrefix) || found != nil && found.UsesIndex {
			return nil
		}
		var text []byte
		for rr.NextRow() {
			text = append(text, bytes.Join(rr.Values(), nil)...)
		}
		next, err := readExplanation(text, p)
		if err == nil && (found == nil || next.UsesIndex) {
			found = next
		}
		return err
	})
	return found, err
}

// explanation prepares the statement and lists the commands that explain it.
func (s *Session) explanation(ctx context.Context, p *plan.Plan) ([]command, error) {
	commands := append(s.opening(), discourageSeqScans)
	if !s.pooled {
		st, known := s.statements[p.Statement]
		if !known {
			var err error
			if st, err = s.prepare(ctx, p); err != nil {
				return nil, err
			}
		}
		return append(append(commands, explainTwice(st.description.Name, p)...), rollback), nil
	}
	description, err := s.conn.Prepare(ctx, "", p.Statement, nil)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	if _, err := newStatement(p, len(description.ParamOIDs), description.Fields); err != nil {
		return nil, err
	}
	// Poolers rename what is prepared by the protocol, so that EXECUTE would not
	// find it. The name is random because a failure leaves it behind.
	name := "flowyte_" + strings.ToLower(rand.Text())
	commands = append(commands, command{text: "PREPARE " + name + " AS " + p.Statement})
	commands = append(commands, explainTwice(name, p)...)
	return append(commands, command{text: "DEALLOCATE " + name}, rollback), nil
}

const explainPrefix = "EXPLAIN (FORMAT JSON, VERBOSE, COSTS OFF) EXECUTE "

func explainTwice(name string, p *plan.Plan) []command {
	text := explainPrefix + name
	if n := len(p.Slots); n > 0 {
		text += "(" + strings.Repeat("NULL, ", n-1) + "NULL)"
	}
	return []command{{text: text}, discourageIndexScans, discardPlans, {text: text}}
}

// node is what is read of one node of the server's plan.
type node struct {
	Type     string `json:"Node Type"`
	Schema   string `json:"Schema"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Cond     string `json:"Index Cond"`
	Filter   string `json:"Filter"`
	Plans    []node `json:"Plans"`
}

func readExplanation(text []byte, p *plan.Plan) (*target.Explanation, error) {
	var plans []struct{ Plan node }
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) == 0 {
		return nil, fault.Wrap(fault.ProtocolError, errCell)
	}
	r := reading{object: p.Object.Schema + "." + p.Object.Object}
	// A rewrite rule may add statements of its own, each with its plan.
	for i := range plans {
		r.walk(plans[i].Plan, "")
	}
	indexes := r.elsewhere
	if r.found {
		indexes = r.indexes
	}
	return &target.Explanation{
		// A scan that applies the parameter row by row means that some part,
		// such as one partition, has no index to offer.
		UsesIndex: len(indexes) > 0 && !r.scans,
		Indexes:   indexes,
		Nodes:     r.nodes,
	}, nil
}

// reading collects what a plan says about the object of the statement. The
// object itself is not in the plan of a view or a partitioned table; then what
// they consist of stands for it.
type reading struct {
	object    string
	found     bool     // the object is in the plan
	scans     bool     // a parameter is compared with every row of something
	indexes   []string // of the object, searched by a parameter
	elsewhere []string // of other relations, searched by a parameter
	nodes     []string
}

// parameter finds a placeholder in the text of a condition. Identifiers with a
// dollar sign are written in quotation marks, and are taken out first.
var (
	parameter = regexp.MustCompile(`\$[1-9]`)
	quoted    = regexp.MustCompile(`"(?:[^"]|"")*"|'(?:[^']|'')*'`)
)

func byParameter(condition string) bool {
	return parameter.MatchString(quoted.ReplaceAllString(condition, ""))
}

// walk visits a node and what is below it. relation is that of the enclosing
// scan: the index scans below a bitmap heap scan do not name theirs.
func (r *reading) walk(n node, relation string) {
	r.nodes = append(r.nodes, clean(n.Type, 64))
	if n.Relation != "" {
		relation = n.Schema + "." + n.Relation
		r.found = r.found || relation == r.object && n.Type != "ModifyTable"
	}
	if n.Index != "" && byParameter(n.Cond) {
		name := clean(n.Index, 256)
		if relation == r.object {
			r.indexes = appendNew(r.indexes, name)
		} else {
			r.elsewhere = appendNew(r.elsewhere, name)
		}
	}
	if n.Type == "Seq Scan" && byParameter(n.Filter) {
		r.scans = true
	}
	for _, below := range n.Plans {
		r.walk(below, relation)
	}
}

func appendNew(list []string, name string) []string {
	if slices.Contains(list, name) {
		return list
	}
	return append(list, name)
}
