package control

import (
	"context"
	"slices"
	"strings"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/id"
	"flowyte/internal/live"
)

// What a trial leaves behind, which its answer says.
const (
	noteRead     = "This was read from the database for real. No conversation, receipt or look-up limit was touched."
	noteWrite    = "The write was carried out and rolled back: nothing of it stays. Sequences and auto-increment numbers have moved on, and triggers may have acted outside the database."
	noteVerifier = "This skill verifies callers, so what it compares is not shown."
)

// TestSkill tries a skill of the draft, enabled or not: a read for real, a write
// rolled back. That it was tried is kept before it is.
func (s *Service) TestSkill(ctx context.Context, p auth.Principal, agent id.Agent, skill id.Skill, r api.SkillTestRequest) (api.SkillTest, error) {
	a, err := s.store.Agent(ctx, p.OrgID, agent)
	if err != nil {
		return api.SkillTest{}, err
	}
	sk, err := s.store.Skill(ctx, p.OrgID, agent, skill)
	if err != nil {
		return api.SkillTest{}, err
	}
	v, err := s.viewSkill(ctx, sk)
	if err != nil {
		return api.SkillTest{}, err
	}
	compiled, err := readPlan(sk.Plan)
	if err != nil {
		return api.SkillTest{}, err
	}
	version, err := serving(frozen{Agent: viewAgent(a), Skills: []frozenSkill{{Skill: v, Plan: compiled}}}, p.OrgID, "", 0)
	if err != nil {
		return api.SkillTest{}, err
	}
	verification, err := verificationOf(a)
	if err != nil {
		return api.SkillTest{}, err
	}
	if err := s.store.RecordTrial(ctx, by(p), agent, skill); err != nil {
		return api.SkillTest{}, err
	}
	tried := s.engine.Try(ctx, version, version.Tools[0], trialOf(r))
	if tried.Err != nil {
		s.log.WarnContext(ctx, "the trial of a skill ran into trouble", "skillId", skill, "outcome", string(tried.Outcome), "err", tried.Err)
	}
	view := viewTrial(v, tried)
	if isVerifierOf(verification, &v) {
		view.Result, view.Note = nil, noteVerifier
	}
	return view, nil
}

func trialOf(r api.SkillTestRequest) live.Trial {
	t := live.Trial{Subject: r.Subject}
	if r.Caller != nil {
		t.Caller = live.Caller{Phone: r.Caller.Phone, Name: r.Caller.Name, Email: r.Caller.Email}
	}
	for name, raw := range r.Arguments {
		t.Args = append(t.Args, live.Arg{Name: name, Raw: raw})
	}
	slices.SortFunc(t.Args, func(a, b live.Arg) int { return strings.Compare(a.Name, b.Name) })
	return t
}

func viewTrial(sk api.Skill, t *live.Tried) api.SkillTest {
	v := api.SkillTest{
		SkillID: sk.ID, Tool: t.Tool, PlanDigest: sk.ExecutionConfig.PlanDigest, Outcome: t.Outcome, Result: t.Result, Summary: t.Summary, RolledBack: sk.IsWrite && t.Rows > 0, Note: noteRead,
		LatencyMs: float64(t.Latency.Microseconds()) / 1000, DBMs: float64(t.DB.Microseconds()) / 1000, Errors: []api.ProblemField{},
	}
	if sk.IsWrite {
		v.Note = noteWrite
	}
	if t.Reason != "" {
		v.Reason = &t.Reason
	}
	for _, c := range t.Complaints {
		v.Errors = append(v.Errors, api.ProblemField{Field: c.Param, Message: c.Wanted})
	}
	return v
}
