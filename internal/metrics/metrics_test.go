package metrics

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

func newMetrics() *Metrics {
	return New("v1", Sources{
		Databases: func() map[schema.Kind]target.Census {
			return map[schema.Kind]target.Census{
				schema.Postgres: {InUse: 1, Idle: 2, Opening: 3, Open: 4, Unproven: 5, Shut: 6},
				"hostile\"kind": {InUse: 99},
			}
		},
		Buffered: func() int { return 7 },
	})
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// want asserts whole lines of the exposition.
func want(t *testing.T, text string, lines ...string) {
	t.Helper()
	all := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(all, line) {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
}

func TestCallsAreCountedByOutcomeAndKind(t *testing.T) {
	m := newMetrics()
	m.Called(schema.Postgres, api.OutcomeOK, 10*time.Millisecond, 2*time.Millisecond, 3*time.Millisecond)
	m.Called(schema.Postgres, api.OutcomeOK, time.Millisecond, 0, 2*time.Millisecond) // clocks may disagree: never below zero
	m.Called(schema.MySQL, api.OutcomeRefused, time.Second, 0, 0)
	m.Finished(schema.MySQL, api.OutcomeOK)
	text := scrape(t, m)
	want(t, text,
		`flowyte_tool_calls_total{kind="postgres",outcome="ok"} 2`,
		`flowyte_tool_calls_total{kind="mysql",outcome="refused"} 1`,
		`flowyte_tool_calls_total{kind="mysql",outcome="ok"} 0`,
		`flowyte_writes_finished_total{kind="mysql",outcome="ok"} 1`,
		`flowyte_writes_finished_total{kind="postgres",outcome="ok"} 0`,
		`flowyte_tool_call_stage_seconds_sum{kind="postgres",stage="wait"} 0.002`,
		`flowyte_tool_call_stage_seconds_sum{kind="postgres",stage="db"} 0.005`,
		`flowyte_tool_call_stage_seconds_sum{kind="postgres",stage="ours"} 0.005`,
		`flowyte_tool_call_stage_seconds_count{kind="postgres",stage="ours"} 2`,
		`flowyte_tool_call_stage_seconds_count{kind="mysql",stage="ours"} 0`,
	)
	for _, outcome := range api.Outcomes() {
		want(t, text, `flowyte_tool_calls_total{kind="postgres",outcome="`+string(outcome)+`"} `+map[bool]string{true: "2", false: "0"}[outcome == api.OutcomeOK])
	}
}

func TestRequestsAreCountedByRouteAndClass(t *testing.T) {
	m := newMetrics()
	count := m.Route("GET /a/{id}")
	for _, status := range []int{200, 201, 404, 503, 0, 99, 600, -1} {
		count(status)
	}
	want(t, scrape(t, m),
		`flowyte_http_requests_total{route="GET /a/{id}",status="2xx"} 2`,
		`flowyte_http_requests_total{route="GET /a/{id}",status="4xx"} 1`,
		`flowyte_http_requests_total{route="GET /a/{id}",status="5xx"} 1`,
		`flowyte_http_requests_total{route="GET /a/{id}",status="1xx"} 0`,
	)
}

func TestGauges(t *testing.T) {
	want(t, scrape(t, newMetrics()),
		`flowyte_build_info{version="v1"} 1`,
		`flowyte_receipts_buffered 7`,
		`flowyte_database_sessions{kind="postgres",state="in_use"} 1`,
		`flowyte_database_sessions{kind="postgres",state="idle"} 2`,
		`flowyte_database_sessions{kind="postgres",state="opening"} 3`,
		`flowyte_databases{gate="open",kind="postgres"} 4`,
		`flowyte_databases{gate="unproven",kind="postgres"} 5`,
		`flowyte_databases{gate="shut",kind="postgres"} 6`,
		`flowyte_database_sessions{kind="mysql",state="in_use"} 0`,
	)
}

// fixed are the labels of our own metrics and what they may say (L06).
var fixed = map[string]*regexp.Regexp{
	"kind":    regexp.MustCompile(`^(postgres|mysql)$`),
	"outcome": regexp.MustCompile(`^[a-z_]+$`),
	"stage":   regexp.MustCompile(`^(wait|db|ours)$`),
	"state":   regexp.MustCompile(`^(in_use|idle|opening)$`),
	"gate":    regexp.MustCompile(`^(open|unproven|shut)$`),
	"status":  regexp.MustCompile(`^[1-5]xx$`),
	"route":   regexp.MustCompile(`^(none|GET /a)$`),
	"le":      regexp.MustCompile(`^[0-9.e+-]+$|^\+Inf$`),
	"version": regexp.MustCompile(`^v1$`),
}

// TestLabelsAreFixed is L06: what is not one of our words is not counted under
// a new one.
func TestLabelsAreFixed(t *testing.T) {
	m := newMetrics()
	m.Route("none")(404)
	m.Route("GET /a")(200)
	before := strings.Count(scrape(t, m), "\nflowyte_")
	m.Called("evil{kind}", api.OutcomeOK, 1, 1, 1)
	m.Called(schema.Postgres, "evil\noutcome 1", 1, 0, 0)
	m.Finished("evil{kind}", api.OutcomeOK)
	m.Finished(schema.Postgres, "evil\noutcome 1")
	text := scrape(t, m)
	if n := strings.Count(text, "\nflowyte_"); n != before {
		t.Errorf("%d series became %d", before, n)
	}
	if strings.Contains(text, "evil") || strings.Contains(text, "hostile") {
		t.Error("a text from outside became a label")
	}
	label := regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "flowyte_") {
			continue
		}
		for _, found := range label.FindAllStringSubmatch(line, -1) {
			if may := fixed[found[1]]; may == nil || !may.MatchString(found[2]) {
				t.Errorf("the label %s is %q in %s", found[1], found[2], line)
			}
		}
	}
}

func TestOnlyMetricsAreServed(t *testing.T) {
	m := newMetrics()
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/metrics", 200}, {"POST", "/metrics", 405}, {"GET", "/", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/api/v1/agents", 404},
	} {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status {
			t.Errorf("%s %s answers %d, want %d", tt.method, tt.path, w.Code, tt.status)
		}
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := newMetrics()
	count := m.Route("POST /x")
	n := testing.AllocsPerRun(200, func() {
		m.Called(schema.Postgres, api.OutcomeOK, 3*time.Millisecond, time.Millisecond, time.Millisecond)
		count(200)
	})
	if n > 0 {
		t.Errorf("%v allocations a call", n)
	}
}

func BenchmarkCalled(b *testing.B) {
	m := newMetrics()
	b.ReportAllocs()
	for b.Loop() {
		m.Called(schema.Postgres, api.OutcomeOK, 3*time.Millisecond, time.Millisecond, time.Millisecond)
	}
}
