package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// banned are names of the drivers that no code may use, and why.
var banned = map[string]string{
	"RegisterLocalFile":           "a server could ask for files of this machine",
	"RegisterReaderHandler":       "a server could ask for what the handler reads",
	"RegisterTLSConfig":           "the registry is one for all organisations",
	"RegisterServerPubKey":        "the registry is one for all organisations",
	"RegisterDial":                "the registry is one for all organisations",
	"RegisterDialContext":         "the registry is one for all organisations",
	"ParseDSN":                    "a field could say something of another one",
	"FormatDSN":                   "a field could say something of another one",
	"QueryExecModeSimpleProtocol": "values would become part of the text",
	"QueryExecModeExec":           "values would be sent by their Go type",
}

// switches are fields of a driver's configuration that stay as they are.
var switches = map[string]string{
	"AllowAllFiles":            "a server could ask for files of this machine",
	"AllowCleartextPasswords":  "passwords would leave as they are",
	"AllowOldPasswords":        "passwords would leave nearly as they are",
	"AllowFallbackToPlaintext": "TLS would be up to the server",
	"InterpolateParams":        "values would become part of the text",
	"MultiStatements":          "a text could be more than one statement",
	"PreferSimpleProtocol":     "values would become part of the text",
}

// Who may do otherwise: none of them is reached by what a tenant sends.
var (
	// The administrator's connection to the private server of the demo and the
	// tests, whose scripts are ours.
	ownServers = []string{"internal/privatedb", "bench/floor"}
	// Our own database, and those servers.
	standardLibrary = append([]string{"internal/store"}, ownServers...)
)

// TestDriversAreUsedAsDecided holds the code to what is not done with the
// drivers (C15, R23, I10), and keeps database/sql, whose pool opens
// connections where no panic can be recovered, away from tenants' databases.
func TestDriversAreUsedAsDecided(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		seen++
		file := token.NewFileSet()
		parsed, err := parser.ParseFile(file, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // the build says so better
		}
		folder, err := filepath.Rel("../..", filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, complaint := range misuses(parsed, folder, strings.HasSuffix(path, "_test.go")) {
			t.Errorf("%s: %s", path, complaint)
		}
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d files, %v: this proves nothing", seen, err)
	}
}

// misuses lists what a file does with the drivers that it may not. Tests may
// set a switch, to see that it is noticed.
func misuses(parsed *ast.File, folder string, test bool) []string {
	var found []string
	if !test && !slices.Contains(standardLibrary, folder) {
		for _, i := range parsed.Imports {
			if name, _ := strconv.Unquote(i.Path.Value); name == "database/sql" {
				found = append(found, "database/sql is for our own database")
			}
		}
	}
	if slices.Contains(ownServers, folder) {
		return found
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if why, no := banned[n.Sel.Name]; no {
				found = append(found, n.Sel.Name+": "+why)
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && !test && switches[key.Name] != "" {
				found = append(found, key.Name+": "+switches[key.Name])
			}
		case *ast.AssignStmt:
			for _, to := range n.Lhs {
				if field, ok := to.(*ast.SelectorExpr); ok && !test && switches[field.Sel.Name] != "" {
					found = append(found, field.Sel.Name+": "+switches[field.Sel.Name])
				}
			}
		}
		return true
	})
	return found
}

// TestMisusesAreNoticed tries the rules on what they are about.
func TestMisusesAreNoticed(t *testing.T) {
	for source, want := range map[string]int{
		`import "database/sql"`:                                   1,
		`import "database/sql/driver"`:                            0,
		`func f() { mysql.RegisterLocalFile("/etc/passwd") }`:     1,
		`func f() { config.AllowAllFiles = true }`:                1,
		`var c = mysql.Config{InterpolateParams: true}`:           1,
		`var m = pgx.QueryExecModeSimpleProtocol`:                 1,
		`func f() bool { return config.AllowAllFiles }`:           0,
		`func f() { config.User, config.MultiStatements = x, y }`: 1,
	} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := misuses(parsed, "internal/target/mysql", false); len(got) != want {
			t.Errorf("%s: %q, want %d", source, got, want)
		}
	}
}
