package assist

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"flowyte/api"
	"flowyte/internal/binding"
	"flowyte/internal/compile"
	"flowyte/internal/schema"
)

// candidates turns the best drafts into bindings. Those that do not compile are
// left out.
func (c *Catalog) candidates(drafts []*draft, most int) []Candidate {
	var list []Candidate
	seen := map[string]bool{}
	for _, d := range drafts {
		if len(list) == most {
			break
		}
		key := d.key(c)
		if seen[key] {
			continue
		}
		seen[key] = true
		if c.compiles(d) {
			list = append(list, Candidate{Request: d.request, Confidence: d.confidence, Rationale: d.rationale(), option: d.option()})
		}
	}
	return list
}

func (d *draft) key(c *Catalog) string {
	k := d.operation()
	if d.filter != nil {
		k += " " + d.filter.Name
	}
	return k
}

func (d *draft) operation() string {
	switch d.intent.action {
	case create:
		return d.object.public + "." + binding.Insert
	case change:
		return d.object.public + "." + binding.Update
	}
	return d.object.public + "." + binding.Read
}

// compiles builds the request of a draft and compiles it. Columns that the
// compiler refuses in an answer or an optional place are left out, once.
func (c *Catalog) compiles(d *draft) bool {
	for range 2 {
		d.request = d.build(c)
		b, findings := binding.FromRequest(d.request)
		if !binding.Rejected(findings) {
			_, more := compile.Compile(b, c.around(d.object), schema.Scope{ColumnClasses: c.classes})
			findings = append(findings, more...)
		}
		if !binding.Rejected(findings) {
			return true
		}
		if !d.without(findings) {
			return false
		}
	}
	return false
}

// around is the part of the database that a binding on o can touch, so that
// compiling it does not take longer in a larger one.
func (c *Catalog) around(o *object) *schema.Database {
	db := *c.db
	db.Objects = []schema.Object{*o.Object}
	for _, h := range o.hops {
		if h.target.Object != o.Object && !slices.ContainsFunc(db.Objects, func(other schema.Object) bool {
			return other.Schema == h.target.Schema && other.Name == h.target.Object.Name
		}) {
			db.Objects = append(db.Objects, *h.target.Object)
		}
	}
	return &db
}

// without takes out what errors are about; false when nothing useful is left.
func (d *draft) without(findings []binding.Finding) bool {
	drop := map[int]bool{}
	list := "projection["
	if d.intent.action != look {
		list = "inputObjectMap["
	}
	for _, f := range findings {
		if f.Severity != binding.SeverityError {
			continue
		}
		at, ok := strings.CutPrefix(f.Path, list)
		if !ok {
			return false
		}
		number, _, _ := strings.Cut(at, "]")
		i, err := strconv.Atoi(number)
		if err != nil {
			return false
		}
		drop[i] = true
	}
	if d.intent.action == look {
		d.wants = keep(d.wants, drop)
		return len(d.wants) > 0
	}
	d.sets = keep(d.sets, drop)
	return len(d.sets) > 0
}

func keep[T any](list []T, drop map[int]bool) []T {
	var left []T
	for i, v := range list {
		if !drop[i] {
			left = append(left, v)
		}
	}
	return left
}

// defaultRows is what a look-up that can find several returns.
const defaultRows = binding.DefaultRows

// build writes a draft as the request that an operator would have sent.
func (d *draft) build(c *Catalog) api.BindingRequest {
	r := api.BindingRequest{Operation: d.operation()}
	n := newNames()
	switch d.intent.action {
	case create, change:
		r.IsWrite = true
		if d.filter != nil {
			r.SQLWrite = &api.SQLWrite{KeyColumn: d.filter.Name, KeyParam: n.filter(d)}
		}
		for _, a := range d.sets {
			r.InputObjectMap = append(r.InputObjectMap, d.input(a, n))
		}
	default:
		param, required := n.filter(d), true
		rows := defaultRows
		if d.filter.alone {
			rows = 1
		}
		in := api.BindingInput{Param: param, Arg: d.filter.Name, Required: &required, Description: describeParam(d.object, d.filter)}
		if d.filter.trait == phone && param != "caller_phone" && textual(d.filter) {
			in.Format = "phone"
		}
		r.Inputs = []api.BindingInput{in}
		r.SQLSearch = &api.SQLSearch{Column: d.filter.Name, Param: param, MaxRows: &rows}
		if d.latest != nil {
			r.SQLSearch.OrderBy = &api.OrderBy{Column: d.latest.Name, Direction: "desc"}
		}
		for _, w := range d.wants {
			path := []string{w.column.Name}
			if w.hop != nil {
				path = []string{w.hop.key.Relationship, w.column.Name}
			}
			r.Projection = append(r.Projection, api.ProjectionEntry{Path: path, Leaf: n.leaf(w)})
		}
	}
	r.ToolName, r.Description = d.toolName(c), d.describe()
	return r
}

func (d *draft) input(a assignment, n *names) api.InputObject {
	in := api.InputObject{Field: a.column.Name}
	switch {
	case a.system != "":
		in.System = a.system
	case a.constant != "":
		in.Const = json.RawMessage(a.constant)
	default:
		in.Param = n.param(d, a.column)
		in.Description = describeParam(d.object, a.column)
		if a.optional {
			in.Required = new(false)
		}
		if a.column.trait == phone && in.Param != "caller_phone" && textual(a.column) {
			in.Format = "phone"
		}
		if a.column.trait == email && in.Param != "caller_email" && textual(a.column) {
			in.Format = "email"
		}
	}
	return in
}

// textual tells whether a phone number or e-mail address can be compared as
// people write it.
func textual(col *column) bool {
	switch col.BaseType {
	case "text", "varchar", "bpchar", "char", "citext", "tinytext", "mediumtext", "longtext":
		return col.Type == schema.String
	}
	return false
}
