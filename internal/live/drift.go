package live

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"flowyte/internal/id"
)

const reasonDrifted = "drifted"

// retryDrifted is how often a skill whose database changed under it is tried
// again between discoveries.
const retryDrifted = 30 * time.Second

// drift remembers the skills whose last statement met a changed database. A
// mark holds for one statement on one state of a connection: a new plan, a
// discovery or a reconnect begins afresh, because it puts another Connection
// into the table.
type drift struct {
	any   atomic.Bool // there is a mark; spares healthy calls the lock
	mu    sync.Mutex
	marks map[id.Skill]driftMark
}

type driftMark struct {
	on     *Connection
	key    ConnectionKey
	digest string
	until  time.Time // no try before
}

func (d *drift) mark(t *Tool, key ConnectionKey, on *Connection, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.marks == nil {
		d.marks = map[id.Skill]driftMark{}
	}
	d.marks[t.Skill] = driftMark{on: on, key: key, digest: t.PlanDigest, until: now.Add(retryDrifted)}
	d.any.Store(true)
}

// blocked tells whether the tool must wait for its next try.
func (d *drift) blocked(t *Tool, on *Connection, now time.Time) bool {
	if !d.any.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := d.marks[t.Skill]
	return ok && m.about(t, on) && now.Before(m.until)
}

// try is blocked for somebody who is about to run the statement: of those who
// come when the time is over, one gets through.
func (d *drift) try(t *Tool, on *Connection, now time.Time) bool {
	if !d.any.Load() {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := d.marks[t.Skill]
	if !ok || !m.about(t, on) {
		return true
	}
	if now.Before(m.until) {
		return false
	}
	m.until = now.Add(retryDrifted)
	d.marks[t.Skill] = m
	return true
}

// heal takes the mark away: the statement ran.
func (d *drift) heal(t *Tool, on *Connection) {
	if !d.any.Load() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if m, ok := d.marks[t.Skill]; ok && m.about(t, on) {
		delete(d.marks, t.Skill)
		d.any.Store(len(d.marks) > 0)
	}
}

func (m *driftMark) about(t *Tool, on *Connection) bool {
	return m.on == on && m.digest == t.PlanDigest
}

// Drifted tells whether the skill's last statement met a changed database.
func (e *Engine) Drifted(s id.Skill) bool {
	e.drift.mu.Lock()
	defer e.drift.mu.Unlock()
	m, ok := e.drift.marks[s]
	return ok && e.published.load().Connections[m.key] == m.on
}

// DriftedOn lists the connections on which a call met a changed database and no
// later one, nor a look at the catalogue, has healed the skill.
func (e *Engine) DriftedOn() []ConnectionKey {
	e.drift.mu.Lock()
	defer e.drift.mu.Unlock()
	connections := e.published.load().Connections
	var keys []ConnectionKey
	for _, m := range e.drift.marks {
		if connections[m.key] == m.on && !slices.Contains(keys, m.key) {
			keys = append(keys, m.key)
		}
	}
	return keys
}

// forget drops the marks that no longer hold.
func (d *drift) forget(t *Table) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, m := range d.marks {
		if t.Connections[m.key] != m.on {
			delete(d.marks, s)
		}
	}
	d.any.Store(len(d.marks) > 0)
}
