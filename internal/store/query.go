package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"flowyte/internal/fault"
	"flowyte/internal/id"
)

// write runs f in a transaction of its own, which is durable when write
// returns nil and has left nothing behind when it does not. It waits for the
// write of another process until ctx ends, and for busyTimeout at most.
func (s *Store) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return failure(err)
	}
	defer tx.Rollback() // after Commit it does nothing
	if err := f(tx); err != nil {
		return failure(err)
	}
	return failure(tx.Commit())
}

// callerError is what a caller's own function said; it is none of the store's.
type callerError struct{ error }

// failure turns what went wrong below into a fault. Faults, and what a caller's
// own function said, pass as they are.
func failure(err error) error {
	if err == nil {
		return nil
	}
	var c callerError
	if errors.As(err, &c) {
		return c.error
	}
	if f, ok := fault.As(err); ok {
		return f
	}
	if errors.Is(err, sql.ErrNoRows) {
		return fault.New(fault.NotFound)
	}
	switch code := resultCode(err); {
	case code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		// What the row should hang below is not there, or is another's.
		return fault.Wrap(fault.NotFound, err)
	case code&0xff == sqlite3.SQLITE_CORRUPT, code&0xff == sqlite3.SQLITE_NOTADB:
		return fault.Wrap(fault.StoreDamaged, err)
	}
	return fault.Wrap(fault.StoreUnavailable, err)
}

// resultCode is the extended result code of the database, 0 for other errors.
func resultCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// taken tells whether a row of the same key is there already.
func taken(err error) bool {
	code := resultCode(err)
	return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
}

// one turns a change that met no row into not_found.
func one(result sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return fault.New(fault.NotFound)
	}
	return nil
}

// ignoreNoRows is for a question that may have no answer.
func ignoreNoRows(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// queryer is a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// row is a *sql.Row or the present one of *sql.Rows.
type row interface{ Scan(dest ...any) error }

// all reads every row of a query.
func all[T any](ctx context.Context, q queryer, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, failure(err)
	}
	defer rows.Close()
	var items []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, failure(err)
		}
		items = append(items, item)
	}
	return items, failure(rows.Err())
}

// Page asks for part of a list: the items after Cursor, which is "" at the
// beginning, at most Limit of them (50 when it is 0, never more than 200).
type Page struct {
	Cursor string
	Limit  int
}

// List is part of a list. Next leads to the following part, "" at the end.
type List[T any] struct {
	Items []T
	Next  string
	Limit int
}

const (
	defaultLimit = 50
	maxLimit     = 200
)

// listing is a list that is read by pages. The query takes the organisation,
// the arguments, the id after which to begin, and a limit.
type listing[T any] struct {
	name   string // sets the cursors of lists apart
	query  string
	newest bool // newest first
	scan   func(row) (T, error)
	idOf   func(T) string
}

// page reads one page for an organisation. The fault is invalid_parameter for
// a cursor of another organisation or list, as for one that was made up.
func page[T any](ctx context.Context, s *Store, l listing[T], org id.Org, p Page, args ...any) (List[T], error) {
	out := List[T]{Limit: p.limit()}
	scope := l.name + "\x00" + string(org)
	for _, arg := range args {
		scope += fmt.Sprintf("\x00%v", arg)
	}
	var after string
	if l.newest {
		after = "~" // sorts behind every id
	}
	if p.Cursor != "" {
		var ok bool
		if after, ok = openCursor(p.Cursor, scope); !ok {
			return List[T]{}, badCursor()
		}
	}
	args = append(append([]any{org}, args...), after, out.Limit+1)
	items, err := all(ctx, s.reader, l.scan, l.query, args...)
	if err != nil {
		return List[T]{}, err
	}
	if len(items) > out.Limit {
		items = items[:out.Limit]
		out.Next = makeCursor(l.idOf(items[len(items)-1]), scope)
	}
	out.Items = items
	return out, nil
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return defaultLimit
	}
	return min(p.Limit, maxLimit)
}

func badCursor() error {
	return fault.New(fault.InvalidParameter).WithField("cursor", "must be a nextCursor of this list")
}

// cursorTag is how many bytes tie a cursor to its list and organisation. They
// need no key: whoever forges one only chooses where its own list begins.
const cursorTag = 9

func makeCursor(last, scope string) string {
	sum := sha256.Sum256([]byte(scope + "\x00" + last))
	return base64.RawURLEncoding.EncodeToString(append(sum[:cursorTag:cursorTag], last...))
}

func openCursor(cursor, scope string) (last string, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) <= cursorTag {
		return "", false
	}
	last = string(b[cursorTag:])
	return last, makeCursor(last, scope) == cursor
}

// millis is how a time is kept.
func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func nullMillis(t *time.Time) sql.NullInt64 {
	if t == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: millis(*t), Valid: true}
}

func fromNullMillis(ms sql.NullInt64) *time.Time {
	if !ms.Valid {
		return nil
	}
	t := fromMillis(ms.Int64)
	return &t
}

// clock is the present time as it will be read back.
func (s *Store) clock() time.Time { return fromMillis(millis(s.now())) }

// jsonText is how plain data is kept.
func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// fromJSON reads what jsonText wrote; the fault is store_damaged.
func fromJSON(text string, v any) error {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fault.Wrap(fault.StoreDamaged, err)
	}
	return nil
}

// nullText keeps an absent document as NULL.
func nullText(doc json.RawMessage) sql.NullString {
	return sql.NullString{String: string(doc), Valid: doc != nil}
}

func fromNullText(text sql.NullString) json.RawMessage {
	if !text.Valid {
		return nil
	}
	return json.RawMessage(text.String)
}

// fold makes names comparable without regard to case.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
