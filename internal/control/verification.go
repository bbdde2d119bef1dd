package control

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/store"
)

// The methods by which callers are verified.
const (
	methodNone     = "none"
	methodAsserted = "asserted"
	methodVerifier = "verifier_skill"
)

// Bounds of a configuration, and what stands in for what is left out.
const (
	defaultTokenTTL    = 900 // seconds
	maxTokenTTL        = 24 * 60 * 60
	defaultMaxAttempts = 3
	maxMaxAttempts     = 10
	maxRequiredFields  = 8
	maxStepUps         = 100
	maxSubjectName     = 64
)

// CallerVerification is how callers of the agent's draft prove who they are.
func (s *Service) CallerVerification(ctx context.Context, p auth.Principal, agent id.Agent) (api.CallerVerification, error) {
	a, err := s.store.Agent(ctx, p.OrgID, agent)
	if err != nil {
		return api.CallerVerification{}, err
	}
	v, err := verificationOf(a)
	if err != nil {
		return api.CallerVerification{}, err
	}
	return *v, nil
}

// verificationOf reads what the draft keeps.
func verificationOf(a store.Agent) (*api.CallerVerification, error) {
	if len(a.Verification) == 0 {
		v, err := verificationFrom(api.CallerVerificationRequest{Method: methodNone})
		return &v, err
	}
	var v api.CallerVerification
	if err := json.Unmarshal(a.Verification, &v); err != nil {
		return nil, fault.Wrap(fault.StoreDamaged, err)
	}
	return &v, nil
}

// PutCallerVerification replaces how callers prove who they are, on the draft.
// revision is as in PatchAgent. What the agent's skills cannot bear is refused
// with all findings at once.
func (s *Service) PutCallerVerification(ctx context.Context, p auth.Principal, agent id.Agent, revision int, r api.CallerVerificationRequest) (api.CallerVerification, error) {
	_, records, err := s.store.AgentSkills(ctx, p.OrgID, agent)
	if err != nil {
		return api.CallerVerification{}, err
	}
	v, err := verificationFrom(r)
	if err != nil {
		return v, err
	}
	drafts, err := draftsOf(records)
	if err != nil {
		return v, err
	}
	findings := judgeVerification(&v, drafts)
	withdrawn, err := s.verifierWithdrawn(ctx, &v, drafts)
	if err != nil {
		return v, err
	}
	if findings = append(findings, withdrawn...); hasErrors(findings) {
		return v, fault.New(fault.VerificationRejected).WithExtra("findings", findings)
	}
	kept, err := json.Marshal(v)
	if err != nil {
		return v, fault.Wrap(fault.Internal, err)
	}
	a, err := s.store.ChangeAgent(ctx, by(p), agent, revision, func(a *store.Agent) error {
		a.Verification = kept
		return nil
	})
	if fault.Is(err, fault.VersionConflict) {
		return v, fault.New(fault.VersionConflict).WithExtra("current", viewAgent(a))
	}
	return v, err
}

// verificationFrom judges a request by itself and fills in what it leaves out.
// All problems come together.
func verificationFrom(r api.CallerVerificationRequest) (api.CallerVerification, error) {
	v := api.CallerVerification{
		Method: r.Method, VerifierSkillID: r.VerifierSkillID, Subject: r.Subject,
		RequiredFields: []string{}, TokenTTLSeconds: defaultTokenTTL, MaxAttempts: defaultMaxAttempts, StepUpFor: []string{},
	}
	set(&v.RequiredFields, r.RequiredFields)
	set(&v.TokenTTLSeconds, r.TokenTTLSeconds)
	set(&v.MaxAttempts, r.MaxAttempts)
	set(&v.StepUpFor, r.StepUpFor)
	bad := fault.New(fault.ValueInvalid)
	if !slices.Contains([]string{methodNone, methodAsserted, methodVerifier}, v.Method) {
		bad.WithField("method", "must be none, asserted or verifier_skill")
	}
	isVerifier := v.Method == methodVerifier
	if isVerifier != (v.VerifierSkillID != nil) {
		bad.WithField("verifierSkillId", "is for the method verifier_skill, which needs it")
	}
	if fields := len(v.RequiredFields); isVerifier != (fields > 0) || fields > maxRequiredFields {
		bad.WithField("requiredFields", "is for the method verifier_skill, which needs from 1 to %d entries", maxRequiredFields)
	}
	if v.TokenTTLSeconds < 1 || v.TokenTTLSeconds > maxTokenTTL {
		bad.WithField("tokenTtlSeconds", "must be between 1 and %d", maxTokenTTL)
	}
	if v.MaxAttempts < 1 || v.MaxAttempts > maxMaxAttempts {
		bad.WithField("maxAttempts", "must be between 1 and %d", maxMaxAttempts)
	}
	if len(v.StepUpFor) > maxStepUps || v.Method == methodNone && len(v.StepUpFor) > 0 {
		bad.WithField("stepUpFor", "must have at most %d entries, and none without a method", maxStepUps)
	}
	if v.Subject != nil && (*v.Subject == "" || len(*v.Subject) > maxSubjectName || v.Method == methodNone) {
		bad.WithField("subject", "must have from 1 to %d characters, and a method that yields it", maxSubjectName)
	}
	if len(bad.Fields) > 0 {
		return v, bad
	}
	return v, nil
}

// verifierWithdrawn finds that a verifier reads what was taken out of reach.
func (s *Service) verifierWithdrawn(ctx context.Context, v *api.CallerVerification, drafts []draft) ([]api.Finding, error) {
	d := draftWith(drafts, v.VerifierSkillID)
	if d == nil {
		return nil, nil
	}
	reason, err := s.standing(ctx, d.record, d.plan)
	if err != nil || reason != blocked {
		return nil, err
	}
	return []api.Finding{verificationFinding(verifierBlocked, "verifierSkillId", d.record.ID)}, nil
}

// stepsUp tells whether the configuration asks for a verified caller before a
// skill, by its id or its tool's name.
func stepsUp(v *api.CallerVerification, skill *api.Skill) bool {
	return v != nil && (slices.Contains(v.StepUpFor, skill.ID) || slices.Contains(v.StepUpFor, skill.ToolName))
}

// isVerifierOf tells whether the skill is the one that callers are verified by.
func isVerifierOf(v *api.CallerVerification, skill *api.Skill) bool {
	return v != nil && v.Method == methodVerifier && v.VerifierSkillID != nil && *v.VerifierSkillID == skill.ID
}

// verifying is what live serves of a configuration, nil when nobody can be
// verified: with no method, and in a draft whose verifier is not there.
func verifying(v *api.CallerVerification, verifier *live.Tool, tools []*live.Tool) *live.Verification {
	if v == nil || v.Method == methodNone || v.Method == methodVerifier && verifier == nil {
		return nil
	}
	out := &live.Verification{
		Verifier: verifier, Fields: v.RequiredFields, TTL: time.Duration(v.TokenTTLSeconds) * time.Second, MaxAttempts: v.MaxAttempts,
	}
	subject := v.Subject
	for i := 0; subject == nil && verifier == nil && i < len(tools); i++ {
		subject = subjectOf(tools[i].Plan)
	}
	if subject != nil {
		out.Subject = *subject
	}
	return out
}
