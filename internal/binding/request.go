package binding

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"flowyte/api"
	"flowyte/internal/plan"
)

// Limits of a read.
const (
	DefaultRows = 5
	MaxRows     = 25
	// maxColumns bounds a projection and a column map: a call cannot speak more.
	maxColumns = 64
)

// The actions by which an operation ends.
const (
	Read   = "read"
	Insert = "insert"
	Update = "update"
)

// systemValues are what a write may take from the call itself.
var systemValues = []string{"now", "uuid", "conversation_id", "caller_phone"}

// SplitOperation cuts "appointments.read" at its last dot. The name before it
// may hold dots of its own.
func SplitOperation(operation string) (object, action string, ok bool) {
	i := strings.LastIndexByte(operation, '.')
	if i <= 0 {
		return "", "", false
	}
	object, action = operation[:i], operation[i+1:]
	return object, action, action == Read || action == Insert || action == Update
}

// FromRequest brings a request into its canonical form and reports everything
// that is wrong with it without looking at a database. The binding is only
// meaningful when no finding is an error.
func FromRequest(r api.BindingRequest) (Binding, []Finding) {
	p := parser{request: &r}
	b := Binding{ToolName: strings.TrimSpace(r.ToolName), Description: r.Description, Operation: r.Operation}
	_, action, ok := SplitOperation(r.Operation)
	if !ok {
		// The rest is judged as what it looks like.
		p.add(OperationMalformed, "operation")
		if action = Read; r.IsWrite || len(r.InputObjectMap) > 0 {
			action = Insert
		}
	}
	if action == Read {
		p.read(&b)
		b.Enabled = r.Enabled
	} else {
		p.write(&b, action)
	}
	return b, p.findings
}

// Request is the wire form of a canonical binding: what FromRequest turns into
// the same binding again.
func (b *Binding) Request() api.BindingRequest {
	r := api.BindingRequest{ToolName: b.ToolName, Description: b.Description, Operation: b.Operation, IsWrite: b.IsWrite, Enabled: b.Enabled}
	if f := b.Filter; f != nil {
		rows, required := f.MaxRows, true
		r.Inputs = []api.BindingInput{{Param: f.Param, Arg: f.Column, Required: &required, Description: f.Description, Format: f.Format, CallerOnly: f.CallerOnly}}
		r.SQLSearch = &api.SQLSearch{Column: f.Column, Param: f.Param, MaxRows: &rows, OrderBy: (*api.OrderBy)(f.OrderBy), OwnedBy: (*api.OwnedBy)(f.OwnedBy)}
	}
	for _, p := range b.Projection {
		r.Projection = append(r.Projection, api.ProjectionEntry{Path: slices.Clone(p.Path), Leaf: p.Leaf})
	}
	for i := range b.Set {
		a := &b.Set[i]
		o := api.InputObject{Field: a.Field, Param: a.Param, Description: a.Description, Format: a.Format, System: a.System}
		if a.Param != "" {
			o.Required = &a.Required
		}
		if a.Const != nil {
			o.Const = json.RawMessage(*a.Const)
		}
		r.InputObjectMap = append(r.InputObjectMap, o)
	}
	if k := b.Key; k != nil {
		r.SQLWrite = &api.SQLWrite{KeyColumn: k.Column, KeyParam: k.Param, OwnedBy: (*api.OwnedBy)(k.OwnedBy)}
	}
	return r
}

// parser collects the findings of one request.
type parser struct {
	request  *api.BindingRequest
	findings []Finding
}

func (p *parser) add(code Code, path string) { p.findings = append(p.findings, Found(code, path)) }

func (p *parser) read(b *Binding) {
	r := p.request
	if r.IsWrite {
		p.add(ReadMarkedAsWrite, "isWrite")
	}
	if len(r.InputObjectMap) > 0 {
		p.add(WritePartsOnRead, "inputObjectMap")
	}
	if r.SQLWrite != nil {
		p.add(WritePartsOnRead, "sqlWrite")
	}
	b.Filter = p.filter()
	b.Projection = p.projection()
}

