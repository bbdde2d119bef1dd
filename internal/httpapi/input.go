package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/wire"
)

const (
	maxPathValue  = 256
	maxQueryValue = 4096
)

// input is how a route's input type is read from a request.
type input struct {
	params []param
	body   *bodyField
}

// param is one value from the path, the query or a header.
type param struct {
	in       string // path, query or header
	name     string
	doc      string
	required bool
	standard string // what stands in when it is absent
	enum     []string
	opaque   bool // a cursor
	min, max *int
	index    []int
	typ      reflect.Type
}

type bodyField struct {
	index    int
	typ      reflect.Type // without the pointer
	optional bool
}

// newInput reads the plan of a type and holds it against the route's path.
func newInput(t reflect.Type, path string) (*input, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("the input %v is not a struct", t)
	}
	in := &input{}
	for _, sf := range reflect.VisibleFields(t) {
		if sf.Anonymous {
			continue
		}
		if sf.Name == "Body" && len(sf.Index) == 1 {
			b := &bodyField{index: sf.Index[0], typ: sf.Type}
			if b.optional = sf.Type.Kind() == reflect.Pointer; b.optional {
				b.typ = sf.Type.Elem()
			}
			if err := wire.Check(b.typ); err != nil {
				return nil, err
			}
			in.body = b
			continue
		}
		p, err := newParam(sf)
		if err != nil {
			return nil, err
		}
		in.params = append(in.params, p)
	}
	return in, in.matches(path)
}

func newParam(sf reflect.StructField) (param, error) {
	p := param{doc: sf.Tag.Get("doc"), standard: sf.Tag.Get("default"), opaque: sf.Tag.Get("opaque") == "true", index: sf.Index, typ: sf.Type}
	for _, in := range []string{"path", "query", "header"} {
		if name := sf.Tag.Get(in); name != "" {
			p.in, p.name = in, name
		}
	}
	p.required = p.in == "path" || sf.Tag.Get("required") == "true"
	if enum := sf.Tag.Get("enum"); enum != "" {
		p.enum = strings.Split(enum, ",")
	}
	for tag, bound := range map[string]**int{"min": &p.min, "max": &p.max} {
		if text, ok := sf.Tag.Lookup(tag); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				return p, fmt.Errorf("%s of %s is no number", tag, sf.Name)
			}
			*bound = &n
		}
	}
	if (p.min == nil) != (p.max == nil) {
		return p, fmt.Errorf("%s needs both bounds", sf.Name)
	}
	if p.in == "" || !p.understood() {
		return p, fmt.Errorf("the field %s cannot be read from a request", sf.Name)
	}
	return p, nil
}

// understood tells whether set can fill the field.
func (p param) understood() bool {
	switch p.typ.Kind() {
	case reflect.String:
		return true
	case reflect.Int, reflect.Bool:
		return p.in == "query"
	case reflect.Slice:
		return p.in == "query" && p.typ.Elem().Kind() == reflect.String
	}
	return p.typ == reflect.TypeFor[*int]() && p.in == "header"
}

