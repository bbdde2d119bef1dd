package store

import (
	"context"
	"database/sql"

	"flowyte/internal/id"
)

// RecordTrial keeps that somebody is about to try a skill, which shows them
// rows of the customer. The skill that is not there is not_found.
func (s *Store) RecordTrial(ctx context.Context, by Actor, agent id.Agent, skill id.Skill) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		var found int
		err := tx.QueryRowContext(ctx, `SELECT 1 FROM skills WHERE org_id = ? AND agent_id = ? AND id = ?`, by.Org, agent, skill).Scan(&found)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, by, "skill.test", string(skill))
	})
}
