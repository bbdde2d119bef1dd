package main

import (
	"context"
	"slices"
	"time"
)

// How long and how often each variant is driven. Short rounds, one variant
// after the other, put what else the machine does on all of them alike.
type pace struct {
	rounds     int
	many, one  time.Duration // of 16 clients and of one, in each round
	openRounds int
	open       time.Duration // of 100 calls/s
}

const (
	manyClients = 16
	openClients = 32
	openRate    = 100
	warmUp      = 1500 * time.Millisecond
)

// variant is one server with what was measured of it, a sample a round.
type variant struct {
	name    string
	process *process
	clients []*caller

	many, one, open []sample
	// Processor time of the server and of the database in the rounds of many.
	cpu, database time.Duration
}

// costs are the processor times that one of the calls of 16 clients takes, in
// microseconds. What else the machine does disturbs them less than a rate.
func (v *variant) costs() (server, database float64) {
	calls := float64(max(1, len(pooled(v.many).took)))
	return float64(v.cpu.Microseconds()) / calls, float64(v.database.Microseconds()) / calls
}

func (v *variant) close() {
	for _, c := range v.clients {
		c.close()
	}
}

// busy is a round of many clients.
func (v *variant) busy(ctx context.Context, lasting time.Duration, database int) {
	server, db := cpuOf(v.process.pid()), cpuBelow(database)
	v.many = append(v.many, closed(ctx, v.clients[:manyClients], lasting))
	v.cpu += cpuOf(v.process.pid()) - server
	v.database += cpuBelow(database) - db
}

// drive measures the variants in turn. Every other round goes the other way.
// database is the process of its server.
func drive(ctx context.Context, variants []*variant, database int, p pace) error {
	for _, v := range variants {
		closed(ctx, v.clients[:manyClients], warmUp)
	}
	for round := range p.rounds {
		for _, v := range inTurn(variants, round) {
			v.one = append(v.one, closed(ctx, v.clients[:1], p.one))
		}
		for _, v := range inTurn(variants, round) {
			v.busy(ctx, p.many, database)
		}
	}
	for round := range p.openRounds {
		for _, v := range inTurn(variants, round) {
			v.open = append(v.open, open(ctx, v.clients, openRate, p.open))
		}
	}
	return ctx.Err()
}

func inTurn(variants []*variant, round int) []*variant {
	turn := slices.Clone(variants)
	if round%2 == 1 {
		slices.Reverse(turn)
	}
	return turn
}

// median of the values; they are sorted in place.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

// each takes one figure from every round.
func each(samples []sample, figure func(*sample) float64) []float64 {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = figure(&samples[i])
	}
	return values
}

// ratio is the median over the rounds of a figure against the floor's of the
// same round.
func ratio(of, floor []sample, figure func(*sample) float64) float64 {
	ratios := each(of, figure)
	for i, f := range each(floor, figure) {
		if f != 0 {
			ratios[i] /= f
		}
	}
	return median(ratios)
}

// pooled is all rounds as one sample, for percentiles that a round is too
// short for.
func pooled(samples []sample) *sample {
	var all sample
	for _, s := range samples {
		all.within += s.within
		all.join(s)
	}
	return &all
}

func percentile(p float64) func(*sample) float64 {
	return func(s *sample) float64 { return s.percentile(p) }
}

// failures counts the calls without a good answer, and gives one of them.
func (v *variant) failures() (n int, first error) {
	for _, samples := range [][]sample{v.many, v.one, v.open} {
		all := pooled(samples)
		if n == 0 {
			first = all.first
		}
		n += all.errors
	}
	return n, first
}
