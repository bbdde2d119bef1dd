package control

import (
	"encoding/json"
	"slices"
	"strconv"

	"flowyte/api"
	"flowyte/internal/binding"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// verificationCode names what is wrong with how callers are verified; see
// docs/caller-verification.md.
type verificationCode string

const (
	verifierUnknown    verificationCode = "verifier_unknown"
	verifierNotRead    verificationCode = "verifier_not_a_read"
	verifierNotEnabled verificationCode = "verifier_not_enabled"
	verifierBlocked    verificationCode = "verifier_blocked_by_scoping"
	verifierGated      verificationCode = "verifier_has_gates"
	fieldUnknown       verificationCode = "verification_field_unknown"
	fieldTwice         verificationCode = "verification_field_twice"
	fieldFromCall      verificationCode = "verification_field_from_call"
	fieldType          verificationCode = "verification_field_type_unsupported"
	secretMissing      verificationCode = "verification_secret_missing"
	subjectUnknown     verificationCode = "subject_unknown"
	subjectType        verificationCode = "subject_type_unsupported"
	subjectMissing     verificationCode = "subject_missing"
	subjectDiffers     verificationCode = "subject_differs"
	stepUpUnknown      verificationCode = "step_up_unknown"
	neverVerified      verificationCode = "never_verified"
)

// verificationDef is the wording of a code.
type verificationDef struct{ severity, message, fix string }

var verificationDefs = map[verificationCode]verificationDef{
	verifierUnknown:    {binding.SeverityError, "The agent has no such skill.", "Give the id of one of the agent's reads."},
	verifierNotRead:    {binding.SeverityError, "The verifier is not a read.", "Bind a read that finds the caller's row."},
	verifierNotEnabled: {binding.SeverityError, "The verifier is not enabled.", "Enable the skill; it is offered to no agent while callers are verified by it."},
	verifierBlocked:    {binding.SeverityError, "The verifier reads something that scoping blocks.", "Take it out of the block list, or bind a verifier that does without."},
	verifierGated:      {binding.SeverityError, "The verifier has gates of its own, which nobody could pass before being verified.", "Switch off the skill's gates, take ownedBy out of its binding, and do not step up for it."},
	fieldUnknown:       {binding.SeverityError, "The field is neither the verifier's parameter nor a leaf of it.", "Use one of the candidates, or project the column in the verifier's binding."},
	fieldTwice:         {binding.SeverityError, "The field is listed twice.", "List it once."},
	fieldFromCall:      {binding.SeverityError, "The field is a parameter that only the conversation itself supplies.", "Leave it out: it fills in by itself."},
	fieldType:          {binding.SeverityError, "Values of this type cannot be compared exactly.", "Choose a column of text, whole or decimal numbers, dates or times."},
	secretMissing:      {binding.SeverityError, "No field is compared: whoever knows the looked-up value would be verified.", "List at least one leaf whose value only the caller knows."},
	subjectUnknown:     {binding.SeverityError, "The subject is not a leaf of the verifier.", "Use one of the candidates, or project the column in the verifier's binding."},
	subjectType:        {binding.SeverityError, "The subject is of a type that no row can be owned by.", "Use a column of text, whole numbers or UUIDs."},
	subjectMissing:     {binding.SeverityError, "A skill shows callers their own rows, and verification yields nothing that they are known by.", "Give subject, as the skill's ownedBy names it."},
	subjectDiffers:     {binding.SeverityError, "The skill's rows are owned by another subject than verification yields.", "Use the same name for subject here and in ownedBy."},
	stepUpUnknown:      {binding.SeverityError, "The agent has no such tool or skill.", "Use the tool name or the id of one of the agent's skills."},
	neverVerified:      {binding.SeverityWarning, "The skill needs a verified caller, and the agent verifies none: it will never run.", "Choose a method with PUT /agents/{agentId}/caller-verification, or disable the skill."},
}

func verificationFinding(code verificationCode, path string, skill id.Skill, candidates ...string) api.Finding {
	d := verificationDefs[code]
	return api.Finding{
		Code: string(code), Severity: d.severity, Path: path, Message: d.message, Fix: d.fix, Candidates: orEmpty(candidates), SkillID: string(skill),
	}
}

// draft is a skill of the draft with its plan.
type draft struct {
	record store.Skill
	plan   *plan.Plan
	set    settings
}

func draftsOf(records []store.Skill) ([]draft, error) {
	drafts := make([]draft, 0, len(records))
	for _, r := range records {
		d := draft{record: r}
		var err error
		if d.plan, err = readPlan(r.Plan); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(r.Settings, &d.set); err != nil {
			return nil, fault.Wrap(fault.StoreDamaged, err)
		}
		drafts = append(drafts, d)
	}
	return drafts, nil
}

// draftWith finds a skill by its id, nil for none.
func draftWith(drafts []draft, skill *string) *draft {
	if skill == nil {
		return nil
	}
	i := slices.IndexFunc(drafts, func(d draft) bool { return string(d.record.ID) == *skill })
	if i < 0 {
		return nil
	}
	return &drafts[i]
}

// judgeVerification finds everything that is wrong between a configuration and
// the skills of the draft.
func judgeVerification(v *api.CallerVerification, drafts []draft) []api.Finding {
	if v.Method == methodNone {
		return unverifiable(drafts)
	}
	var found []api.Finding
	for i, name := range v.StepUpFor {
		if !slices.ContainsFunc(drafts, func(d draft) bool { return d.isCalled(name) }) {
			found = append(found, verificationFinding(stepUpUnknown, at("stepUpFor", i), "", toolNames(drafts)...))
		}
	}
	if v.Method == methodVerifier {
		found = append(found, judgeVerifier(v, drafts)...)
	}
	return append(found, judgeOwners(v, drafts)...)
}

func (d *draft) isCalled(name string) bool {
	return string(d.record.ID) == name || d.record.ToolName == name
}

func at(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func toolNames(drafts []draft) []string {
	var names []string
	for _, d := range drafts {
		names = append(names, d.record.ToolName)
	}
	return names
}

// unverifiable warns of skills that nobody will ever be let in to.
func unverifiable(drafts []draft) []api.Finding {
	var found []api.Finding
	for _, d := range drafts {
		if d.record.Enabled && (d.plan.OwnedBy || d.set.RequiresVerifiedIdentity) {
			found = append(found, verificationFinding(neverVerified, "skills."+d.record.ToolName, d.record.ID))
		}
	}
	return found
}

func judgeVerifier(v *api.CallerVerification, drafts []draft) []api.Finding {
	d := draftWith(drafts, v.VerifierSkillID)
	if d == nil {
		return []api.Finding{verificationFinding(verifierUnknown, "verifierSkillId", "")}
	}
	if d.plan.Action != plan.Read {
		return []api.Finding{verificationFinding(verifierNotRead, "verifierSkillId", d.record.ID)}
	}
	var found []api.Finding
	if !d.record.Enabled {
		found = append(found, verificationFinding(verifierNotEnabled, "verifierSkillId", d.record.ID))
	}
	if d.plan.OwnedBy || d.set.RequiresVerifiedIdentity || d.set.RequiresConfirmation || slices.ContainsFunc(v.StepUpFor, d.isCalled) {
		found = append(found, verificationFinding(verifierGated, "verifierSkillId", d.record.ID))
	}
	found = append(found, judgeFields(v, d)...)
	if v.Subject == nil {
		return found
	}
	switch leaf := leafOf(d.plan, *v.Subject); {
	case leaf == nil:
		found = append(found, verificationFinding(subjectUnknown, "subject", d.record.ID, leaves(d.plan)...))
	case !slices.Contains([]schema.Type{schema.String, schema.Integer, schema.UUID}, leaf.Type.Type):
		found = append(found, verificationFinding(subjectType, "subject", d.record.ID))
	}
	return found
}

func judgeFields(v *api.CallerVerification, d *draft) []api.Finding {
	var found []api.Finding
	secrets := 0
	for i, name := range v.RequiredFields {
		path := at("requiredFields", i)
		if slices.Contains(v.RequiredFields[:i], name) {
			found = append(found, verificationFinding(fieldTwice, path, d.record.ID))
			continue
		}
		if param := slices.IndexFunc(d.plan.Params, func(p plan.Param) bool { return p.Name == name }); param >= 0 {
			if d.plan.Params[param].CallerOnly {
				found = append(found, verificationFinding(fieldFromCall, path, d.record.ID))
			}
			continue
		}
		secrets++
		switch leaf := leafOf(d.plan, name); {
		case leaf == nil:
			found = append(found, verificationFinding(fieldUnknown, path, d.record.ID, fieldsOf(d.plan)...))
		case !hasEquality(&leaf.Type):
			found = append(found, verificationFinding(fieldType, path, d.record.ID))
		}
	}
	if secrets == 0 {
		found = append(found, verificationFinding(secretMissing, "requiredFields", d.record.ID, leaves(d.plan)...))
	}
	return found
}

// hasEquality tells whether equality with a value of the type means what it says.
func hasEquality(t *plan.ValueType) bool {
	switch t.Type {
	case schema.String, schema.Integer, schema.Boolean, schema.Date, schema.Time, schema.DateTime, schema.UUID, schema.Enum:
		return true
	case schema.Number:
		return !slices.Contains([]string{"float4", "float8", "float", "double"}, t.BaseType)
	}
	return false
}

// judgeOwners holds the subjects that skills ask for against the one there is.
// A skill that is not enabled is judged when it is.
func judgeOwners(v *api.CallerVerification, drafts []draft) []api.Finding {
	var found []api.Finding
	subject := v.Subject
	for _, d := range drafts {
		if !d.record.Enabled || v.VerifierSkillID != nil && string(d.record.ID) == *v.VerifierSkillID {
			continue
		}
		name := subjectOf(d.plan)
		if subject == nil && v.Method == methodAsserted {
			subject = name // what is asserted is what the skills ask for
		}
		switch path := "skills." + d.record.ToolName; {
		case name == nil:
		case subject == nil:
			found = append(found, verificationFinding(subjectMissing, path, d.record.ID, *name))
		case *subject != *name:
			found = append(found, verificationFinding(subjectDiffers, path, d.record.ID, *name))
		}
	}
	return found
}

// subjectOf names what a plan's rows are owned by, nil for nothing.
func subjectOf(p *plan.Plan) *string {
	for i := range p.Slots {
		if p.Slots[i].Source == plan.FromSubject {
			return &p.Slots[i].Name
		}
	}
	return nil
}

func leafOf(p *plan.Plan, name string) *plan.Result {
	i := slices.IndexFunc(p.Results, func(r plan.Result) bool { return r.Leaf == name })
	if i < 0 {
		return nil
	}
	return &p.Results[i]
}

func leaves(p *plan.Plan) []string {
	var names []string
	for i := range p.Results {
		names = append(names, p.Results[i].Leaf)
	}
	return names
}

// fieldsOf are all the names that a caller may be asked for.
func fieldsOf(p *plan.Plan) []string {
	var names []string
	for i := range p.Params {
		if !p.Params[i].CallerOnly {
			names = append(names, p.Params[i].Name)
		}
	}
	return append(names, leaves(p)...)
}
