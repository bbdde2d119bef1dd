package serve

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// housekeepEvery is how often what is too old goes.
	housekeepEvery = time.Minute
	// remindEvery is how often a disk that is nearly full is told of again.
	remindEvery = time.Hour
	// lowSpace is what should be free on the disk of the data folder: at the
	// highest rate of receipts it lasts for some minutes. On a small disk it is
	// a tenth.
	lowSpace      = 1 << 30
	lowSpaceShare = 10
)

// keeper is what the store is asked to do now and then.
type keeper interface {
	PruneRequests(ctx context.Context) error
	PruneConversations(ctx context.Context, before time.Time) error
	PruneActivity(ctx context.Context, before time.Time) error
	ForgetWrites(ctx context.Context) error
	PruneWrites(ctx context.Context, before time.Time) error
	Space() (free, total uint64, err error)
}

// housekeeping ends idle conversations, forgets what is older than it is kept,
// and warns before the disk is full.
type housekeeping struct {
	store      keeper
	idle       func() // ends idle conversations
	log        *slog.Logger
	keepEvents time.Duration // zero for ever
	keepAudit  time.Duration // zero for ever
	now        func() time.Time

	warned time.Time // of the disk; zero while there is room
}

// run works until ctx ends.
func (h *housekeeping) run(ctx context.Context) {
	h.lookAtDisk() // a disk that is full at the start is not to wait a minute
	every(ctx, housekeepEvery, func() {
		h.idle()
		h.prune(ctx)
		h.lookAtDisk()
	})
}

// every calls f once in an interval, until ctx ends.
func every(ctx context.Context, interval time.Duration, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}

func (h *housekeeping) prune(ctx context.Context) {
	err := errors.Join(h.store.PruneRequests(ctx), h.store.ForgetWrites(ctx))
	if h.keepEvents > 0 {
		before := h.now().Add(-h.keepEvents)
		err = errors.Join(err, h.store.PruneConversations(ctx, before), h.store.PruneWrites(ctx, before))
	}
	if h.keepAudit > 0 {
		err = errors.Join(err, h.store.PruneActivity(ctx, h.now().Add(-h.keepAudit)))
	}
	if err != nil && ctx.Err() == nil {
		h.log.Warn("old records could not be removed", "error", err)
	}
}

// lookAtDisk warns when there is little room left, once and then every hour,
// and says when there is room again.
func (h *housekeeping) lookAtDisk() {
	free, total, err := h.store.Space()
	if err != nil {
		h.log.Warn("the free space of the data folder is not known", "error", err)
		return
	}
	switch low := free < min(lowSpace, total/lowSpaceShare); {
	case low && (h.warned.IsZero() || h.now().Sub(h.warned) >= remindEvery):
		h.warned = h.now()
		h.log.Warn("the disk of the data folder is nearly full; when it is, changes are refused and receipts wait in memory. Make room, or keep less with --keep-events and --keep-audit",
			"freeMB", free>>20, "totalMB", total>>20)
	case !low && !h.warned.IsZero():
		h.warned = time.Time{}
		h.log.Info("the disk of the data folder has room again", "freeMB", free>>20)
	}
}
