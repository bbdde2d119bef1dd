package target_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"flowyte/api"
	"flowyte/internal/egress"
	"flowyte/internal/fault"
	"flowyte/internal/target"

	"github.com/google/go-cmp/cmp"
)

// good is a database that passes every check.
func good() *driver {
	return &driver{
		// Far beyond the bubble's time, which begins in the year 2000.
		observed: egress.Peer{NotAfter: time.Now().AddDate(10, 0, 0)},
		tables:   3,
		prove:    target.ReadOnlyProof{SessionReadOnly: true},
		rights:   map[target.Purpose]target.Privileges{},
	}
}

// outline is a report in short: one word a check.
func outline(r *target.Report) string {
	var words []string
	for _, c := range r.Result.Checks {
		word := c.Status
		if c.Code != "" {
			word += ":" + c.Code
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func testOf(t *testing.T, d *driver, c *target.Credentials) *target.Report {
	t.Helper()
	var report *target.Report
	synctest.Test(t, func(t *testing.T) {
		report = target.Test(t.Context(), d, nil, c)
		if d.living() != 0 {
			t.Errorf("%d sessions live on", d.living())
		}
	})
	for i, id := range []string{"reachability_tls", "authentication", "schema_read", "read_probe", "read_only_session", "latency"} {
		c := report.Result.Checks[i]
		if c.ID != id || c.Name == "" || c.Detail == "" || c.Status == "failed" && c.Fix == "" {
			t.Errorf("check %d: %+v", i, c)
		}
	}
	if report.Result.OK != (report.Fault() == nil) {
		t.Errorf("ok is %v and the fault %v", report.Result.OK, report.Fault())
	}
	return report
}

func verified(mode egress.Mode) *target.Credentials {
	c := someone()
	c.TLS.Mode = mode
	return c
}

func TestReportOfAGoodDatabase(t *testing.T) {
	r := testOf(t, good(), verified(egress.VerifyFull))
	if got := outline(r); got != "passed passed passed passed passed passed" {
		t.Error(got)
	}
	if diff := cmp.Diff(&api.Server{Product: "Fake", Version: "1"}, r.Result.Server); diff != "" || r.Server.Identity != "here" || r.Pin != (egress.Pin{7}) {
		t.Errorf("%s %+v %v", diff, r.Server, r.Pin)
	}
	if l := r.Result.Latency; l.Samples != 20 || l.Verdict != "live_ready" {
		t.Errorf("%+v", l)
	}
}

// Under require the second user's password goes to the key that the first one
// found, and to no other.
func TestWriterIsPinned(t *testing.T) {
	for mode, want := range map[egress.Mode][][]egress.Pin{egress.Require: {nil, {{7}}}, egress.VerifyFull: {nil, nil}} {
		d, c := good(), verified(mode)
		c.WriteUser = "w"
		testOf(t, d, c)
		if diff := cmp.Diff(want, d.pins); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
	}
}

func TestReports(t *testing.T) {
	const skipped = " skipped"
	reject := func(code fault.Code) func(context.Context, target.Purpose) error {
		return func(context.Context, target.Purpose) error { return fault.New(code) }
	}
	tests := []struct {
		name   string
		change func(d *driver, c *target.Credentials)
		want   string
		code   fault.Code
	}{
		{"unreachable", func(d *driver, _ *target.Credentials) { d.observed = egress.Peer{}; d.open = reject(fault.Unreachable) },
			"failed:unreachable_or_not_a_database" + strings.Repeat(skipped, 5), fault.Unreachable},
		{"handshake broken off late", func(d *driver, _ *target.Credentials) { d.open = reject(fault.TLSFailed) },
			"failed:tls_failed" + strings.Repeat(skipped, 5), fault.TLSFailed},
		{"silent after TLS", func(d *driver, _ *target.Credentials) { d.open = reject(fault.DatabaseTimeout) },
			"passed failed:database_timeout" + strings.Repeat(skipped, 4), fault.DatabaseTimeout},
		{"wrong password", func(d *driver, _ *target.Credentials) { d.open = reject(fault.CredentialsRejected) },
			"passed failed:credentials_rejected" + strings.Repeat(skipped, 4), fault.CredentialsRejected},
		{"hostile", func(d *driver, _ *target.Credentials) {
			d.open = func(context.Context, target.Purpose) error { panic("bytes") }
		},
			"passed failed:protocol_error" + strings.Repeat(skipped, 4), fault.ProtocolError},
		{"wrong write user", func(d *driver, c *target.Credentials) {
			c.WriteUser = "w"
			d.open = func(_ context.Context, p target.Purpose) error {
				if p == target.ForWrites {
					return fault.New(fault.CredentialsRejected)
				}
				return nil
			}
		}, "passed failed:credentials_rejected" + strings.Repeat(skipped, 4), fault.CredentialsRejected},
		{"no table", func(d *driver, _ *target.Credentials) { d.tables = 0 },
			"passed passed failed:schema_unreadable" + strings.Repeat(skipped, 3), fault.SchemaUnreadable},
		{"probe fails", func(d *driver, _ *target.Credentials) {
			d.probe = func(context.Context) error { return fault.New(fault.ConnectionLost) }
		}, "passed passed passed failed:connection_lost" + strings.Repeat(skipped, 2), fault.ConnectionLost},
		{"probe panics", func(d *driver, _ *target.Credentials) { d.probe = func(context.Context) error { panic("bytes") } },
			"passed passed passed failed:protocol_error" + strings.Repeat(skipped, 2), fault.ProtocolError},
		{"a bug", func(d *driver, _ *target.Credentials) {
			d.probe = func(context.Context) error { return errors.New("bug") }
		},
			"passed passed passed failed:internal" + strings.Repeat(skipped, 2), fault.Internal},
		{"writes go through", func(d *driver, _ *target.Credentials) { d.prove = target.ReadOnlyProof{} },
			"passed passed passed passed failed:session_not_read_only skipped", fault.NotReadOnly},
		{"superuser", func(d *driver, _ *target.Credentials) {
			d.rights[target.ForReads] = target.Privileges{Superuser: []string{"superuser"}}
		}, "passed passed passed passed failed:over_privileged skipped", fault.OverPrivileged},
		{"writer is superuser", func(d *driver, c *target.Credentials) {
			c.WriteUser = "w"
			d.rights[target.ForWrites] = target.Privileges{Superuser: []string{"superuser"}}
		}, "passed passed passed passed failed:over_privileged skipped", fault.OverPrivileged},
		{"writer is wider", func(d *driver, c *target.Credentials) {
			c.WriteUser = "w"
			d.rights[target.ForWrites] = target.Privileges{Wider: []string{"CREATEDB"}}
		}, "passed passed passed passed passed passed", ""},
		{"role can write", func(d *driver, _ *target.Credentials) { d.prove.RoleCanWrite = true },
			"passed passed passed passed warning:role_can_write passed", ""},
		{"wider", func(d *driver, _ *target.Credentials) {
			d.rights[target.ForReads] = target.Privileges{Wider: []string{"CREATEDB"}}
		}, "passed passed passed passed warning:wider_privileges passed", ""},
		{"what everybody has", func(d *driver, _ *target.Credentials) {
			d.rights[target.ForReads] = target.Privileges{Public: []string{"CREATE on a schema"}}
		}, "passed passed passed passed passed passed", ""},
		{"require", func(_ *driver, c *target.Credentials) { c.TLS.Mode = egress.Require },
			"warning:server_key_pinned passed passed passed passed passed", ""},
		{"require, known key", func(_ *driver, c *target.Credentials) {
			c.TLS.Mode, c.TLS.Pins = egress.Require, []egress.Pin{{7}}
		}, "passed passed passed passed passed passed", ""},
		{"verify-ca", func(_ *driver, c *target.Credentials) { c.TLS.Mode = egress.VerifyCA },
			"passed passed passed passed passed passed", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, c := good(), verified(egress.VerifyFull)
			test.change(d, c)
			r := testOf(t, d, c)
			if got := outline(r); got != test.want {
				t.Errorf("%s", got)
			}
			if r.Fault() == nil && test.code != "" || r.Fault() != nil && r.Fault().Code != test.code {
				t.Errorf("fault %v", r.Fault())
			}
		})
	}
}

// The facts about writing are told apart.
func TestReportTellsFactsApart(t *testing.T) {
	d := good()
	d.prove = target.ReadOnlyProof{SessionReadOnly: true, RoleCanWrite: true, Replica: true}
	d.rights[target.ForReads] = target.Privileges{Wider: []string{"CREATEDB"}, Public: []string{"TEMPORARY on the database"}}
	detail := testOf(t, d, verified(egress.VerifyFull)).Result.Checks[4].Detail
	for _, fact := range []string{"session is read-only", "could write", "replica", "CREATEDB", "Every user", "TEMPORARY"} {
		if !strings.Contains(detail, fact) {
			t.Errorf("%q is missing in %q", fact, detail)
		}
	}
}

func TestLatencyVerdicts(t *testing.T) {
	for _, test := range []struct {
		trip    time.Duration
		verdict string
		status  string
		samples int
	}{
		{time.Millisecond, "live_ready", "passed", 20},
		{150 * time.Millisecond, "live_ready", "passed", 20},
		{151 * time.Millisecond, "needs_filler", "passed", 20},
		{400 * time.Millisecond, "needs_filler", "passed", 20},
		{430 * time.Millisecond, "too_slow", "warning", 20},
		{2 * time.Second, "too_slow", "warning", 2},
	} {
		d := good()
		d.probe = func(context.Context) error { <-time.After(test.trip); return nil }
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			r := target.Test(t.Context(), d, nil, verified(egress.VerifyFull))
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("%v: the test took %v", test.trip, took)
			}
			l := r.Result.Latency
			ms := float64(test.trip) / float64(time.Millisecond)
			if l == nil || l.Verdict != test.verdict || l.Samples != test.samples || l.P50Ms != ms || l.P95Ms != ms || r.Result.Checks[5].Status != test.status {
				t.Errorf("%v: %+v, %+v", test.trip, l, r.Result.Checks[5])
			}
			if !r.Result.OK {
				t.Error("slowness fails the test")
			}
		})
	}
}