// matches holds the path parameters against the wildcards of the path.
func (in *input) matches(path string) error {
	var have, want []string
	for _, p := range in.params {
		if p.in == "path" {
			have = append(have, p.name)
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(segment, "{") {
			want = append(want, strings.Trim(segment, "{}"))
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return fmt.Errorf("the path has %v, the input %v", want, have)
	}
	return nil
}

// read fills v, a struct of the input's type, and returns the body's bytes.
func (in *input) read(x *exchange, r *http.Request, v reflect.Value) ([]byte, error) {
	if err := in.readParams(r, v); err != nil {
		return nil, err
	}
	body, err := x.readBody(r, nil)
	if err != nil {
		return nil, err
	}
	if in.body == nil || in.body.optional && len(body) == 0 {
		if len(body) == 0 {
			return nil, nil
		}
		return body, wire.Decode(body, new(struct{})) // {} says nothing and does no harm
	}
	into := reflect.New(in.body.typ)
	if err := wire.Decode(body, into.Interface()); err != nil {
		return nil, err
	}
	field := v.Field(in.body.index)
	if in.body.optional {
		field.Set(into)
	} else {
		field.Set(into.Elem())
	}
	return body, nil
}

// readParams reads everything but the body. Wrong parameters are told
// together; a path that no id can have is simply not there.
func (in *input) readParams(r *http.Request, v reflect.Value) error {
	query, err := readQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	wrong := fault.New(fault.InvalidParameter)
	for _, p := range in.params {
		var values []string
		switch p.in {
		case "path":
			value := r.PathValue(p.name)
			if len(value) > maxPathValue || !plain(value) {
				return fault.New(fault.NotFound)
			}
			values = []string{value}
		case "query":
			values = query[p.name]
			delete(query, p.name)
		case "header":
			values = r.Header.Values(p.name)
		}
		if message := p.read(values, v.FieldByIndex(p.index)); message != "" {
			wrong = wrong.WithField(p.name, "%s", message)
		}
	}
	for name := range query {
		wrong = wrong.WithField(wire.Shown(name), "is not a parameter of this route")
	}
	if len(wrong.Fields) > 0 {
		slices.SortFunc(wrong.Fields, func(a, b fault.Field) int { return strings.Compare(a.Field, b.Field) })
		wrong.Fields = wrong.Fields[:min(len(wrong.Fields), 32)]
		return wrong
	}
	return nil
}

func readQuery(raw string) (url.Values, error) {
	if raw == "" {
		return nil, nil
	}
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fault.New(fault.InvalidParameter).WithField("query", "must be pairs of name=value, percent-encoded")
	}
	if strings.Contains(raw, auth.Prefix) {
		// A query is kept by proxies and browsers: a key in it is lost.
		return nil, fault.New(fault.InvalidParameter).WithField("query", "must not carry an API key").
			WithFix("Send the key in the Authorization header, and replace it: addresses are kept in logs and histories.")
	}
	return query, nil
}

// read sets a field and returns what is wrong, or "".
func (p param) read(values []string, field reflect.Value) string {
	if len(values) == 0 {
		if p.required {
			return "is required"
		}
		if p.standard == "" {
			return ""
		}
		values = []string{p.standard}
	}
	value := values[0]
	switch {
	case len(values) > 1:
		return "must be given once"
	case len(value) > maxQueryValue && field.Kind() != reflect.Slice: // a list is bounded by the request's head, and judged by its entries
		return fmt.Sprintf("must have at most %d bytes", maxQueryValue)
	case !plain(value):
		return "must be UTF-8 without control characters"
	case p.required && value == "":
		return "must not be empty"
	case len(p.enum) > 0 && value != "" && !slices.Contains(p.enum, value):
		return "must be one of " + strings.Join(p.enum, ", ")
	}
	return p.set(value, field)
}

func (p param) set(value string, field reflect.Value) string {
	switch field.Kind() {
	case reflect.String:
		if p.opaque {
			after, err := cursorEncoding.DecodeString(value)
			if err != nil || !utf8.Valid(after) || bytes.IndexByte(after, 0) >= 0 {
				return "must be the nextCursor of another page"
			}
			value = string(after)
		}
		field.SetString(value)
	case reflect.Bool:
		if value != "true" && value != "false" {
			return "must be true or false"
		}
		field.SetBool(value == "true")
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return "must be a whole number"
		}
		if p.min != nil && (n < *p.min || n > *p.max) {
			return fmt.Sprintf("must be from %d to %d", *p.min, *p.max)
		}
		field.SetInt(int64(n))
	case reflect.Slice:
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				field.Set(reflect.Append(field, reflect.ValueOf(item).Convert(field.Type().Elem())))
			}
		}
	case reflect.Pointer: // a revision, as an entity tag or bare
		n, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(value, "W/"), `"`))
		if err != nil {
			return "must be one revision, such as \"3\""
		}
		field.Set(reflect.ValueOf(&n))
	}
	return ""
}

// plain tells whether a text is UTF-8 without control characters.
func plain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
