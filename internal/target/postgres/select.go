package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"flowyte/internal/fault"

	"github.com/jackc/pgx/v5/pgconn"
)

// Select implements target.Session.
func (s *Session) Select(ctx context.Context, text string, args []any, row func(cells []any) error) error {
	values, err := encodeArgs(args)
	if err != nil {
		return err
	}
	return s.read(ctx, s.standardMs(), command{text: text, values: values}, func(rr *pgconn.ResultReader) error {
		var cells []any
		for rr.NextRow() {
			fields, raw := rr.FieldDescriptions(), rr.Values()
			if len(raw) != len(fields) {
				s.broken = true
				return violation("a row of %d values for %d columns", len(raw), len(fields))
			}
			cells = cells[:0]
			for i := range raw {
				cell, err := decode(fields[i].DataTypeOID, raw[i])
				if err != nil {
					s.broken = true
					return err
				}
				cells = append(cells, cell)
			}
			if err := row(cells); err != nil {
				return err
			}
		}
		return nil
	})
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
		s.broken = true
		return nil, violation("%d rows instead of one", len(found))
	}
	return found[0], nil
}

func encodeArgs(args []any) ([][]byte, error) {
	values := make([][]byte, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			values[i] = []byte(v)
		case int64:
			values[i] = strconv.AppendInt(nil, v, 10)
		case bool:
			values[i] = strconv.AppendBool(nil, v)
		case []string:
			values[i] = appendArray(nil, v)
		default:
			return nil, fault.Wrap(fault.Internal, fmt.Errorf("postgres: argument %d of a catalogue text is a %T", i, arg))
		}
	}
	return values, nil
}

var errCell = errors.New("postgres: a value that its type cannot have")

// decode turns a text value into one of the cell types of target.Session. A
// server that announces one type and sends another is a protocol error.
func decode(oid uint32, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	text := strings.ToValidUTF8(string(raw), "\uFFFD")
	var cell any
	var err error
	switch oid {
	case oidBool:
		if text != "t" && text != "f" {
			err = errCell
		}
		cell = text == "t"
	case oidInt2, oidInt4, oidInt8, oidOID, oidXID:
		cell, err = strconv.ParseInt(text, 10, 64)
	case oidFloat4, oidFloat8:
		cell, err = strconv.ParseFloat(text, 64)
	case oidBoolArray, oidCharArray, oidNameArray, oidInt2Array, oidInt4Array, oidTextArray, oidVarchars, oidInt8Array, oidOIDArray:
		return parseArray(text)
	case oidInt2Vector, oidOIDVector:
		return strings.Fields(text), nil
	default:
		return text, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.ProtocolError, errCell)
	}
	return cell, nil
}
