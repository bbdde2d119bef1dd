package control

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// TestVerificationRequests: what is left out has a default, and what is wrong
// by itself is refused, field by field.
func TestVerificationRequests(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(r *api.CallerVerificationRequest)
		fields []string
	}{
		{"as it should be", func(*api.CallerVerificationRequest) {}, nil},
		{"method", func(r *api.CallerVerificationRequest) { r.Method = "voice_print" }, []string{"method", "verifierSkillId", "requiredFields"}},
		{"no verifier", func(r *api.CallerVerificationRequest) { r.VerifierSkillID = nil }, []string{"verifierSkillId"}},
		{"no fields", func(r *api.CallerVerificationRequest) { r.RequiredFields = nil }, []string{"requiredFields"}},
		{"many fields", func(r *api.CallerVerificationRequest) { r.RequiredFields = new(make([]string, 9)) }, []string{"requiredFields"}},
		{"asserted with fields", func(r *api.CallerVerificationRequest) { r.Method, r.VerifierSkillID = "asserted", nil }, []string{"requiredFields"}},
		{"asserted", func(r *api.CallerVerificationRequest) {
			r.Method, r.VerifierSkillID, r.RequiredFields = "asserted", nil, nil
		}, nil},
		{"none with the rest", func(r *api.CallerVerificationRequest) {
			r.Method, r.VerifierSkillID, r.RequiredFields, r.StepUpFor, r.Subject = "none", nil, nil, &[]string{"x"}, new("x")
		}, []string{"stepUpFor", "subject"}},
		{"no time", func(r *api.CallerVerificationRequest) { r.TokenTTLSeconds = new(0) }, []string{"tokenTtlSeconds"}},
		{"long time", func(r *api.CallerVerificationRequest) { r.TokenTTLSeconds = new(86401) }, []string{"tokenTtlSeconds"}},
		{"no attempt", func(r *api.CallerVerificationRequest) { r.MaxAttempts = new(0) }, []string{"maxAttempts"}},
		{"many attempts", func(r *api.CallerVerificationRequest) { r.MaxAttempts = new(11) }, []string{"maxAttempts"}},
		{"empty subject", func(r *api.CallerVerificationRequest) { r.Subject = new("") }, []string{"subject"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := api.CallerVerificationRequest{Method: "verifier_skill", VerifierSkillID: new("skl_1"), RequiredFields: &[]string{"born"}}
			c.change(&r)
			v, err := verificationFrom(r)
			var fields []string
			if f, ok := fault.As(err); ok {
				for _, bad := range f.Fields {
					fields = append(fields, bad.Field)
				}
			}
			if !slices.Equal(fields, c.fields) {
				t.Errorf("refused %v, want %v", fields, c.fields)
			}
			if err == nil && (v.TokenTTLSeconds != 900 || v.MaxAttempts != 3 || v.StepUpFor == nil || v.RequiredFields == nil) {
				t.Errorf("kept as %+v", v)
			}
		})
	}
}

// drafted are a verifier, an owned read, a gated read and a write.
func drafted() []draft {
	record := func(name string) store.Skill {
		return store.Skill{ID: id.Skill("skl_" + name), ToolName: name, Enabled: true}
	}
	typed := func(leaf string, t schema.Type, base string) plan.Result {
		return plan.Result{Leaf: leaf, Type: plan.ValueType{Type: t, BaseType: base}}
	}
	return []draft{
		{record: record("find_caller"), plan: &plan.Plan{Action: plan.Read, Params: []plan.Param{{Name: "number"}}, Results: []plan.Result{
			typed("customer_id", schema.Integer, "int4"), typed("born", schema.Date, "date"), typed("score", schema.Number, "float8"),
		}}},
		{record: record("own"), plan: &plan.Plan{Action: plan.Read, OwnedBy: true, Slots: []plan.Slot{{Source: plan.FromParam}, {Source: plan.FromSubject, Name: "customer_id"}}}},
		{record: record("gated"), plan: &plan.Plan{Action: plan.Read}, set: settings{RequiresVerifiedIdentity: true}},
		{record: record("move"), plan: &plan.Plan{Action: plan.Update}, set: settings{RequiresVerifiedIdentity: true, RequiresConfirmation: true}},
	}
}

