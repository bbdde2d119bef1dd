package httpapi

import (
	"context"
	"net/http"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// Idempotency remembers, for 24 hours and over restarts, the answers to
// requests that carried an Idempotency-Key.
type Idempotency interface {
	// Begin claims a key of an organisation for a request. first is true when
	// it is new: Finish or Abandon follows. Otherwise status and answer are
	// those of the first request; an answer that carried a secret is nil. It
	// fails with idempotency_key_reused when the key belongs to another route
	// or body, and with idempotency_in_progress while the first request runs.
	Begin(ctx context.Context, org id.Org, key, route string, body secret.MAC) (first bool, status int, answer []byte, err error)
	// Finish keeps the answer.
	Finish(ctx context.Context, org id.Org, key string, status int, answer []byte) error
	// Abandon gives the key back: the request may be made again.
	Abandon(ctx context.Context, org id.Org, key string) error
}

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"
	maxIdempotencyKey = 255
	// idempotencyPurpose sets the hashes of bodies apart from others.
	idempotencyPurpose secret.Purpose = "idempotency body"
	// finishTimeout bounds keeping an answer after the client may have gone.
	finishTimeout = 5 * time.Second
)

// once runs a request, unless its Idempotency-Key says that it ran before.
func (x *exchange) once(r *http.Request, body []byte, run func() reply) reply {
	if !x.route.idempotent {
		return run()
	}
	key, err := idempotencyKey(r)
	if err != nil {
		return x.problem(err)
	}
	if key == "" {
		return run()
	}
	store, org := x.api.Idempotency, x.principal.OrgID
	mac := x.api.Ring.MAC(idempotencyPurpose, append([]byte(r.URL.RawQuery+"\n"), body...))
	first, status, answer, err := store.Begin(r.Context(), org, key, r.Method+" "+r.URL.EscapedPath(), mac)
	switch {
	case err != nil:
		return x.problem(err)
	case first:
		return x.first(r.Context(), key, run)
	case answer == nil:
		return x.problem(fault.New(fault.SecretAlreadyShown))
	}
	x.Header().Set(replayedHeader, "true")
	return reply{status: status, body: answer}
}

// first runs a request that claimed its key, and keeps its answer. The key is
// given back when the answer says nothing about the request itself, also when
// the use case panics.
func (x *exchange) first(ctx context.Context, key string, run func() reply) reply {
	store, org := x.api.Idempotency, x.principal.OrgID
	ran := reply{status: http.StatusInternalServerError}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		var err error
		switch {
		case !lasting(ran.status):
			err = store.Abandon(ctx, org, key)
		case x.route.SecretAnswer && ran.status < 400:
			err = store.Finish(ctx, org, key, ran.status, nil)
		default:
			err = store.Finish(ctx, org, key, ran.status, ran.body)
		}
		if err != nil {
			// The work is done or refused all the same, and the client is to
			// know which; a repetition will be told that it is in progress.
			x.api.Log.ErrorContext(ctx, "the answer to an Idempotency-Key could not be kept", "request", x.id, "code", fault.CodeOf(err), "cause", causeOf(err))
		}
	}()
	ran = run()
	return ran
}

// lasting tells whether an answer is one that a repetition should get too.
// Failures of ours, and what a better key or a pause would change, are not.
func lasting(status int) bool {
	switch {
	case status >= 500, status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusTooManyRequests:
		return false
	}
	return true
}

// idempotencyKey is the header's value, or "".
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header[idempotencyHeader]
	if len(values) == 0 {
		return "", nil
	}
	bad := fault.New(fault.InvalidParameter).WithField(idempotencyHeader, "must be given once, with 1 to %d visible ASCII characters", maxIdempotencyKey)
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey {
		return "", bad
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return "", bad
		}
	}
	return key, nil
}
