package serve

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// weighEvery is how often the memory in use is looked at.
	weighEvery = 250 * time.Millisecond
	// Of the limit: from shedAbove on requests are shed, until keepBelow. What
	// counts is what the collector could not free, so that the rest is for
	// those under way.
	shedAbove = 0.85
	keepBelow = 0.75
	// ofContainer is how much of a container's memory is ours: what the kernel
	// counts beyond Go's own has the rest.
	ofContainer = 0.9
)

// containerLimits are where the kernel says how much memory a container has,
// in the two versions of control groups.
var containerLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// pressure tells when memory is running out. A process that takes on more work
// then is ended by the kernel, with everybody's calls.
type pressure struct {
	limit float64 // bytes
	held  func() float64
	free  func() // gives back what nobody holds any more
	log   *slog.Logger
	high  atomic.Bool
}

// newPressure watches the limit of GOMEMLIMIT, or else the container's, to
// which it then holds the collector as well; nil where there is neither.
func newPressure(log *slog.Logger) *pressure {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		own := containerLimit(containerLimits)
		if own == 0 {
			return nil
		}
		limit = own
		debug.SetMemoryLimit(limit)
	}
	return &pressure{limit: float64(limit), held: heldMemory, free: runtime.GC, log: log}
}

// containerLimit is the part of a container's memory that is ours, 0 where
// nothing is limited.
func containerLimit(files []string) int64 {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// "max", or a number beyond any memory, is no limit.
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n < 1<<50 {
			return int64(float64(n) * ofContainer)
		}
	}
	return 0
}

// heldMemory is what was in use after the last collection, stacks included.
func heldMemory() float64 {
	return float64(memoryOf("/gc/heap/live:bytes", "/memory/classes/heap/stacks:bytes", "/memory/classes/metadata/other:bytes"))
}

// memoryOf sums metrics of the runtime, in bytes.
func memoryOf(names ...string) uint64 {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	total := uint64(0)
	for _, s := range samples {
		total += s.Value.Uint64()
	}
	return total
}

// watch looks until ctx ends. A nil pressure has nothing to look at.
func (p *pressure) watch(ctx context.Context) {
	if p == nil {
		return
	}
	every(ctx, weighEvery, p.weigh)
}

func (p *pressure) weigh() {
	if p.high.Load() {
		p.free() // with requests shed nothing else may make it run
	}
	switch share := p.held() / p.limit; {
	case share > shedAbove && p.high.CompareAndSwap(false, true):
		p.log.Error("memory is running out; requests are shed with 503 until there is some again", "heldMB", int(p.held())>>20, "limitMB", int(p.limit)>>20)
	case share < keepBelow && p.high.CompareAndSwap(true, false):
		p.log.Info("there is memory again", "heldMB", int(p.held())>>20)
	}
}

// tells whether requests are to be shed.
func (p *pressure) tells() bool { return p != nil && p.high.Load() }
