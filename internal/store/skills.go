package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// Skill is a tool of an agent's draft.
type Skill struct {
	ID      id.Skill
	OrgID   id.Org
	AgentID id.Agent
	Kind    schema.Kind
	// Name is what people call it and ToolName what machines do; each is
	// unique within the agent without regard to case.
	Name       string
	ToolName   string
	Binding    json.RawMessage // the canonical form
	Plan       json.RawMessage // nil when none could be compiled
	PlanDigest string
	Enabled    bool
	// Suspended, Status and StatusReason say what holds it back now; they bite
	// on published versions too.
	Suspended    bool
	Status       string
	StatusReason string
	Settings     json.RawMessage // whatever else its owner keeps, nil for nothing
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

const skillColumns = `id, org_id, agent_id, kind, name, tool_name, binding, plan, plan_digest, enabled,
	suspended, status, status_reason, settings, created_at, updated_at`

func scanSkill(r row) (Skill, error) {
	var k Skill
	var binding string
	var plan, settings sql.NullString
	var created, updated int64
	err := r.Scan(&k.ID, &k.OrgID, &k.AgentID, &k.Kind, &k.Name, &k.ToolName, &binding, &plan, &k.PlanDigest, &k.Enabled,
		&k.Suspended, &k.Status, &k.StatusReason, &settings, &created, &updated)
	k.Binding, k.Plan, k.Settings = json.RawMessage(binding), fromNullText(plan), fromNullText(settings)
	k.CreatedAt, k.UpdatedAt = fromMillis(created), fromMillis(updated)
	return k, err
}

// CreateSkill keeps a new skill of an agent, which goes to its next revision.
// Of k it takes everything but ID, OrgID and the times. The fault is
// tool_name_taken when another skill of the agent has its name or tool name.
func (s *Store) CreateSkill(ctx context.Context, by Actor, k Skill) (Skill, error) {
	now := s.clock()
	k.ID, k.OrgID, k.CreatedAt, k.UpdatedAt = id.New[id.Skill](), by.Org, now, now
	err := s.write(ctx, func(tx *sql.Tx) error {
		if err := s.advance(ctx, tx, by, k.AgentID, "skill.create", string(k.ID)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO skills
			(id, org_id, agent_id, kind, name, name_key, tool_name, tool_name_key, binding, plan, plan_digest, enabled,
			 suspended, status, status_reason, settings, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			k.ID, k.OrgID, k.AgentID, k.Kind, k.Name, fold(k.Name), k.ToolName, fold(k.ToolName), string(k.Binding), nullText(k.Plan), k.PlanDigest, bit(k.Enabled),
			bit(k.Suspended), k.Status, k.StatusReason, nullText(k.Settings), millis(now), millis(now))
		return nameFailure(err)
	})
	if err != nil {
		return Skill{}, err
	}
	return k, nil
}

func nameFailure(err error) error {
	if taken(err) {
		return fault.Wrap(fault.ToolNameTaken, err)
	}
	return err
}

// bit is how a flag is kept.
func bit(flag bool) int {
	if flag {
		return 1
	}
	return 0
}

// Skill reads one skill of an agent.
func (s *Store) Skill(ctx context.Context, org id.Org, agent id.Agent, skill id.Skill) (Skill, error) {
	k, err := readSkill(ctx, s.reader, org, agent, skill)
	return k, failure(err)
}

func readSkill(ctx context.Context, q queryer, org id.Org, agent id.Agent, skill id.Skill) (Skill, error) {
	return scanSkill(q.QueryRowContext(ctx, `SELECT `+skillColumns+` FROM skills WHERE org_id = ? AND agent_id = ? AND id = ?`, org, agent, skill))
}

var skillList = listing[Skill]{
	name:  "skills",
	query: `SELECT ` + skillColumns + ` FROM skills WHERE org_id = ? AND agent_id = ? AND id > ? ORDER BY id LIMIT ?`,
	scan:  scanSkill,
	idOf:  func(k Skill) string { return string(k.ID) },
}

// Skills lists an agent's skills, oldest first. An agent that is not there is
// not_found.
func (s *Store) Skills(ctx context.Context, org id.Org, agent id.Agent, p Page) (List[Skill], error) {
	if _, err := s.Agent(ctx, org, agent); err != nil {
		return List[Skill]{}, err
	}
	return page(ctx, s, skillList, org, p, agent)
}

// AgentSkills reads an agent with all of its skills, oldest first, as they
// were at one moment: what publishing compiles.
func (s *Store) AgentSkills(ctx context.Context, org id.Org, agent id.Agent) (a Agent, skills []Skill, err error) {
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return Agent{}, nil, failure(err)
	}
	defer tx.Rollback() // it only read
	if a, err = readAgent(ctx, tx, org, agent); err != nil {
		return Agent{}, nil, failure(err)
	}
	skills, err = all(ctx, tx, scanSkill, `SELECT `+skillColumns+` FROM skills WHERE org_id = ? AND agent_id = ? ORDER BY id`, org, agent)
	return a, skills, err
}

// SkillsOfKind reads every skill of an organisation's agents over one kind of
// connection: those that a discovery or a new scoping may touch.
func (s *Store) SkillsOfKind(ctx context.Context, org id.Org, kind schema.Kind) ([]Skill, error) {
	return all(ctx, s.reader, scanSkill, `SELECT `+skillColumns+` FROM skills WHERE org_id = ? AND kind = ? ORDER BY id`, org, kind)
}

// ChangeSkill lets change work on a skill and keeps the outcome; the agent
// goes to its next revision. An error of change leaves everything as it was
// and is returned. change may set what CreateSkill takes, but not the agent;
// it must not call the store. The fault is tool_name_taken as in CreateSkill.
func (s *Store) ChangeSkill(ctx context.Context, by Actor, agent id.Agent, skill id.Skill, change func(*Skill) error) (Skill, error) {
	var k Skill
	err := s.write(ctx, func(tx *sql.Tx) error {
		var err error
		if k, err = readSkill(ctx, tx, by.Org, agent, skill); err != nil {
			return err
		}
		was := k
		if err := change(&k); err != nil {
			return callerError{err}
		}
		k.ID, k.OrgID, k.AgentID, k.UpdatedAt = skill, by.Org, agent, s.clock()
		_, err = tx.ExecContext(ctx, `UPDATE skills SET kind = ?, name = ?, name_key = ?, tool_name = ?, tool_name_key = ?,
			binding = ?, plan = ?, plan_digest = ?, enabled = ?, suspended = ?, status = ?, status_reason = ?, settings = ?, updated_at = ?
			WHERE org_id = ? AND agent_id = ? AND id = ?`,
			k.Kind, k.Name, fold(k.Name), k.ToolName, fold(k.ToolName),
			string(k.Binding), nullText(k.Plan), k.PlanDigest, bit(k.Enabled), bit(k.Suspended), k.Status, k.StatusReason, nullText(k.Settings), millis(k.UpdatedAt),
			by.Org, agent, skill)
		if err != nil {
			return nameFailure(err)
		}
		return s.advance(ctx, tx, by, agent, switched(&was, &k), string(skill))
	})
	if err != nil {
		return Skill{}, err
	}
	return k, nil
}

// DeleteSkill removes a skill from the draft; the agent goes to its next
// revision. Versions that hold it stay as they are, and a suspension goes on.
func (s *Store) DeleteSkill(ctx context.Context, by Actor, agent id.Agent, skill id.Skill) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO left_suspended (skill_id, org_id, agent_id)
			SELECT id, org_id, agent_id FROM skills WHERE org_id = ? AND agent_id = ? AND id = ? AND suspended <> 0`, by.Org, agent, skill)
		if err != nil {
			return err
		}
		if err := one(tx.ExecContext(ctx, `DELETE FROM skills WHERE org_id = ? AND agent_id = ? AND id = ?`, by.Org, agent, skill)); err != nil {
			return err
		}
		return s.advance(ctx, tx, by, agent, "skill.delete", string(skill))
	})
}

// SkillState is what holds a skill back.
type SkillState struct {
	OrgID        id.Org
	AgentID      id.Agent
	SkillID      id.Skill
	Suspended    bool
	Status       string
	StatusReason string
}

// MarkSkill keeps what the service itself found out about a skill: that it
// drifted, came back, or had to be suspended. It is no change of the draft and
// counts no revision. The skill that is not there is not_found.
func (s *Store) MarkSkill(ctx context.Context, state SkillState) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `UPDATE skills SET suspended = ?, status = ?, status_reason = ? WHERE org_id = ? AND agent_id = ? AND id = ?`,
			bit(state.Suspended), state.Status, state.StatusReason, state.OrgID, state.AgentID, state.SkillID))
	})
}

// switched is the word for a change of a skill in the list of changes: what
// decides whether it runs stands out.
func switched(was, is *Skill) string {
	switch {
	case is.Suspended && !was.Suspended:
		return "skill.suspend"
	case was.Suspended && !is.Suspended:
		return "skill.resume"
	case is.Enabled && !was.Enabled:
		return "skill.enable"
	case was.Enabled && !is.Enabled:
		return "skill.disable"
	}
	return "skill.change"
}

// SuspendSkill switches a skill off because the service found that it does harm,
// and leaves a line of Activity; one that left its draft, too, since versions
// may hold it. It is no change of the draft and counts no revision. The agent
// that is not there is not_found.
func (s *Store) SuspendSkill(ctx context.Context, org id.Org, agent id.Agent, skill id.Skill, reason string) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		err := one(tx.ExecContext(ctx, `UPDATE skills SET suspended = 1, status_reason = ? WHERE org_id = ? AND agent_id = ? AND id = ?`, reason, org, agent, skill))
		if fault.Is(err, fault.NotFound) {
			err = one(tx.ExecContext(ctx, `INSERT INTO left_suspended (skill_id, org_id, agent_id)
				SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM skills WHERE id = ?)
				ON CONFLICT (skill_id) DO UPDATE SET agent_id = agent_id WHERE org_id = excluded.org_id AND agent_id = excluded.agent_id`, skill, org, agent, skill))
		}
		if err != nil {
			return err
		}
		return s.record(ctx, tx, Actor{Org: org}, "skill.suspend", string(skill))
	})
}

// LoadSkillStates reads, over all organisations, every skill that something
// holds back, for the live path at start; removed ones too.
func (s *Store) LoadSkillStates(ctx context.Context) ([]SkillState, error) {
	return all(ctx, s.reader, func(r row) (SkillState, error) {
		var st SkillState
		err := r.Scan(&st.OrgID, &st.AgentID, &st.SkillID, &st.Suspended, &st.Status, &st.StatusReason)
		return st, err
	}, `SELECT org_id, agent_id, id, suspended, status, status_reason FROM skills WHERE suspended <> 0 OR status_reason <> ''
		UNION ALL SELECT org_id, agent_id, skill_id, 1, '', '' FROM left_suspended ORDER BY 3`)
}
