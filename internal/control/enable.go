package control

import (
	"context"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/binding"
	"flowyte/internal/fault"
	"flowyte/internal/store"
)

// enableWrite enables a write whose statement somebody has reviewed. before is
// the skill as it is kept, sk the same with what the request changed, digest the
// planDigest that the reviewer saw.
//
// The binding is compiled again against the schema and scoping of now, and the
// live server is asked about it. When another statement comes out, it becomes
// the skill's, for the next review, and the fault is plan_changed.
func (s *Service) enableWrite(ctx context.Context, p auth.Principal, before store.Skill, sk *store.Skill, b binding.Binding, digest *string) error {
	switch {
	case digest == nil:
		return fault.New(fault.ValueInvalid).WithField("planDigest", "must be the planDigest of the statement that was reviewed, to enable a write")
	case *digest != sk.PlanDigest:
		return fault.New(fault.PlanChanged)
	}
	c, err := s.bindable(ctx, sk.OrgID, sk.Kind)
	if err != nil {
		return err
	}
	e := s.examine(ctx, sk.OrgID, sk.Kind, c, b, nil)
	switch {
	case e.rejected():
		return fault.New(fault.BindingRejected).WithExtra("findings", viewFindings(sk.ID, e.findings))
	case e.plan.Digest() != *digest:
		if err := s.replan(ctx, p, before, e); err != nil {
			return err
		}
		return fault.New(fault.PlanChanged)
	case e.trouble != nil:
		return e.trouble
	case e.lacking:
		refused := fault.New(fault.RoleCannotWrite)
		for _, g := range e.grants {
			refused.WithFix("%s", g)
		}
		return refused
	}
	sk.Enabled = true
	return refill(sk, e)
}

// replan gives a skill the plan that its binding compiles to now, disabled, and
// leaves everything else as it is kept.
func (s *Service) replan(ctx context.Context, p auth.Principal, sk store.Skill, e *examined) error {
	sk.Enabled = false
	if err := refill(&sk, e); err != nil {
		return err
	}
	_, err := s.keepSkill(ctx, p, sk)
	return err
}

// refill puts what was examined into the skill, and leaves its binding and its
// switches alone.
func refill(sk *store.Skill, e *examined) error {
	var b binding.Binding
	var set settings
	if err := readSkill(*sk, &b, &set); err != nil {
		return err
	}
	set.QueryPlan, set.Warnings = e.query, viewFindings(sk.ID, e.findings)
	return fillSkill(sk, b, e.plan, set)
}

// sentBack tells that a change of an enabled write took it off the next
// version until somebody has reviewed it.
func sentBack(sk store.Skill) api.Finding {
	f := skillFinding(sk, "write_disabled", "The change made another statement of the write, which is disabled until it has been reviewed.",
		"Review the statement and enable the skill with its planDigest.")
	f.Severity = binding.SeverityWarning
	return f
}
