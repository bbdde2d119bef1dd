package discover

import (
	"cmp"
	"slices"
	"strings"

	"flowyte/internal/schema"
)

// pgView is a view, visible or not.
type pgView struct {
	unknown  bool // its own text may read what no dependency tells
	wholeRow bool
	volatile bool
	reads    []schema.Source
	closed   bool // reads holds what the views it reads do, too
}

func (d *pgDiscovery) view(c *cells) error {
	oid := uint32(c.number(0))
	v := d.viewOf(oid)
	v.unknown, v.wholeRow, v.volatile = c.flag(1), c.flag(2), c.flag(3)
	return nil
}

// viewOf finds or makes a view. One that the first of its two queries missed
// was made in between: nothing is known of it.
func (d *pgDiscovery) viewOf(oid uint32) *pgView {
	if d.views[oid] == nil {
		d.views[oid] = &pgView{unknown: true}
	}
	return d.views[oid]
}

func (d *pgDiscovery) source(c *cells) error {
	v := d.viewOf(uint32(c.number(0)))
	v.reads = append(v.reads, schema.Source{
		ColumnRef: schema.ColumnRef{Schema: c.shared(2), Object: c.shared(3), Column: c.shared(5)},
		ID:        uint32(c.number(1)), Number: max(0, int(c.number(4))),
	})
	return nil
}

// viewSources gives every visible view its sources, through other views.
func (d *pgDiscovery) viewSources() {
	for _, o := range d.order {
		if o.Type != schema.View && o.Type != schema.MaterializedView {
			continue
		}
		v := d.viewOf(o.ID)
		d.closeView(v)
		o.Sources, o.SourcesUnknown, o.CallsVolatile = v.reads, v.unknown, v.volatile
	}
}

// closeView adds what the views it reads do. Views cannot be circular; marking
// first keeps a server that lies from making this endless.
func (d *pgDiscovery) closeView(v *pgView) {
	if v.closed {
		return
	}
	v.closed = true
	own := v.reads
	if v.wholeRow {
		own = wholeRows(own)
	}
	all := slices.Clone(own)
	for _, s := range own {
		if below := d.views[s.ID]; below != nil {
			d.closeView(below)
			all = append(all, below.reads...)
			v.unknown = v.unknown || below.unknown
			v.volatile = v.volatile || below.volatile
		}
	}
	slices.SortFunc(all, func(a, b schema.Source) int {
		return cmp.Or(strings.Compare(a.Schema, b.Schema), strings.Compare(a.Object, b.Object),
			cmp.Compare(a.Number, b.Number), strings.Compare(a.Column, b.Column))
	})
	v.reads = slices.Compact(all)
}

// wholeRows adds the whole of every relation that is read: which of them a
// whole-row reference means is not recorded.
func wholeRows(reads []schema.Source) []schema.Source {
	all := slices.Clone(reads)
	for _, s := range reads {
		s.Column, s.Number = "", 0
		all = append(all, s)
	}
	return all
}

func (d *pgDiscovery) inherit(c *cells) error {
	source := func(at int) schema.Source {
		return schema.Source{
			ColumnRef: schema.ColumnRef{Schema: c.shared(at + 1), Object: c.shared(at + 2)},
			ID:        uint32(c.number(at)),
		}
	}
	d.db.Inherits = append(d.db.Inherits, schema.Inheritance{Child: source(0), Parent: source(3)})
	return nil
}

// partitions tells partitions their parents and partitioned tables how many
// tables hold their rows, and how many rows these are where the parent itself
// was never counted.
func (d *pgDiscovery) partitions() {
	children := map[uint32][]uint32{}
	for _, edge := range d.db.Inherits {
		children[edge.Parent.ID] = append(children[edge.Parent.ID], edge.Child.ID)
		if o := d.objects[edge.Child.ID]; o != nil && o.partition {
			o.PartitionOf = edge.Parent.Schema + "." + edge.Parent.Object
		}
	}
	for _, o := range d.order {
		if o.Type != schema.PartitionedTable {
			continue
		}
		o.PartitionKey, _ = o.named(o.keyParts)
		var rows float64
		below := slices.Clone(children[o.ID])
		for i := 0; i < len(below) && len(below) <= len(d.db.Inherits); i++ {
			next := children[below[i]]
			below = append(below, next...)
			if child := d.objects[below[i]]; child != nil && len(next) == 0 {
				rows += max(0, child.estimate)
			}
		}
		o.Partitions = len(below)
		if o.estimate <= 0 {
			o.EstimatedRows = int64(rows)
		}
	}
}
