package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

func TestAgentLife(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	created, err := s.CreateAgent(t.Context(), by, Agent{
		Name: "Front desk", Description: "d", Country: "DE", TimeZone: "Europe/Berlin", Channels: []string{"voice", "chat"},
		Verification: json.RawMessage(`{"method":"knowledge"}`),
		// What the caller has no say in.
		ID: "agt_x", OrgID: "org_x", Revision: 9, PublishedVersionID: "ver_x", PublishedNumber: 3,
	})
	must(t, err)
	if created.ID == "agt_x" || created.OrgID != by.Org || created.Revision != 1 || created.PublishedVersionID != "" {
		t.Errorf("created %+v", created)
	}
	got, err := s.Agent(t.Context(), by.Org, created.ID)
	must(t, err)
	same(t, created, got)

	w.advance(time.Minute)
	changed, err := s.ChangeAgent(t.Context(), by, created.ID, 1, func(a *Agent) error {
		a.Name, a.Channels, a.Verification = "Desk", nil, nil
		a.Revision, a.OrgID, a.ID = 77, "org_x", "agt_x" // no say
		return nil
	})
	must(t, err)
	want := created
	want.Name, want.Channels, want.Verification, want.Revision, want.UpdatedAt = "Desk", nil, nil, 2, created.UpdatedAt.Add(time.Minute)
	same(t, want, changed)

	current, err := s.ChangeAgent(t.Context(), by, created.ID, 1, func(*Agent) error { t.Error("a stale change ran"); return nil })
	wantFault(t, err, fault.VersionConflict)
	same(t, changed, current)

	_, err = s.ChangeAgent(t.Context(), by, created.ID, 0, func(a *Agent) error { a.Name = "no"; return fault.New(fault.ValueInvalid) })
	wantFault(t, err, fault.ValueInvalid)
	got, err = s.Agent(t.Context(), by.Org, created.ID)
	must(t, err)
	same(t, changed, got)

	must(t, s.DeleteAgent(t.Context(), by, created.ID))
	wantFault(t, s.DeleteAgent(t.Context(), by, created.ID), fault.NotFound)
	_, err = s.Agent(t.Context(), by.Org, created.ID)
	wantFault(t, err, fault.NotFound)
	_, err = s.CreateAgent(t.Context(), Actor{Org: "org_none"}, Agent{Name: "x"})
	wantFault(t, err, fault.NotFound)
}

func TestEveryChangeCounts(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	revision := func() int {
		t.Helper()
		got, err := s.Agent(t.Context(), by.Org, a.ID)
		must(t, err)
		return got.Revision
	}
	k := newSkill(t, s, by, a.ID, "Look up")
	if got := revision(); got != 2 {
		t.Errorf("revision %d after a skill was made", got)
	}
	_, err := s.ChangeSkill(t.Context(), by, a.ID, k.ID, func(k *Skill) error { k.Enabled = true; return nil })
	must(t, err)
	if got := revision(); got != 3 {
		t.Errorf("revision %d after a skill was changed", got)
	}
	no := errors.New("no")
	if _, err = s.ChangeSkill(t.Context(), by, a.ID, k.ID, func(*Skill) error { return no }); err != no {
		t.Errorf("the caller's own error comes back as %v", err)
	}
	must(t, s.MarkSkill(t.Context(), SkillState{OrgID: by.Org, AgentID: a.ID, SkillID: k.ID, Status: "drifted", StatusReason: "column_gone"}))
	if got := revision(); got != 3 {
		t.Errorf("revision %d after nothing was changed", got)
	}
	must(t, s.DeleteSkill(t.Context(), by, a.ID, k.ID))
	if got := revision(); got != 4 {
		t.Errorf("revision %d after a skill was deleted", got)
	}
	_, err = s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 4, Compiled: []byte("{}")})
	must(t, err)
	if got := revision(); got != 4 {
		t.Errorf("revision %d after publishing", got)
	}
}

