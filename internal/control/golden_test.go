package control

import (
	"os"
	"testing"
	"time"

	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// TestGoldenVersions reads versions as the first release stored them. The files
// are never changed: a release that cannot read them would take its users'
// agents off the air. A new format adds files and keeps these.
func TestGoldenVersions(t *testing.T) {
	for _, c := range []struct {
		file      string
		kind      schema.Kind
		statement string
		slots     int
	}{
		{"version-1-postgres.json", schema.Postgres,
			`SELECT t."starts_at", t."status", j1."name" FROM "public"."appointments" AS t`, 1},
		{"version-1-mysql.json", schema.MySQL, "SELECT t.`starts_at`, t.`status`, j1.`name` FROM ", 4},
	} {
		t.Run(c.file, func(t *testing.T) {
			compiled, err := os.ReadFile("testdata/golden/" + c.file)
			if err != nil {
				t.Fatal(err)
			}
			kept := store.Version{ID: "ver_1", OrgID: "org_1", AgentID: "agt_1", Number: 1, Format: 1, Compiled: compiled}
			f, err := readFrozen(kept)
			if err != nil {
				t.Fatalf("a version of format 1 cannot be read: %v", err)
			}
			v, err := (&Service{}).thaw(kept)
			if err != nil {
				t.Fatalf("a version of format 1 cannot be read: %v", err)
			}
			if len(v.Tools) != 1 || v.Country != "US" || v.Number != 1 {
				t.Fatalf("read as %+v", v)
			}
			tool := v.Tools[0]
			if tool.Name != "look_up_an_appointment" || tool.Plan.Kind != c.kind || tool.Timeout != time.Second {
				t.Errorf("tool %s of %s with %v", tool.Name, tool.Plan.Kind, tool.Timeout)
			}
			if len(tool.Plan.Slots) != c.slots || tool.Plan.Statement[:len(c.statement)] != c.statement {
				t.Errorf("statement %s with %d slots", tool.Plan.Statement, len(tool.Plan.Slots))
			}
			if p := tool.Plan.Params; len(p) != 1 || p[0].Name != "caller_phone" || p[0].Format != plan.Phone || !p[0].Required {
				t.Errorf("params %+v", p)
			}
			if tool.PlanDigest != f.Skills[0].Skill.ExecutionConfig.PlanDigest {
				t.Error("the plan's digest is not the one it was published with")
			}
		})
	}
	if _, err := (&Service{}).thaw(store.Version{Format: 99, Compiled: []byte(`{}`)}); err == nil {
		t.Error("a version of an unknown format is served, half understood")
	}
}
