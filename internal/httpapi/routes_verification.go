package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/control"
	"flowyte/internal/fault"
	"flowyte/internal/live"
	"flowyte/internal/wire"
)

type putVerificationInput struct {
	ofAgent
	IfMatch string `header:"If-Match" doc:"The revision (version) that was last seen; a stale one is refused with the present state."`
	Body    api.CallerVerificationRequest
}

type verifyInput struct {
	ofConversation
	Body api.VerificationRequest
}

func registerVerification(a *API, c *control.Service, e *live.Engine) {
	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/caller-verification", Scope: auth.AgentsRead, Tag: "Agents",
		Summary: "Read how callers prove who they are",
	}, func(ctx context.Context, p auth.Principal, in *ofAgent) (api.CallerVerification, error) {
		return c.CallerVerification(ctx, p, in.agent())
	})

	Handle(a, Op{
		Method: http.MethodPut, Path: "/agents/{agentId}/caller-verification", Scope: auth.AgentsWrite, Tag: "Agents",
		Summary: "Replace how callers prove who they are", Errors: []fault.Code{fault.ValueInvalid, fault.VerificationRejected, fault.VersionConflict},
		Description: "It edits the draft: publish to make it live. What is left out takes its default.",
	}, func(ctx context.Context, p auth.Principal, in *putVerificationInput) (api.CallerVerification, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return api.CallerVerification{}, err
		}
		return c.PutCallerVerification(ctx, p, in.agent(), revision, in.Body)
	})

	HandleRaw[verifyInput, api.VerificationAnswer](a, Op{
		Method: http.MethodPost, Path: "/conversations/{id}/verification", Scope: auth.ConversationsWrite, Tag: "Conversations", Quiet: true,
		Summary: "Verify the caller", Errors: []fault.Code{fault.VerificationNotOffered, fault.ConversationEnded},
		Description: "Either `fields`, which the caller gave, or `asserted`, which needs the scope verification:assert as well. Every outcome answers 200. " +
			"A caller who is not there and one who does not know the answers are told the same.",
	}, func(w http.ResponseWriter, r *http.Request, p auth.Principal) error { return verify(c, e, w, r, p) })
}

func verify(c *control.Service, e *live.Engine, w http.ResponseWriter, r *http.Request, p auth.Principal) error {
	conversation, err := c.Talking(r.Context(), p, ofConversation{r.PathValue("id")}.conversation())
	if err != nil {
		return err
	}
	body, err := ReadBody(w, r, nil)
	if err != nil {
		return err
	}
	in, err := readVerification(body)
	if err != nil {
		return err
	}
	var a *live.VerificationAnswer
	if in.Asserted {
		if err := auth.Authorize(p, auth.VerificationAssert); err != nil {
			return err
		}
		a, err = e.Assert(conversation, in.Subject)
	} else {
		a, err = e.Verify(r.Context(), conversation, argsOf(in.Fields))
	}
	if err != nil {
		return err
	}
	answer, err := json.Marshal(api.Response[api.VerificationAnswer]{Success: true, Data: viewVerification(a)})
	if err != nil {
		return fault.Wrap(fault.Internal, err)
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(answer) // a client that is gone by now is no failure of ours
	return a.Err
}

// readVerification takes one of the two forms of the body.
func readVerification(body []byte) (api.VerificationRequest, error) {
	var in api.VerificationRequest
	if err := wire.Decode(body, &in); err != nil {
		return in, err
	}
	bad := fault.New(fault.InvalidRequest)
	switch {
	case in.Asserted && in.Fields != nil:
		bad.WithField("fields", "must not come with asserted")
	case !in.Asserted && in.Fields == nil:
		bad.WithField("fields", "is required, unless asserted is true")
	case !in.Asserted && in.Subject != nil:
		bad.WithField("subject", "must come with asserted")
	}
	if string(in.Subject) == "null" {
		in.Subject = nil
	}
	if len(bad.Fields) > 0 {
		return in, bad
	}
	return in, nil
}

// argsOf orders the fields by name, so that what is wrong with them always
// comes in one order.
func argsOf(fields map[string]json.RawMessage) []live.Arg {
	args := make([]live.Arg, 0, len(fields))
	for name, raw := range fields {
		args = append(args, live.Arg{Name: name, Raw: raw})
	}
	slices.SortFunc(args, func(a, b live.Arg) int { return strings.Compare(a.Name, b.Name) })
	return args
}

func viewVerification(a *live.VerificationAnswer) api.VerificationAnswer {
	v := api.VerificationAnswer{Verified: a.Outcome == live.OK, AttemptsLeft: a.AttemptsLeft, Outcome: a.Outcome}
	if v.Verified {
		at := a.ExpiresAt.UTC()
		v.ExpiresAt = &at
	}
	if a.Reason != "" {
		v.Reason = &a.Reason
	}
	if say := a.Say(); say != "" {
		v.Say = &say
	}
	if a.RetryAfter > 0 {
		ms := max(1, a.RetryAfter.Milliseconds())
		v.RetryAfterMs = &ms
	}
	for _, complaint := range a.Complaints {
		v.Errors = append(v.Errors, api.ProblemField{Field: complaint.Param, Message: complaint.Wanted})
	}
	return v
}
