package control

import (
	"context"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

const (
	// keepSuspension bounds one try to keep a suspension.
	keepSuspension = 5 * time.Second
	// retrySuspension is how soon the next one is made.
	retrySuspension = time.Second
)

// SuspendHarmful switches a skill off in every version because serving it did
// harm, such as a write that met more than one row. It bites when it returns,
// and is kept in the background: whoever found the harm is on a call.
func (s *Service) SuspendHarmful(org id.Org, agent id.Agent, skill id.Skill, reason string) {
	s.suspend(skill, true)
	s.log.Warn("a skill was suspended; look at what it does before it is resumed", "orgId", org, "agentId", agent, "skillId", skill, "reason", reason)
	s.suspensions.Go(func() {
		err := s.keepSuspended(org, agent, skill, reason)
		for closed := false; !closed && fault.Is(err, fault.StoreUnavailable); {
			select {
			case <-time.After(retrySuspension):
			case <-s.closing:
				closed = true // once more, for the last time
			}
			err = s.keepSuspended(org, agent, skill, reason)
		}
		if err != nil {
			s.log.Error("a suspension was not kept and ends with the process", "skillId", skill, "code", fault.CodeOf(err))
		}
	})
}

func (s *Service) keepSuspended(org id.Org, agent id.Agent, skill id.Skill, reason string) error {
	ctx, cancel := context.WithTimeout(context.Background(), keepSuspension)
	defer cancel()
	return s.store.SuspendSkill(ctx, org, agent, skill, reason)
}

// Close waits for what is being kept. Nothing may be asked afterwards.
func (s *Service) Close() {
	close(s.closing)
	s.suspensions.Wait()
}
