-- Skills that were suspended when they were removed from their draft: versions
-- that hold them are still served, and the suspension still bites there.

-- +goose Up
CREATE TABLE left_suspended (
    skill_id TEXT PRIMARY KEY,
    org_id   TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    FOREIGN KEY (agent_id, org_id) REFERENCES agents (id, org_id) ON DELETE CASCADE
);