// filter reads the two forms. Where both are given they must name the same
// column and parameter.
func (p *parser) filter() *Filter {
	r := p.request
	if len(r.Inputs) == 0 && r.SQLSearch == nil {
		p.add(FilterMissing, "inputs")
		return nil
	}
	f := &Filter{MaxRows: DefaultRows}
	if len(r.Inputs) > 1 {
		p.add(FilterNotSingle, "inputs")
	}
	if len(r.Inputs) > 0 {
		p.input(f, &r.Inputs[0])
	}
	if s := r.SQLSearch; s != nil {
		p.search(f, s, len(r.Inputs) > 0)
	}
	return f
}

func (p *parser) input(f *Filter, in *api.BindingInput) {
	f.Path = "inputs[0].arg"
	f.Column, f.Param = in.Arg, in.Param
	f.Description, f.Format, f.CallerOnly = in.Description, in.Format, in.CallerOnly
	p.column(in.Arg, f.Path)
	p.param(in.Param, "inputs[0].param")
	p.format(in.Format, "inputs[0].format")
	if in.Required != nil && !*in.Required && !plan.IsCanonical(in.Param) {
		p.add(FilterOptional, "inputs[0].required")
	}
	if in.CallerOnly && !plan.IsCanonical(in.Param) {
		p.add(CallerOnlyUnknown, "inputs[0].callerOnly")
	}
}

func (p *parser) search(f *Filter, s *api.SQLSearch, both bool) {
	if both {
		if s.Column != f.Column {
			p.add(FilterDisagrees, "sqlSearch.column")
		}
		if s.Param != f.Param {
			p.add(FilterDisagrees, "sqlSearch.param")
		}
	} else {
		f.Path = "sqlSearch.column"
		f.Column, f.Param = s.Column, s.Param
		p.column(s.Column, f.Path)
		p.param(s.Param, "sqlSearch.param")
	}
	if s.MaxRows != nil {
		if f.MaxRows = *s.MaxRows; f.MaxRows < 1 || f.MaxRows > MaxRows {
			p.add(MaxRowsOutOfRange, "sqlSearch.maxRows")
		}
	}
	if o := s.OrderBy; o != nil {
		f.OrderBy = &OrderBy{Column: o.Column, Direction: o.Direction}
		p.column(o.Column, "sqlSearch.orderBy.column")
		switch o.Direction {
		case "":
			f.OrderBy.Direction = "asc"
		case "asc", "desc":
		default:
			p.add(DirectionUnknown, "sqlSearch.orderBy.direction")
		}
	}
	f.OwnedBy = p.ownedBy(s.OwnedBy, "sqlSearch.ownedBy")
}

func (p *parser) ownedBy(o *api.OwnedBy, path string) *OwnedBy {
	if o == nil {
		return nil
	}
	if o.Column == "" || !identifier(o.Subject) {
		p.add(OwnedByIncomplete, path)
	}
	return &OwnedBy{Column: o.Column, Subject: o.Subject}
}

func (p *parser) projection() []Projection {
	entries := p.request.Projection
	if len(entries) == 0 {
		p.add(ProjectionMissing, "projection")
	}
	if len(entries) > maxColumns {
		p.add(ProjectionTooLong, "projection")
	}
	seen := map[string]bool{}
	var out []Projection
	for i, e := range entries {
		at := fmt.Sprintf("projection[%d]", i)
		if len(e.Path) < 1 || len(e.Path) > 2 || slices.Contains(e.Path, "") {
			p.add(PathMalformed, at+".path")
		}
		switch {
		case !identifier(e.Leaf):
			p.add(LeafInvalid, at+".leaf")
		case seen[e.Leaf]:
			p.add(LeafTwice, at+".leaf")
		}
		seen[e.Leaf] = true
		out = append(out, Projection{Path: slices.Clone(e.Path), Leaf: e.Leaf})
	}
	return out
}

