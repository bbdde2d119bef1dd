-- Times are milliseconds since 1970 in UTC. JSON is text. Ids carry their kind
-- as a prefix. Every row of an organisation names it, and where a row belongs
-- to another row the key is made of both, so that a row of one organisation
-- cannot hang below a row of another.

-- +goose Up
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('keys', 1);

CREATE TABLE orgs (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    mac        BLOB NOT NULL UNIQUE,
    last_four  TEXT NOT NULL,
    scopes     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_org ON api_keys (org_id, id);

CREATE TABLE connections (
    id                 TEXT PRIMARY KEY,
    org_id             TEXT NOT NULL REFERENCES orgs (id),
    kind               TEXT NOT NULL,
    sealed             BLOB NOT NULL,
    seal_version       BIGINT NOT NULL,
    database_name      TEXT NOT NULL,
    sslmode            TEXT NOT NULL,
    server             TEXT NOT NULL,
    pins               TEXT NOT NULL,
    status             TEXT NOT NULL,
    latency            TEXT,
    last_discovered_at BIGINT,
    last_tested_at     BIGINT,
    created_at         BIGINT NOT NULL,
    updated_at         BIGINT NOT NULL,
    UNIQUE (org_id, kind),
    UNIQUE (id, org_id)
);

CREATE TABLE catalogues (
    connection_id TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL,
    digest        TEXT NOT NULL,
    discovered_at BIGINT NOT NULL,
    body          BLOB NOT NULL,
    FOREIGN KEY (connection_id, org_id) REFERENCES connections (id, org_id) ON DELETE CASCADE
);

-- Scoping belongs to organisation and kind: it outlives the connection.
CREATE TABLE scopings (
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    kind       TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    doc        TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, kind)
);

CREATE TABLE agents (
    id                   TEXT PRIMARY KEY,
    org_id               TEXT NOT NULL REFERENCES orgs (id),
    name                 TEXT NOT NULL,
    description          TEXT NOT NULL,
    country              TEXT NOT NULL,
    time_zone            TEXT NOT NULL,
    channels             TEXT NOT NULL,
    verification         TEXT,
    revision             BIGINT NOT NULL,
    published_version_id TEXT,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL,
    UNIQUE (id, org_id)
);
CREATE INDEX agents_by_org ON agents (org_id, id);

CREATE TABLE skills (
    id            TEXT PRIMARY KEY,
    org_id        TEXT NOT NULL,
    agent_id      TEXT NOT NULL,
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    tool_name     TEXT NOT NULL,
    tool_name_key TEXT NOT NULL,
    binding       TEXT NOT NULL,
    plan          TEXT,
    plan_digest   TEXT NOT NULL,
    enabled       BIGINT NOT NULL,
    suspended     BIGINT NOT NULL,
    status        TEXT NOT NULL,
    status_reason TEXT NOT NULL,
    settings      TEXT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    UNIQUE (agent_id, name_key),
    UNIQUE (agent_id, tool_name_key),
    FOREIGN KEY (agent_id, org_id) REFERENCES agents (id, org_id) ON DELETE CASCADE
);
CREATE INDEX skills_by_agent ON skills (org_id, agent_id, id);
CREATE INDEX skills_by_kind ON skills (org_id, kind, id);

CREATE TABLE versions (
    id           TEXT PRIMARY KEY,
    org_id       TEXT NOT NULL,
    agent_id     TEXT NOT NULL,
    number       BIGINT NOT NULL,
    format       BIGINT NOT NULL,
    compiled     BLOB NOT NULL,
    digest       TEXT NOT NULL,
    note         TEXT NOT NULL,
    published_by TEXT NOT NULL,
    published_at BIGINT NOT NULL,
    UNIQUE (agent_id, number),
    FOREIGN KEY (agent_id, org_id) REFERENCES agents (id, org_id) ON DELETE CASCADE
);
CREATE INDEX versions_by_agent ON versions (org_id, agent_id, id);

-- A published version never changes, and goes only with its agent.
-- +goose StatementBegin
CREATE TRIGGER versions_never_change BEFORE UPDATE ON versions
BEGIN
    SELECT RAISE(ABORT, 'a published version never changes');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER versions_go_with_their_agent BEFORE DELETE ON versions
WHEN EXISTS (SELECT 1 FROM agents WHERE id = OLD.agent_id)
BEGIN
    SELECT RAISE(ABORT, 'a published version goes only with its agent');
END;
-- +goose StatementEnd

-- Conversations stay when their agent goes: they are what happened.
CREATE TABLE conversations (
    id             TEXT PRIMARY KEY,
    org_id         TEXT NOT NULL,
    agent_id       TEXT NOT NULL,
    version_id     TEXT NOT NULL,
    version_number BIGINT NOT NULL,
    channel        TEXT NOT NULL,
    draft          BIGINT NOT NULL,
    started_at     BIGINT NOT NULL,
    active_at      BIGINT NOT NULL,
    ended_at       BIGINT,
    tool_calls     BIGINT NOT NULL,
    outcomes       TEXT NOT NULL,
    metadata       TEXT,
    state          BLOB
);
CREATE INDEX conversations_by_org ON conversations (org_id, id);
CREATE INDEX conversations_open ON conversations (id) WHERE ended_at IS NULL;
CREATE INDEX conversations_ended ON conversations (ended_at);

-- Events arrive in batches: one body a batch, and for each conversation in it
-- the part of the body that is its own. One row an event would cost the live
-- path a tenth of its throughput.
CREATE TABLE event_batches (
    id   INTEGER PRIMARY KEY,
    at   BIGINT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX event_batches_by_time ON event_batches (at);

CREATE TABLE event_segments (
    conversation_id TEXT NOT NULL,
    batch_id        BIGINT NOT NULL REFERENCES event_batches (id) ON DELETE CASCADE,
    org_id          TEXT NOT NULL,
    first_seq       BIGINT NOT NULL,
    last_seq        BIGINT NOT NULL,
    start           BIGINT NOT NULL,
    length          BIGINT NOT NULL,
    PRIMARY KEY (conversation_id, batch_id)
);
CREATE INDEX event_segments_by_batch ON event_segments (batch_id);

CREATE TABLE idempotency (
    org_id     TEXT NOT NULL REFERENCES orgs (id),
    idem_key   TEXT NOT NULL,
    route      TEXT NOT NULL,
    body_mac   BLOB NOT NULL,
    finished   BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    sealed     BLOB,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (org_id, idem_key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

CREATE TABLE activity (
    id     TEXT PRIMARY KEY,
    org_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    at     BIGINT NOT NULL
);
CREATE INDEX activity_by_org ON activity (org_id, id);

-- +goose StatementBegin
CREATE TRIGGER activity_is_not_changed BEFORE UPDATE ON activity
BEGIN
    SELECT RAISE(ABORT, 'activity is only appended');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER activity_is_not_removed BEFORE DELETE ON activity
BEGIN
    SELECT RAISE(ABORT, 'activity is only appended');
END;
-- +goose StatementEnd
