package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/control"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
)

type startInput struct {
	ofAgent
	Body api.ConversationRequest
}

type conversationsInput struct{ Paging }

type eventsInput struct {
	ofConversation
	Paging
}

func registerConversations(a *API, c *control.Service, e *live.Engine) {
	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/conversations", Scope: auth.ConversationsWrite, Tag: "Conversations",
		Status: http.StatusCreated, Summary: "Start a conversation", Errors: []fault.Code{fault.NoPublishedVersion, fault.RateLimited, fault.TooManyOpen, fault.ValueInvalid},
	}, func(ctx context.Context, p auth.Principal, in *startInput) (api.Conversation, error) {
		return start(ctx, c, e, p, in)
	})
	registerToolCalls(a, c, e)

	Handle(a, Op{
		Method: http.MethodPost, Path: "/conversations/{id}/end", Scope: auth.ConversationsWrite, Tag: "Conversations",
		Summary: "End a conversation",
	}, func(ctx context.Context, p auth.Principal, in *ofConversation) (api.Receipt, error) {
		return c.EndConversation(ctx, p, in.conversation())
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/conversations", Scope: auth.AnalyticsRead, Tag: "Conversations", Summary: "List conversations",
	}, func(ctx context.Context, p auth.Principal, in *conversationsInput) (Page[api.Receipt], error) {
		list, next, err := c.Conversations(ctx, p, in.Cursor, in.Limit)
		return Page[api.Receipt]{Items: list, NextCursor: next}, err
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/conversations/{id}", Scope: auth.AnalyticsRead, Tag: "Conversations", Summary: "Read a conversation's receipt",
	}, func(ctx context.Context, p auth.Principal, in *ofConversation) (api.Receipt, error) {
		return c.Conversation(ctx, p, in.conversation())
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/conversations/{id}/events", Scope: auth.AnalyticsRead, Tag: "Conversations",
		Summary: "List what happened in a conversation, in order",
	}, func(ctx context.Context, p auth.Principal, in *eventsInput) (Page[api.Event], error) {
		list, next, err := c.Events(ctx, p, in.conversation(), in.Cursor, in.Limit)
		return Page[api.Event]{Items: list, NextCursor: next}, err
	})
}

func start(ctx context.Context, c *control.Service, e *live.Engine, p auth.Principal, in *startInput) (api.Conversation, error) {
	if in.Body.Channel != "voice" && in.Body.Channel != "chat" {
		return api.Conversation{}, fault.New(fault.ValueInvalid).WithField("channel", "must be voice or chat")
	}
	find := c.PublishedVersion
	if in.Body.DraftMode {
		find = c.DraftVersion
	}
	version, err := find(ctx, p, in.agent())
	if err != nil {
		return api.Conversation{}, err
	}
	if !slices.Contains(version.Channels, in.Body.Channel) {
		return api.Conversation{}, fault.New(fault.ValueInvalid).WithField("channel", "must be one that the agent serves: %s", strings.Join(version.Channels, ", "))
	}
	var caller live.Caller
	if in.Body.Caller != nil {
		caller = live.Caller{Phone: in.Body.Caller.Phone, Name: in.Body.Caller.Name, Email: in.Body.Caller.Email}
	}
	conversation, err := e.Start(version, in.Body.Channel, caller, in.Body.Metadata)
	if err != nil {
		return api.Conversation{}, err
	}
	v := api.Conversation{
		ID: string(conversation.ID), AgentID: in.AgentID, VersionID: string(version.ID), Version: version.Number,
		Tools: []api.Tool{}, StartedAt: conversation.StartedAt.UTC(),
	}
	for _, t := range conversation.Tools() {
		v.Tools = append(v.Tools, api.Tool{Name: t.Name, Description: t.Description, Parameters: t.Parameters})
	}
	return v, nil
}

type callInput struct {
	ofConversation
	Body api.ToolCallRequest
}

type lateInput struct {
	ofConversation
	ToolCallID string `path:"toolCallId"`
}

// lateWait is how long a question for a late result waits for a call that is
// still running.
const lateWait = time.Second

func registerToolCalls(a *API, c *control.Service, e *live.Engine) {
	HandleRaw[callInput, api.ToolCallAnswer](a, Op{
		Method: http.MethodPost, Path: "/conversations/{id}/tool-calls", Scope: auth.ConversationsWrite, Tag: "Conversations", Quiet: true,
		Summary: "Answer one question", Errors: []fault.Code{fault.UnknownTool, fault.ConversationEnded, fault.ToolCallIDReused},
		Description: "Every outcome answers 200: what happened is in `outcome`, and `say` is a sentence that an agent may speak.",
	}, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error { return toolCall(c, e, w, r, p) })

	HandleRaw[lateInput, api.ToolCallAnswer](a, Op{
		Method: http.MethodGet, Path: "/conversations/{id}/tool-calls/{toolCallId}", Scope: auth.ConversationsWrite, Tag: "Conversations",
		Summary: "Read the answer of an earlier call again", Errors: []fault.Code{fault.ToolCallInProgress},
	}, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
		answer, err := late(r.Context(), c, e, p, ofConversation{r.PathValue("id")}.conversation(), r.PathValue("toolCallId"))
		if err != nil {
			return err
		}
		return writeAnswer(w, answer)
	})
}

// late asks the conversation, and the journal when the conversation is gone.
func late(ctx context.Context, c *control.Service, e *live.Engine, p auth.Principal, conversation id.Conversation, toolCallID string) (*live.Answer, error) {
	found, err := e.Find(p.OrgID, conversation)
	if err != nil {
		return c.LateWrite(ctx, p, conversation, toolCallID)
	}
	ctx, cancel := context.WithTimeout(ctx, lateWait)
	defer cancel()
	return e.Late(ctx, found, toolCallID)
}

func toolCall(c *control.Service, e *live.Engine, w http.ResponseWriter, r *http.Request, p auth.Principal) error {
	conversation, err := c.Talking(r.Context(), p, ofConversation{r.PathValue("id")}.conversation())
	if err != nil {
		return err
	}
	buffer := bodies.Get().(*[]byte)
	defer bodies.Put(buffer) // what is kept of a call is copied out of its body
	body, err := ReadBody(w, r, (*buffer)[:0])
	if err != nil {
		return err
	}
	if cap(body) <= mostBodies {
		*buffer = body
	}
	request, err := live.ParseRequest(body)
	if err != nil {
		return err
	}
	answer, err := e.Call(r.Context(), conversation, request)
	if err != nil {
		return err
	}
	err = writeAnswer(w, answer)
	w.(*exchange).slow(conversation, answer)
	return err
}

// bodies holds memory for the bodies of requests; a larger one than mostBodies is
// not kept.
var bodies = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

const mostBodies = 8 << 10

// answers holds memory for bodies of answers. The largest result is 4 KiB, so none grows
// beyond reason.
var answers = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// writeAnswer sends the prepared bytes. A client that is gone by now is no
// failure of ours. What stands behind an answer that is somebody's trouble is
// returned for the log.
func writeAnswer(w http.ResponseWriter, a *live.Answer) error {
	w.Header()["Content-Type"] = jsonType
	b := answers.Get().(*[]byte)
	*b = a.AppendResponse((*b)[:0])
	_, _ = w.Write(*b)
	answers.Put(b)
	return a.Err
}
