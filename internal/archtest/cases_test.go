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
	"egress-cases.md": `S01 S02 S03 S04 S06 S07 S08 S09 S11 S12 S13 S14 S16 S17 S18 S20 S21 S22 S23 S25 S26 S27 S28 S30 S31 S32 S33 S34 S35 S36 S38 S39 S40 S41
		C01 C02 C03 C05 C07 C08 C09 C10 C11 C12 C14 C15
		T01 T02 T03 T04 T06 T07 T10 T11 T12 T13 T14 T15 T16 T18 T19
		R01 R02 R04 R06 R07 R08 R09 R10 R11 R12 R14 R15 R16 R17 R18 R19 R21 R22 R23 R24 I12 Z04`,
	"live-cases.md": `F01 F02 F03 F04 F06 F07 F08 F09 F10 F12 F14 F15 F16 F17 F18 F19 F21 K01 K02 K03 K04 K14 K15 K16
		L01 L02 L03 L04 L06 L07 L08 A17 Z01 Z02`,
	"review-cases.md": `I01 I03 I04 I05 I07 I09 I10 I11 I12 I13 I14 I15 I17 I18
		V01 V03 V04 V05 V07 V09 V10 V11 V12 V14 H26 W01 W02 W04 W13`,
	"writes-cases.md": `INV4 INV6 INV7 INV12 W03 W04 W05 W06 W07 W08 W10 W12 W14 W15 W17 W18 W19 W20 W21 W23
		M01 M02 M03 M04 M05 M06 M08 M09 M10 M11 M12 M15 M16 M17`,
}

var (
	caseRow  = regexp.MustCompile(`(?m)^\| ([A-Z]\d\d|INV\d+) \|.*\|(.*)\|$`)
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
