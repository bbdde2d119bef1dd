package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// table prints what was measured as Markdown, for docs/performance.md.
type table struct {
	held, missed int
}

// machine says where and when this was measured, and what else ran there.
func (*table) machine() {
	fmt.Printf("%s, %d cores of %s, load %s before the run, %s.\n",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), runtime.NumCPU(), processor(), load(), runtime.Version())
}

func (t *table) end(took time.Duration) {
	fmt.Printf("\n%d targets held, %d missed; %.0f s; load %s after the run.\n", t.held, t.missed, took.Seconds(), load())
}

// verdict tells whether a target is held, and counts.
func (t *table) verdict(held bool) string {
	if held {
		t.held++
		return "held"
	}
	t.missed++
	return "**missed**"
}

// target prints one line of targets.
func (t *table) target(what, want, got string, held bool) {
	fmt.Printf("| %s | %s | %s | %s |\n", what, want, got, t.verdict(held))
}

func heading(columns ...string) {
	fmt.Println("\n| " + strings.Join(columns, " | ") + " |")
	fmt.Println("|" + strings.Repeat(" --- |", len(columns)))
}

// The targets of a live read.
const (
	wantRate     = 0.90
	wantOne      = 1.10
	wantResident = 50.0
)

// lookups prints what one kind cost, in absolute figures and as ratios.
func (t *table) lookups(c *company, variants []*variant) error {
	base := variants[0]
	heading(c.kind+" "+c.version(), "16 clients: calls/s", "CPU µs a call: server, database", "1 client: p50 ms, calls/s", "100 calls/s: p50 / p95 / p99 ms", "errors")
	for _, v := range variants {
		n, first := v.failures()
		all := pooled(v.open)
		server, db := v.costs()
		fmt.Printf("| %s | %.0f | %.0f, %.0f | %.3f, %.0f | %.2f / %.2f / %.2f | %d |\n", v.name, median(each(v.many, (*sample).rate)), server, db,
			median(each(v.one, percentile(50))), median(each(v.one, (*sample).rate)), all.percentile(50), all.percentile(95), all.percentile(99), n)
		if first != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", v.name, first)
		}
	}
	heading("against the floor", "16 clients: calls/s", "1 client: p50", "100 calls/s: p50 / p95 / p99")
	for _, v := range variants[1:] {
		all, of := pooled(v.open), pooled(base.open)
		fmt.Printf("| %s | %.3f | %.3f | %.2f / %.2f / %.2f |\n", v.name, ratio(v.many, base.many, (*sample).rate), ratio(v.one, base.one, percentile(50)),
			all.percentile(50)/of.percentile(50), all.percentile(95)/of.percentile(95), all.percentile(99)/of.percentile(99))
	}
	own := variants[2]
	rate, one := ratio(own.many, base.many, (*sample).rate), ratio(own.one, base.one, percentile(50))
	now, peak, err := own.process.resident()
	if err != nil {
		return err
	}
	bare, _, err := base.process.resident()
	if err != nil {
		return err
	}
	n, _ := own.failures()
	heading("target, "+c.kind, "wanted", "measured", "")
	t.target("calls/s at 16 clients", fmt.Sprintf("≥ %.2f × floor", wantRate), fmt.Sprintf("%.3f ×", rate), rate >= wantRate)
	t.target("p50 of one client", fmt.Sprintf("≤ %.2f × floor", wantOne), fmt.Sprintf("%.3f ×", one), one <= wantOne)
	t.target("memory after the run", fmt.Sprintf("≤ %.0f MiB", wantResident), fmt.Sprintf("%.0f MiB (peak %.0f; floor %.0f)", now, peak, bare), now <= wantResident)
	t.target("calls without a good answer", "0", fmt.Sprint(n), n == 0)
	return nil
}

// load is the machine's load averages.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	_, rest, found := bytes.Cut(b, []byte("model name"))
	if !found {
		return runtime.GOARCH
	}
	name, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.TrimSpace(strings.TrimLeft(string(name), "\t :"))
}
