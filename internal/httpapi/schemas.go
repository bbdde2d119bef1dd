package httpapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"flowyte/api"
	"flowyte/internal/fault"
	"flowyte/internal/wire"
)

// comments are what package api says of its types and fields, for readers of
// the OpenAPI document. A test writes them anew from the source.
//
//go:embed comments.json
var commentsFile []byte

// comments is the text of each "Type" and "Type.field".
var comments = func() map[string]string {
	m := map[string]string{}
	if err := json.Unmarshal(commentsFile, &m); err != nil {
		panic("httpapi: comments.json: " + err.Error())
	}
	return m
}()

const schemaRef = "#/components/schemas/"

// direction tells what a client sends from what it gets: sent objects are
// closed and what has omitempty may be left out; answered ones may grow.
type direction bool

const (
	sent     direction = false
	answered direction = true
)

// schemas collects the components of the document.
type schemas struct {
	byName map[string]*jsonschema.Schema
	owner  map[string]reflect.Type
	// both holds types that are sent and answered: their sent form gets
	// another name.
	both map[reflect.Type]bool
}

// special are types whose wire form does not follow from their kind.
var special = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[json.RawMessage](): {},
	reflect.TypeFor[any]():             {},
	reflect.TypeFor[time.Time]():       {Type: "string", Format: "date-time"},
	reflect.TypeFor[api.Port]():        {Types: []string{"string", "integer"}, Description: "A TCP port, as a string or a whole number."},
	reflect.TypeFor[api.Outcome]():     {Type: "string", Enum: outcomes()},
}

func outcomes() []any {
	var values []any
	for _, o := range api.Outcomes() {
		values = append(values, o)
	}
	return values
}

// newSchemas learns from the table which types go both ways.
func newSchemas(routes []*route) *schemas {
	in, out := map[reflect.Type]bool{}, map[reflect.Type]bool{reflect.TypeFor[api.Problem](): true}
	collect(reflect.TypeFor[api.Problem](), out)
	for _, rt := range routes {
		if rt.input.body != nil {
			collect(rt.input.body.typ, in)
		}
		collect(rt.out, out)
		if rt.event != nil {
			collect(rt.event, out)
		}
	}
	s := &schemas{byName: map[string]*jsonschema.Schema{}, owner: map[string]reflect.Type{}, both: map[reflect.Type]bool{}}
	for t := range in {
		if out[t] {
			s.both[t] = true
		}
	}
	return s
}

// collect finds the named structs that a type is made of.
func collect(t reflect.Type, into map[reflect.Type]bool) {
	if special[t] != nil {
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Array:
		collect(t.Elem(), into)
	case reflect.Struct:
		into[t] = true
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() {
				collect(f.Type, into)
			}
		}
	}
}

// of is the schema of a type: a reference for a named struct, which becomes a
// component, and the schema itself for anything else.
func (s *schemas) of(t reflect.Type, d direction) *jsonschema.Schema {
	if named(t) {
		return &jsonschema.Schema{Ref: schemaRef + s.component(t, d)}
	}
	return s.infer(t, d)
}

// named tells whether a type becomes a component.
func named(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && special[t] == nil && t.Name() != "" && t.NumField() > 0
}

// component adds a type to the components, with all that it is made of, and
// returns its name.
func (s *schemas) component(t reflect.Type, d direction) string {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if d == sent && s.both[t] {
		name += "Input"
	}
	if owner, known := s.owner[name]; known {
		if owner != t {
			panic(fmt.Sprintf("httpapi: %v and %v have one name in the OpenAPI document", owner, t))
		}
		return name
	}
	s.owner[name] = t
	s.byName[name] = s.infer(t, d)
	return name
}

// infer is the schema of a type by its Go form, corrected to what the reader
// and the writer of package wire and encoding/json do with it.
func (s *schemas) infer(t reflect.Type, d direction) *jsonschema.Schema {
	known := maps.Clone(special)
	parts := map[reflect.Type]bool{}
	collect(t, parts)
	for part := range parts {
		if part != t && named(part) {
			known[part] = &jsonschema.Schema{Ref: schemaRef + s.component(part, d)}
		}
	}
	schema, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: known})
	if err != nil {
		panic("httpapi: " + err.Error())
	}
	s.correct(schema, t, d)
	return schema
}

// correct fits an inferred schema to the wire, all the way down.
func (s *schemas) correct(schema *jsonschema.Schema, t reflect.Type, d direction) {
	if special[t] != nil || schema.Ref != "" {
		return
	}
	switch t.Kind() {
	case reflect.Slice:
		schema.Types, schema.Type = nil, "array"
		s.correct(schema.Items, t.Elem(), d)
	case reflect.Map:
		s.correct(schema.AdditionalProperties, t.Elem(), d)
	case reflect.Struct:
		schema.Description = comments[t.Name()]
		if d == answered {
			schema.AdditionalProperties = nil // fields may be added at any time
		}
		for i := range t.NumField() {
			s.correctField(schema, t, t.Field(i), d)
		}
	}
}

func (s *schemas) correctField(schema *jsonschema.Schema, t reflect.Type, f reflect.StructField, d direction) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	property := schema.Properties[name]
	if property == nil {
		return
	}
	optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
	inner := f.Type
	pointer := inner.Kind() == reflect.Pointer
	if pointer {
		inner = inner.Elem()
		notNull(property)
	}
	s.correct(property, inner, d)
	if d == sent {
		limitText(property, f)
	}
	if pointer && !optional {
		property = orNull(property)
		schema.Properties[name] = property
		if d == sent {
			schema.Required = slices.DeleteFunc(schema.Required, func(r string) bool { return r == name })
		}
	}
	if text := comments[t.Name()+"."+name]; text != "" {
		property.Description = text
	}
}

// notNull takes back the null that inference gives to every pointer.
func notNull(schema *jsonschema.Schema) {
	schema.Types = slices.DeleteFunc(schema.Types, func(t string) bool { return t == "null" })
	switch len(schema.Types) {
	case 0:
		schema.Types = nil
	case 1:
		schema.Type, schema.Types = schema.Types[0], nil
	}
}

func orNull(schema *jsonschema.Schema) *jsonschema.Schema {
	switch {
	case schema.Type != "":
		schema.Types, schema.Type = []string{schema.Type, "null"}, ""
		return schema
	case len(schema.Types) > 0:
		schema.Types = append(schema.Types, "null")
		return schema
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{schema, {Type: "null"}}}
}

// limitText tells the most characters that a text may have. The limit is in
// bytes, which are at least as many.
func limitText(schema *jsonschema.Schema, f reflect.StructField) {
	most := wire.DefaultMax
	if tag, err := strconv.Atoi(f.Tag.Get("max")); err == nil {
		most = tag
	}
	for _, part := range []*jsonschema.Schema{schema, schema.Items, schema.AdditionalProperties} {
		if part != nil && part.Type == "string" {
			part.MaxLength = &most
		}
	}
}

// addErrorCodes adds the enum of the table and makes the problem refer to it.
func (s *schemas) addErrorCodes() {
	codes := &jsonschema.Schema{Type: "string", Description: "What went wrong. Each code has a page of its own at /problems/{code}."}
	for _, def := range fault.All() {
		codes.Enum = append(codes.Enum, def.Code)
	}
	s.byName["ErrorCode"] = codes
	s.component(reflect.TypeFor[api.Problem](), answered)
	s.byName["Problem"].Properties["code"] = &jsonschema.Schema{Ref: schemaRef + "ErrorCode"}
}