// Whatever hangs, the report comes in time.
func TestReportInTime(t *testing.T) {
	hang := func(ctx context.Context) error { <-ctx.Done(); return fault.Wrap(fault.DatabaseTimeout, ctx.Err()) }
	d := good()
	d.open = func(context.Context, target.Purpose) error { <-time.After(2900 * time.Millisecond); return nil }
	d.probe = hang
	synctest.Test(t, func(t *testing.T) {
		c := verified(egress.VerifyFull)
		c.WriteUser = "w"
		begun := time.Now()
		r := target.Test(t.Context(), d, nil, c)
		if took := time.Since(begun); took > 10*time.Second || r.Fault().Code != fault.DatabaseTimeout {
			t.Errorf("%v after %v", r.Fault(), took)
		}
		if got := r.Result.Checks[1].DurationMs + r.Result.Checks[0].DurationMs; got < 5800 {
			t.Errorf("the first two checks took %d ms", got)
		}
	})
}

func TestCertificateThatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := good()
		d.observed.NotAfter = time.Now().Add(23 * time.Hour)
		r := target.Test(t.Context(), d, nil, verified(egress.VerifyFull))
		if got := outline(r); got != "warning:certificate_expires_soon passed passed passed passed passed" {
			t.Error(got)
		}
		if day := d.observed.NotAfter.UTC().Format(time.DateOnly); !strings.Contains(r.Result.Checks[0].Detail, day) {
			t.Error(r.Result.Checks[0].Detail)
		}
	})
}

func TestRefused(t *testing.T) {
	r := target.Refused(fault.New(fault.HostInvalid))
	if got := outline(r); got != "failed:host_invalid skipped skipped skipped skipped skipped" || r.Fault().Code != fault.HostInvalid || r.Result.OK {
		t.Error(got, r.Fault())
	}
}

// A server that claims rights without end makes no answer without end.
func TestRightsWithoutEnd(t *testing.T) {
	names := slices.Repeat([]string{"SUPER"}, 100_000)
	for _, p := range []target.Privileges{{Superuser: names}, {Wider: names, Public: names}} {
		d := good()
		d.rights[target.ForReads] = p
		for _, c := range testOf(t, d, verified(egress.VerifyFull)).Result.Checks {
			if len(c.Detail) > 1000 || strings.Contains(c.Detail, "SUPER") && !strings.Contains(c.Detail, "and 99980 more") {
				t.Errorf("%s says %d bytes: %.300s", c.ID, len(c.Detail), c.Detail)
			}
		}
	}
}
