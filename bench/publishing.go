package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"flowyte/api"
)

const (
	publishedSkills = 100
	publications    = 5
	wantPublish     = 200.0 // milliseconds
)

// publishing makes an agent of many skills live while others are asked.
func (b *bench) publishing(ctx context.Context, company *company) (err error) {
	p, err := startProduct(ctx, filepath.Join(b.bin, "flowyte"), filepath.Join(b.dir, "publish"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	callers, err := p.callers(ctx, company, "asked", company.server.Port, openClients)
	if err != nil {
		return err
	}
	c, _, err := p.organisation(ctx, "publishes")
	if err != nil {
		return err
	}
	agent, err := publish(ctx, c, company, company.server.Port)
	if err != nil {
		return err
	}
	for i := range publishedSkills - 1 {
		skill := binding()
		skill.ToolName = fmt.Sprintf("Look up an order %d", i)
		if _, err := c.Bind(ctx, agent.ID, company.kind, skill); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
	}
	calm := open(ctx, callers, openRate, pairLasting)
	var took []float64
	done := make(chan error, 1)
	go func() {
		for range publications {
			began := time.Now()
			if _, err := c.Publish(ctx, agent.ID, ""); err != nil {
				done <- err
				return
			}
			took = append(took, float64(time.Since(began).Microseconds())/1000)
			name := fmt.Sprintf("Front desk %d", len(took)) // so that the next one has something to publish
			if err := c.Do(ctx, "PATCH", "/agents/"+agent.ID, api.AgentRequest{Name: name, Country: "US"}, nil); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	during := open(ctx, callers, openRate, pairLasting)
	if err := <-done; err != nil {
		return err
	}
	for _, one := range callers {
		one.close()
	}
	heading("target, publishing", "wanted", "measured", "")
	ms := median(took)
	b.table.target(fmt.Sprintf("%d skills", publishedSkills), fmt.Sprintf("≤ %.0f ms", wantPublish), fmt.Sprintf("%.0f ms", ms), ms <= wantPublish)
	b.table.target("calls in flight without a good answer", "0",
		fmt.Sprintf("%d (p50 %.2f ms, before %.2f ms)", during.errors, during.percentile(50), calm.percentile(50)), during.errors == 0)
	return nil
}
