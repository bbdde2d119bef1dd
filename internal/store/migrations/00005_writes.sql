-- The journal of writes on customers' databases: one row a write, from before
-- its statement is sent. What a caller said, what the database gave and what
-- is needed to ask about it later are sealed by their owner, and go when they
-- are needed no more; sealed_digest stays. The rows stay when their
-- conversation, agent or connection goes.

-- +goose Up
-- The statements that the kept writes ran, by which their ends are asked for.
CREATE TABLE write_plans (
    org_id TEXT NOT NULL REFERENCES orgs (id),
    digest TEXT NOT NULL,
    plan   TEXT NOT NULL,
    PRIMARY KEY (org_id, digest)
);

CREATE TABLE writes (
    id              TEXT PRIMARY KEY,
    org_id          TEXT NOT NULL REFERENCES orgs (id),
    conversation_id TEXT NOT NULL,
    agent_id        TEXT NOT NULL,
    version_id      TEXT NOT NULL,
    skill_id        TEXT NOT NULL,
    kind            TEXT NOT NULL,
    object          TEXT NOT NULL,
    tool            TEXT NOT NULL,
    tool_call_id    TEXT NOT NULL,
    plan_digest     TEXT NOT NULL,
    state           TEXT NOT NULL,
    outcome         TEXT NOT NULL,
    reason          TEXT NOT NULL,
    intended_at     BIGINT NOT NULL,
    executed_at     BIGINT,
    ended_at        BIGINT,
    arguments       BLOB,
    execution       BLOB,
    result          BLOB,
    sealed_digest   BLOB NOT NULL,
    link            BIGINT NOT NULL UNIQUE,
    FOREIGN KEY (org_id, plan_digest) REFERENCES write_plans (org_id, digest)
);
-- One call may write once: only a call that certainly did not may come again.
CREATE UNIQUE INDEX writes_once ON writes (conversation_id, tool_call_id) WHERE state <> 'rolled_back';
CREATE INDEX writes_by_conversation ON writes (org_id, conversation_id, id);
CREATE INDEX writes_by_plan ON writes (org_id, plan_digest);
CREATE INDEX writes_unsettled ON writes (state) WHERE state IN ('intended', 'executed', 'unknown');
CREATE INDEX writes_sealed ON writes (ended_at) WHERE arguments IS NOT NULL;

-- The chain of the journal: one link a record. content is the SHA-256 of the
-- row as the record left it.
CREATE TABLE write_links (
    link     INTEGER PRIMARY KEY,
    write_id TEXT NOT NULL,
    at       BIGINT NOT NULL,
    content  BLOB NOT NULL,
    hash     BLOB NOT NULL
);
INSERT INTO chains (name, legacy, anchor, anchor_hash, head, head_hash) VALUES ('writes', 0, 0, ZEROBLOB(32), 0, ZEROBLOB(32));

-- +goose StatementBegin
CREATE TRIGGER write_links_are_not_changed BEFORE UPDATE ON write_links
BEGIN
    SELECT RAISE(ABORT, 'the journal is only appended to');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER write_links_are_not_removed BEFORE DELETE ON write_links
WHEN OLD.link > (SELECT anchor FROM chains WHERE name = 'writes')
BEGIN
    SELECT RAISE(ABORT, 'the journal goes only behind the anchor of its chain');
END;
-- +goose StatementEnd
