// Package discover reads a customer's catalogue into a schema.Database: a
// constant number of set-based SELECTs on the server's own catalogue, whatever
// the number of tables, no name in any text, and no lock on a user's table.
//
// The texts are files beside this one, embedded. What the role may not select
// does not appear, except as the source of a view or the relative of a
// partition, where scoping needs to know of it. Nothing unknown is fatal: a
// type nobody knows is schema.Unsupported, a view nobody can see through has
// unknown sources.
package discover

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"flowyte/internal/fault"
	"flowyte/internal/schema"
)

// Querier runs one catalogue text. Arguments are string, int64, bool or
// []string; cells are string, int64, float64, bool, []string or nil. Its errors
// are *fault.Error and are handed on as they are.
type Querier interface {
	Select(ctx context.Context, text string, args []any, row func(cells []any) error) error
}

// Snapshotter is a Querier of a server that can answer several queries as of
// one moment: those that f makes. Discovery uses it where it is there. Without
// it, what changes meanwhile may be seen in part: a table made in between is
// left out, a view made in between has unknown sources.
type Snapshotter interface {
	Snapshot(ctx context.Context, f func() error) error
}

// Options are what the catalogue itself does not say.
type Options struct {
	Server schema.Server
	At     time.Time // kept as DiscoveredAt
	// Progress, when set, is called before each stage and once at the end,
	// where done equals total.
	Progress func(stage string, done, total int)
}

// Discover reads every schema the role may use, system schemas excepted. It
// costs ten queries on PostgreSQL and eight on the MySQL family. The errors are
// those of q, and protocol_error where a server answers a catalogue query with
// something that cannot be one.
func Discover(ctx context.Context, q Querier, kind schema.Kind, opt Options) (*schema.Database, error) {
	db := &schema.Database{Kind: kind, Server: opt.Server, DiscoveredAt: opt.At}
	return read(newReader(ctx, q, opt), db, nil)
}

// Used reads only the named objects, as far as they are there, and of these
// only what schema.ObjectDigest looks at: no foreign keys, no view's sources.
// It is how statements are compared with the database between discoveries. It
// costs five queries on PostgreSQL and on the MySQL family.
func Used(ctx context.Context, q Querier, kind schema.Kind, opt Options, objects []schema.ColumnRef) (*schema.Database, error) {
	db := &schema.Database{Kind: kind, Server: opt.Server, DiscoveredAt: opt.At}
	if objects == nil {
		objects = []schema.ColumnRef{}
	}
	return read(newReader(ctx, q, opt), db, objects)
}

// read fills db with the wanted objects, nil for all.
func read(r *reader, db *schema.Database, wanted []schema.ColumnRef) (*schema.Database, error) {
	var err error
	switch db.Kind {
	case schema.Postgres:
		err = discoverPostgres(r, db, wanted)
	case schema.MySQL:
		err = discoverMySQL(r, db, wanted)
	default:
		err = fault.New(fault.Internal)
	}
	if err != nil {
		return nil, err
	}
	finish(db)
	return db, nil
}

// finish brings the objects into their order and names the relationships.
func finish(db *schema.Database) {
	slices.SortFunc(db.Objects, func(a, b schema.Object) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Name, b.Name))
	})
	for i := range db.Objects {
		o := &db.Objects[i]
		switch {
		case !o.Supported:
		case len(o.Fields) == 0:
			o.Supported, o.Reason = false, schema.ReasonNoColumns
		case o.Type == schema.ForeignTable:
			o.Supported, o.Reason = false, schema.ReasonForeignTable
		}
	}
	schema.Relate(db)
}

// stage is one query of a discovery.
type stage struct {
	name string // for progress: "columns"
	text string
	args []any
	row  func(c *cells) error
}

// reader runs the stages of one discovery.
type reader struct {
	ctx      context.Context
	q        Querier
	progress func(stage string, done, total int)
	// strings keeps one copy of what a catalogue repeats a thousand times:
	// types, collations, names of columns.
	strings map[string]string
	// left is how much the server may still tell, in the measure of maxTold.
	left int
}

// A server can tell of tables without end, all of which would be kept. maxTold
// bounds the text of all queries together and perRow what a row costs beside
// its text: enough for half a million columns.
const (
	maxTold = 256 << 20
	perRow  = 256
)

func newReader(ctx context.Context, q Querier, opt Options) *reader {
	return &reader{ctx: ctx, q: q, progress: opt.Progress, strings: map[string]string{}, left: maxTold}
}

var errToldTooMuch = errors.New("discover: a catalogue larger than any that is real")

// take counts a row.
func (r *reader) take(values []any) error {
	r.left -= perRow
	for _, v := range values {
		switch v := v.(type) {
		case string:
			r.left -= len(v)
		case []string:
			for _, s := range v {
				r.left -= len(s)
			}
		}
	}
	if r.left < 0 {
		return fault.Wrap(fault.ProtocolError, errToldTooMuch)
	}
	return nil
}

func (r *reader) run(stages []stage) error {
	if s, ok := r.q.(Snapshotter); ok {
		return s.Snapshot(r.ctx, func() error { return r.all(stages) })
	}
	return r.all(stages)
}

func (r *reader) all(stages []stage) error {
	for i, s := range stages {
		r.tell(s.name, i, len(stages))
		c := &cells{reader: r}
		err := r.q.Select(r.ctx, s.text, s.args, func(values []any) error {
			if err := r.take(values); err != nil {
				return err
			}
			c.values, c.err = values, nil
			if err := s.row(c); err != nil {
				return err
			}
			return c.err
		})
		if err != nil {
			return err
		}
	}
	r.tell("done", len(stages), len(stages))
	return nil
}

func (r *reader) tell(stage string, done, total int) {
	if r.progress != nil {
		r.progress(stage, done, total)
	}
}

// intern is s, as the copy that is kept already.
func (r *reader) intern(s string) string {
	if kept, ok := r.strings[s]; ok {
		return kept
	}
	s = strings.Clone(s)
	r.strings[s] = s
	return s
}
