// Package metrics counts what the process does, for Prometheus. Every label
// has a fixed set of values: outcomes, kinds, stages, states, routes and
// classes of status. Nothing that a user, a caller or a database wrote can
// become one, and nothing tells of an organisation.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"flowyte/api"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

// Sources are asked when somebody scrapes, and not before.
type Sources struct {
	// Databases counts databases and sessions by kind.
	Databases func() map[schema.Kind]target.Census
	// Buffered is how many receipts wait to be stored.
	Buffered func() int
}

// Metrics holds the counters of one process. Its methods are safe for
// concurrent use; on the path of a call they allocate nothing and look nothing
// up by text that came from outside.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	calls    map[schema.Kind]*callsOf
}

// callsOf are the counters of one kind, found before the first call.
type callsOf struct {
	outcomes, finished map[api.Outcome]prometheus.Counter
	wait, db, ours     prometheus.Observer
}

var kinds = []schema.Kind{schema.Postgres, schema.MySQL}

// stageBuckets are in seconds: from a warm look-up on the same host to the
// longest deadline.
var stageBuckets = []float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}

// New makes the counters of a process of this version.
func New(version string, sources Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), calls: map[schema.Kind]*callsOf{}}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flowyte_http_requests_total", Help: "Requests by route and class of status. The route none is for paths that no route has.",
	}, []string{"route", "status"})
	outcomes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flowyte_tool_calls_total", Help: "Tool calls by outcome and kind of database. An answer that is given again under its id is not counted again.",
	}, []string{"outcome", "kind"})
	finished := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "flowyte_writes_finished_total", Help: "What became of writes that outlived their callers, by outcome and kind of database. The call itself was counted as pending.",
	}, []string{"outcome", "kind"})
	stages := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "flowyte_tool_call_stage_seconds", Buckets: stageBuckets,
		Help: "Where the time of the calls that reached a session went: wait for the session, db from the statement to its last row, ours everything else.",
	}, []string{"stage", "kind"})
	for _, kind := range kinds {
		c := &callsOf{outcomes: map[api.Outcome]prometheus.Counter{}, finished: map[api.Outcome]prometheus.Counter{}}
		for _, outcome := range api.Outcomes() {
			c.outcomes[outcome] = outcomes.WithLabelValues(string(outcome), string(kind))
			c.finished[outcome] = finished.WithLabelValues(string(outcome), string(kind))
		}
		c.wait, c.db, c.ours = stages.WithLabelValues("wait", string(kind)), stages.WithLabelValues("db", string(kind)), stages.WithLabelValues("ours", string(kind))
		m.calls[kind] = c
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "flowyte_build_info", Help: "1, with the program's version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, outcomes, finished, stages, build, newGauges(sources),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Called counts a call that ended. latency is of the whole call; wait and db
// are its parts at the database, both zero for a call that did not get there.
func (m *Metrics) Called(kind schema.Kind, outcome api.Outcome, latency, wait, db time.Duration) {
	c := m.calls[kind]
	if c == nil {
		return
	}
	if counter := c.outcomes[outcome]; counter != nil {
		counter.Inc()
	}
	if wait == 0 && db == 0 {
		return
	}
	c.wait.Observe(wait.Seconds())
	c.db.Observe(db.Seconds())
	c.ours.Observe(max(0, latency-wait-db).Seconds())
}

// Finished counts a write that ended after somebody was told that it goes on.
func (m *Metrics) Finished(kind schema.Kind, outcome api.Outcome) {
	if c := m.calls[kind]; c != nil {
		if counter := c.finished[outcome]; counter != nil {
			counter.Inc()
		}
	}
}

// Route makes the counter of a route's answers by status. It is called once
// for each route, with the pattern and never with a path.
func (m *Metrics) Route(pattern string) func(status int) {
	var classes [6]prometheus.Counter
	for class := 1; class < len(classes); class++ {
		classes[class] = m.requests.WithLabelValues(pattern, strconv.Itoa(class)+"xx")
	}
	return func(status int) {
		if class := status / 100; class >= 1 && class < len(classes) {
			classes[class].Inc()
		}
	}
}

// maxScrapes is how many may be under way at once.
const maxScrapes = 4

// Handler serves GET /metrics and nothing else.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: 10 * time.Second}))
	return mux
}
