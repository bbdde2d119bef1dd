package httpapi

import (
	"context"
	"errors"
	"sync"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// memoryIdempotency is the contract of Idempotency in memory.
type memoryIdempotency struct {
	mu      sync.Mutex
	entries map[string]*entry
	broken  error // what Finish and Abandon fail with
}

type entry struct {
	route    string
	body     secret.MAC
	finished bool
	status   int
	answer   []byte
}

func (m *memoryIdempotency) Begin(_ context.Context, org id.Org, key, route string, body secret.MAC) (bool, int, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.entries[string(org)+" "+key]
	switch {
	case !known:
		m.entries[string(org)+" "+key] = &entry{route: route, body: body}
		return true, 0, nil, nil
	case e.route != route || e.body != body:
		return false, 0, nil, fault.New(fault.IdempotencyKeyReused)
	case !e.finished:
		return false, 0, nil, fault.New(fault.IdempotencyInProgress)
	}
	return false, e.status, e.answer, nil
}

func (m *memoryIdempotency) Finish(ctx context.Context, org id.Org, key string, status int, answer []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(m.broken, ctx.Err()); err != nil {
		return err
	}
	e := m.entries[string(org)+" "+key]
	e.finished, e.status, e.answer = true, status, answer
	return nil
}

func (m *memoryIdempotency) Abandon(ctx context.Context, org id.Org, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := errors.Join(m.broken, ctx.Err()); err != nil {
		return err
	}
	delete(m.entries, string(org)+" "+key)
	return nil
}
