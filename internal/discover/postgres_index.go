package discover

import (
	"slices"

	"flowyte/internal/schema"
)

func (d *pgDiscovery) index(c *cells) error {
	o := d.objects[uint32(c.number(0))]
	if o == nil {
		return nil
	}
	d.closeColumns()
	parts := c.numbers(3)
	keys := min(int(c.number(4)), len(parts))
	touched := append(c.numbers(15), parts[keys:]...)
	names, complete := o.named(parts[:keys])
	if keys == 0 || parts[0] != 0 && names[0] == "" {
		return nil // it leads with a column that the role may not select
	}
	ix := schema.Index{
		Name: c.text(1), Method: c.shared(2), Columns: names,
		Unique: c.flag(5), Primary: c.flag(6), Immediate: c.flag(7), NullsDistinct: !c.flag(10),
	}
	for _, n := range touched {
		name := o.column(n)
		if name == "" && parts[0] == 0 {
			return nil // an expression over a column that the role may not select
		}
		if name != "" && !slices.Contains(names, name) && !slices.Contains(ix.Touches, name) {
			ix.Touches = append(ix.Touches, name)
		}
	}
	ix.Reason = pgUnusable(c, ix.Method, parts[0] == 0)
	ix.Usable = ix.Reason == ""
	ix.EqualityOnly = ix.Method == "hash" || !c.flag(11)
	if ix.Primary && complete {
		o.PrimaryKey = names
	}
	o.Indexes = append(o.Indexes, ix)
	return nil
}

// pgUnusable says why an equality on the leading column cannot use the index,
// "" when it can.
func pgUnusable(c *cells, method string, expression bool) string {
	switch {
	case !c.flag(8):
		return schema.ReasonInvalid
	case c.flag(9):
		return schema.ReasonPartial
	case expression:
		return schema.ReasonExpression
	case method != "btree" && method != "hash":
		return schema.ReasonMethod
	case !c.flag(12), !c.flag(13):
		return schema.ReasonOperatorClass
	case !c.flag(14):
		return schema.ReasonCollation
	}
	return ""
}
