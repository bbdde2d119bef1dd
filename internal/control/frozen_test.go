package control

import (
	"encoding/json"
	"testing"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/store"
)

// TestPlansOfAnotherReleaseAreNotUnderstood: a plan of an unknown format, or
// with a member that this release does not know, is damage wherever it is kept.
func TestPlansOfAnotherReleaseAreNotUnderstood(t *testing.T) {
	known, err := json.Marshal(&plan.Plan{Format: plan.Format, Operation: "appointments.read"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, kept string
		readable   bool
	}{
		{"this release's", string(known), true},
		{"unknown format", `{"format":99,"operation":"appointments.read"}`, false},
		{"unknown member", `{"format":1,"operation":"appointments.read","elevated":true}`, false},
		{"nothing", `null`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := readPlan(json.RawMessage(c.kept))
			if c.readable != (err == nil) || !c.readable && !fault.Is(err, fault.StoreDamaged) {
				t.Errorf("the plan of a skill reads as %+v, %v", p, err)
			}
			f, err := readFrozen(store.Version{Format: frozenFormat, Compiled: []byte(`{"format":1,"skills":[{"skill":{"id":"skl_1"},"plan":` + c.kept + `}]}`)})
			if c.readable != (err == nil) || !c.readable && !fault.Is(err, fault.StoreDamaged) {
				t.Errorf("the plan of a version reads as %+v, %v", f, err)
			}
			if c.readable && (f.Skills[0].Skill.ID != "skl_1" || f.Skills[0].Plan.Operation != "appointments.read") {
				t.Errorf("read as %+v", f.Skills[0])
			}
		})
	}
}
