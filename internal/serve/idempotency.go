package serve

import (
	"context"

	"flowyte/internal/id"
	"flowyte/internal/secret"
	"flowyte/internal/store"
)

// idempotency keeps answers sealed, since they may name a customer's tables.
type idempotency struct {
	store *store.Store
	ring  *secret.Keyring
}

func answerAD(org id.Org, key string) secret.AD {
	return secret.AD{Org: string(org), Kind: key, Field: "answer", Version: 1}
}

// Begin implements httpapi.Idempotency.
func (i *idempotency) Begin(ctx context.Context, org id.Org, key, route string, body secret.MAC) (first bool, status int, answer []byte, err error) {
	kept, err := i.store.BeginRequest(ctx, store.Request{OrgID: org, Key: key, Route: route, BodyMAC: body})
	if err != nil || kept == nil {
		return err == nil, 0, nil, err
	}
	answer, err = i.ring.Open(kept.Sealed, answerAD(org, key))
	return false, kept.Status, answer, err
}

// Finish implements httpapi.Idempotency.
func (i *idempotency) Finish(ctx context.Context, org id.Org, key string, status int, answer []byte) error {
	kept := store.Answer{Status: status}
	if answer != nil {
		var err error
		if kept.Sealed, err = i.ring.Seal(answer, answerAD(org, key)); err != nil {
			return err
		}
	}
	return i.store.FinishRequest(ctx, org, key, kept)
}

// Abandon implements httpapi.Idempotency.
func (i *idempotency) Abandon(ctx context.Context, org id.Org, key string) error {
	return i.store.AbandonRequest(ctx, org, key)
}
