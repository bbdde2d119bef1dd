package compile_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver"
	pgquery "github.com/wasilibs/go-pgquery"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// reading is what an independent parser finds in a statement.
type reading struct {
	action    plan.Action
	relations []string // "schema.name"
	columns   []string // bare, each once, sorted
	params    int
	constants []string // literals of any kind
	operators []string
	functions []string
}

// readBack parses a statement with a parser that has nothing to do with the
// compiler. More than one statement is an error.
func readBack(p *plan.Plan) (reading, error) {
	var r reading
	var err error
	if p.Kind == schema.Postgres {
		err = r.postgres(p.Statement)
	} else {
		err = r.mysql(p.Statement)
	}
	slices.Sort(r.columns)
	r.columns = slices.Compact(r.columns)
	slices.Sort(r.relations)
	r.relations = slices.Compact(r.relations)
	return r, err
}

func (r *reading) postgres(text string) error {
	tree, err := pgquery.ParseToJSON(text)
	if err != nil {
		return err
	}
	var parsed struct {
		Stmts []struct {
			Stmt map[string]any `json:"stmt"`
		} `json:"stmts"`
	}
	if err := json.Unmarshal([]byte(tree), &parsed); err != nil {
		return err
	}
	if len(parsed.Stmts) != 1 {
		return fmt.Errorf("%d statements", len(parsed.Stmts))
	}
	for kind, body := range parsed.Stmts[0].Stmt {
		r.action = map[string]plan.Action{"SelectStmt": plan.Read, "InsertStmt": plan.Insert, "UpdateStmt": plan.Update}[kind]
		if insert, ok := body.(map[string]any); ok && insert["onConflictClause"] != nil {
			return errUpsert
		}
		r.postgresNode(kind, body)
	}
	return nil
}

// errUpsert is a statement that inserts or updates, as the data would have it:
// what was reviewed is one of the two.
var errUpsert = errors.New("it is an upsert")

// postgresNode walks the tree as JSON. Node names are keys.
func (r *reading) postgresNode(kind string, body any) {
	switch v := body.(type) {
	case []any:
		for _, e := range v {
			r.postgresNode(kind, e)
		}
	case map[string]any:
		switch kind {
		case "RangeVar", "relation":
			r.relations = append(r.relations, fmt.Sprint(v["schemaname"])+"."+fmt.Sprint(v["relname"]))
		case "ColumnRef":
			names := texts(v["fields"])
			r.columns = append(r.columns, names[len(names)-1])
			return
		case "ResTarget":
			if name, ok := v["name"].(string); ok {
				r.columns = append(r.columns, name)
			}
		case "ParamRef":
			r.params++
		case "A_Const":
			b, _ := json.Marshal(v)
			r.constants = append(r.constants, string(b))
		case "A_Expr":
			r.operators = append(r.operators, strings.Join(texts(v["name"]), "."))
		case "FuncCall":
			r.functions = append(r.functions, strings.Join(texts(v["funcname"]), "."))
		}
		for key, child := range v {
			r.postgresNode(key, child)
		}
	}
}

// texts are the strings of a list of String nodes.
func texts(list any) []string {
	var out []string
	nodes, _ := list.([]any)
	for _, n := range nodes {
		if s, ok := n.(map[string]any)["String"].(map[string]any); ok {
			text, _ := s["sval"].(string)
			out = append(out, text)
		}
	}
	return out
}

func (r *reading) mysql(text string) error {
	stmts, _, err := parser.New().ParseSQL(text)
	if err != nil {
		return err
	}
	if len(stmts) != 1 {
		return fmt.Errorf("%d statements", len(stmts))
	}
	switch s := stmts[0].(type) {
	case *ast.SelectStmt:
		r.action = plan.Read
	case *ast.InsertStmt:
		if s.IsReplace || s.IgnoreErr || len(s.OnDuplicate) > 0 {
			return errUpsert
		}
		r.action = plan.Insert
	case *ast.UpdateStmt:
		r.action = plan.Update
	}
	stmts[0].Accept(r)
	return nil
}

// Enter implements ast.Visitor.
func (r *reading) Enter(n ast.Node) (ast.Node, bool) {
	switch n := n.(type) {
	case *ast.TableName:
		r.relations = append(r.relations, n.Schema.O+"."+n.Name.O)
	case *ast.ColumnName:
		r.columns = append(r.columns, n.Name.O)
	case ast.ParamMarkerExpr:
		r.params++
	case ast.ValueExpr:
		r.constants = append(r.constants, fmt.Sprint(n.GetValue()))
	case *ast.FuncCallExpr:
		// The character set of CONVERT … USING is a name, not a value.
		r.functions = append(r.functions, n.FnName.O)
		if n.FnName.L == "convert" {
			n.Args[0].Accept(r)
			return n, true
		}
	}
	return n, false
}

// Leave implements ast.Visitor.
func (r *reading) Leave(n ast.Node) (ast.Node, bool) { return n, true }

