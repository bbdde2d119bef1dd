package postgres_test

import (
	"context"
	"errors"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/target"
)

type snapshotter interface {
	Snapshot(ctx context.Context, f func() error) error
}

func count(t *testing.T, s target.Session) (n int64) {
	t.Helper()
	must(t, s.Select(t.Context(), "SELECT pg_catalog.count(*) FROM public.customers", nil, func(cells []any) error {
		n = cells[0].(int64)
		return nil
	}))
	return n
}

func TestSnapshotSeesOneMoment(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForCatalog)
		var first, second int64
		must(t, s.(snapshotter).Snapshot(t.Context(), func() error {
			first = count(t, s)
			db.Exec(t, "INSERT INTO customers VALUES (1001, 'late')")
			second = count(t, s)
			return nil
		}))
		if first != second || count(t, s) != first+1 || s.Broken() {
			t.Errorf("%d rows, then %d, then %d; broken %t", first, second, count(t, s), s.Broken())
		}
	})
}

func TestSnapshotEndsWithItsError(t *testing.T) {
	lanes(t, func(t *testing.T, db *dbtest.Database, creds *target.Credentials) {
		s := open(t, creds, target.ForCatalog)
		own := errors.New("own")
		if err := s.(snapshotter).Snapshot(t.Context(), func() error { return own }); !errors.Is(err, own) {
			t.Errorf("the error became %v", err)
		}
		err := s.(snapshotter).Snapshot(t.Context(), func() error {
			return s.Select(t.Context(), "SELECT 1 FROM public.nowhere", nil, func([]any) error { return nil })
		})
		if !fault.Is(err, fault.SchemaDrift) {
			t.Errorf("a missing table is %v", err)
		}
		if s.Broken() || count(t, s) == 0 {
			t.Error("the session is of no use after a failed snapshot")
		}
	})
}

func TestSnapshotCannotWrite(t *testing.T) {
	db := dbtest.Postgres(t)
	s := open(t, credentials(t, db, reader(t, db, "CREATE ON SCHEMA public")), target.ForCatalog)
	err := s.(snapshotter).Snapshot(t.Context(), func() error {
		return s.Select(t.Context(), "CREATE TABLE public.made ()", nil, func([]any) error { return nil })
	})
	if err == nil || s.Broken() || len(db.Query(t, "SELECT relname FROM pg_class WHERE relname = 'made'")) != 0 {
		t.Errorf("a table made in a snapshot: %v, broken %t", err, s.Broken())
	}
}
