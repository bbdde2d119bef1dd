package mysql

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"flowyte/internal/fault"
)

// Select implements target.Session. A list among the arguments arrives as the
// text of a JSON array, for the JSON functions that both flavours have.
func (s *Session) Select(ctx context.Context, text string, args []any, row func(cells []any) error) (err error) {
	defer s.protect(&err)
	values, err := encodeArgs(args)
	if err != nil {
		return err
	}
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if len(values) == 0 {
		found, err := s.conn.QueryContext(forever, text, nil)
		if err != nil {
			return s.failed(ctx, err)
		}
		return s.selected(ctx, found, row)
	}
	stmt, err := s.conn.PrepareContext(forever, text)
	if err != nil {
		return s.failed(ctx, err)
	}
	found, err := s.query(ctx, stmt, values)
	if err == nil {
		err = s.selected(ctx, found, row)
	}
	if !s.broken {
		if closed := stmt.Close(); closed != nil {
			return s.failed(ctx, closed)
		}
	}
	return err
}

// query executes a prepared statement.
func (s *Session) query(ctx context.Context, stmt driver.Stmt, values []driver.NamedValue) (driver.Rows, error) {
	found, err := stmt.(driver.StmtQueryContext).QueryContext(forever, values)
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	return found, nil
}

// selected reads a result to its end and hands its rows to row.
func (s *Session) selected(ctx context.Context, found driver.Rows, row func(cells []any) error) error {
	raw := make([]driver.Value, len(found.Columns()))
	cells := make([]any, len(raw))
	var own error
	for {
		err := found.Next(raw)
		if err == io.EOF {
			break
		}
		if err != nil {
			return s.cut(ctx, found, err)
		}
		if own != nil {
			continue
		}
		for i := range raw {
			if cells[i], err = decode(raw[i]); err != nil {
				return s.cut(ctx, found, err)
			}
		}
		s.calling = true
		own = row(cells)
		s.calling = false
	}
	if err := found.Close(); err != nil {
		return s.failed(ctx, err)
	}
	return own
}

// cut ends a result that failed.
func (s *Session) cut(ctx context.Context, found driver.Rows, err error) error {
	f := s.failed(ctx, err)
	_ = found.Close() // cannot wait: the server has ended the result, or the connection is gone
	return f
}

// exec runs a text of ours that has no result.
func (s *Session) exec(ctx context.Context, text string) error {
	end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, err := s.conn.ExecContext(forever, text, nil); err != nil {
		return s.failed(ctx, err)
	}
	return nil
}

// one runs a text of ours that answers with exactly one row.
func (s *Session) one(ctx context.Context, text string, args ...any) ([]any, error) {
	var found [][]any
	err := s.Select(ctx, text, args, func(cells []any) error {
		found = append(found, append([]any(nil), cells...))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, s.broke(violation("%d rows instead of one", len(found)))
	}
	return found[0], nil
}

func encodeArgs(args []any) ([]driver.NamedValue, error) {
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		values[i].Ordinal = i + 1
		switch v := arg.(type) {
		case string, int64, bool:
			values[i].Value = v
		case []string:
			list, err := json.Marshal(v)
			if err != nil {
				return nil, fault.Wrap(fault.Internal, err)
			}
			values[i].Value = string(list)
		default:
			return nil, fault.Wrap(fault.Internal, fmt.Errorf("mysql: argument %d of a catalogue text is a %T", i, arg))
		}
	}
	return values, nil
}

var errCell = errors.New("mysql: a value that its type cannot have")

// decode turns a value of the driver into one of the cell types of
// target.Session. Integers beyond int64 become text.
func decode(raw driver.Value) (any, error) {
	switch v := raw.(type) {
	case nil, int64, float64:
		return v, nil
	case float32:
		return float64(v), nil
	case uint64:
		if v > math.MaxInt64 {
			return fmt.Sprint(v), nil
		}
		return int64(v), nil
	case []byte:
		return strings.ToValidUTF8(string(v), "\uFFFD"), nil
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), nil
	}
	return nil, fault.Wrap(fault.ProtocolError, errCell)
}
