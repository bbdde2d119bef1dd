// Package archtest holds the import rules of the house as a test. The table
// below is the documentation; ARCHITECTURE.md shows the same table to readers.
package archtest

import (
	"encoding/json"
	"os/exec"
	"slices"
	"sort"
	"strings"
	"testing"
)

const module = "flowyte/"

// allowed says which of our own packages a package may import. A package that
// is not listed may not exist; an import that is not listed may not be added
// without a reason in this table's order: arrows run downward.
var allowed = map[string][]string{
	"api": {},

	// Leaves.
	"internal/fault":  {},
	"internal/id":     {},
	"internal/secret": {"internal/fault"},
	"internal/schema": {},
	"internal/wire":   {"internal/fault"},

	// The language.
	"internal/binding":                      {"api", "internal/fault", "internal/plan", "internal/schema"},
	"internal/binding/internal/findingsdoc": {"internal/binding"}, // go generate
	"internal/plan":                         {"internal/schema"},
	"internal/dialect":                      {"internal/schema"},

	// The function.
	"internal/compile": {"internal/binding", "internal/dialect", "internal/plan", "internal/schema"},

	// Adapters.
	"internal/egress":          {"internal/fault"},
	"internal/target":          {"api", "internal/egress", "internal/fault", "internal/id", "internal/plan", "internal/schema", "internal/secret"},
	"internal/target/postgres": {"internal/egress", "internal/fault", "internal/plan", "internal/schema", "internal/secret", "internal/target"},
	"internal/target/mysql":    {"internal/dialect", "internal/egress", "internal/fault", "internal/plan", "internal/schema", "internal/secret", "internal/target"},
	"internal/grant":           {"internal/dialect", "internal/fault", "internal/schema", "internal/secret"},
	"internal/discover":        {"internal/dialect", "internal/fault", "internal/plan", "internal/schema"},
	"internal/search":          {"internal/schema"},
	"internal/store":           {"internal/fault", "internal/id", "internal/schema", "internal/secret"},

	// What the product does.
	"internal/auth":  {"internal/fault", "internal/id", "internal/secret"},
	"internal/live":  {"api", "internal/fault", "internal/id", "internal/plan", "internal/schema", "internal/target", "internal/wire"},
	"internal/audit": {"internal/fault", "internal/id", "internal/live"},
	// Counters: it knows the words of the labels and what is counted.
	"internal/metrics":     {"api", "internal/schema", "internal/target"},
	"internal/assist":      {"api", "internal/binding", "internal/compile", "internal/plan", "internal/schema"},
	"internal/assist/chat": {"internal/assist", "internal/egress", "internal/secret"},
	"internal/control": {
		"api", "internal/assist", "internal/auth", "internal/binding", "internal/compile", "internal/discover", "internal/egress", "internal/fault", "internal/grant",
		"internal/id", "internal/live", "internal/plan", "internal/schema", "internal/search", "internal/secret", "internal/store", "internal/target",
	},

	// The transports.
	"internal/httpapi": {
		"api", "internal/auth", "internal/control", "internal/fault", "internal/grant", "internal/id", "internal/live", "internal/schema",
		"internal/search", "internal/secret", "internal/wire",
	},

	// Assembly.
	"internal/config": {},
	"internal/oplog":  {"internal/fault"},
	"internal/serve": {
		"internal/assist", "internal/assist/chat", "internal/audit", "internal/auth", "internal/config", "internal/control", "internal/egress", "internal/fault", "internal/httpapi",
		"internal/id", "internal/live", "internal/metrics", "internal/schema", "internal/secret", "internal/store", "internal/target",
		"internal/target/mysql", "internal/target/postgres",
	},
	"internal/cli": {
		"api", "client", "examples", "internal/auth", "internal/config", "internal/control", "internal/demo", "internal/fault", "internal/id", "internal/oplog",
		"internal/privatedb", "internal/schema", "internal/secret", "internal/serve", "internal/store",
	},
	"cmd/flowyte": {"internal/cli"},
	"client":      {"api"},

	// The demo company, its private server, and the page that it walks.
	"examples":           {},
	"internal/demo":      {"internal/schema"},
	"internal/privatedb": {},

	// The benchmark and what it measures against.
	"bench":       {"api", "client", "internal/faultproxy", "internal/privatedb"},
	"bench/floor": {},

	// Test kits and generators.
	"internal/apptest": {
		"api", "client", "internal/auth", "internal/config", "internal/dbtest", "internal/oplog", "internal/privatedb", "internal/serve", "internal/store",
	},
	"internal/archtest":          {},
	"internal/crashtest":         {},
	"internal/faultproxy":        {},
	"internal/faulttest":         {},
	"internal/egress/egresstest": {},
	"internal/target/targettest": {"api", "internal/egress", "internal/egress/egresstest", "internal/plan", "internal/privatedb", "internal/schema", "internal/target"},
	"internal/dbtest":            {"internal/privatedb"},
	"internal/wiretest":          {"api", "internal/privatedb", "internal/schema", "internal/target/targettest"},
}