func (p *parser) write(b *Binding, action string) {
	r := p.request
	b.IsWrite = true
	if !r.IsWrite {
		p.add(WriteNotMarked, "isWrite")
	}
	if len(r.Inputs) > 0 {
		p.add(ReadPartsOnWrite, "inputs")
	}
	if r.SQLSearch != nil {
		p.add(ReadPartsOnWrite, "sqlSearch")
	}
	if len(r.Projection) > 0 {
		p.add(ReadPartsOnWrite, "projection")
	}
	params := map[string]bool{}
	if action == Update {
		b.Key = p.key(params)
	} else if r.SQLWrite != nil {
		p.add(KeyOnInsert, "sqlWrite")
	}
	b.Set = p.assignments(params, action)
}

func (p *parser) key(params map[string]bool) *Key {
	w := p.request.SQLWrite
	if w == nil {
		p.add(KeyMissing, "sqlWrite")
		return nil
	}
	p.column(w.KeyColumn, "sqlWrite.keyColumn")
	p.param(w.KeyParam, "sqlWrite.keyParam")
	params[w.KeyParam] = true
	return &Key{Column: w.KeyColumn, Param: w.KeyParam, OwnedBy: p.ownedBy(w.OwnedBy, "sqlWrite.ownedBy")}
}

func (p *parser) assignments(params map[string]bool, action string) []Assignment {
	entries := p.request.InputObjectMap
	if len(entries) == 0 {
		p.add(AssignmentsMissing, "inputObjectMap")
	}
	if len(entries) > maxColumns {
		p.add(AssignmentsTooMany, "inputObjectMap")
	}
	fields := map[string]bool{}
	var out []Assignment
	for i := range entries {
		e, at := &entries[i], fmt.Sprintf("inputObjectMap[%d]", i)
		p.column(e.Field, at+".field")
		if fields[e.Field] {
			p.add(AssignmentTwice, at+".field")
		}
		fields[e.Field] = true
		out = append(out, p.assignment(e, at, params, action))
	}
	return out
}

func (p *parser) assignment(e *api.InputObject, at string, params map[string]bool, action string) Assignment {
	a := Assignment{Field: e.Field, Param: e.Param, System: e.System}
	sources := 0
	for _, given := range []bool{e.Param != "", len(e.Const) > 0, e.System != ""} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		p.add(AssignmentSource, at)
		return a
	}
	switch {
	case e.Param != "":
		p.assignedParam(&a, e, at, params, action)
		return a
	case e.System != "":
		if !slices.Contains(systemValues, e.System) {
			p.add(SystemValueUnknown, at+".system")
		}
	default:
		a.Const = p.constant(e.Const, at+".const")
	}
	if e.Required != nil || e.Format != "" || e.Description != "" {
		p.add(DescriptionPointless, at)
	}
	return a
}

func (p *parser) assignedParam(a *Assignment, e *api.InputObject, at string, params map[string]bool, action string) {
	p.param(e.Param, at+".param")
	if params[e.Param] {
		p.add(ParamTwice, at+".param")
	}
	params[e.Param] = true
	p.format(e.Format, at+".format")
	a.Description, a.Format = e.Description, e.Format
	a.Required = e.Required == nil || *e.Required
	if !a.Required && action == Update {
		p.add(OptionalInUpdate, at+".required")
	}
}

// constant keeps a scalar as compact JSON text.
func (p *parser) constant(raw json.RawMessage, path string) *string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil || b.Len() == 0 || strings.ContainsRune("{[n", rune(b.Bytes()[0])) {
		p.add(ConstantNotScalar, path)
		return nil
	}
	text := b.String()
	return &text
}

func (p *parser) column(name, path string) {
	if name == "" {
		p.add(ColumnNameMissing, path)
	}
}

func (p *parser) param(name, path string) {
	if !identifier(name) {
		p.add(ParamInvalid, path)
	}
}

func (p *parser) format(name, path string) {
	switch plan.ParamFormat(name) {
	case plan.Plain, plan.Phone, plan.Email:
	default:
		p.add(FormatUnknown, path)
	}
}

// identifier is [a-z][a-z0-9_]{0,63}, the form of parameters, leaves and subjects.
func identifier(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