// judge compares what a parser found with what the plan says of itself.
func (r reading) judge(p *plan.Plan) error {
	var relations, columns []string
	for _, u := range p.Uses {
		relations = append(relations, u.Schema+"."+u.Object)
		columns = append(columns, u.Columns...)
	}
	slices.Sort(relations)
	slices.Sort(columns)
	columns = slices.Compact(columns)
	if p.Kind == schema.MySQL && p.Action == plan.Insert {
		// The primary key is answered by the server and not named.
		columns = slices.DeleteFunc(columns, func(c string) bool {
			return !slices.Contains(r.columns, c) && slices.ContainsFunc(p.Results, func(l plan.Result) bool { return l.From.Column == c })
		})
	}
	constants := 0
	if p.Action == plan.Read {
		constants = 1 // LIMIT
	}
	switch {
	case r.action != p.Action:
		return fmt.Errorf("it is a %q", r.action)
	case !slices.Equal(r.relations, relations):
		return fmt.Errorf("it names the relations %q instead of %q", r.relations, relations)
	case !slices.Equal(r.columns, columns):
		return fmt.Errorf("it names the columns %q instead of %q", r.columns, columns)
	case r.params != len(p.Slots):
		return fmt.Errorf("it has %d parameters for %d slots", r.params, len(p.Slots))
	case len(r.constants)-strings.Count(p.Statement, " + 0") != constants:
		return fmt.Errorf("it holds the constants %q", r.constants)
	case p.Action == plan.Read && !slices.ContainsFunc(r.constants, func(c string) bool { return strings.Contains(c, strconv.Itoa(p.MaxRows+1)) }):
		return fmt.Errorf("its limit is not among %q", r.constants)
	}
	return cmp.Or(r.judgeOperators(p), r.judgeFunctions())
}

func (r reading) judgeOperators(p *plan.Plan) error {
	for _, o := range r.operators {
		if o != "pg_catalog.=" && !strings.HasSuffix(o, ".=") {
			return fmt.Errorf("the operator %q of %s could be anybody's", o, p.Kind)
		}
	}
	return nil
}

func (r reading) judgeFunctions() error {
	known := []string{"pg_catalog.pg_current_xact_id", "pg_catalog.lower", "COALESCE", "CONVERT", "LOWER"}
	for _, f := range r.functions {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, f) }) {
			return fmt.Errorf("it calls %s", f)
		}
	}
	return nil
}

// judge reads a plan's statement back, and that of its check, which is a read
// of one row.
func judge(p *plan.Plan) error {
	r, err := readBack(p)
	if err != nil {
		return err
	}
	if err := r.judge(p); err != nil || p.Check == nil {
		return err
	}
	check := *p
	check.Action, check.Statement, check.MaxRows, check.Check = plan.Read, p.Check.Statement, 1, nil
	check.Slots = make([]plan.Slot, len(p.Check.Slots))
	return judge(&check)
}

// TestParseBack reads every statement of the corpus back.
func TestParseBack(t *testing.T) {
	statements := 0
	for _, c := range loadCorpus(t) {
		for _, kind := range c.kinds {
			p, _ := c.run(c.world.database(t, kind))
			if p == nil {
				continue
			}
			statements++
			if err := judge(p); err != nil {
				t.Errorf("%s on %s: %v\n%s", c.name, kind, err, p.Statement)
			}
		}
	}
	if statements < 100 {
		t.Errorf("only %d statements in the corpus", statements)
	}
}

// TestUpsertsAreRecognised: the reader of statements knows an upsert of either
// kind, and what the compiler makes is none.
func TestUpsertsAreRecognised(t *testing.T) {
	for kind, texts := range map[schema.Kind][]string{
		schema.Postgres: {`INSERT INTO "a"."b" ("c") VALUES ($1) ON CONFLICT DO NOTHING`, `INSERT INTO "a"."b" ("c") VALUES ($1) ON CONFLICT ("c") DO UPDATE SET "c" = $1`},
		schema.MySQL:    {"INSERT INTO `a`.`b` (`c`) VALUES (?) ON DUPLICATE KEY UPDATE `c` = ?", "REPLACE INTO `a`.`b` (`c`) VALUES (?)", "INSERT IGNORE INTO `a`.`b` (`c`) VALUES (?)"},
	} {
		for _, text := range texts {
			if _, err := readBack(&plan.Plan{Kind: kind, Statement: text}); !errors.Is(err, errUpsert) {
				t.Errorf("%v: %s", err, text)
			}
		}
	}
	inserts := 0
	for _, c := range loadCorpus(t) {
		for _, kind := range c.kinds {
			if p, _ := c.run(c.world.database(t, kind)); p != nil && p.Action == plan.Insert {
				inserts++
				if _, err := readBack(p); err != nil {
					t.Errorf("%s on %s: %v", c.name, kind, err)
				}
			}
		}
	}
	if inserts < 10 {
		t.Errorf("only %d inserts in the corpus", inserts)
	}
}
