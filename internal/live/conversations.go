package live

import (
	"sync"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// rememberEnded is how long an ended conversation stays in memory, so that a
// late call is told that it ended and a late question gets its answer.
const rememberEnded = 10 * time.Minute

// conversations holds the open and the lately ended ones.
type conversations struct {
	mu     sync.RWMutex
	max    int
	perOrg int
	byID   map[id.Conversation]*Conversation
	open   map[id.Org]int
	over   []over // in order of ending
}

type over struct {
	c  *Conversation
	at time.Time
}

func newConversations(limit, perOrg int) conversations {
	return conversations{max: limit, perOrg: perOrg, byID: map[id.Conversation]*Conversation{}, open: map[id.Org]int{}}
}

// retryOpen is when somebody who found no room should come back.
const retryOpen = 30 * time.Second

// add makes room by forgetting ended conversations, never open ones. The error
// is a fault: rate_limited when the organisation has its share, or
// too_many_conversations.
func (s *conversations) add(c *Conversation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[c.Version.Org] >= s.perOrg {
		return fault.New(fault.RateLimited).WithRetryAfter(retryOpen)
	}
	if len(s.byID) >= s.max && !s.forgetOldest() {
		return fault.New(fault.TooManyOpen).WithRetryAfter(retryOpen)
	}
	s.byID[c.ID] = c
	s.open[c.Version.Org]++
	return nil
}

// closed is told that a conversation has ended.
func (s *conversations) closed(c *Conversation, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[c.Version.Org]--; s.open[c.Version.Org] == 0 {
		delete(s.open, c.Version.Org)
	}
	s.over = append(s.over, over{c, now})
}

// forgetOldest drops the conversation that ended first. Called with mu held.
func (s *conversations) forgetOldest() bool {
	if len(s.over) == 0 {
		return false
	}
	c := s.over[0].c
	s.over[0] = over{}
	s.over = s.over[1:]
	delete(s.byID, c.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.memory.clear()
	return true
}

func (s *conversations) get(c id.Conversation) *Conversation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[c]
}

// those lists the conversations that match. It does not hold the registry
// while the caller works on them.
func (s *conversations) those(match func(*Conversation) bool) []*Conversation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*Conversation
	for _, c := range s.byID {
		if match(c) {
			list = append(list, c)
		}
	}
	return list
}

// Find returns an organisation's conversation; another's is not found.
func (e *Engine) Find(org id.Org, conversation id.Conversation) (*Conversation, error) {
	c := e.conversations.get(conversation)
	if c == nil || c.Version.Org != org {
		return nil, fault.New(fault.NotFound)
	}
	return c, nil
}

// Sweep ends conversations that were idle for two hours and forgets those that
// ended ten minutes ago. It runs from a ticker of the assembly.
func (e *Engine) Sweep() {
	now := e.now()
	for _, c := range e.conversations.those(func(c *Conversation) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.idle(now)
	}) {
		e.endAt(c, c.idleSince())
	}
	s := &e.conversations
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.over) > 0 && now.Sub(s.over[0].at) >= rememberEnded {
		s.forgetOldest()
	}
}

// EndAgent ends the open conversations of an agent that is gone.
func (e *Engine) EndAgent(agent id.Agent) {
	for _, c := range e.conversations.those(func(c *Conversation) bool { return c.Version.Agent == agent }) {
		e.End(c)
	}
}
