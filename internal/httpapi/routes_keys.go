package httpapi

import (
	"context"
	"net/http"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/control"
	"flowyte/internal/fault"
	"flowyte/internal/id"
)

type createKeyInput struct{ Body api.APIKeyRequest }

type ofKey struct {
	KeyID string `path:"keyId"`
}

func registerKeys(a *API, c *control.Service) {
	Handle(a, Op{
		Method: http.MethodPost, Path: "/api-keys", Scope: auth.KeysWrite, Tag: "API keys", Status: http.StatusCreated,
		Summary: "Make a key", SecretAnswer: true, Errors: []fault.Code{fault.ValueInvalid},
		Description: "The key is in this answer and never again. It gets no scope that the key that asks lacks.",
	}, func(ctx context.Context, p auth.Principal, in *createKeyInput) (api.APIKey, error) {
		return c.CreateKey(ctx, p, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/api-keys", Scope: auth.KeysRead, Tag: "API keys", Summary: "List keys, revoked ones too",
	}, func(ctx context.Context, p auth.Principal, in *Paging) (Page[api.APIKey], error) {
		list, next, err := c.Keys(ctx, p, in.Cursor, in.Limit)
		return Page[api.APIKey]{Items: list, NextCursor: next}, err
	})

	Handle(a, Op{
		Method: http.MethodDelete, Path: "/api-keys/{keyId}", Scope: auth.KeysWrite, Tag: "API keys", Summary: "Revoke a key",
		Description: "The key is refused from the next request on. It stays in the list.",
	}, func(ctx context.Context, p auth.Principal, in *ofKey) (api.APIKey, error) {
		return c.RevokeKey(ctx, p, id.Key(in.KeyID))
	})
}
