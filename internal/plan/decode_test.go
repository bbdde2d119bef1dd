package plan_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/internal/plan"
)

// TestGolden reads the plans that earlier releases kept. The files are never
// regenerated: what is published stays readable, and its digest stays the one
// that was reviewed.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("the golden plans are gone: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != strings.TrimSpace(string(data)) {
			t.Errorf("%s is written differently now:\n%s", file, again)
		}
		if name := filepath.Base(file); !strings.HasPrefix(name, p.Digest()[:16]) {
			t.Errorf("%s: its digest is now %s", file, p.Digest())
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{``, `[]`, `{"format":1,"sql":"DROP"}`, `{"format":2}`, `{}`} {
		if p, err := plan.Decode([]byte(text)); err == nil {
			t.Errorf("%q was read as %+v", text, p)
		}
	}
}
