package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// Version is a published state of an agent. It never changes.
type Version struct {
	ID      id.Version
	OrgID   id.Org
	AgentID id.Agent
	Number  int // 1, 2, 3 … within the agent
	Format  int // of Compiled
	// Compiled is what was published, byte for byte; nil in lists.
	Compiled    []byte
	Digest      string // SHA-256 of Compiled in hex
	Note        string
	PublishedBy id.Key
	PublishedAt time.Time
	// Live tells whether it is the one that new conversations get.
	Live bool
}

const versionFields = `versions.id, versions.org_id, versions.agent_id, number, format, digest, note, published_by, published_at,
	versions.id = COALESCE(agents.published_version_id, '')`

const versionTables = ` FROM versions JOIN agents ON agents.id = versions.agent_id AND agents.org_id = versions.org_id `

func scanVersionInfo(r row) (Version, error) { return scanVersion(r) }

// scanVersion reads a version, and whatever columns come after its own.
func scanVersion(r row, more ...any) (Version, error) {
	var v Version
	var published int64
	dest := []any{&v.ID, &v.OrgID, &v.AgentID, &v.Number, &v.Format, &v.Digest, &v.Note, &v.PublishedBy, &published, &v.Live}
	err := r.Scan(append(dest, more...)...)
	v.PublishedAt = fromMillis(published)
	return v, err
}

// scanWhole reads a version with its content. Content without the digest it
// was published with is store_damaged, and comes with everything but itself.
func scanWhole(r row) (Version, error) {
	var compiled []byte
	v, err := scanVersion(r, &compiled)
	if err != nil {
		return Version{}, err
	}
	if digestOf(compiled) != v.Digest {
		return v, fault.New(fault.StoreDamaged).WithDetail("A published version does not have the digest it was published with.")
	}
	v.Compiled = compiled
	return v, nil
}

func digestOf(compiled []byte) string {
	sum := sha256.Sum256(compiled)
	return hex.EncodeToString(sum[:])
}

// Publication is what to publish.
type Publication struct {
	AgentID id.Agent
	// Revision is that of the draft that was compiled.
	Revision int
	Format   int
	Compiled []byte
	Note     string
	// Skills are those that were compiled; Plan, PlanDigest and Settings of each
	// become those of the draft, which counts no revision.
	Skills []Skill
}

// Publish keeps a new version of an agent and makes it live, both or neither.
// The fault is version_conflict when the draft has another revision by now.
func (s *Store) Publish(ctx context.Context, by Actor, p Publication) (Version, error) {
	v := Version{
		ID: id.New[id.Version](), OrgID: by.Org, AgentID: p.AgentID, Format: p.Format, Compiled: p.Compiled, Digest: digestOf(p.Compiled),
		Note: p.Note, PublishedBy: by.Key, PublishedAt: s.clock(), Live: true,
	}
	err := s.write(ctx, func(tx *sql.Tx) error {
		agent, err := readAgent(ctx, tx, by.Org, p.AgentID)
		if err != nil {
			return err
		}
		if agent.Revision != p.Revision {
			return fault.New(fault.VersionConflict)
		}
		err = tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM versions WHERE org_id = ? AND agent_id = ?`, by.Org, p.AgentID).Scan(&v.Number)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO versions (id, org_id, agent_id, number, format, compiled, digest, note, published_by, published_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			v.ID, v.OrgID, v.AgentID, v.Number, v.Format, v.Compiled, v.Digest, v.Note, v.PublishedBy, millis(v.PublishedAt))
		if err != nil {
			return err
		}
		for _, k := range p.Skills {
			_, err := tx.ExecContext(ctx, `UPDATE skills SET plan = ?, plan_digest = ?, settings = ? WHERE org_id = ? AND agent_id = ? AND id = ?`,
				nullText(k.Plan), k.PlanDigest, nullText(k.Settings), by.Org, p.AgentID, k.ID)
			if err != nil {
				return err
			}
		}
		return s.makeLive(ctx, tx, by, p.AgentID, v.ID, "agent.publish")
	})
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

// SetPublished makes an earlier version of the agent live again.
func (s *Store) SetPublished(ctx context.Context, by Actor, agent id.Agent, version id.Version) (Version, error) {
	var v Version
	err := s.write(ctx, func(tx *sql.Tx) error {
		var err error
		if v, err = readVersion(ctx, tx, by.Org, agent, version); err != nil {
			return err
		}
		v.Live = true
		return s.makeLive(ctx, tx, by, agent, version, "agent.rollback")
	})
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

// makeLive does not count as a change of the draft.
func (s *Store) makeLive(ctx context.Context, tx *sql.Tx, by Actor, agent id.Agent, version id.Version, action string) error {
	err := one(tx.ExecContext(ctx, `UPDATE agents SET published_version_id = ? WHERE org_id = ? AND id = ?`, version, by.Org, agent))
	if err != nil {
		return err
	}
	return s.record(ctx, tx, by, action, string(version))
}

// Version reads one version of an agent, whole.
func (s *Store) Version(ctx context.Context, org id.Org, agent id.Agent, version id.Version) (Version, error) {
	v, err := readVersion(ctx, s.reader, org, agent, version)
	if err != nil {
		return Version{}, failure(err)
	}
	return v, nil
}

func readVersion(ctx context.Context, q queryer, org id.Org, agent id.Agent, version id.Version) (Version, error) {
	return scanWhole(q.QueryRowContext(ctx, `SELECT `+versionFields+`, compiled`+versionTables+
		`WHERE versions.org_id = ? AND versions.agent_id = ? AND versions.id = ?`, org, agent, version))
}

var versionList = listing[Version]{
	name:   "versions",
	newest: true,
	query: `SELECT ` + versionFields + versionTables +
		`WHERE versions.org_id = ? AND versions.agent_id = ? AND versions.id < ? ORDER BY versions.id DESC LIMIT ?`,
	scan: scanVersionInfo,
	idOf: func(v Version) string { return string(v.ID) },
}

// Versions lists an agent's versions without their content, newest first. An
// agent that is not there is not_found.
func (s *Store) Versions(ctx context.Context, org id.Org, agent id.Agent, p Page) (List[Version], error) {
	if _, err := s.Agent(ctx, org, agent); err != nil {
		return List[Version]{}, err
	}
	return page(ctx, s, versionList, org, p, agent)
}

// LoadPublished visits, over all organisations, every live version, for the
// live path at start. A version that is damaged is visited with the fault
// store_damaged and without content, so that it does not keep the others from
// being served.
func (s *Store) LoadPublished(ctx context.Context, visit func(v Version, damage error)) error {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+versionFields+`, compiled`+versionTables+
		`WHERE versions.id = agents.published_version_id ORDER BY versions.id`)
	if err != nil {
		return failure(err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scanWhole(rows)
		if err != nil && !fault.Is(err, fault.StoreDamaged) {
			return failure(err)
		}
		visit(v, err)
	}
	return failure(rows.Err())
}
