package discover

import (
	"cmp"
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// myPart is one column of one index.
type myPart struct {
	index     string
	unique    bool
	seq       int
	column    string
	prefix    bool
	method    string
	invisible bool
	touches   []string // columns of a functional part
}

func (d *myDiscovery) indexPart(c *cells) error {
	if o := d.at(c); o != nil {
		o.parts = append(o.parts, myPart{
			index: c.shared(2), unique: c.flag(3), seq: int(c.number(4)), column: c.shared(5), prefix: c.flag(6),
			method: c.shared(7), invisible: c.flag(8), touches: quotedNames(d.expression(c.text(9))),
		})
	}
	return nil
}

// closeIndexes makes indexes of their parts. A server leaves out the parts, or
// the index, over columns that the user has no right to.
func (o *myObject) closeIndexes() {
	slices.SortFunc(o.parts, func(a, b myPart) int {
		return cmp.Or(strings.Compare(a.index, b.index), cmp.Compare(a.seq, b.seq))
	})
	for from := 0; from < len(o.parts); {
		to := from + 1
		for to < len(o.parts) && o.parts[to].index == o.parts[from].index {
			to++
		}
		if ix, ok := o.makeIndex(o.parts[from:to]); ok {
			o.Indexes = append(o.Indexes, ix)
			if ix.Primary && !slices.Contains(ix.Columns, "") {
				o.PrimaryKey = ix.Columns
			}
		}
		from = to
	}
	o.parts = nil
}

func (o *myObject) makeIndex(parts []myPart) (schema.Index, bool) {
	first := parts[0]
	if first.seq != 1 {
		return schema.Index{}, false // the leading column is hidden
	}
	ix := schema.Index{
		Name: first.index, Unique: first.unique, Primary: first.index == "PRIMARY", Immediate: true, NullsDistinct: true,
		Method: strings.ToLower(first.method),
	}
	for i, p := range parts {
		if p.seq != i+1 {
			return schema.Index{}, false
		}
		name := p.column
		if p.column != "" && o.Field(p.column) == nil {
			if i == 0 {
				return schema.Index{}, false
			}
			name = ""
		}
		ix.Columns = append(ix.Columns, name)
		if !o.touch(&ix, p.touches) {
			return schema.Index{}, false
		}
	}
	ix.EqualityOnly = ix.Method == "hash"
	ix.Reason = o.myUnusable(first, ix.Method)
	ix.Usable = ix.Reason == ""
	return ix, true
}

// touch notes the columns of a functional key part. It is false when the role
// may not select one of them.
func (o *myObject) touch(ix *schema.Index, columns []string) bool {
	for _, column := range columns {
		if o.Field(column) == nil {
			return false
		}
		if !slices.Contains(ix.Touches, column) {
			ix.Touches = append(ix.Touches, column)
		}
	}
	return true
}

// myUnusable says why an equality on the leading column cannot use the index,
// "" when it can.
func (o *myObject) myUnusable(leading myPart, method string) string {
	switch {
	case leading.invisible:
		return schema.ReasonInvisible
	case leading.column == "":
		return schema.ReasonExpression
	case method == "btree":
	case method == "hash" && hashes(o.Engine):
	default:
		return schema.ReasonMethod
	}
	if leading.prefix {
		return schema.ReasonPrefix
	}
	return ""
}

// hashes tells whether an engine looks rows up in its hash indexes. In others
// a hash only guards the uniqueness of long texts.
func hashes(engine string) bool {
	return strings.EqualFold(engine, "MEMORY") || strings.EqualFold(engine, "ndbcluster")
}

// myKeyPart is one pair of columns of a foreign key.
type myKeyPart struct {
	name         string
	seq          int
	column       string
	targetSchema string
	targetObject string
	targetColumn string
}

func (d *myDiscovery) keyPart(c *cells) error {
	if o := d.at(c); o != nil {
		o.keys = append(o.keys, myKeyPart{
			name: c.text(2), seq: int(c.number(3)), column: c.shared(4),
			targetSchema: c.shared(5), targetObject: c.shared(6), targetColumn: c.shared(7),
		})
	}
	return nil
}

// closeKeys makes foreign keys of their parts and leaves out those that lead
// from or to something the role may not select.
func (d *myDiscovery) closeKeys(o *myObject) {
	slices.SortFunc(o.keys, func(a, b myKeyPart) int {
		return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.seq, b.seq))
	})
	for from := 0; from < len(o.keys); {
		to := from + 1
		for to < len(o.keys) && o.keys[to].name == o.keys[from].name {
			to++
		}
		if fk, ok := d.makeKey(o, o.keys[from:to]); ok {
			o.ForeignKeys = append(o.ForeignKeys, fk)
		}
		from = to
	}
	o.keys = nil
}

func (d *myDiscovery) makeKey(o *myObject, parts []myKeyPart) (schema.ForeignKey, bool) {
	target := d.objects[d.name(parts[0].targetSchema, parts[0].targetObject)]
	if target == nil {
		return schema.ForeignKey{}, false
	}
	fk := schema.ForeignKey{Name: parts[0].name, TargetSchema: target.Schema, TargetObject: target.Name}
	for i, p := range parts {
		from, to := o.spelled(p.column), target.spelled(p.targetColumn)
		if p.seq != i+1 || from == "" || to == "" {
			return schema.ForeignKey{}, false
		}
		fk.Columns = append(fk.Columns, from)
		fk.TargetColumns = append(fk.TargetColumns, to)
	}
	return fk, true
}

// spelled is the column as its table spells it, "" when it is not there: a key
// keeps the spelling of the statement that made it.
func (o *myObject) spelled(column string) string {
	if f := o.Field(column); f != nil {
		return f.Name
	}
	for i := range o.Fields {
		if strings.EqualFold(o.Fields[i].Name, column) {
			return o.Fields[i].Name
		}
	}
	return ""
}
