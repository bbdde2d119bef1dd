package binding_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"flowyte/internal/binding"
)

func TestCatalogueIsComplete(t *testing.T) {
	code := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for _, d := range binding.Catalogue() {
		if !code.MatchString(string(d.Code)) {
			t.Errorf("code %q", d.Code)
		}
		if d.Severity != binding.SeverityError && d.Severity != binding.SeverityWarning {
			t.Errorf("%s has the severity %q", d.Code, d.Severity)
		}
		for part, text := range map[string]string{"message": d.Message, "fix": d.Fix, "explanation": d.Why} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("the %s of %s is not a sentence: %q", part, d.Code, text)
			}
		}
		if strings.Count(d.Message, "%s") > 1 || strings.Contains(strings.ReplaceAll(d.Message, "%s", "")+d.Fix, "%") {
			t.Errorf("%s would not be written as it stands", d.Code)
		}
		if d.Before == "" || d.After == "" && d.Severity == binding.SeverityError {
			t.Errorf("%s has no example", d.Code)
		}
	}
}

func TestFoundKeepsToTheCatalogue(t *testing.T) {
	f := binding.Found(binding.ValueMissing, "inputObjectMap", "status").Offering([]string{"a"})
	want := binding.Finding{
		Code: "value_missing", Severity: "error", Path: "inputObjectMap", Message: "The column status needs a value and has no default.",
		Fix: "Add an entry for it to `inputObjectMap`.", Candidates: []string{"a"},
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	if f = f.Advising("Drop %s.", "it"); f.Fix != "Drop it." {
		t.Errorf("fix %q", f.Fix)
	}
	defer func() {
		if recover() == nil {
			t.Error("a code that is in no catalogue made a finding")
		}
	}()
	binding.Found("no_such_code", "")
}

func TestDocumentationIsUpToDate(t *testing.T) {
	have, err := os.ReadFile("../../docs/findings.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(binding.Documentation()), string(have)); diff != "" {
		t.Errorf("run go generate ./internal/binding (-catalogue +docs):\n%s", diff)
	}
}

func TestProve(t *testing.T) {
	findings := []binding.Finding{binding.Found(binding.OrderUndefined, "a"), binding.Found(binding.IndexNotProven, "inputs[0].arg")}
	if got := binding.Prove(findings, true); len(got) != 1 || got[0].Code != "order_undefined" {
		t.Errorf("proven: %+v", got)
	}
	got := binding.Prove(findings, false)
	if len(got) != 2 || got[1].Code != "filter_not_indexed" || got[1].Path != "inputs[0].arg" || !binding.Rejected(got) {
		t.Errorf("disproved: %+v", got)
	}
}
