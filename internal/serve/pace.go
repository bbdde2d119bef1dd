package serve

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

const (
	// paceEvery is how often the collector's pace is looked at.
	paceEvery = time.Second
	// headroom is how many bytes may be made between two collections when little
	// is alive. By itself Go collects whenever as much was made as is alive: with
	// 5 MB alive that is every thousand calls, and the price of a collection is
	// the same however little it finds. See docs/performance.md.
	headroom = 8 << 20
	// In percent of what is alive. Go's own pace holds for much of it. The other
	// end doubles Go's least heap of 4 MB, too.
	ownPace, leastOften = 100, 200
)

// pacer holds the collector to headroom. An operator's GOGC is left alone.
type pacer struct {
	scanned func() uint64 // what a collection goes through, in bytes
	set     func(percent int) int
	present int
}

func newPacer() *pacer {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	return &pacer{scanned: scannedMemory, set: debug.SetGCPercent, present: ownPace}
}

// scannedMemory is what GOGC is a percentage of; see the guide to Go's collector.
func scannedMemory() uint64 {
	return memoryOf("/gc/heap/live:bytes", "/gc/scan/stack:bytes", "/gc/scan/globals:bytes")
}

// watch paces until ctx ends. A nil pacer has nothing to do.
func (p *pacer) watch(ctx context.Context) {
	if p == nil {
		return
	}
	every(ctx, paceEvery, p.look)
}

// look sets the pace anew when it is off by more than an eighth: each change
// stops the world for a moment.
func (p *pacer) look() {
	percent := min(max(int(100*headroom/max(p.scanned(), 1)), ownPace), leastOften)
	if off := percent - p.present; off > p.present/8 || -off > p.present/8 {
		p.set(percent)
		p.present = percent
	}
}
