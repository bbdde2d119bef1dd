package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// gauges are read off the process at each scrape.
type gauges struct {
	sources                       Sources
	sessions, databases, receipts *prometheus.Desc
}

func newGauges(s Sources) *gauges {
	return &gauges{
		sources:   s,
		sessions:  prometheus.NewDesc("flowyte_database_sessions", "Sessions with customers' databases by kind and what they do.", []string{"kind", "state"}, nil),
		databases: prometheus.NewDesc("flowyte_databases", "Connected databases by kind and whether sessions may be opened: open, unproven before the first attempt counts, shut after failures.", []string{"kind", "gate"}, nil),
		receipts:  prometheus.NewDesc("flowyte_receipts_buffered", "Receipts that wait to be stored.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	to <- g.sessions
	to <- g.databases
	to <- g.receipts
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	by := g.sources.Databases()
	for _, kind := range kinds {
		g.count(to, kind, by[kind])
	}
	to <- prometheus.MustNewConstMetric(g.receipts, prometheus.GaugeValue, float64(g.sources.Buffered()))
}

func (g *gauges) count(to chan<- prometheus.Metric, kind schema.Kind, c target.Census) {
	for _, v := range []struct {
		what  *prometheus.Desc
		state string
		n     int
	}{
		{g.sessions, "in_use", c.InUse}, {g.sessions, "idle", c.Idle}, {g.sessions, "opening", c.Opening},
		{g.databases, "open", c.Open}, {g.databases, "unproven", c.Unproven}, {g.databases, "shut", c.Shut},
	} {
		to <- prometheus.MustNewConstMetric(v.what, prometheus.GaugeValue, float64(v.n), string(kind), v.state)
	}
}
