package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// Agent is the draft of an agent. Revision counts every change of the agent,
// its skills and their bindings, from 1.
type Agent struct {
	ID          id.Agent
	OrgID       id.Org
	Name        string
	Description string
	Country     string // ISO 3166 alpha-2, "" for none
	TimeZone    string // IANA, "" for none
	Channels    []string
	// Verification is how callers prove who they are, nil for not at all.
	Verification json.RawMessage
	Revision     int
	// PublishedVersionID and PublishedNumber are the live version, "" and 0
	// before the first.
	PublishedVersionID id.Version
	PublishedNumber    int
	CreatedAt          time.Time
	UpdatedAt          time.Time
}

const agentColumns = `id, org_id, name, description, country, time_zone, channels, verification, revision,
	COALESCE(published_version_id, ''),
	COALESCE((SELECT number FROM versions WHERE versions.id = agents.published_version_id), 0),
	created_at, updated_at`

func scanAgent(r row) (Agent, error) {
	var a Agent
	var channels string
	var verification sql.NullString
	var created, updated int64
	err := r.Scan(&a.ID, &a.OrgID, &a.Name, &a.Description, &a.Country, &a.TimeZone, &channels, &verification, &a.Revision,
		&a.PublishedVersionID, &a.PublishedNumber, &created, &updated)
	if err != nil {
		return Agent{}, err
	}
	a.Verification = fromNullText(verification)
	a.CreatedAt, a.UpdatedAt = fromMillis(created), fromMillis(updated)
	return a, fromJSON(channels, &a.Channels)
}

// CreateAgent keeps a new agent of the actor's organisation. Of a it takes
// Name, Description, Country, TimeZone, Channels and Verification.
func (s *Store) CreateAgent(ctx context.Context, by Actor, a Agent) (Agent, error) {
	channels, err := jsonText(a.Channels)
	if err != nil {
		return Agent{}, failure(err)
	}
	now := s.clock()
	a.ID, a.OrgID = id.New[id.Agent](), by.Org
	a.Revision, a.PublishedVersionID, a.PublishedNumber = 1, "", 0
	a.CreatedAt, a.UpdatedAt = now, now
	err = s.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO agents
			(id, org_id, name, description, country, time_zone, channels, verification, revision, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			a.ID, a.OrgID, a.Name, a.Description, a.Country, a.TimeZone, channels, nullText(a.Verification), a.Revision, millis(now), millis(now))
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, "agent.create", string(a.ID))
	})
	if err != nil {
		return Agent{}, err
	}
	return a, nil
}

// Agent reads one agent.
func (s *Store) Agent(ctx context.Context, org id.Org, agent id.Agent) (Agent, error) {
	a, err := readAgent(ctx, s.reader, org, agent)
	return a, failure(err)
}

func readAgent(ctx context.Context, q queryer, org id.Org, agent id.Agent) (Agent, error) {
	return scanAgent(q.QueryRowContext(ctx, `SELECT `+agentColumns+` FROM agents WHERE org_id = ? AND id = ?`, org, agent))
}

var agentList = listing[Agent]{
	name:  "agents",
	query: `SELECT ` + agentColumns + ` FROM agents WHERE org_id = ? AND id > ? ORDER BY id LIMIT ?`,
	scan:  scanAgent,
	idOf:  func(a Agent) string { return string(a.ID) },
}

// Agents lists an organisation's agents, oldest first.
func (s *Store) Agents(ctx context.Context, org id.Org, p Page) (List[Agent], error) {
	return page(ctx, s, agentList, org, p)
}

// ChangeAgent lets change work on an agent and keeps the outcome as its next
// revision. When expected is not 0 and not the present revision, nothing is
// changed, and the fault version_conflict comes with the present agent. An
// error of change leaves everything as it was and is returned. change may set
// the fields that CreateAgent takes; it must not call the store.
func (s *Store) ChangeAgent(ctx context.Context, by Actor, agent id.Agent, expected int, change func(*Agent) error) (Agent, error) {
	var a Agent
	err := s.write(ctx, func(tx *sql.Tx) error {
		var err error
		if a, err = readAgent(ctx, tx, by.Org, agent); err != nil {
			return err
		}
		if expected != 0 && expected != a.Revision {
			return fault.New(fault.VersionConflict)
		}
		changed := a
		if err := change(&changed); err != nil {
			return callerError{err}
		}
		channels, err := jsonText(changed.Channels)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE agents SET name = ?, description = ?, country = ?, time_zone = ?, channels = ?, verification = ?
			WHERE org_id = ? AND id = ?`,
			changed.Name, changed.Description, changed.Country, changed.TimeZone, channels, nullText(changed.Verification), by.Org, agent)
		if err != nil {
			return err
		}
		if err := s.advance(ctx, tx, by, agent, "agent.change", string(agent)); err != nil {
			return err
		}
		a, err = readAgent(ctx, tx, by.Org, agent)
		return err
	})
	if err != nil && !fault.Is(err, fault.VersionConflict) {
		return Agent{}, err
	}
	return a, err
}

// advance makes a change of an agent, or of something below it, count, and
// records it. The agent that is not there is not_found.
func (s *Store) advance(ctx context.Context, tx *sql.Tx, by Actor, agent id.Agent, action string, target string) error {
	err := one(tx.ExecContext(ctx, `UPDATE agents SET revision = revision + 1, updated_at = ? WHERE org_id = ? AND id = ?`,
		millis(s.clock()), by.Org, agent))
	if err != nil {
		return err
	}
	return s.record(ctx, tx, by, action, target)
}

// DeleteAgent removes an agent with its skills and versions. Conversations
// stay: they are what happened.
func (s *Store) DeleteAgent(ctx context.Context, by Actor, agent id.Agent) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if err := one(tx.ExecContext(ctx, `DELETE FROM agents WHERE org_id = ? AND id = ?`, by.Org, agent)); err != nil {
			return err
		}
		return s.record(ctx, tx, by, "agent.delete", string(agent))
	})
}