func TestConcurrentChangesAllCount(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	const n = 12
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			_, err := s.ChangeAgent(t.Context(), by, a.ID, 0, func(a *Agent) error { a.Description += "x"; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.Agent(t.Context(), by.Org, a.ID)
	must(t, err)
	if got.Revision != n+1 || got.Description != strings.Repeat("x", n) {
		t.Errorf("revision %d, description %q", got.Revision, got.Description)
	}

	// With an expected revision exactly one of many wins.
	won := make(chan struct{}, n)
	for range n {
		wg.Go(func() {
			_, err := s.ChangeAgent(t.Context(), by, a.ID, got.Revision, func(a *Agent) error { return nil })
			if err == nil {
				won <- struct{}{}
			} else if !fault.Is(err, fault.VersionConflict) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d changes of one revision won", len(won))
	}
}

func TestSkillLife(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	created, err := s.CreateSkill(t.Context(), by, Skill{
		AgentID: a.ID, Kind: "mysql", Name: "Look up", ToolName: "look_up", Binding: []byte(`{"toolName":"Look up"}`),
		Plan: []byte(`{"format":1}`), PlanDigest: "abc", Enabled: true, Suspended: true, Status: "suspended", StatusReason: "r",
		Settings: []byte(`{"timeoutMs":500}`),
	})
	must(t, err)
	got, err := s.Skill(t.Context(), by.Org, a.ID, created.ID)
	must(t, err)
	same(t, created, got)

	w.advance(time.Second)
	changed, err := s.ChangeSkill(t.Context(), by, a.ID, created.ID, func(k *Skill) error {
		k.Name, k.ToolName, k.Plan, k.Settings, k.Suspended = "LOOK UP", "look_up", nil, nil, false
		k.Status, k.StatusReason, k.Enabled, k.Kind, k.Binding, k.PlanDigest = "", "", false, "postgres", []byte(`{}`), ""
		k.ID, k.OrgID, k.AgentID = "skl_x", "org_x", "agt_x" // no say
		return nil
	})
	must(t, err)
	got, err = s.Skill(t.Context(), by.Org, a.ID, created.ID)
	must(t, err)
	same(t, changed, got)
	if got.Plan != nil || got.Settings != nil || !got.UpdatedAt.Equal(created.UpdatedAt.Add(time.Second)) {
		t.Errorf("changed to %+v", got)
	}

	agent, skills, err := s.AgentSkills(t.Context(), by.Org, a.ID)
	must(t, err)
	if agent.Revision != 3 || len(skills) != 1 {
		t.Errorf("agent %+v with %d skills", agent, len(skills))
	}
	ofKind, err := s.SkillsOfKind(t.Context(), by.Org, "postgres")
	must(t, err)
	same(t, skills, ofKind)
	if ofKind, err = s.SkillsOfKind(t.Context(), by.Org, "mysql"); err != nil || len(ofKind) != 0 {
		t.Errorf("%d skills of another kind, %v", len(ofKind), err)
	}

	must(t, s.DeleteSkill(t.Context(), by, a.ID, created.ID))
	wantFault(t, s.DeleteSkill(t.Context(), by, a.ID, created.ID), fault.NotFound)
	_, err = s.CreateSkill(t.Context(), by, Skill{AgentID: "agt_none", Name: "x", ToolName: "x"})
	wantFault(t, err, fault.NotFound)
}

func TestSkillNamesAreUniqueInTheirAgent(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a, b := newAgent(t, s, by, "a"), newAgent(t, s, by, "b")
	first := newSkill(t, s, by, a.ID, "Straße")
	for _, k := range []Skill{
		{Name: "STRASSE?", ToolName: "straße"},
		{Name: "straße", ToolName: "other"},
		{Name: "STRAßE", ToolName: "other"},
	} {
		k.AgentID, k.Kind, k.Binding = a.ID, "postgres", []byte(`{}`)
		_, err := s.CreateSkill(t.Context(), by, k)
		wantFault(t, err, fault.ToolNameTaken)
	}
	if agent, _ := s.Agent(t.Context(), by.Org, a.ID); agent.Revision != 2 {
		t.Errorf("a refused skill counts: revision %d", agent.Revision)
	}
	second := newSkill(t, s, by, a.ID, "Other")
	_, err := s.ChangeSkill(t.Context(), by, a.ID, second.ID, func(k *Skill) error { k.ToolName = strings.ToUpper(first.ToolName); return nil })
	wantFault(t, err, fault.ToolNameTaken)
	newSkill(t, s, by, b.ID, "Straße") // another agent
}

func TestLoadSkillStates(t *testing.T) {
	s, _ := newStore(t)
	var want []SkillState
	for i := range 3 {
		by := newOrg(t, s, fmt.Sprint("org", i))
		a := newAgent(t, s, by, "a")
		newSkill(t, s, by, a.ID, "sound")
		k := newSkill(t, s, by, a.ID, "held")
		st := SkillState{OrgID: by.Org, AgentID: a.ID, SkillID: k.ID, Suspended: i == 1, Status: "drifted", StatusReason: "column_gone"}
		must(t, s.MarkSkill(t.Context(), st))
		want = append(want, st)
	}
	got, err := s.LoadSkillStates(t.Context())
	must(t, err)
	same(t, want, got)
	healed := want[0]
	healed.Status, healed.StatusReason = "active", ""
	must(t, s.MarkSkill(t.Context(), healed))
	got, err = s.LoadSkillStates(t.Context())
	must(t, err)
	same(t, want[1:], got)
}

func TestVersions(t *testing.T) {
	s, w := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	var made []Version
	for i := range 3 {
		w.advance(time.Second)
		v, err := s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 1, Format: 1, Compiled: []byte(fmt.Sprintf(`{"n":%d}`, i)), Note: fmt.Sprint("note ", i)})
		must(t, err)
		if v.Number != i+1 || v.PublishedBy != by.Key || !v.Live {
			t.Errorf("version %+v", v)
		}
		got, err := s.Version(t.Context(), by.Org, a.ID, v.ID)
		must(t, err)
		same(t, v, got)
		made = append(made, v)
	}
	_, err := s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 2, Compiled: []byte("{}")})
	wantFault(t, err, fault.VersionConflict)
	agent, err := s.Agent(t.Context(), by.Org, a.ID)
	must(t, err)
	if agent.PublishedVersionID != made[2].ID || agent.PublishedNumber != 3 {
		t.Errorf("live is %s, number %d", agent.PublishedVersionID, agent.PublishedNumber)
	}

	list, err := s.Versions(t.Context(), by.Org, a.ID, Page{Limit: 2})
	must(t, err)
	for i, v := range list.Items {
		want := made[2-i]
		want.Compiled, want.Live = nil, i == 0
		same(t, want, v)
	}

	back, err := s.SetPublished(t.Context(), by, a.ID, made[0].ID)
	must(t, err)
	same(t, made[0], back)
	var live []Version
	must(t, s.LoadPublished(t.Context(), func(v Version, err error) {
		must(t, err)
		live = append(live, v)
	}))
	same(t, made[:1], live)

	other := newAgent(t, s, by, "other")
	_, err = s.SetPublished(t.Context(), by, other.ID, made[0].ID)
	wantFault(t, err, fault.NotFound)
	_, err = s.Version(t.Context(), by.Org, other.ID, made[0].ID)
	wantFault(t, err, fault.NotFound)

	must(t, s.DeleteAgent(t.Context(), by, a.ID))
	_, err = s.Version(t.Context(), by.Org, a.ID, made[0].ID)
	wantFault(t, err, fault.NotFound)
	must(t, s.LoadPublished(t.Context(), func(v Version, err error) { t.Errorf("%s outlived its agent", v.ID) }))
}

