package client

import (
	"context"
	"net/http"

	"flowyte/api"
)

// CallerVerification tells how callers of an agent's draft prove who they are.
func (c *Client) CallerVerification(ctx context.Context, agent string) (api.CallerVerification, error) {
	return do[api.CallerVerification](ctx, c, http.MethodGet, "/agents/"+agent+"/caller-verification", nil)
}

// SetCallerVerification replaces it.
func (c *Client) SetCallerVerification(ctx context.Context, agent string, r api.CallerVerificationRequest) (api.CallerVerification, error) {
	return do[api.CallerVerification](ctx, c, http.MethodPut, "/agents/"+agent+"/caller-verification", r)
}

// Verify verifies the caller of a conversation.
func (c *Client) Verify(ctx context.Context, conversation string, r api.VerificationRequest) (api.VerificationAnswer, error) {
	return do[api.VerificationAnswer](ctx, c, http.MethodPost, "/conversations/"+conversation+"/verification", r)
}
