package compile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"flowyte/internal/binding"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// base is the alias of the object that a statement is about; joined objects
// are j1, j2, …
const base = "t"

// read compiles SELECT … FROM … WHERE one equality ORDER BY … LIMIT n.
func (c *compiler) read() {
	c.warnRelation(c.object, "operation")
	f := c.binding.Filter
	if f == nil {
		c.leaves()
		return
	}
	filter, found := c.filter(f)
	order := c.order(f, filter)
	owner := c.owner(f.OwnedBy, "sqlSearch.ownedBy.column")
	leaves := c.leaves()
	if binding.Rejected(c.findings) || !found || len(leaves) == 0 {
		return
	}
	c.plan.MaxRows = f.MaxRows
	s := &statement{dialect: c.dialect, kind: c.db.Kind}
	c.selectList(s, leaves)
	c.from(s, leaves)
	s.write(" WHERE ")
	s.equal(base, filter)
	if owner != nil {
		s.write(" AND ")
		s.equal(base, *owner)
		c.plan.OwnedBy = true
	}
	c.orderBy(s, order)
	s.write(" LIMIT ", strconv.Itoa(f.MaxRows+1))
	c.plan.Statement, c.plan.Slots = s.text.String(), s.slots
}

func (c *compiler) selectList(s *statement, leaves []leaf) {
	s.write("SELECT ")
	for i, l := range leaves {
		if i > 0 {
			s.write(", ")
		}
		s.write(s.column(l.alias(), l.field))
		c.plan.Results = append(c.plan.Results, plan.Result{
			Leaf: l.name, Type: c.valueType(l.field),
			From: schema.ColumnRef{Schema: l.object.Schema, Object: l.object.Name, Column: l.field.Name},
		})
	}
}

func (c *compiler) from(s *statement, leaves []leaf) {
	s.write(" FROM ", c.dialect.Qualify(c.object.Schema, c.object.Name), " AS ", base)
	joined := 0
	for _, l := range leaves {
		if l.join == nil || l.join.number <= joined {
			continue
		}
		joined = l.join.number
		s.write(" LEFT JOIN ", c.dialect.Qualify(l.object.Schema, l.object.Name), " AS ", l.alias(), " ON ")
		for i := range l.join.from {
			if i > 0 {
				s.write(" AND ")
			}
			s.write(s.column(l.alias(), l.join.to[i]), s.equals(l.join.to[i]), s.column(base, l.join.from[i]))
		}
	}
}

// filter judges the one condition of a read and makes its parameter.
func (c *compiler) filter(f *binding.Filter) (equality, bool) {
	path := f.Path
	if path == "" {
		path = "sqlSearch.column"
	}
	field := c.column(c.object, f.Column, path)
	if field == nil {
		return equality{}, false
	}
	if !Equatable(field) {
		c.add(binding.Found(binding.FilterType, path))
		return equality{}, false
	}
	c.indexed(field, path)
	format, ok := c.format(field, f.Format, f.Param)
	if !ok {
		at := "inputs[0]"
		if f.Format == "" && path == "sqlSearch.column" {
			at = "sqlSearch"
		}
		c.add(notText(at, f.Format, f.Param))
		return equality{}, false
	}
	c.plan.Params = append(c.plan.Params, plan.Param{
		Name: f.Param, Type: c.valueType(field), Format: format, Required: true,
		Description: f.Description, CallerOnly: f.CallerOnly, Stored: storedForms(field, format),
	})
	return equality{
		field: field, forms: format != plan.Plain, fold: format == plan.Email,
		exact: mustBeExact(field, format) && (format == plan.Email || identifies(c.object, field)),
		slot:  plan.Slot{Source: plan.FromParam, Name: f.Param, Type: c.valueType(field)},
	}, true
}

// indexed reports a filter that no index serves, and what is worth knowing
// about one that is served.
func (c *compiler) indexed(field *schema.Field, path string) {
	o := c.object
	switch {
	case o.Type == schema.View:
		c.add(binding.Found(binding.IndexNotProven, path))
		return
	case !o.Searchable(field.Name):
		c.add(c.notIndexed(field, path))
		return
	}
	if o.Partitions > 1 && (len(o.PartitionKey) == 0 || o.PartitionKey[0] != field.Name) {
		c.add(binding.Found(binding.PartitionScan, path, strconv.Itoa(o.Partitions)))
	}
	if (field.Type == schema.Boolean || field.Type == schema.Enum) && !o.UniqueColumn(field.Name) {
		c.add(binding.Found(binding.LowSelectivity, path))
	}
}

