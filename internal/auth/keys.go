package auth

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// Principal is who asks: the holder of a key of one organisation.
type Principal struct {
	OrgID  id.Org
	KeyID  id.Key
	Scopes Scopes
}

// Authorize answers nil when the principal has the scope, and the fault
// missing_scope, which names it, when not.
func Authorize(p Principal, scope Scope) error {
	if p.Scopes.Has(scope) {
		return nil
	}
	return fault.New(fault.MissingScope).WithDetail("The key is valid but lacks the scope %s.", scope)
}

// Source is where the keys are kept.
type Source interface {
	// KeysRevision grows with every change of any key, by any process.
	KeysRevision(ctx context.Context) (int64, error)
	// ActiveKeys visits every key that has not been revoked.
	ActiveKeys(ctx context.Context, visit func(mac secret.MAC, org id.Org, key id.Key, scopes []string)) error
}

const (
	// pollEvery leaves room within the second in which a revocation by another
	// process must bite.
	pollEvery = 250 * time.Millisecond
	// pollTimeout keeps a store that hangs from stopping the watch for good.
	pollTimeout = 2 * time.Second
)

// Keys is the table of active keys in memory. It is safe for concurrent use.
type Keys struct {
	ring   *secret.Keyring
	source Source
	log    *slog.Logger

	table atomic.Pointer[table]
	// loading keeps an older reading of the store from replacing a newer one.
	loading sync.Mutex

	stop    context.CancelFunc
	stopped chan struct{}
}

// table is immutable.
type table struct {
	revision int64
	byMAC    map[secret.MAC]Principal
	byID     map[id.Key]struct{}
}

// OpenKeys reads the keys and goes on following the store's changes until
// Close. It fails with the store's fault when the first reading does.
func OpenKeys(ctx context.Context, source Source, ring *secret.Keyring, log *slog.Logger) (*Keys, error) {
	k := &Keys{ring: ring, source: source, log: log, stopped: make(chan struct{})}
	if err := k.Reload(ctx); err != nil {
		return nil, err
	}
	// The watch outlives the opening and ends with Close alone.
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	k.stop = stop
	go k.watch(watch)
	return k, nil
}

// Close stops following the store. The table goes on answering.
func (k *Keys) Close() {
	k.stop()
	<-k.stopped
}

// Authenticate finds the principal of a key. The fault is unauthorized, the
// same for a key that is malformed, unknown or revoked.
//
// An unknown, a wrong and a revoked key take one path: the table holds active
// keys only, and what is looked up is a keyed hash, over which whoever sends
// the key has no control, so the time of the look-up tells nothing about it.
func (k *Keys) Authenticate(key string) (Principal, error) {
	mac, ok := parse(k.ring, key)
	if ok {
		var p Principal
		if p, ok = k.table.Load().byMAC[mac]; ok {
			return p, nil
		}
	}
	return Principal{}, fault.New(fault.Unauthorized)
}

// Active tells whether a key that was accepted before still is; streams ask it
// while they are open.
func (k *Keys) Active(key id.Key) bool {
	_, ok := k.table.Load().byID[key]
	return ok
}

// Reload reads the keys now. Whoever creates or revokes a key in this process
// calls it, so that the change holds from the next request on.
func (k *Keys) Reload(ctx context.Context) error {
	k.loading.Lock()
	defer k.loading.Unlock()
	// The revision is read first: a change between the two readings then looks
	// newer than the table and is read again.
	revision, err := k.source.KeysRevision(ctx)
	if err != nil {
		return err
	}
	t := &table{revision: revision, byMAC: map[secret.MAC]Principal{}, byID: map[id.Key]struct{}{}}
	err = k.source.ActiveKeys(ctx, func(mac secret.MAC, org id.Org, key id.Key, scopes []string) {
		p := Principal{OrgID: org, KeyID: key}
		for _, name := range scopes {
			p.Scopes |= bit(Scope(name))
		}
		t.byMAC[mac] = p
		t.byID[key] = struct{}{}
	})
	if err != nil {
		return err
	}
	k.table.Store(t)
	return nil
}

func (k *Keys) watch(ctx context.Context) {
	defer close(k.stopped)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := k.poll(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			k.log.Warn("the keys cannot be read; the last ones go on being served", "code", fault.CodeOf(err), "cause", fault.Cause(err))
		case err == nil && away:
			k.log.Info("the keys can be read again")
		}
		away = err != nil
	}
}

func (k *Keys) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	revision, err := k.source.KeysRevision(ctx)
	if err != nil {
		return err
	}
	if revision == k.table.Load().revision {
		return nil
	}
	return k.Reload(ctx)
}