func TestVersionsNeverChange(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	v, err := s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 1, Compiled: []byte(`{"max":5}`)})
	must(t, err)
	for _, query := range []string{
		`UPDATE versions SET compiled = x'00'`,
		`UPDATE versions SET note = 'x'`,
		`DELETE FROM versions`,
		`UPDATE activity SET action = 'x'`,
		`DELETE FROM activity`,
	} {
		if _, err := s.writer.ExecContext(t.Context(), query); err == nil {
			t.Errorf("the store let this through: %s", query)
		}
	}
	got, err := s.Version(t.Context(), by.Org, a.ID, v.ID)
	must(t, err)
	same(t, v, got)

	// Whoever writes into the file itself is found out, and others are served.
	b := newAgent(t, s, by, "b")
	_, err = s.Publish(t.Context(), by, Publication{AgentID: b.ID, Revision: 1, Compiled: []byte(`{}`)})
	must(t, err)
	alter(t, s, `DROP TRIGGER versions_never_change`)
	alter(t, s, `UPDATE versions SET compiled = CAST('{"max":6}' AS BLOB) WHERE id = ?`, v.ID)
	got, err = s.Version(t.Context(), by.Org, a.ID, v.ID)
	wantFault(t, err, fault.StoreDamaged)
	if got.Compiled != nil {
		t.Error("damaged content was handed out")
	}
	_, err = s.SetPublished(t.Context(), by, a.ID, v.ID)
	wantFault(t, err, fault.StoreDamaged)
	damaged := map[id.Agent]bool{}
	must(t, s.LoadPublished(t.Context(), func(v Version, err error) {
		damaged[v.AgentID] = fault.Is(err, fault.StoreDamaged) && v.Compiled == nil
	}))
	same(t, map[id.Agent]bool{a.ID: true, b.ID: false}, damaged)
}

func TestPublishingAtOnce(t *testing.T) {
	s, _ := newStore(t)
	by := newOrg(t, s, "acme")
	a := newAgent(t, s, by, "a")
	var wg sync.WaitGroup
	numbers := make([]int, 6)
	for i := range numbers {
		wg.Go(func() {
			v, err := s.Publish(t.Context(), by, Publication{AgentID: a.ID, Revision: 1, Compiled: []byte("{}")})
			if err != nil {
				t.Error(err)
			}
			numbers[i] = v.Number
		})
	}
	wg.Wait()
	seen := map[int]bool{}
	for _, n := range numbers {
		seen[n] = true
	}
	if len(seen) != len(numbers) || !seen[1] || !seen[len(numbers)] {
		t.Errorf("numbers %v", numbers)
	}
}
