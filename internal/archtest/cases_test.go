package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// cases are the pages that map rows of the security design to tests, and the
// rows that each must have.
var cases = map[string]string{
	"catalogue-cases.md": `H01 H02 H03 H04 H06 H07 H08 H10 H12 H14 H15 H16 H17 H19 H20 H21 H23 H24 H25 H27
		P01 P02 P03 P05 P06 P07 P08 P09 P11 P12 P13 F12`,
}

var (
	caseRow  = regexp.MustCompile(`(?m)^\| ([A-Z]\d\d) \|.*\|(.*)\|$`)
	heldBy   = regexp.MustCompile("`([^`]+)`")
	goTest   = regexp.MustCompile(`^([a-z/]+)\.((?:Test|Fuzz|Benchmark)\w+)$`)
	goCorpus = regexp.MustCompile(`^compile:([a-z_]+)$`)
)

// TestCasesAreHeld: every row names tests, and every test that is named exists.
func TestCasesAreHeld(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*-cases.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != len(cases) {
		t.Errorf("%d pages of cases, %d are known here", len(pages), len(cases))
	}
	tests := map[string]map[string]bool{}
	for page, rows := range cases {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		for _, row := range caseRow.FindAllStringSubmatch(string(text), -1) {
			if found[row[1]] {
				t.Errorf("%s has %s twice", page, row[1])
			}
			found[row[1]] = true
			names := heldBy.FindAllStringSubmatch(row[2], -1)
			if len(names) == 0 {
				t.Errorf("%s: nothing holds %s", page, row[1])
			}
			for _, name := range names {
				if !exists(t, tests, name[1]) {
					t.Errorf("%s: %s names %s, which does not exist", page, row[1], name[1])
				}
			}
		}
		for _, row := range strings.Fields(rows) {
			if !found[row] {
				t.Errorf("%s lacks %s", page, row)
			}
		}
	}
}

// exists tells whether a test or a case of the corpus is there.
func exists(t *testing.T, tests map[string]map[string]bool, name string) bool {
	t.Helper()
	if c := goCorpus.FindStringSubmatch(name); c != nil {
		_, err := os.Stat("../compile/testdata/cases/" + c[1] + ".txtar")
		return err == nil
	}
	c := goTest.FindStringSubmatch(name)
	if c == nil {
		return false
	}
	if tests[c[1]] == nil {
		tests[c[1]] = testsOf(t, "../"+c[1])
	}
	return tests[c[1]][c[2]]
}

// testsOf are the names of a package's tests.
func testsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(folder + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