// neverInLive are what a live call must not depend on.
var neverInLive = []string{"internal/store", "internal/compile", "internal/binding", "internal/discover"}

// pureForbidden are what the compiler, a function, must not import.
var pureForbidden = []string{"context", "log", "log/slog", "math/rand", "math/rand/v2", "crypto/rand", "net", "net/http", "os", "io", "time", "database/sql"}

type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func list(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "flowyte/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	pkgs := map[string]pkg{}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for dec.More() {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs[strings.TrimPrefix(p.ImportPath, module)] = p
	}
	if len(pkgs) < 10 {
		t.Fatalf("go list found %d packages; the rules below would prove nothing", len(pkgs))
	}
	return pkgs
}

func ours(imports []string) []string {
	var own []string
	for _, i := range imports {
		if strings.HasPrefix(i, module) {
			own = append(own, strings.TrimPrefix(i, module))
		}
	}
	sort.Strings(own)
	return own
}

func TestArrowsRunDownward(t *testing.T) {
	for name, p := range list(t) {
		may, known := allowed[name]
		if !known {
			t.Errorf("%s is not in the table of rooms", name)
			continue
		}
		for _, i := range ours(p.Imports) {
			if !slices.Contains(may, i) {
				t.Errorf("%s imports %s, which the table does not allow", name, i)
			}
		}
	}
}

func TestTableHasNoGhosts(t *testing.T) {
	pkgs := list(t)
	for name := range allowed {
		if _, exists := pkgs[name]; !exists {
			t.Errorf("the table lists %s, which does not exist", name)
		}
	}
}

func TestLiveDependsOnNeitherStoreNorCompiler(t *testing.T) {
	deps := ours(list(t)["internal/live"].Deps)
	for _, no := range neverInLive {
		for _, d := range deps {
			if d == no || strings.HasPrefix(d, no+"/") {
				t.Errorf("live depends on %s", d)
			}
		}
	}
}

func TestCompileIsAFunction(t *testing.T) {
	p := list(t)["internal/compile"]
	for _, no := range pureForbidden {
		if slices.Contains(p.Imports, no) {
			t.Errorf("compile imports %s", no)
		}
	}
}

// TestBinaryHasNoTestKitsOrParsers keeps what only tests need out of the binary.
func TestBinaryHasNoTestKitsOrParsers(t *testing.T) {
	for _, d := range list(t)["cmd/flowyte"].Deps {
		for _, no := range []string{"flowyte/internal/dbtest", "flowyte/internal/apptest", "flowyte/internal/faultproxy", "github.com/pingcap/tidb", "github.com/wasilibs/go-pgquery", "net/http/pprof"} {
			if d == no || strings.HasPrefix(d, no+"/") {
				t.Errorf("the binary links %s", d)
			}
		}
	}
}