// notIndexed offers the columns that can be filtered on, and says why the
// indexes that hold this one do not help.
func (c *compiler) notIndexed(field *schema.Field, path string) binding.Finding {
	o := c.object
	f := binding.Found(binding.FilterNotIndexed, path).
		Offering(nearest(field.Name, fieldNames(o, func(f *schema.Field) bool { return o.Searchable(f.Name) && Equatable(f) })))
	var holding []string
	for i := range o.Indexes {
		ix := &o.Indexes[i]
		if !slices.Contains(ix.Columns, field.Name) && !slices.Contains(ix.Touches, field.Name) {
			continue
		}
		reason := "begins with another column"
		if !ix.Usable {
			reason = ix.Reason
		}
		holding = append(holding, fmt.Sprintf("%s (%s)", ix.Name, reason))
	}
	if len(holding) == 0 {
		return f
	}
	return f.Advising("Filter on one of the candidates, or create an index on the column alone and run discover. Indexes that hold it but cannot serve it: %s.", strings.Join(holding, ", "))
}

// format is how the value of a parameter is read. A canonical phone or e-mail
// parameter brings its format along. What is canonical is text: on a column of
// another type the conversation's own value would never fit.
func (c *compiler) format(field *schema.Field, given, param string) (plan.ParamFormat, bool) {
	format := plan.ParamFormat(given)
	text := textual(field)
	switch {
	case format != plan.Plain:
		return format, text
	case !text:
		return plan.Plain, !plan.IsCanonical(param)
	case param == string(plan.CallerPhone):
		return plan.Phone, true
	case param == string(plan.CallerEmail):
		return plan.Email, true
	}
	return plan.Plain, true
}

// storedForms are the forms in which the column that is looked in keeps
// telephone numbers.
func storedForms(f *schema.Field, format plan.ParamFormat) []string {
	if format != plan.Phone {
		return nil
	}
	return f.PhoneForms
}

// notText is the finding about a parameter that needs a text column.
func notText(at, format, param string) binding.Finding {
	if format != "" {
		return binding.Found(binding.FormatNotApplicable, at+".format")
	}
	return binding.Found(binding.FormatNotApplicable, at+".param").
		Advising("Use a text column, or another name for the parameter: %s stands for what the conversation knows of the caller, which is text.", param)
}

// owner judges the condition that the row belongs to the verified caller.
func (c *compiler) owner(o *binding.OwnedBy, path string) *equality {
	if o == nil {
		return nil
	}
	field := c.column(c.object, o.Column, path)
	if field == nil {
		return nil
	}
	if !Equatable(field) || field.Type != schema.String && field.Type != schema.Integer && field.Type != schema.UUID {
		c.add(binding.Found(binding.OwnedByType, path))
		return nil
	}
	return &equality{
		field: field, exact: mustBeExact(field, plan.Plain),
		slot: plan.Slot{Source: plan.FromSubject, Name: o.Subject, Type: c.valueType(field)},
	}
}

// Equatable tells whether equality with a value means what it says. Sets, and
// text types that cut a value short instead of refusing it, are left out. Other
// columns are neither the filter of a read nor the key of an update.
func Equatable(f *schema.Field) bool {
	switch f.Type {
	case schema.Number:
		return exactNumber(f.BaseType)
	case schema.String:
		return !cutsShort(f) && f.BaseType != "set"
	case schema.Integer, schema.Boolean, schema.Date, schema.Time, schema.DateTime, schema.UUID, schema.Enum:
		return true
	}
	return false
}

// cutsShort knows PostgreSQL's own types for catalogue names, which keep as
// much of a text as fits. Its "char" has an oid, MySQL's char has none.
func cutsShort(f *schema.Field) bool {
	return f.BaseType == "name" || f.BaseType == "char" && f.TypeOID != 0
}

// isCitext knows the one text type that brings an operator of its own along. Its
// TypeSchema is where that operator lives, also below a domain.
func isCitext(f *schema.Field) bool { return f.Type == schema.String && f.BaseType == citext }

// textual tells whether the column holds text as people write it, and not the
// text form of something else, such as a network address.
func textual(f *schema.Field) bool {
	switch f.BaseType {
	case "text", "varchar", "bpchar", "char", citext, "tinytext", "mediumtext", "longtext":
		return f.Type == schema.String
	}
	return false
}

func exactNumber(base string) bool {
	switch base {
	case "float4", "float8", "float", "double":
		return false
	}
	return true
}

// mustBeExact tells whether the column's own equality could match another text.
// The forms of a phone number are digits and punctuation, of which no collation
// takes one for another.
func mustBeExact(f *schema.Field, format plan.ParamFormat) bool {
	return f.Inexact && f.Type == schema.String && format != plan.Phone
}

// identifies tells whether a text column tells rows or people apart: it is part
// of a unique key or of a declared reference to one. Such a column must match
// exactly, whatever its collation takes for equal.
func identifies(o *schema.Object, f *schema.Field) bool {
	for _, key := range o.UniqueKeys() {
		if slices.Contains(key, f.Name) {
			return true
		}
	}
	return slices.ContainsFunc(o.ForeignKeys, func(fk schema.ForeignKey) bool {
		return !fk.Inferred && slices.Contains(fk.Columns, f.Name)
	})
}