// TestVerificationFindings: each thing that can be wrong, alone, is found and
// nothing else; and every code has its test and is in the documentation.
func TestVerificationFindings(t *testing.T) {
	tested := map[verificationCode]bool{verifierBlocked: true} // by apptest.TestVerifierOutOfReach
	for _, c := range []struct {
		name   string
		change func(v *api.CallerVerification, drafts []draft)
		want   []string // code path
	}{
		{"as it should be", func(*api.CallerVerification, []draft) {}, nil},
		{"unknown", func(v *api.CallerVerification, _ []draft) { v.VerifierSkillID = new("skl_else") }, []string{"verifier_unknown verifierSkillId"}},
		{"a write", func(v *api.CallerVerification, _ []draft) { v.VerifierSkillID = new("skl_move") }, []string{"verifier_not_a_read verifierSkillId"}},
		{"disabled", func(_ *api.CallerVerification, d []draft) { d[0].record.Enabled = false }, []string{"verifier_not_enabled verifierSkillId"}},
		{"confirmed", func(_ *api.CallerVerification, d []draft) { d[0].set.RequiresConfirmation = true }, []string{"verifier_has_gates verifierSkillId"}},
		{"identified", func(_ *api.CallerVerification, d []draft) { d[0].set.RequiresVerifiedIdentity = true }, []string{"verifier_has_gates verifierSkillId"}},
		{"owned", func(_ *api.CallerVerification, d []draft) { d[0].plan.OwnedBy = true }, []string{"verifier_has_gates verifierSkillId"}},
		{"stepped up for", func(v *api.CallerVerification, _ []draft) { v.StepUpFor = []string{"find_caller"} }, []string{"verifier_has_gates verifierSkillId"}},
		{"field unknown", func(v *api.CallerVerification, _ []draft) { v.RequiredFields[1] = "dob" }, []string{"verification_field_unknown requiredFields[1]"}},
		{"field twice", func(v *api.CallerVerification, _ []draft) { v.RequiredFields = []string{"born", "born"} }, []string{"verification_field_twice requiredFields[1]"}},
		{"field from the call", func(_ *api.CallerVerification, d []draft) { d[0].plan.Params[0].CallerOnly = true }, []string{"verification_field_from_call requiredFields[0]"}},
		{"field type", func(v *api.CallerVerification, _ []draft) { v.RequiredFields[1] = "score" }, []string{"verification_field_type_unsupported requiredFields[1]"}},
		{"no secret", func(v *api.CallerVerification, _ []draft) { v.RequiredFields = v.RequiredFields[:1] }, []string{"verification_secret_missing requiredFields"}},
		{"subject unknown", func(v *api.CallerVerification, d []draft) {
			v.Subject, d[1].plan.Slots[1].Name = new("household"), "household"
		}, []string{"subject_unknown subject"}},
		{"subject type", func(v *api.CallerVerification, d []draft) { v.Subject, d[1].plan.Slots[1].Name = new("born"), "born" }, []string{"subject_type_unsupported subject"}},
		{"subject missing", func(v *api.CallerVerification, _ []draft) { v.Subject = nil }, []string{"subject_missing skills.own"}},
		{"subject differs", func(_ *api.CallerVerification, d []draft) { d[1].plan.Slots[1].Name = "household" }, []string{"subject_differs skills.own"}},
		{"an owned skill that is disabled", func(v *api.CallerVerification, d []draft) { v.Subject, d[1].record.Enabled = nil, false }, nil},
		{"step up unknown", func(v *api.CallerVerification, _ []draft) { v.StepUpFor = []string{"gated", "skl_own", "else"} }, []string{"step_up_unknown stepUpFor[2]"}},
		{"asserted", func(v *api.CallerVerification, _ []draft) { *v = api.CallerVerification{Method: "asserted"} }, nil},
		{"asserted as another", func(v *api.CallerVerification, _ []draft) {
			*v = api.CallerVerification{Method: "asserted", Subject: new("household")}
		}, []string{"subject_differs skills.own"}},
		{"never", func(v *api.CallerVerification, d []draft) {
			*v, d[3].record.Enabled = api.CallerVerification{Method: "none"}, false
		}, []string{"never_verified skills.own", "never_verified skills.gated"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := &api.CallerVerification{
				Method: "verifier_skill", VerifierSkillID: new("skl_find_caller"), RequiredFields: []string{"number", "born"}, Subject: new("customer_id"),
			}
			drafts := drafted()
			c.change(v, drafts)
			var got []string
			for _, f := range judgeVerification(v, drafts) {
				got = append(got, f.Code+" "+f.Path)
				tested[verificationCode(f.Code)] = true
				if f.Message == "" || f.Fix == "" || f.Candidates == nil {
					t.Errorf("%+v", f)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
	page, err := os.ReadFile("../../docs/caller-verification.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range verificationDefs {
		if !tested[code] {
			t.Errorf("%s is found by no case", code)
		}
		if !strings.Contains(string(page), "| `"+string(code)+"` |") {
			t.Errorf("docs/caller-verification.md lacks %s", code)
		}
	}
}

// TestGoldenVerifiedVersions reads versions as the first release that verified
// callers stored them; see TestGoldenVersions.
func TestGoldenVerifiedVersions(t *testing.T) {
	for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
		t.Run(string(kind), func(t *testing.T) {
			compiled, err := os.ReadFile("testdata/golden/version-1-verified-" + string(kind) + ".json")
			if err != nil {
				t.Fatal(err)
			}
			v, err := (&Service{}).thaw(store.Version{ID: "ver_1", OrgID: "org_1", AgentID: "agt_1", Number: 1, Format: 1, Compiled: compiled})
			if err != nil {
				t.Fatalf("a version of format 1 cannot be read: %v", err)
			}
			var names []string
			for _, tool := range v.Tools {
				names = append(names, tool.Name)
				if !tool.RequiresVerifiedIdentity && !tool.Plan.OwnedBy {
					t.Errorf("%s runs for anybody", tool.Name)
				}
			}
			w := v.Verification
			if !slices.Equal(names, []string{"look_up_an_appointment", "read_my_appointment"}) || w == nil || w.Verifier.Name != "find_the_caller" || w.Verifier.Plan.Kind != kind {
				t.Fatalf("tools %v, verification %+v", names, w)
			}
			if !reflect.DeepEqual(w.Fields, []string{"customer_number", "card_digits", "date_of_birth"}) || w.Subject != "customer_id" || w.TTL != 15*time.Minute || w.MaxAttempts != 3 {
				t.Errorf("verification %+v", w)
			}
		})
	}
}

// TestWhoCanBeVerified: a version without a method verifies nobody, nor does a
// draft whose verifier is not there; and stepping up takes no gate away.
func TestWhoCanBeVerified(t *testing.T) {
	skill := func(name string, gated bool) frozenSkill {
		return frozenSkill{Skill: api.Skill{ID: "skl_" + name, ToolName: name, RequiresVerifiedIdentity: gated}, Plan: &plan.Plan{Action: plan.Read}}
	}
	for _, c := range []struct {
		name  string
		v     *api.CallerVerification
		tools int
		holds bool
	}{
		{"from before", nil, 3, false},
		{"none", &api.CallerVerification{Method: "none"}, 3, false},
		{"asserted", &api.CallerVerification{Method: "asserted", StepUpFor: []string{"skl_open"}}, 3, true},
		{"verifier", &api.CallerVerification{Method: "verifier_skill", VerifierSkillID: new("skl_find"), StepUpFor: []string{"open"}}, 2, true},
		{"verifier gone", &api.CallerVerification{Method: "verifier_skill", VerifierSkillID: new("skl_gone"), StepUpFor: []string{"open"}}, 3, false},
	} {
		v, err := serving(frozen{Skills: []frozenSkill{skill("find", false), skill("open", false), skill("gated", true)}, Verification: c.v}, "org_1", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Tools) != c.tools || (v.Verification != nil) != c.holds {
			t.Errorf("%s: %d tools, verification %+v", c.name, len(v.Tools), v.Verification)
		}
		for _, tool := range v.Tools {
			if want := tool.Name == "gated" || tool.Name == "open" && c.v != nil && c.v.StepUpFor != nil; tool.RequiresVerifiedIdentity != want {
				t.Errorf("%s: %s asks for a verified caller: %v", c.name, tool.Name, !want)
			}
		}
	}
	if _, err := verificationOf(store.Agent{Verification: json.RawMessage(`{`)}); !fault.Is(err, fault.StoreDamaged) {
		t.Errorf("a configuration that cannot be read: %v", err)
	}
}
