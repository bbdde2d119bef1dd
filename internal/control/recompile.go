package control

import (
	"context"
	"encoding/json"
	"strings"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/binding"
	"flowyte/internal/fault"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// recompilation is a skill of the draft as it compiles against the schema and
// scoping of now.
type recompilation struct {
	// frozen is what would be published, nil where something is wrong.
	frozen   *frozenSkill
	findings []api.Finding
	// changed is a write whose statement is not the one that was reviewed: the
	// skill with its new plan, disabled.
	changed *store.Skill
}

func wrong(findings ...api.Finding) recompilation { return recompilation{findings: findings} }

// recompiling is a skill on its way to a recompilation.
type recompiling struct {
	skill    store.Skill
	settings settings
	asked    *question // nil where something is wrong before the server is asked
	wrong    []api.Finding
}

// recompile compiles skills of the draft again and asks the live servers about
// them.
func (s *Service) recompile(ctx context.Context, skills []store.Skill) ([]recompilation, error) {
	all := make([]*recompiling, 0, len(skills))
	questions := map[schema.Kind][]*question{}
	for _, sk := range skills {
		r, err := s.compileAgain(ctx, sk)
		if err != nil {
			return nil, err
		}
		if all = append(all, r); r.asked != nil {
			questions[sk.Kind] = append(questions[sk.Kind], r.asked)
		}
	}
	for kind, q := range questions {
		s.ask(ctx, skills[0].OrgID, kind, q)
	}
	done := make([]recompilation, 0, len(all))
	for _, r := range all {
		d, err := s.conclude(ctx, r)
		if err != nil {
			return nil, err
		}
		done = append(done, d)
	}
	return done, nil
}

func (s *Service) compileAgain(ctx context.Context, sk store.Skill) (*recompiling, error) {
	var b binding.Binding
	r := &recompiling{skill: sk}
	if err := readSkill(sk, &b, &r.settings); err != nil {
		return nil, err
	}
	if sk.Suspended {
		r.wrong = []api.Finding{skillFinding(sk, suspendedWord, "The skill is suspended.", "Resume or disable it.")}
		return r, nil
	}
	c, err := s.seen(ctx, sk.OrgID, sk.Kind)
	if fault.Is(err, fault.NotConnected) || fault.Is(err, fault.NotDiscovered) {
		code := fault.CodeOf(err)
		r.wrong = []api.Finding{skillFinding(sk, string(code), "The database is "+map[fault.Code]string{fault.NotConnected: "not connected.", fault.NotDiscovered: "not discovered."}[code], "Connect and discover, then publish.")}
		return r, nil
	}
	if err == nil {
		r.asked = compiled(c, b, nil)
	}
	return r, err
}

// conclude puts together what was found out about a skill.
func (s *Service) conclude(ctx context.Context, r *recompiling) (recompilation, error) {
	sk, set, e := r.skill, r.settings, r.asked
	switch {
	case e == nil:
		return wrong(r.wrong...), nil
	case e.rejected():
		return wrong(viewFindings(sk.ID, e.findings)...), nil
	}
	b := e.binding
	changed := b.IsWrite && e.plan.Digest() != sk.PlanDigest
	if !changed {
		if f, err := troubleOf(sk, e.examined); err != nil || f != nil {
			return wrong(f...), err
		}
	}
	set.QueryPlan, set.Warnings = e.query, viewFindings(sk.ID, e.findings)
	if err := fillSkill(&sk, b, e.plan, set); err != nil {
		return recompilation{}, err
	}
	if changed {
		sk.Enabled = false
		r := wrong(skillFinding(sk, "write_plan_changed", "The write's statement is no longer the one that was reviewed. Publishing disables the skill.",
			"Review the skill's present statement and enable it with its planDigest, or publish without it."))
		r.changed = &sk
		return r, nil
	}
	v, err := s.viewSkill(ctx, sk)
	if err != nil {
		return recompilation{}, err
	}
	return recompilation{frozen: &frozenSkill{Skill: v, Plan: e.plan, record: sk}, findings: set.Warnings}, nil
}

// troubleOf says what the live server has against a statement that compiles. The
// error is that of our own store.
func troubleOf(sk store.Skill, e *examined) ([]api.Finding, error) {
	code := fault.CodeOf(e.trouble)
	switch {
	case e.lacking:
		fix := "Run the write script of GET /integrations/{kind}/sql/scripts for this table."
		if len(e.grants) > 0 {
			fix = strings.Join(e.grants, " ")
		}
		return []api.Finding{skillFinding(sk, string(fault.RoleCannotWrite), "The role that writes use lacks a right on this table.", fix)}, nil
	case e.trouble == nil:
		return nil, nil
	case code == "" || code == fault.StoreUnavailable:
		return nil, e.trouble
	case code == fault.SchemaDrift:
		return []api.Finding{skillFinding(sk, string(code), "The database changed since discovery: it does not know something that the statement uses.", "Run discover, apply what it finds to the binding, then publish.")}, nil
	}
	return []api.Finding{skillFinding(sk, "not_verified_live", "The database could not be asked about the statement ("+string(code)+").", "Make the database reachable, run discover, then publish.")}, nil
}

// readSkill reads a skill's binding and settings.
func readSkill(sk store.Skill, b *binding.Binding, set *settings) error {
	if err := json.Unmarshal(sk.Binding, b); err != nil {
		return fault.Wrap(fault.StoreDamaged, err)
	}
	if err := json.Unmarshal(sk.Settings, set); err != nil {
		return fault.Wrap(fault.StoreDamaged, err)
	}
	return nil
}

// sendBack keeps writes that changed as disabled drafts to review.
func (s *Service) sendBack(ctx context.Context, p auth.Principal, changed []store.Skill) error {
	for _, sk := range changed {
		if _, err := s.keepSkill(ctx, p, sk); err != nil {
			return err
		}
	}
	return nil
}

func skillFinding(sk store.Skill, code, message, fix string) api.Finding {
	return api.Finding{Code: code, Severity: binding.SeverityError, Path: "skills." + sk.ToolName, Message: message, Fix: fix, Candidates: []string{}, SkillID: string(sk.ID)}
}

func hasErrors(findings []api.Finding) bool {
	for _, f := range findings {
		if f.Severity == binding.SeverityError {
			return true
		}
	}
	return false
}
