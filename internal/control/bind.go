package control

import (
	"context"
	"encoding/json"
	"net/http"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/binding"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// settings are what a skill carries beside its binding.
type settings struct {
	Channels                 []string       `json:"channels,omitempty"`
	RequiresConfirmation     bool           `json:"requiresConfirmation,omitempty"`
	RequiresVerifiedIdentity bool           `json:"requiresVerifiedIdentity,omitempty"`
	NonParallelizable        bool           `json:"nonParallelizable,omitempty"`
	QueryPlan                *api.QueryPlan `json:"queryPlan,omitempty"`
	Warnings                 []api.Finding  `json:"warnings,omitempty"`
}

// Bind compiles a binding and keeps it as a skill of the agent's draft.
func (s *Service) Bind(ctx context.Context, p auth.Principal, agent id.Agent, kind schema.Kind, r api.BindingRequest) (api.Skill, error) {
	if _, err := s.store.Agent(ctx, p.OrgID, agent); err != nil {
		return api.Skill{}, err
	}
	sk := store.Skill{OrgID: p.OrgID, AgentID: agent, Kind: kind}
	if err := s.bindInto(ctx, p, &sk, r); err != nil {
		return api.Skill{}, err
	}
	sk, err := s.store.CreateSkill(ctx, by(p), sk)
	if err != nil {
		return api.Skill{}, err
	}
	return s.viewSkill(ctx, sk)
}

// Rebind replaces a skill's binding. A write goes back to disabled.
func (s *Service) Rebind(ctx context.Context, p auth.Principal, agent id.Agent, kind schema.Kind, skill id.Skill, r api.BindingRequest) (api.Skill, error) {
	sk, err := s.store.Skill(ctx, p.OrgID, agent, skill)
	if err != nil {
		return api.Skill{}, err
	}
	if sk.Kind != kind {
		return api.Skill{}, fault.New(fault.NotFound)
	}
	if err := s.bindInto(ctx, p, &sk, r); err != nil {
		return api.Skill{}, err
	}
	if sk, err = s.keepSkill(ctx, p, sk); err != nil {
		return api.Skill{}, err
	}
	return s.viewSkill(ctx, sk)
}

// keepSkill stores a skill that was read, changed and compiled; another change
// that came in between is a conflict.
func (s *Service) keepSkill(ctx context.Context, p auth.Principal, sk store.Skill) (store.Skill, error) {
	return s.store.ChangeSkill(ctx, by(p), sk.AgentID, sk.ID, func(now *store.Skill) error {
		if !now.UpdatedAt.Equal(sk.UpdatedAt) {
			return fault.New(fault.VersionConflict)
		}
		*now = sk
		return nil
	})
}

// bindInto judges the request, compiles it and fills the skill.
func (s *Service) bindInto(ctx context.Context, p auth.Principal, sk *store.Skill, r api.BindingRequest) error {
	c, err := s.bindable(ctx, sk.OrgID, sk.Kind)
	if err != nil {
		return err
	}
	toolName, err := binding.MachineName(r.ToolName)
	if err != nil {
		return err
	}
	b, findings := binding.FromRequest(r)
	sk.Name, sk.ToolName = r.ToolName, toolName
	sk.Enabled = r.Enabled && !b.IsWrite
	if !binding.Rejected(findings) {
		if c, err = s.learnPhones(ctx, p, sk.Kind, c, b); err != nil {
			return err
		}
	}
	return s.compileInto(ctx, sk, c, b, findings)
}

// bindable is the catalogue that bindings are compiled against.
func (s *Service) bindable(ctx context.Context, org id.Org, kind schema.Kind) (*catalog, error) {
	c, err := s.seen(ctx, org, kind)
	if fault.Is(err, fault.NotDiscovered) {
		// Here the order of steps is wrong, which is a conflict; contract §3.
		return nil, fault.New(fault.NotDiscovered).WithStatus(http.StatusConflict)
	}
	return c, err
}

// compileInto compiles b, asks the live server about the statement, and fills
// the skill with binding, plan and settings.
func (s *Service) compileInto(ctx context.Context, sk *store.Skill, c *catalog, b binding.Binding, findings []binding.Finding) error {
	// A request that is wrong in its form is compiled too, for all findings at once.
	e := s.examine(ctx, sk.OrgID, sk.Kind, c, b, findings)
	if e.rejected() {
		return fault.New(fault.BindingRejected).WithExtra("findings", viewFindings("", e.findings))
	}
	if e.trouble != nil {
		e.findings = append(e.findings, binding.Found(binding.NotVerifiedLive, ""))
	}
	var set settings
	if len(sk.Settings) > 0 {
		if err := json.Unmarshal(sk.Settings, &set); err != nil {
			return fault.Wrap(fault.StoreDamaged, err)
		}
	}
	set.QueryPlan = e.query
	set.Warnings = viewFindings("", e.findings)
	set.RequiresConfirmation = set.RequiresConfirmation || b.IsWrite
	set.RequiresVerifiedIdentity = set.RequiresVerifiedIdentity || e.plan.Action == plan.Update
	set.NonParallelizable = b.IsWrite
	return fillSkill(sk, b, e.plan, set)
}

func fillSkill(sk *store.Skill, b binding.Binding, p *plan.Plan, set settings) (err error) {
	if sk.Binding, err = json.Marshal(b); err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	if sk.Plan, err = json.Marshal(p); err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	if sk.Settings, err = json.Marshal(set); err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	sk.PlanDigest = p.Digest()
	return nil
}

func viewFindings(skill id.Skill, findings []binding.Finding) []api.Finding {
	list := make([]api.Finding, 0, len(findings))
	for _, f := range findings {
		list = append(list, api.Finding{
			Code: f.Code, Severity: f.Severity, Path: f.Path, Message: f.Message, Fix: f.Fix, Candidates: orEmpty(f.Candidates), SkillID: string(skill),
		})
	}
	return list
}
