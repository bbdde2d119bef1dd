package compile

import (
	"fmt"
	"strings"

	"flowyte/internal/dialect"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// statement is a text in the making and the slots of its placeholders. Text and
// slots grow together, because ? placeholders are filled in the order in which
// they are written.
type statement struct {
	dialect dialect.Dialect
	kind    schema.Kind
	text    strings.Builder
	slots   []plan.Slot
}

func (s *statement) write(parts ...string) {
	for _, p := range parts {
		s.text.WriteString(p)
	}
}

// placeholder writes the next parameter.
func (s *statement) placeholder(slot plan.Slot) string {
	s.slots = append(s.slots, slot)
	return s.dialect.Placeholder(len(s.slots))
}

// placeholders writes one parameter for every form of a value.
func (s *statement) placeholders(slot plan.Slot) string {
	list := make([]string, plan.Variants)
	for i := range list {
		slot.Variant = i
		list[i] = s.placeholder(slot)
	}
	return strings.Join(list, ", ")
}

// column writes alias."name".
func (s *statement) column(alias string, f *schema.Field) string {
	return alias + "." + s.dialect.Quote(f.Name)
}

// equality is the condition that a column has a value.
type equality struct {
	field *schema.Field
	slot  plan.Slot
	// forms: any of the value's forms will do.
	forms bool
	// exact: the column's own equality matches more than identical text, so a
	// second predicate compares the bytes. The first one finds by the index.
	exact bool
	// fold: the second predicate leaves case out, for e-mail addresses.
	fold bool
}

func (s *statement) equal(alias string, e equality) {
	if s.kind == schema.Postgres {
		s.equalPostgres(alias, e)
	} else {
		s.equalMySQL(alias, e)
	}
}

// equalPostgres leaves the type of a placeholder to the server wherever it can:
// it takes the column's own type, and with it the column's index.
func (s *statement) equalPostgres(alias string, e equality) {
	column, operator := s.column(alias, e.field), s.equals(e.field)
	slot := e.slot
	switch {
	case e.forms && isCitext(e.field):
		// The array arrives as text, whose type every client knows.
		slot.Variant = plan.AllVariants
		s.write(column, operator, "ANY (CAST(CAST(", s.placeholder(slot), " AS pg_catalog.text[]) AS ", s.dialect.Qualify(e.field.TypeSchema, citext), "[]))")
	case e.forms:
		slot.Variant = plan.AllVariants
		s.write(column, operator, "ANY (", s.placeholder(slot), ")")
	default:
		s.write(column, operator, s.placeholder(slot))
	}
	if !e.exact {
		return
	}
	text := "CAST(" + column + " AS pg_catalog.text)"
	if e.fold {
		text = "pg_catalog.lower(" + text + ")"
	}
	s.write(" AND ", text, ` COLLATE pg_catalog."C"`, pgEquals)
	if e.forms {
		s.write("ANY (CAST(", s.placeholder(slot), " AS pg_catalog.text[]))")
	} else {
		s.write("CAST(", s.placeholder(slot), " AS pg_catalog.text)")
	}
}

const citext = "citext"

const pgEquals = " OPERATOR(pg_catalog.=) "

// equals is the operator between a column and a value of its type.
func (s *statement) equals(f *schema.Field) string {
	switch {
	case s.kind == schema.MySQL:
		return " = "
	case isCitext(f):
		return " OPERATOR(" + s.dialect.Quote(f.TypeSchema) + ".=) "
	}
	return pgEquals
}

// equalMySQL compares decimals as decimals (a text would turn both sides into
// floating-point numbers) and bytes in one character set (the connection's may
// not be the column's).
func (s *statement) equalMySQL(alias string, e equality) {
	column := s.column(alias, e.field)
	one := func() string { return "= " + s.placeholder(e.slot) }
	if e.forms {
		one = func() string { return "IN (" + s.placeholders(e.slot) + ")" }
	}
	if e.field.Type == schema.Number && e.field.Precision != nil {
		scale := 0
		if e.field.Scale != nil {
			scale = *e.field.Scale
		}
		s.write(column, " = ", fmt.Sprintf("CAST(%s AS DECIMAL(%d,%d))", s.placeholder(e.slot), *e.field.Precision, scale))
		return
	}
	s.write(column, " ", one())
	if e.exact {
		text := "CONVERT(" + column + " USING utf8mb4)"
		if e.fold {
			text = "LOWER(" + text + ")"
		}
		s.write(" AND CAST(", text, " AS BINARY) ", one())
	}
}
