package live

import (
	"crypto/rand"
	"crypto/subtle"
	"time"

	"flowyte/internal/id"
)

// lookup is a key that a conversation asked a read for.
type lookup struct {
	skill id.Skill
	key   string
}

// mayLookUp tells whether the conversation may ask the tool for the key: it has
// before, or it has not asked for too many others. Called with mu held.
func (c *Conversation) mayLookUp(t *Tool, key string) (may, before bool) {
	others := 0
	for i := range c.lookups {
		if c.lookups[i].skill == t.Skill {
			if c.lookups[i].key == key {
				return true, true
			}
			others++
		}
	}
	return others < MaxLookups, false
}

// lookUp counts the key of a read that is about to run, so that nobody walks
// through the customers one by one. It is false when the limit is reached.
func (c *Conversation) lookUp(t *Tool, key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	may, before := c.mayLookUp(t, key)
	if may && !before {
		c.lookups = append(c.lookups, lookup{t.Skill, key})
	}
	return may
}

const (
	// confirmationLife is how long a caller may take to agree.
	confirmationLife = 5 * time.Minute
	// maxConfirmations is how many questions may wait for an answer at once.
	maxConfirmations = 8
)

// Confirmation is what the caller must agree to.
type Confirmation struct {
	Token     string
	Summary   string
	ExpiresAt time.Time
}

// confirmation binds a token to the call it was given for. The conversation
// and its version are bound by where it is kept.
type confirmation struct {
	Confirmation
	tool *Tool
	args string
}

// confirmed takes the token out if it stands for this call; nil if it does not.
// putBack puts it back when the call did not run after all.
func (c *Conversation) confirmed(t *Tool, args, token string, now time.Time) *confirmation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeToken(t, args, token, now)
}

// takeToken is confirmed with mu held.
func (c *Conversation) takeToken(t *Tool, args, token string, now time.Time) *confirmation {
	for i := range c.confirmations {
		q := c.confirmations[i]
		if q.tool == t && q.args == args && now.Before(q.ExpiresAt) && subtle.ConstantTimeCompare([]byte(q.Token), []byte(token)) == 1 {
			c.confirmations = append(c.confirmations[:i], c.confirmations[i+1:]...)
			return &q
		}
	}
	return nil
}

// putBack gives a token back; nil is none.
func (c *Conversation) putBack(q *confirmation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putBackLocked(q)
}

func (c *Conversation) putBackLocked(q *confirmation) {
	if q != nil && c.endedAt.IsZero() {
		c.confirmations = append(c.confirmations, *q)
	}
}

// ask gives the question for a call. Asking for the same call again repeats
// the question that is open.
func (c *Conversation) ask(t *Tool, j *judged, now time.Time) *Confirmation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.question(t, j, now)
}

// question is ask with mu held.
func (c *Conversation) question(t *Tool, j *judged, now time.Time) *Confirmation {
	open := c.confirmations[:0]
	for _, q := range c.confirmations {
		if now.Before(q.ExpiresAt) {
			open = append(open, q)
		}
	}
	c.confirmations = open
	for i := range open {
		if open[i].tool == t && open[i].args == j.canonical {
			q := open[i].Confirmation
			return &q
		}
	}
	if len(open) == maxConfirmations {
		c.confirmations = append(open[:0], open[1:]...)
	}
	q := Confirmation{Token: rand.Text(), Summary: c.summary(t, j), ExpiresAt: now.Add(confirmationLife)}
	c.confirmations = append(c.confirmations, confirmation{Confirmation: q, tool: t, args: j.canonical})
	return &q
}

// needsIdentity tells whether the caller must be verified first.
func needsIdentity(t *Tool) bool { return t.RequiresVerifiedIdentity || t.Plan.OwnedBy }
