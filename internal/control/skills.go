package control

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/binding"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/store"
)

// Skills lists an agent's skills, oldest first.
func (s *Service) Skills(ctx context.Context, p auth.Principal, agent id.Agent, cursor string, limit int) ([]api.Skill, string, error) {
	page, err := s.store.Skills(ctx, p.OrgID, agent, store.Page{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	list := make([]api.Skill, 0, len(page.Items))
	for _, r := range page.Items {
		v, err := s.viewSkill(ctx, r)
		if err != nil {
			return nil, "", err
		}
		list = append(list, v)
	}
	return list, page.Next, nil
}

// Skill is one skill.
func (s *Service) Skill(ctx context.Context, p auth.Principal, agent id.Agent, skill id.Skill) (api.Skill, error) {
	sk, err := s.store.Skill(ctx, p.OrgID, agent, skill)
	if err != nil {
		return api.Skill{}, err
	}
	return s.viewSkill(ctx, sk)
}

// PatchSkill changes a skill of the draft. Limits are part of the frozen
// statement, so changing one compiles the binding again, and takes an enabled
// write back to be reviewed.
func (s *Service) PatchSkill(ctx context.Context, p auth.Principal, agent id.Agent, skill id.Skill, patch api.SkillPatch) (api.Skill, error) {
	sk, err := s.store.Skill(ctx, p.OrgID, agent, skill)
	if err != nil {
		return api.Skill{}, err
	}
	var b binding.Binding
	var set settings
	if err := readSkill(sk, &b, &set); err != nil {
		return api.Skill{}, err
	}
	before := sk
	if err := patchNames(&sk, &b, patch); err != nil {
		return api.Skill{}, err
	}
	if err := s.patchLimits(ctx, &sk, &b, patch); err != nil {
		return api.Skill{}, err
	}
	if err := patchSettings(&sk, &b, patch); err != nil {
		return api.Skill{}, err
	}
	switch {
	case patch.IsEnabled != nil && *patch.IsEnabled && b.IsWrite:
		err = s.enableWrite(ctx, p, before, &sk, b, patch.PlanDigest)
	case patch.PlanDigest != nil && *patch.PlanDigest != sk.PlanDigest:
		err = fault.New(fault.PlanChanged)
	case patch.IsEnabled != nil:
		sk.Enabled = *patch.IsEnabled
	}
	if err != nil {
		return api.Skill{}, err
	}
	if sk, err = s.keepSkill(ctx, p, sk); err != nil {
		return api.Skill{}, err
	}
	v, err := s.viewSkill(ctx, sk)
	if err == nil && before.Enabled && !sk.Enabled && sk.PlanDigest != before.PlanDigest {
		v.Warnings = append(v.Warnings, sentBack(sk))
	}
	return v, err
}

func patchNames(sk *store.Skill, b *binding.Binding, patch api.SkillPatch) error {
	if patch.Name != nil {
		sk.Name, b.ToolName = *patch.Name, *patch.Name
		if patch.ToolName == nil {
			name, err := binding.MachineName(*patch.Name)
			if err != nil {
				return err
			}
			sk.ToolName = name
		}
	}
	if patch.ToolName != nil {
		name, err := binding.MachineName(*patch.ToolName)
		if err != nil {
			return err
		}
		if name != *patch.ToolName {
			return fault.New(fault.ToolNameInvalid).WithField("toolName", "must be a machine name: a lower-case letter, then letters, digits and underscores, at most 40")
		}
		sk.ToolName = name
	}
	if patch.Description != nil {
		b.Description = *patch.Description
	}
	return nil
}

// Bounds of what an operator may set; contract §3 and §5.
const (
	minTimeoutMs = 100
	maxTimeoutMs = 2000
	maxMaxRows   = 25
)

func (s *Service) patchLimits(ctx context.Context, sk *store.Skill, b *binding.Binding, patch api.SkillPatch) error {
	if patch.TimeoutMs == nil && patch.MaxRows == nil {
		return nil
	}
	bad := fault.New(fault.ValueInvalid)
	if patch.TimeoutMs != nil {
		if *patch.TimeoutMs < minTimeoutMs || *patch.TimeoutMs > maxTimeoutMs {
			bad.WithField("timeoutMs", "must be between %d and %d", minTimeoutMs, maxTimeoutMs)
		}
		b.TimeoutMs = *patch.TimeoutMs
	}
	if patch.MaxRows != nil {
		if *patch.MaxRows < 1 || *patch.MaxRows > maxMaxRows || b.Filter == nil {
			bad.WithField("maxRows", "must be between 1 and %d, on a read", maxMaxRows)
		} else {
			b.Filter.MaxRows = *patch.MaxRows
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	c, err := s.bindable(ctx, sk.OrgID, sk.Kind)
	if err != nil {
		return err
	}
	reviewed := sk.PlanDigest
	if err := s.compileInto(ctx, sk, c, *b, nil); err != nil {
		return err
	}
	if b.IsWrite && sk.PlanDigest != reviewed {
		sk.Enabled = false
	}
	return nil
}

func patchSettings(sk *store.Skill, b *binding.Binding, patch api.SkillPatch) error {
	var set settings
	if err := json.Unmarshal(sk.Settings, &set); err != nil {
		return fault.Wrap(fault.StoreDamaged, err)
	}
	if patch.Channels != nil {
		if !soundChannels(*patch.Channels) {
			return fault.New(fault.ValueInvalid).WithField("channels", "must be voice, chat, or both")
		}
		set.Channels = *patch.Channels
	}
	gates := []struct {
		name string
		want *bool
		gate *bool
	}{
		{"requiresConfirmation", patch.RequiresConfirmation, &set.RequiresConfirmation},
		{"requiresVerifiedIdentity", patch.RequiresVerifiedIdentity, &set.RequiresVerifiedIdentity},
	}
	for _, g := range gates {
		if g.want == nil {
			continue
		}
		if b.IsWrite && *g.gate && !*g.want {
			return fault.New(fault.GateFixed).WithField(g.name, "cannot be switched off on a write")
		}
		*g.gate = *g.want
	}
	var err error
	if sk.Settings, err = json.Marshal(set); err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	if sk.Binding, err = json.Marshal(b); err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	return nil
}

// soundChannels tells whether each channel is known and named once; none at all
// means every channel.
func soundChannels(channels []string) bool {
	for i, c := range channels {
		if c != "voice" && c != "chat" || slices.Contains(channels[:i], c) {
			return false
		}
	}
	return true
}

// DeleteSkill removes a skill from the draft. What is published stays until
// the next publish.
func (s *Service) DeleteSkill(ctx context.Context, p auth.Principal, agent id.Agent, skill id.Skill) (api.Deleted, error) {
	if err := s.store.DeleteSkill(ctx, by(p), agent, skill); err != nil {
		return api.Deleted{}, err
	}
	return api.Deleted{ID: string(skill), Deleted: true}, nil
}

// Suspend switches a skill off, or on again, in every version at once.
func (s *Service) Suspend(ctx context.Context, p auth.Principal, agent id.Agent, skill id.Skill, suspended bool) (api.Skill, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	sk, err := s.store.ChangeSkill(ctx, by(p), agent, skill, func(sk *store.Skill) error {
		sk.Suspended, sk.StatusReason = suspended, ""
		return nil
	})
	if err != nil {
		return api.Skill{}, err
	}
	s.suspend(skill, suspended)
	return s.viewSkill(ctx, sk)
}

// viewSkill renders a skill with its present standing.
func (s *Service) viewSkill(ctx context.Context, sk store.Skill) (api.Skill, error) {
	var (
		b   binding.Binding
		set settings
	)
	compiled, err := readPlan(sk.Plan)
	if err != nil {
		return api.Skill{}, err
	}
	for _, part := range []struct {
		from []byte
		to   any
	}{{sk.Binding, &b}, {sk.Settings, &set}} {
		if err := json.Unmarshal(part.from, part.to); err != nil {
			return api.Skill{}, fault.Wrap(fault.StoreDamaged, err)
		}
	}
	reason, err := s.standing(ctx, sk, compiled)
	if err != nil {
		return api.Skill{}, err
	}
	classes, err := s.classesOf(ctx, sk)
	if err != nil {
		return api.Skill{}, err
	}
	v := api.Skill{
		ID: string(sk.ID), AgentID: string(sk.AgentID), OrganizationID: string(sk.OrgID), Name: sk.Name, ToolName: sk.ToolName,
		Description: b.Description, SkillType: "native_sql", ParametersSchema: compiled.ParametersSchema(nil),
		RequiredParams: compiled.RequiredParams(), ExecutionConfig: viewExecution(sk, compiled, set.QueryPlan), Binding: sk.Binding,
		IsWrite: b.IsWrite, RequiresVerifiedIdentity: set.RequiresVerifiedIdentity, RequiresConfirmation: set.RequiresConfirmation,
		NonParallelizable: set.NonParallelizable, Channels: channelsOrAll(set.Channels), ErrorHandling: errorHandling(), IsEnabled: sk.Enabled,
		Status: statusOf(sk, reason), StatusReason: cmp.Or(sk.StatusReason, reason), Warnings: append([]api.Finding{}, set.Warnings...),
		DataEgressMap: []api.EgressEntry{}, DataIngressMap: []api.IngressEntry{}, AllowedFields: []string{}, CreatedAt: sk.CreatedAt, UpdatedAt: sk.UpdatedAt,
	}
	v.LiveAfterPublish = sk.Enabled && v.Status == "active"
	if ms, ok := s.engine.ExpectedLatency(sk.PlanDigest); ok {
		v.ExpectedLatencyMs = &ms
	}
	for _, r := range compiled.Results {
		object := objectName(&r)
		v.DataEgressMap = append(v.DataEgressMap, api.EgressEntry{Leaf: r.Leaf, Object: object, Column: r.From.Column, PIIClass: classes(&r.From)})
		v.AllowedFields = append(v.AllowedFields, object+"."+r.From.Column)
	}
	for i := range compiled.Slots {
		if slot := &compiled.Slots[i]; slot.Column != "" {
			v.DataIngressMap = append(v.DataIngressMap, viewIngress(compiled, slot, classes))
		}
	}
	return v, nil
}

// viewIngress says what a write puts into a column.
func viewIngress(p *plan.Plan, slot *plan.Slot, classes func(*schema.ColumnRef) string) api.IngressEntry {
	to := schema.ColumnRef{Schema: p.Object.Schema, Object: p.Object.Object, Column: slot.Column}
	e := api.IngressEntry{Object: to.Schema + "." + to.Object, Column: to.Column, Source: string(slot.Source), Name: slot.Name, PIIClass: classes(&to)}
	if slot.Source == plan.FromConst {
		e.Const = ptr(slot.Const)
	}
	return e
}

func objectName(r *plan.Result) string { return r.From.Schema + "." + r.From.Object }

// classesOf tells the PII class of a column a skill returns.
func (s *Service) classesOf(ctx context.Context, sk store.Skill) (func(*schema.ColumnRef) string, error) {
	c, err := s.seen(ctx, sk.OrgID, sk.Kind)
	if err != nil {
		if fault.Is(err, fault.NotConnected) || fault.Is(err, fault.NotDiscovered) {
			return func(*schema.ColumnRef) string { return "" }, nil
		}
		return nil, err
	}
	return func(r *schema.ColumnRef) string {
		o := c.scoped.Lookup(r.Schema, r.Object)
		if o == nil {
			return ""
		}
		f := o.Field(r.Column)
		if f == nil {
			return ""
		}
		return c.class(o, f)
	}, nil
}

func channelsOrAll(channels []string) []string {
	if len(channels) == 0 {
		return []string{"voice", "chat"}
	}
	return channels
}

func errorHandling() api.ErrorHandling {
	return api.ErrorHandling{NotFound: "say_not_found", TimedOut: "say_unavailable", Unavailable: "say_unavailable"}
}

func viewExecution(sk store.Skill, p *plan.Plan, q *api.QueryPlan) *api.ExecutionConfig {
	e := &api.ExecutionConfig{
		Kind: string(p.Kind), Operation: p.Operation, Statement: p.Statement, MaxRows: p.MaxRows, TimeoutMs: p.TimeoutMs,
		Plan: q, PlanDigest: sk.PlanDigest, Parameters: []api.PlanParameter{}, Results: []api.PlanResult{},
	}
	if p.Check != nil {
		e.CheckStatement = p.Check.Statement
	}
	for i := range p.Slots {
		slot := &p.Slots[i]
		v := api.PlanParameter{Position: i + 1, Source: string(slot.Source), Name: slot.Name, Type: string(slot.Type.Type)}
		for j := range p.Params {
			if slot.Source == plan.FromParam && p.Params[j].Name == slot.Name && p.Params[j].Format != plan.Plain {
				v.Format, v.Variant, v.PhoneForms = string(p.Params[j].Format), ptr(slot.Variant), p.Params[j].Stored
			}
		}
		e.Parameters = append(e.Parameters, v)
	}
	for i := range p.Results {
		r := &p.Results[i]
		e.Results = append(e.Results, api.PlanResult{Leaf: r.Leaf, Type: string(r.Type.Type), Object: objectName(r), Column: r.From.Column})
	}
	return e
}
