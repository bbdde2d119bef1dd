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
	clients []*caller

	many, one, open []sample
}

// drive measures the variants in turn. Every other round goes the other way.
func drive(ctx context.Context, variants []*variant, p pace) error {
	for _, v := range variants {
		closed(ctx, v.clients[:manyClients], warmUp)
	}
	for round := range p.rounds {
		for _, v := range inTurn(variants, round) {
			v.one = append(v.one, closed(ctx, v.clients[:1], p.one))
		}
		for _, v := range inTurn(variants, round) {
			v.many = append(v.many, closed(ctx, v.clients[:manyClients], p.many))
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
