package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// The ceilings, which tests of these packages hold; here they are shown.
const (
	maxAllocationsLive  = 25
	maxAllocationsRoute = 60
	maxMicrosLive       = 10
)

// allocations runs the benchmarks that count them.
func (b *bench) allocations(ctx context.Context) error {
	heading("target, in process", "wanted", "measured", "")
	live, err := benchmark(ctx, "./internal/live", "^BenchmarkLookUp$")
	if err != nil {
		return err
	}
	micros := live["ns/op"] / 1000
	b.table.target("time in `live` alone", fmt.Sprintf("≤ %d µs", maxMicrosLive), fmt.Sprintf("%.1f µs", micros), micros <= maxMicrosLive)
	b.table.target("allocations in `live` alone", fmt.Sprintf("≤ %d", maxAllocationsLive), fmt.Sprint(live["allocs/op"]), live["allocs/op"] <= maxAllocationsLive)
	route, err := benchmark(ctx, "./internal/apptest", "^BenchmarkWholeRoute$")
	if err != nil {
		return err
	}
	b.table.target("allocations through the whole route", fmt.Sprintf("≤ %d", maxAllocationsRoute), fmt.Sprint(route["allocs/op"]), route["allocs/op"] <= maxAllocationsRoute)
	return nil
}

// benchmark runs one benchmark of a package and reads its figures by unit.
func benchmark(ctx context.Context, pkg, name string) (map[string]float64, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", name, "-benchmem", pkg).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		figures := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if figures[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				return nil, err
			}
		}
		return figures, nil
	}
	return nil, fmt.Errorf("%s has no benchmark %s: %s", pkg, name, out)
}
