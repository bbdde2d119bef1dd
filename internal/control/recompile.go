package control

import (
	"context"
	"encoding/json"
	"strings"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/binding"
	"flowyte/internal/fault"
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

// recompile compiles a skill again and asks the live server about it.
func (s *Service) recompile(ctx context.Context, sk store.Skill) (recompilation, error) {
	var b binding.Binding
	var set settings
	if err := readSkill(sk, &b, &set); err != nil {
		return recompilation{}, err
	}
	if sk.Suspended {
		return wrong(skillFinding(sk, suspendedWord, "The skill is suspended.", "Resume or disable it.")), nil
	}
	c, err := s.seen(ctx, sk.OrgID, sk.Kind)
	if fault.Is(err, fault.NotConnected) || fault.Is(err, fault.NotDiscovered) {
		code := fault.CodeOf(err)
		return wrong(skillFinding(sk, string(code), "The database is "+map[fault.Code]string{fault.NotConnected: "not connected.", fault.NotDiscovered: "not discovered."}[code], "Connect and discover, then publish.")), nil
	}
	if err != nil {
		return recompilation{}, err
	}
	e := s.examine(ctx, sk.OrgID, sk.Kind, c, b, nil)
	if e.rejected() {
		return wrong(viewFindings(sk.ID, e.findings)...), nil
	}
	changed := b.IsWrite && e.plan.Digest() != sk.PlanDigest
	if !changed {
		if f, err := troubleOf(sk, e); err != nil || f != nil {
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
