package discover

import (
	"context"
	_ "embed"
	"strings"

	"flowyte/internal/dialect"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

//go:embed postgres/phones.sql
var pgPhones string

//go:embed mysql/phones.sql
var myPhones string

//go:embed postgres/spread.sql
var pgSpread string

//go:embed mysql/spread.sql
var mySpread string

// fewestPhones is how many numbers a column must hold for their shapes to say
// something about the next one.
const fewestPhones = 20

// PhoneForms learns in which forms a column keeps telephone numbers, as
// schema.Field.PhoneForms has them, and reads none of them out. They are nil for
// a column that holds fewer than twenty numbers or none that look like one. It
// costs one query over at most 1,000 rows.
func PhoneForms(ctx context.Context, q Querier, kind schema.Kind, column schema.ColumnRef) ([]string, error) {
	var counted []plan.CountedShape
	rows := int64(0)
	r := newReader(ctx, q, Options{})
	err := r.all([]stage{{"phones", PhonesText(kind, column), nil, func(c *cells) error {
		shape := plan.CountedShape{Shape: strings.Clone(c.text(0)), Rows: c.number(1)}
		rows += shape.Rows
		counted = append(counted, shape)
		return nil
	}}})
	if err != nil || rows < fewestPhones {
		return nil, err
	}
	forms := plan.StoredForms(counted)
	if len(forms) == 0 {
		return nil, nil
	}
	return forms, nil
}

// PhonesText is the text that PhoneForms sends. Nothing in it but the quoted
// names of the column varies.
func PhonesText(kind schema.Kind, column schema.ColumnRef) string {
	text, d := pgPhones, dialect.For(kind)
	if kind == schema.MySQL {
		text = myPhones
	}
	return strings.NewReplacer("{column}", d.Quote(column.Column), "{object}", d.Qualify(column.Schema, column.Object)).Replace(text)
}

// Spread is what a server believes about a column.
type Spread struct {
	Values int64 // different ones
	Rows   int64
}

// Few tells whether many rows share each value, so that looking one up returns
// a small and arbitrary part of what matches.
func (s Spread) Few() bool {
	const fewValues, manyRows = 10, 10
	return s.Values > 0 && s.Values <= fewValues && s.Rows >= manyRows*s.Values
}

// SpreadOf asks the server's own statistics about the leading column of an
// index. It is zero where the server has none. It costs one query.
func SpreadOf(ctx context.Context, q Querier, kind schema.Kind, column schema.ColumnRef) (Spread, error) {
	var s Spread
	text := pgSpread
	if kind == schema.MySQL {
		text = mySpread
	}
	r := newReader(ctx, q, Options{})
	err := r.all([]stage{{"spread", text, []any{column.Schema, column.Object, column.Column}, func(c *cells) error {
		values, rows := c.real(0), c.real(1)
		if values < 0 {
			values *= -rows
		}
		s = Spread{int64(values), int64(rows)}
		return nil
	}}})
	return s, err
}
