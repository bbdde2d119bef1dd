package control

import (
	"bytes"
	"context"
	"encoding/json"
	"sort"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/store"
)

// PrepublishReport says what publishing now would make live, what stands in
// the way, and what would change against the live version.
func (s *Service) PrepublishReport(ctx context.Context, p auth.Principal, agent id.Agent) (api.PrepublishReport, error) {
	a, records, err := s.store.AgentSkills(ctx, p.OrgID, agent)
	if err != nil {
		return api.PrepublishReport{}, err
	}
	verification, err := verificationOf(a)
	if err != nil {
		return api.PrepublishReport{}, err
	}
	skills, findings, _, err := s.recompiled(ctx, verification, records)
	if err != nil {
		return api.PrepublishReport{}, err
	}
	r := api.PrepublishReport{Publishable: !hasErrors(findings), Skills: []api.Skill{}, Findings: findings, CallerVerification: *verification}
	if r.Findings == nil {
		r.Findings = []api.Finding{}
	}
	for _, sk := range skills {
		r.Skills = append(r.Skills, sk.Skill)
	}
	before := frozen{}
	if a.PublishedVersionID != "" {
		v, err := s.store.Version(ctx, p.OrgID, agent, a.PublishedVersionID)
		if err != nil {
			return r, err
		}
		if before, err = readFrozen(v); err != nil {
			return r, err
		}
	}
	r.Changes.VersionID = string(a.PublishedVersionID)
	r.Changes.Changes, err = s.changes(ctx, a, records, before)
	return r, err
}

// Diff compares a published version with the draft.
func (s *Service) Diff(ctx context.Context, p auth.Principal, agent id.Agent, version id.Version) (api.VersionDiff, error) {
	a, records, err := s.store.AgentSkills(ctx, p.OrgID, agent)
	if err != nil {
		return api.VersionDiff{}, err
	}
	v, err := s.store.Version(ctx, p.OrgID, agent, version)
	if err != nil {
		return api.VersionDiff{}, err
	}
	f, err := readFrozen(v)
	if err != nil {
		return api.VersionDiff{}, err
	}
	changes, err := s.changes(ctx, a, records, f)
	return api.VersionDiff{VersionID: string(version), Changes: changes}, err
}

// changes are the differences from a published state to the draft, field by
// field: agent.country, skills.look_up.statement …
func (s *Service) changes(ctx context.Context, a store.Agent, records []store.Skill, before frozen) ([]api.VersionChange, error) {
	verification, err := verificationOf(a)
	if err != nil {
		return nil, err
	}
	after := frozen{Agent: viewAgent(a), Verification: verification}
	for _, r := range records {
		if !r.Enabled {
			continue
		}
		v, err := s.viewSkill(ctx, r)
		if err != nil {
			return nil, err
		}
		after.Skills = append(after.Skills, frozenSkill{Skill: v})
	}
	return compareFields(noticeable(before), noticeable(after))
}

// noticeable flattens what a caller or a reviewer would notice. Skills go by
// id, so that a renamed tool shows as a change and not as another skill.
func noticeable(f frozen) map[string]any {
	fields := map[string]any{}
	if f.Agent.ID != "" {
		fields["agent.name"] = f.Agent.Name
		fields["agent.description"] = f.Agent.Description
		fields["agent.country"] = f.Agent.Country
		fields["agent.timeZone"] = f.Agent.TimeZone
		fields["agent.channels"] = f.Agent.Channels
	}
	noticeVerification(fields, f)
	for i := range f.Skills {
		sk := &f.Skills[i].Skill
		at := "skills." + sk.ID + "."
		fields[at+"name"] = sk.Name
		fields[at+"toolName"] = sk.ToolName
		fields[at+"description"] = sk.Description
		fields[at+"channels"] = sk.Channels
		fields[at+"parametersSchema"] = sk.ParametersSchema
		fields[at+"binding"] = sk.Binding
		fields[at+"dataEgressMap"] = sk.DataEgressMap
		if len(sk.DataIngressMap) > 0 { // a version from before there were any has none
			fields[at+"dataIngressMap"] = sk.DataIngressMap
		}
		fields[at+"nonParallelizable"] = sk.NonParallelizable
		fields[at+"requiresConfirmation"] = sk.RequiresConfirmation
		fields[at+"requiresVerifiedIdentity"] = sk.RequiresVerifiedIdentity
		if e := sk.ExecutionConfig; e != nil {
			fields[at+"statement"] = e.Statement
			if e.CheckStatement != "" {
				fields[at+"checkStatement"] = e.CheckStatement
			}
			fields[at+"parameters"] = e.Parameters
			fields[at+"planDigest"] = e.PlanDigest
			fields[at+"maxRows"] = e.MaxRows
			fields[at+"timeoutMs"] = e.TimeoutMs
		}
	}
	return fields
}

// noticeVerification flattens how callers are verified. A version from before
// there was such a thing verifies nobody.
func noticeVerification(fields map[string]any, f frozen) {
	v := f.Verification
	switch {
	case v != nil && v.Method != methodNone:
		fields["callerVerification.method"] = v.Method
		fields["callerVerification.verifierSkillId"] = v.VerifierSkillID
		fields["callerVerification.requiredFields"] = v.RequiredFields
		fields["callerVerification.tokenTtlSeconds"] = v.TokenTTLSeconds
		fields["callerVerification.maxAttempts"] = v.MaxAttempts
		fields["callerVerification.stepUpFor"] = v.StepUpFor
		fields["callerVerification.subject"] = v.Subject
	case f.Agent.ID != "":
		fields["callerVerification.method"] = methodNone
	}
}

func compareFields(before, after map[string]any) ([]api.VersionChange, error) {
	names := map[string]bool{}
	for n := range before {
		names[n] = true
	}
	for n := range after {
		names[n] = true
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	sort.Strings(sorted)
	changes := []api.VersionChange{}
	for _, n := range sorted {
		b, had := before[n]
		a, has := after[n]
		c := api.VersionChange{Field: n, Kind: "changed"}
		switch {
		case !had:
			c.Kind = "added"
		case !has:
			c.Kind = "removed"
		}
		var err error
		if c.Before, err = json.Marshal(b); err != nil {
			return nil, fault.Wrap(fault.Internal, err)
		}
		if c.After, err = json.Marshal(a); err != nil {
			return nil, fault.Wrap(fault.Internal, err)
		}
		if c.Kind != "changed" || !bytes.Equal(c.Before, c.After) {
			changes = append(changes, c)
		}
	}
	return changes, nil
}
