package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// docsView is the OpenAPI document cut for the page under /docs.
type docsView struct {
	Title, Text string
	Scopes      []string
	Groups      []docsGroup
	Types       []docsType
	Errors      []fault.Def
}

type docsGroup struct {
	Name   string
	Routes []docsRoute
}

type docsRoute struct {
	ID, Method, Path, Summary, Text, Scope string

	Parameters []docsField
	Body       *docsShape
	Optional   bool // the body
	Example    string
	Status     string
	Answer     docsShape
	Streams    string
	Errors     []fault.Code
}

// docsShape is a schema in words, with the components it leads to.
type docsShape struct {
	Words string
	Links []string
}

type docsType struct {
	Name, Text string
	Fields     []docsField
	Values     []string
}

type docsField struct {
	Name, In, Text string
	Shape          docsShape
	Required       bool
}

func newDocsView(d *document) docsView {
	v := docsView{Title: d.Info.Title, Text: d.Info.Description, Scopes: auth.ScopesOf(auth.AllScopes()...).Names(), Errors: fault.All()}
	for _, tag := range d.Tags {
		g := docsGroup{Name: tag.Name}
		for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
			for _, method := range []string{"get", "post", "put", "patch", "delete"} {
				if o := d.Paths[path][method]; o != nil && o.Tags[0] == tag.Name {
					g.Routes = append(g.Routes, d.docsRoute(method, path, o))
				}
			}
		}
		v.Groups = append(v.Groups, g)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		if name != "ErrorCode" { // the table of errors says more
			v.Types = append(v.Types, newDocsType(name, d.Components.Schemas[name]))
		}
	}
	return v
}

func (d *document) docsRoute(method, path string, o *operation) docsRoute {
	r := docsRoute{ID: o.OperationID, Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Text: o.Description, Scope: o.Security[0]["apiKey"][0]}
	for _, p := range o.Parameters {
		if name, isRef := strings.CutPrefix(p.Ref, "#/components/parameters/"); isRef {
			p = d.Components.Parameters[name]
		}
		r.Parameters = append(r.Parameters, docsField{Name: p.Name, In: p.In, Text: p.Description, Shape: shapeOf(p.Schema), Required: p.Required})
	}
	if o.RequestBody != nil {
		content := o.RequestBody.Content["application/json"]
		shape := shapeOf(content.Schema)
		r.Body, r.Optional = &shape, !o.RequestBody.Required
		if content.Example != nil {
			indented, err := json.MarshalIndent(content.Example, "", "  ")
			if err != nil {
				panic("httpapi: an example is no JSON: " + err.Error())
			}
			r.Example = string(indented)
		}
	}
	for status, answer := range o.Responses {
		if status < "300" {
			r.Status, r.Answer = status, shapeOf(answer.Content["application/json"].Schema.Properties["data"])
			if events, streams := answer.Content["text/event-stream"]; streams {
				r.Streams = events.Schema.Description
			}
			continue
		}
		if name, isRef := strings.CutPrefix(answer.Ref, "#/components/responses/"); isRef {
			answer = d.Components.Responses[name]
		}
		for code := range answer.Content["application/problem+json"].Examples {
			r.Errors = append(r.Errors, fault.Code(code))
		}
	}
	slices.Sort(r.Errors)
	return r
}

func newDocsType(name string, s *jsonschema.Schema) docsType {
	t := docsType{Name: name, Text: s.Description}
	for _, field := range s.PropertyOrder {
		p := s.Properties[field]
		t.Fields = append(t.Fields, docsField{Name: field, Text: p.Description, Shape: shapeOf(p), Required: slices.Contains(s.Required, field)})
	}
	for _, value := range s.Enum {
		t.Values = append(t.Values, fmt.Sprint(value))
	}
	return t
}

// shapeOf puts a schema into words, such as "list of" with a link to Check.
func shapeOf(s *jsonschema.Schema) docsShape {
	switch {
	case s == nil:
		return docsShape{Words: "any JSON value"}
	case s.Ref == schemaRef+"ErrorCode":
		return docsShape{Words: "a code, see Errors"}
	case s.Ref != "":
		return docsShape{Links: []string{strings.TrimPrefix(s.Ref, schemaRef)}}
	case len(s.AnyOf) > 0:
		inner := shapeOf(s.AnyOf[0])
		return docsShape{Words: strings.TrimSpace("null or " + inner.Words), Links: inner.Links}
	case s.Items != nil:
		inner := shapeOf(s.Items)
		return docsShape{Words: strings.TrimSpace("list of " + inner.Words), Links: inner.Links}
	case s.AdditionalProperties != nil && s.Properties == nil && s.AdditionalProperties.Not == nil:
		inner := shapeOf(s.AdditionalProperties)
		return docsShape{Words: strings.TrimSpace("map of " + inner.Words), Links: inner.Links}
	case len(s.Enum) > 0:
		return docsShape{Words: "one of " + words(s.Enum)}
	case s.Format != "":
		return docsShape{Words: s.Type + ", " + s.Format}
	case s.Type != "":
		return docsShape{Words: s.Type}
	case len(s.Types) > 0:
		return docsShape{Words: strings.Join(s.Types, " or ")}
	}
	return docsShape{Words: "any JSON value"}
}

func words(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}
