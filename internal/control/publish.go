package control

import (
	"context"
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/plan"
	"flowyte/internal/store"
)

// frozen is a published version as it is stored: the number says how to read
// it, and newer releases go on reading older numbers.
type frozen struct {
	Format int           `json:"format"`
	Agent  api.Agent     `json:"agent"`
	Skills []frozenSkill `json:"skills"`
	// Verification came later than the first release: nil in versions from
	// before, which verify nobody.
	Verification *api.CallerVerification `json:"verification,omitempty"`
}

// frozenFormat is the number of the present form; see testdata/golden.
const frozenFormat = 1

type frozenSkill struct {
	Skill api.Skill  `json:"skill"`
	Plan  *plan.Plan `json:"plan"`

	record store.Skill // of the draft, as compiled; not part of a version
}

// UnmarshalJSON reads the plan as every kept plan is read: one that this
// release does not fully understand is an error.
func (f *frozenSkill) UnmarshalJSON(data []byte) error {
	var raw struct {
		Skill api.Skill       `json:"skill"`
		Plan  json.RawMessage `json:"plan"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	p, err := plan.Decode(raw.Plan)
	f.Skill, f.Plan = raw.Skill, p
	return err
}

// readPlan reads the plan of a skill as the store keeps it.
func readPlan(kept json.RawMessage) (*plan.Plan, error) {
	p, err := plan.Decode(kept)
	if err != nil {
		return nil, fault.Wrap(fault.StoreDamaged, err)
	}
	return p, nil
}

func readFrozen(v store.Version) (frozen, error) {
	var f frozen
	if v.Format != frozenFormat {
		return f, fault.New(fault.StoreDamaged)
	}
	if err := json.Unmarshal(v.Compiled, &f); err != nil {
		return f, fault.Wrap(fault.StoreDamaged, err)
	}
	return f, nil
}

// serving makes what live serves of a version. The skill that callers are
// verified by is no tool of it.
func serving(f frozen, org id.Org, version id.Version, number int) (*live.Version, error) {
	location := time.UTC
	if f.Agent.TimeZone != "" {
		var err error
		if location, err = time.LoadLocation(f.Agent.TimeZone); err != nil {
			return nil, fault.Wrap(fault.StoreDamaged, err)
		}
	}
	v := live.Version{
		ID: version, Number: number, Org: org, Agent: id.Agent(f.Agent.ID), Country: f.Agent.Country, Location: location, Draft: number == 0,
		Channels: f.Agent.Channels,
	}
	var verifier *live.Tool
	for i := range f.Skills {
		s := &f.Skills[i]
		tool := &live.Tool{
			Skill: id.Skill(s.Skill.ID), Name: s.Skill.ToolName, Description: s.Skill.Description, Channels: s.Skill.Channels,
			Plan: s.Plan, PlanDigest: s.Plan.Digest(), Timeout: time.Duration(s.Plan.TimeoutMs) * time.Millisecond,
			RequiresConfirmation:     s.Skill.RequiresConfirmation,
			RequiresVerifiedIdentity: s.Skill.RequiresVerifiedIdentity || stepsUp(f.Verification, &s.Skill),
		}
		if isVerifierOf(f.Verification, &s.Skill) {
			verifier = tool
			continue
		}
		v.Tools = append(v.Tools, tool)
	}
	v.Verification = verifying(f.Verification, verifier, v.Tools)
	return live.NewVersion(v), nil
}

// recompiled compiles every enabled skill of the draft against the schema and
// scoping of now and asks the live server about each. What is wrong, with them
// or with how callers are verified, comes as findings, all together. changed are
// the writes whose statement is not the one that was reviewed.
func (s *Service) recompiled(ctx context.Context, v *api.CallerVerification, records []store.Skill) (skills []frozenSkill, findings []api.Finding, changed []store.Skill, err error) {
	enabled := slices.DeleteFunc(slices.Clone(records), func(sk store.Skill) bool { return !sk.Enabled })
	done, err := s.recompile(ctx, enabled)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, r := range done {
		findings = append(findings, r.findings...)
		if r.frozen != nil {
			skills = append(skills, *r.frozen)
		}
		if r.changed != nil {
			changed = append(changed, *r.changed)
		}
	}
	drafts, err := draftsOf(records)
	if err != nil {
		return nil, nil, nil, err
	}
	for i := range drafts {
		for _, fs := range skills {
			if fs.record.ID == drafts[i].record.ID {
				drafts[i].plan = fs.Plan
			}
		}
	}
	return skills, append(findings, judgeVerification(v, drafts)...), changed, nil
}

// Publish makes the draft live: it compiles every enabled skill again, stores
// the version, and swaps it in. A write whose statement changed since its review
// goes back to disabled, and nothing is published then.
func (s *Service) Publish(ctx context.Context, p auth.Principal, agent id.Agent, note string) (api.Version, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	a, records, err := s.store.AgentSkills(ctx, p.OrgID, agent)
	if err != nil {
		return api.Version{}, err
	}
	verification, err := verificationOf(a)
	if err != nil {
		return api.Version{}, err
	}
	skills, findings, changed, err := s.recompiled(ctx, verification, records)
	if err != nil {
		return api.Version{}, err
	}
	if err := s.sendBack(ctx, p, changed); err != nil {
		return api.Version{}, err
	}
	if hasErrors(findings) {
		return api.Version{}, fault.New(fault.PublishBlocked).WithExtra("findings", findings)
	}
	view := viewAgent(a)
	compiled, err := json.Marshal(frozen{Format: frozenFormat, Agent: view, Skills: skills, Verification: verification})
	if err != nil {
		return api.Version{}, fault.Wrap(fault.Internal, err)
	}
	publication := store.Publication{AgentID: agent, Revision: a.Revision, Format: frozenFormat, Compiled: compiled, Note: note}
	for _, fs := range skills {
		publication.Skills = append(publication.Skills, fs.record)
	}
	record, err := s.store.Publish(ctx, by(p), publication)
	if err != nil {
		return api.Version{}, err
	}
	if err := s.goLive(record); err != nil {
		return api.Version{}, err
	}
	return viewVersion(record, true)
}

// goLive swaps a stored version in. Called with publishing held.
func (s *Service) goLive(v store.Version) error {
	lv, err := s.thaw(v)
	if err != nil {
		return err
	}
	s.swap(func(next *live.Table) {
		next.Live = maps.Clone(next.Live)
		if next.Live == nil {
			next.Live = map[id.Agent]*live.Version{}
		}
		next.Live[v.AgentID] = lv
	})
	return nil
}

// retire takes an agent off the air. Called with publishing held.
func (s *Service) retire(agent id.Agent) {
	s.swap(func(next *live.Table) {
		next.Live = maps.Clone(next.Live)
		delete(next.Live, agent)
	})
	s.engine.EndAgent(agent)
}

func viewVersion(v store.Version, whole bool) (api.Version, error) {
	out := api.Version{
		ID: string(v.ID), AgentID: string(v.AgentID), Version: v.Number, Digest: v.Digest, Note: v.Note,
		PublishedAt: v.PublishedAt, PublishedBy: string(v.PublishedBy), Live: v.Live,
	}
	if whole {
		f, err := readFrozen(v)
		if err != nil {
			return out, err
		}
		cfg := api.CompiledConfig{Format: f.Format, Agent: f.Agent, Skills: []api.Skill{}, CallerVerification: f.Verification}
		for _, sk := range f.Skills {
			cfg.Skills = append(cfg.Skills, sk.Skill)
		}
		out.CompiledConfig = &cfg
	}
	return out, nil
}

// Versions lists what was published, newest first.
func (s *Service) Versions(ctx context.Context, p auth.Principal, agent id.Agent, cursor string, limit int) ([]api.Version, string, error) {
	page, err := s.store.Versions(ctx, p.OrgID, agent, store.Page{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	list := make([]api.Version, 0, len(page.Items))
	for _, r := range page.Items {
		v, err := viewVersion(r, false)
		if err != nil {
			return nil, "", err
		}
		list = append(list, v)
	}
	return list, page.Next, nil
}

// Version is one published version, whole.
func (s *Service) Version(ctx context.Context, p auth.Principal, agent id.Agent, version id.Version) (api.Version, error) {
	v, err := s.store.Version(ctx, p.OrgID, agent, version)
	if err != nil {
		return api.Version{}, err
	}
	return viewVersion(v, true)
}

// RollBack makes an earlier version live again, if everything it needs is
// still there and allowed.
func (s *Service) RollBack(ctx context.Context, p auth.Principal, agent id.Agent, version id.Version) (api.Version, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	v, err := s.store.Version(ctx, p.OrgID, agent, version)
	if err != nil {
		return api.Version{}, err
	}
	f, err := readFrozen(v)
	if err != nil {
		return api.Version{}, err
	}
	var findings []api.Finding
	for _, fs := range f.Skills {
		// A suspended or deleted skill of the draft does not concern a version,
		// whose plans stand on their own; its connection and scoping do.
		sk := store.Skill{ID: id.Skill(fs.Skill.ID), OrgID: p.OrgID, AgentID: agent, Kind: fs.Plan.Kind, ToolName: fs.Skill.ToolName}
		reason, err := s.standing(ctx, sk, fs.Plan)
		if err != nil {
			return api.Version{}, err
		}
		if reason != "" {
			findings = append(findings, skillFinding(sk, reason, "Something that this skill needs is gone, blocked or changed.", "Publish a new version instead."))
		}
	}
	if len(findings) > 0 {
		return api.Version{}, fault.New(fault.RollbackBlocked).WithExtra("findings", findings)
	}
	if v, err = s.store.SetPublished(ctx, by(p), agent, version); err != nil {
		return api.Version{}, err
	}
	if err := s.goLive(v); err != nil {
		return api.Version{}, err
	}
	return viewVersion(v, true)
}

// Load brings what the store holds into memory: connections, live versions,
// suspensions. Customers' databases are not touched, so that the process
// starts while any of them is down.
func (s *Service) Load(ctx context.Context) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	next := &live.Table{
		Live: map[id.Agent]*live.Version{}, Connections: map[live.ConnectionKey]*live.Connection{}, Suspended: map[id.Skill]bool{},
	}
	connections, err := s.store.LoadConnections(ctx)
	if err != nil {
		return err
	}
	for _, c := range connections {
		if err := s.open(c); err != nil {
			// One unreadable credential must not keep the others from starting.
			s.log.Error("credentials cannot be opened", "connectionId", c.ID, "code", fault.CodeOf(err))
			continue
		}
		cat, err := s.catalog(ctx, c)
		switch {
		case fault.Is(err, fault.StoreDamaged):
			s.log.Error("a catalogue cannot be read; discover again", "connectionId", c.ID)
		case err != nil && !fault.Is(err, fault.NotDiscovered):
			return err
		}
		next.Connections[live.ConnectionKey{Org: c.OrgID, Kind: c.Kind}] = s.liveConnection(c, cat, s.catalogs.seen(c.ID))
	}
	if err := s.loadVersions(ctx, next); err != nil {
		return err
	}
	states, err := s.store.LoadSkillStates(ctx)
	if err != nil {
		return err
	}
	for _, st := range states {
		if st.Suspended {
			next.Suspended[st.SkillID] = true
		}
	}
	s.swap(func(t *live.Table) { *t = *next })
	return s.restore(ctx)
}

// loadVersions serves every live version that can be read. One that cannot is
// reported and not served; it does not keep the others from being served.
// Reading a version is most of a start, so all processors do it.
func (s *Service) loadVersions(ctx context.Context, table *live.Table) error {
	var mu sync.Mutex
	var readers sync.WaitGroup
	defer readers.Wait()
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	return s.store.LoadPublished(ctx, func(v store.Version, damage error) {
		turns <- struct{}{}
		readers.Go(func() {
			defer func() { <-turns }()
			lv, err := (*live.Version)(nil), damage
			if err == nil {
				lv, err = s.thaw(v)
			}
			if err != nil {
				s.log.Error("a published version cannot be served", "versionId", v.ID, "code", fault.CodeOf(err))
				return
			}
			mu.Lock()
			defer mu.Unlock()
			table.Live[v.AgentID] = lv
		})
	})
}

// thaw makes what live serves out of a stored version.
func (s *Service) thaw(v store.Version) (*live.Version, error) {
	f, err := readFrozen(v)
	if err != nil {
		return nil, err
	}
	return serving(f, v.OrgID, v.ID, v.Number)
}
