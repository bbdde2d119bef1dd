package discover_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"flowyte/internal/discover"
	"flowyte/internal/fault"
	"flowyte/internal/schema"

	"pgregory.net/rapid"
)

// script answers a catalogue query that holds a key with rows: what a real
// server cannot be made to say.
type script map[string][][]any

func (s script) Select(_ context.Context, text string, _ []any, row func(cells []any) error) error {
	for key, rows := range s {
		if strings.Contains(text, key) {
			for _, cells := range rows {
				if err := row(cells); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func discoverScript(t testing.TB, q discover.Querier, kind schema.Kind, server schema.Server) (*schema.Database, error) {
	t.Helper()
	return discover.Discover(t.Context(), q, kind, discover.Options{Server: server})
}

// noise answers every query with whatever cells it likes.
type noise struct{ t *rapid.T }

func (n noise) Select(_ context.Context, _ string, _ []any, row func(cells []any) error) error {
	cell := rapid.OneOf(
		rapid.Just[any](nil), rapid.Map(rapid.Int64(), func(v int64) any { return v }), rapid.Map(rapid.Bool(), func(v bool) any { return v }),
		rapid.Map(rapid.Float64(), func(v float64) any { return v }), rapid.Map(rapid.String(), func(v string) any { return v }),
		rapid.Map(rapid.SampledFrom([]string{"1", "0 1", "v", "r", "a", "VIEW", "'x", "`y", "select", "generated", "STORED GENERATED"}), func(v string) any { return v }),
		rapid.Map(rapid.SliceOf(rapid.String()), func(v []string) any { return v }),
		rapid.Map(rapid.Int64Range(0, 3), func(v int64) any { return v }),
	)
	rows := rapid.SliceOfN(rapid.SliceOfN(cell, 0, 20), 0, 6).Draw(n.t, "rows")
	for _, cells := range rows {
		if err := row(cells); err != nil {
			return err
		}
	}
	return nil
}

func TestAnyAnswerIsSurvived(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom([]schema.Kind{schema.Postgres, schema.MySQL}).Draw(rt, "kind")
		_, err := discover.Discover(t.Context(), noise{rt}, kind, discover.Options{})
		if err != nil && !fault.Is(err, fault.ProtocolError) {
			rt.Fatalf("error %v", err)
		}
	})
}

// endless answers every query with rows without end.
type endless struct{ cells []any }

func (e endless) Select(ctx context.Context, _ string, _ []any, row func(cells []any) error) error {
	for ctx.Err() == nil {
		if err := row(e.cells); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// TestEndlessCatalogue: a server that tells of objects without end is given up
// while what it told still fits into memory.
func TestEndlessCatalogue(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, cells := range map[string][]any{"rows": {}, "text": {long}} {
		for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
			padded := append(append([]any{}, cells...), make([]any, 30)...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := discover.Discover(ctx, endless{padded}, kind, discover.Options{})
			cancel()
			if !fault.Is(err, fault.ProtocolError) || fault.Cause(err) == nil {
				t.Errorf("%s, %s: %v (%v)", kind, name, err, fault.Cause(err))
			}
		}
	}
}

func TestErrorsAndStages(t *testing.T) {
	broken := errors.New("gone")
	for _, kind := range []schema.Kind{schema.Postgres, schema.MySQL} {
		if _, err := discoverScript(t, failing{broken}, kind, schema.Server{}); !errors.Is(err, broken) {
			t.Errorf("%s: the querier's error became %v", kind, err)
		}
		var last, stages int
		_, err := discover.Discover(t.Context(), script{}, kind, discover.Options{Progress: func(stage string, done, total int) {
			if done != stages || stage == "" || total <= 0 {
				t.Errorf("%s: stage %q is %d of %d after %d", kind, stage, done, total, stages)
			}
			last, stages = total-done, stages+1
		}})
		if err != nil || last != 0 || stages < 2 {
			t.Errorf("%s: %d stages, %d left, %v", kind, stages, last, err)
		}
	}
	if _, err := discoverScript(t, script{}, "oracle", schema.Server{}); !fault.Is(err, fault.Internal) {
		t.Errorf("an unknown kind gives %v", err)
	}
}

type failing struct{ err error }

func (f failing) Select(context.Context, string, []any, func([]any) error) error { return f.err }

func TestDomainCircleEnds(t *testing.T) {
	q := script{
		"current_database":        {{"shop"}},
		"FROM pg_catalog.pg_type": {{int64(1), "s", "a", "d", "S", int64(2), int64(-1), false, false, nil}, {int64(2), "s", "b", "d", "S", int64(1), int64(-1), false, false, nil}},
		"v.relhasrules AND":       {{int64(9), "s", "t", "r", float64(0), nil, false, false, false, false, false, false, nil}},
		"a.attrelid, a.attnum\n":  {{int64(9), int64(1), "c", int64(1), int64(-1), "s.a", false, false, false, false, nil, false, nil, false, false}},
	}
	found, err := discoverScript(t, q, schema.Postgres, schema.Server{})
	if err != nil {
		t.Fatal(err)
	}
	if f := field(t, object(t, found, "s.t"), "c"); f.Type != schema.Unsupported {
		t.Errorf("a circle of domains is %s", f.Type)
	}
}
