package search

import (
	"slices"

	"flowyte/internal/schema"
)

// How likely a field is meant by who named only its object: the columns by which
// people call a row, then those that stand first, then the rest.
const (
	asLabel     = 1.0  // customers.name, orders.order_number
	asTail      = 0.25 // vendor_name
	asKey       = 0.3
	asReference = 0.06
	asAudit     = 0.05 // created_at
	asFlag      = 0.15
	asOther     = 0.2
	asFirst     = 0.08 // more for the first column, half of it for the third
)

var (
	labels = wordSet("name title label number code subject no nr")
	audits = wordSet("created updated deleted modified changed inserted crtd upd crt mod")
)

// priors knows the priors of one object's fields. It must be asked in their order.
type priors struct {
	split      func(string) []string
	called     []string // the object's words
	keys       map[string]bool
	references map[string]bool
	own        int // fields that are neither
	asked      int // of them
}

func newPriors(o *schema.Object, split func(string) []string) *priors {
	p := &priors{split: split, called: split(o.Name), keys: map[string]bool{}, references: map[string]bool{}}
	for _, c := range o.PrimaryKey {
		p.keys[c] = true
	}
	for i := range o.ForeignKeys {
		for _, c := range o.ForeignKeys[i].Columns {
			p.references[c] = true
		}
	}
	for i := range o.Fields {
		if name := o.Fields[i].Name; !p.keys[name] && !p.references[name] {
			p.own++
		}
	}
	return p
}

// of is the prior of the next field. An object with few fields of its own is
// asked for by each of them.
func (p *priors) of(f *schema.Field) float32 {
	words := p.split(f.Name)
	switch {
	case p.keys[f.Name]:
		return asKey
	case p.references[f.Name]:
		return asReference
	}
	p.asked++
	if len(words) == 0 || audit(f, words) {
		return asAudit
	}
	v := p.byName(f, words) + asFirst/(0.5+0.5*float64(p.asked))
	return float32(min(1, max(v, 1/float64(p.own))))
}

func (p *priors) byName(f *schema.Field, words []string) float64 {
	last := words[len(words)-1]
	switch {
	case labels[last] && (len(words) == 1 || slices.Contains(p.called, words[0])):
		return asLabel
	case labels[last]:
		return asTail
	case f.Type == schema.Boolean:
		return asFlag
	}
	return asOther
}

// audit tells whether a field says when or by whom the row was written.
func audit(f *schema.Field, words []string) bool {
	if !audits[words[0]] || len(words) > 3 {
		return false
	}
	last := words[len(words)-1]
	return f.Type == schema.Date || f.Type == schema.DateTime || last == "by" || last == "at"
}
