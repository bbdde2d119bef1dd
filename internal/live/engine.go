package live

import "time"

// Options assemble an engine.
type Options struct {
	Runners  Runners
	Recorder Recorder
	// MaxConversations bounds the open ones; 0 means 100,000.
	MaxConversations int
	Now              func() time.Time
}

// Engine serves calls. It is safe for concurrent use.
type Engine struct {
	published     published
	conversations conversations
	runners       Runners
	recorder      Recorder
	now           func() time.Time
}

// New makes an engine that serves nothing until the first Swap.
func New(o Options) *Engine {
	if o.MaxConversations == 0 {
		o.MaxConversations = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Engine{
		conversations: conversations{max: o.MaxConversations, byID: map[ConversationID]*Conversation{}},
		runners:       o.Runners, recorder: o.Recorder, now: o.Now,
	}
}
