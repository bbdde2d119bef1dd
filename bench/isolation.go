package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"flowyte/internal/faultproxy"

	"golang.org/x/sync/errgroup"
)

// What isolation is measured with.
const (
	organisations = 50
	blackHoled    = 10
	pairs         = 5
	healthyRate   = 200 // calls/s of the others together
	sickRate      = 50  // calls/s of those whose databases will not answer
	sickCallers   = 6   // of each: a call takes a second then
	pairLasting   = 2 * time.Second
	recovery      = 2 * time.Second // within which broken sessions are opened anew

	wantMedian = 1.10
	wantTail   = 1.25
	wantMore   = 5.0 // milliseconds by which the tail may grow instead
)

// crowd is the organisations by whether their database will be cut off.
type crowd struct{ healthy, sick []*caller }

// isolation asks for many organisations at once, by turns with all databases
// well and with some black-holed, and compares what the others see.
func (b *bench) isolation(ctx context.Context, c *company) (err error) {
	p, err := startProduct(ctx, filepath.Join(b.bin, "flowyte"), filepath.Join(b.dir, "isolation"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	h, err := faultproxy.Listen(ctx, faultproxy.Address(0), faultproxy.Address(c.server.Port))
	if err != nil {
		return err
	}
	defer h.Close()
	all, err := p.crowd(ctx, c, h)
	if err != nil {
		return err
	}
	defer func() {
		for _, one := range append(all.healthy, all.sick...) {
			one.close()
		}
	}()
	all.ask(ctx) // opens every session
	var well, cut []sample
	for range pairs {
		well = append(well, all.ask(ctx))
		h.Set(faultproxy.Faults{Hole: true})
		cut = append(cut, all.ask(ctx))
		h.Set(faultproxy.Faults{})
		open(ctx, all.sick, sickRate, recovery)
	}
	b.table.isolation(well, cut)
	return ctx.Err()
}

// crowd makes the organisations, each with its own connection and published
// look-up.
func (p *product) crowd(ctx context.Context, c *company, h *faultproxy.Proxy) (*crowd, error) {
	callers := make([][]*caller, organisations)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range organisations {
		group.Go(func() (err error) {
			port, n := c.server.Port, 1
			if i < blackHoled {
				port, n = h.Port(), sickCallers
			}
			callers[i], err = p.callers(ctx, c, fmt.Sprintf("org-%d", i), port, n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := &crowd{}
	for i, own := range callers {
		if i < blackHoled {
			all.sick = append(all.sick, own...)
		} else {
			all.healthy = append(all.healthy, own...)
		}
	}
	return all, nil
}

// ask drives both groups at their rates and gives what the healthy ones saw.
func (c *crowd) ask(ctx context.Context) sample {
	done := make(chan struct{})
	go func() {
		defer close(done)
		open(ctx, c.sick, sickRate, pairLasting)
	}()
	seen := open(ctx, c.healthy, healthyRate, pairLasting)
	<-done
	return seen
}

func (t *table) isolation(well, cut []sample) {
	middle, tail := ratio(cut, well, percentile(50)), ratio(cut, well, percentile(99))
	before, after := median(each(well, percentile(99))), median(each(cut, percentile(99)))
	failed := pooled(well).errors + pooled(cut).errors
	heading(fmt.Sprintf("target, isolation: %d of %d organisations black-holed, what the others see", blackHoled, organisations), "wanted", "measured", "")
	t.target("p50", fmt.Sprintf("≤ %.2f × before", wantMedian), fmt.Sprintf("%.2f × (%.2f ms)", middle, median(each(cut, percentile(50)))), middle <= wantMedian)
	t.target("p99", fmt.Sprintf("≤ %.2f × or + %.0f ms", wantTail, wantMore), fmt.Sprintf("%.2f × (%.2f ms, before %.2f ms)", tail, after, before),
		tail <= wantTail || after-before <= wantMore)
	t.target("errors", "0", fmt.Sprint(failed), failed == 0)
}
