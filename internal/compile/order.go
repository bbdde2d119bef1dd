package compile

import (
	"slices"

	"flowyte/internal/binding"
	"flowyte/internal/schema"
)

// ordering is how a read's rows are sorted.
type ordering struct {
	fields     []*schema.Field
	descending bool
	// bare: the sort columns stand in the text as they are. Otherwise they are
	// wrapped, so that the planner cannot mistake the sort for a way to find
	// the rows; see orderBy.
	bare bool
}

// order judges orderBy and completes it with the primary key, so that the
// same rows come first every time.
func (c *compiler) order(f *binding.Filter, filter equality) ordering {
	var o ordering
	unique := filter.field != nil && c.object.UniqueColumn(filter.field.Name)
	if f.OrderBy != nil {
		o.descending = f.OrderBy.Direction == "desc"
		const path = "sqlSearch.orderBy.column"
		if field := c.column(c.object, f.OrderBy.Column, path); field != nil {
			if !field.Type.Scalar() {
				c.add(binding.Found(binding.OrderNotSortable, path).
					Offering(nearest(field.Name, fieldNames(c.object, func(f *schema.Field) bool { return f.Type.Scalar() }))))
			}
			o.fields = append(o.fields, field)
		}
	} else if len(c.object.PrimaryKey) == 0 && !unique {
		c.add(binding.Found(binding.OrderUndefined, "sqlSearch.orderBy"))
	}
	if f.OrderBy == nil && unique && !filter.forms && !c.inherited() {
		// One row at most: nothing to sort, and a sort costs the server time.
		return ordering{}
	}
	for _, name := range c.object.PrimaryKey {
		field := c.object.Field(name)
		if field == nil || !c.dialect.LegalName(name) {
			// A key column that the role may not select: the order ends here.
			break
		}
		if !slices.Contains(o.fields, field) {
			o.fields = append(o.fields, field)
			c.use(c.object, name)
		}
	}
	o.bare = unique || filter.field != nil && !filter.forms && c.sortedBy(filter.field, o.fields)
	return o
}

// sortedBy tells whether a usable index gives the rows of one filter value in
// this order, as (filter, first, second, …) does. PostgreSQL sorts the rest
// within what the index leaves equal; InnoDB ends every secondary index with
// the primary key.
func (c *compiler) sortedBy(filter *schema.Field, fields []*schema.Field) bool {
	return slices.ContainsFunc(c.object.Indexes, func(ix schema.Index) bool {
		if !ix.Usable || ix.EqualityOnly || len(ix.Columns) == 0 || ix.Columns[0] != filter.Name {
			return false
		}
		columns := slices.Clone(ix.Columns[1:])
		if c.db.Kind == schema.MySQL && c.object.Transactional {
			columns = append(columns, c.object.PrimaryKey...)
		}
		matched := 0
		for matched < min(len(fields), len(columns)) && columns[matched] == fields[matched].Name && !fields[matched].Nullable {
			matched++
		}
		return matched == len(fields) || c.db.Kind == schema.Postgres && matched > 0
	})
}

// orderBy writes the sort. With LIMIT, planners like to walk an index that has
// the wanted order and to filter on the way; when few or no rows match, that
// walk is the whole table. COALESCE(x, x) is x to the result and no index to
// the planner, which leaves the filter's index as the way in. Rows without a
// value come last on either kind and in either direction.
func (c *compiler) orderBy(s *statement, o ordering) {
	for i, f := range o.fields {
		if i == 0 {
			s.write(" ORDER BY ")
		} else {
			s.write(", ")
		}
		column := s.column(base, f)
		if f.Nullable && s.kind == schema.MySQL {
			s.write(column, " IS NULL, ")
		}
		switch {
		case o.bare:
			s.write(column)
		case f.Type == schema.Enum && s.kind == schema.MySQL:
			// Its number, not its text, is its place among the values.
			s.write(column, " + 0")
		default:
			s.write("COALESCE(", column, ", ", column, ")")
		}
		if o.descending {
			s.write(" DESC")
		} else {
			s.write(" ASC")
		}
		if f.Nullable && s.kind == schema.Postgres {
			s.write(" NULLS LAST")
		}
	}
}
