package control

import (
	"sync"
	"time"

	"flowyte/internal/assist"
	"flowyte/internal/schema"
	"flowyte/internal/search"
)

// idleAfter is how long what is derived from a catalogue is kept unused.
// Building the index of 100,000 fields again takes half a second.
const idleAfter = 15 * time.Minute

// derived is a value that is made when it is asked for and let go when nobody
// has asked for a while. The zero value is ready for use by several goroutines.
type derived[T any] struct {
	mu    sync.Mutex
	value *T
	asked time.Time
}

// get is the value, made unless it is there.
func (d *derived[T]) get(now time.Time, build func() *T) *T {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.value == nil {
		d.value = build()
	}
	d.asked = now
	return d.value
}

// rest lets go of a value that was not asked for since, and does not wait for
// one that is being made. Who has it keeps it.
func (d *derived[T]) rest(since time.Time) {
	if !d.mu.TryLock() {
		return
	}
	defer d.mu.Unlock()
	if d.asked.Before(since) {
		d.value = nil
	}
}

// goals is what proposals are made from.
func (c *catalog) goals(now time.Time) *assist.Catalog {
	return c.forGoals.get(now, func() *assist.Catalog { return assist.NewCatalog(c.scoped, c.scope) })
}

// words is the search index.
func (c *catalog) words(now time.Time) *search.Index {
	return c.index.get(now, func() *search.Index { return search.Build(c.scoped, c.operationNames) })
}

func (c *catalog) operationNames(o *schema.Object) []string {
	var names []string
	for _, op := range operations(c.scoped, o) {
		names = append(names, op.Name)
	}
	return names
}

// rest lets go of what nobody asked for since.
func (s *catalogs) rest(since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.byConnection {
		c.forGoals.rest(since)
		c.index.rest(since)
	}
}
