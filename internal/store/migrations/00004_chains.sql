-- What happened is chained: the batches of events, and the changes that people
-- made. Each link holds a hash over the one before it and its own content; a
-- chain knows its last link, and the last one that is no longer kept.

-- +goose Up
CREATE TABLE chains (
    name        TEXT PRIMARY KEY,
    legacy      BIGINT NOT NULL,
    anchor      BIGINT NOT NULL,
    anchor_hash BLOB NOT NULL,
    head        BIGINT NOT NULL,
    head_hash   BLOB NOT NULL,
    seal        BLOB
);
INSERT INTO chains (name, legacy, anchor, anchor_hash, head, head_hash)
    SELECT 'receipts', COALESCE(MAX(id), 0), COALESCE(MAX(id), 0), ZEROBLOB(32), COALESCE(MAX(id), 0), ZEROBLOB(32) FROM event_batches;
INSERT INTO chains (name, legacy, anchor, anchor_hash, head, head_hash) VALUES ('changes', 0, 0, ZEROBLOB(32), 0, ZEROBLOB(32));

-- NULL in what was written before there was a chain.
ALTER TABLE event_batches ADD COLUMN hash BLOB;
ALTER TABLE activity ADD COLUMN link BIGINT;
ALTER TABLE activity ADD COLUMN hash BLOB;
CREATE UNIQUE INDEX activity_by_link ON activity (link) WHERE link IS NOT NULL;
CREATE INDEX activity_unchained ON activity (at) WHERE link IS NULL;

DROP TRIGGER activity_is_not_removed;
-- +goose StatementBegin
CREATE TRIGGER activity_is_not_removed BEFORE DELETE ON activity
WHEN OLD.link > (SELECT anchor FROM chains WHERE name = 'changes')
BEGIN
    SELECT RAISE(ABORT, 'activity goes only behind the anchor of its chain');
END;
-- +goose StatementEnd
