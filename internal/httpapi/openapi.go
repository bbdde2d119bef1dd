package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// The parts of an OpenAPI 3.1 document that this service uses.
type (
	document struct {
		OpenAPI    string                           `json:"openapi"`
		Info       docInfo                          `json:"info"`
		Servers    []docServer                      `json:"servers"`
		Tags       []docTag                         `json:"tags"`
		Paths      map[string]map[string]*operation `json:"paths"`
		Components components                       `json:"components"`
	}
	docInfo struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Summary     string `json:"summary"`
		Description string `json:"description"`
	}
	docServer struct {
		URL         string `json:"url"`
		Description string `json:"description"`
	}
	docTag struct {
		Name string `json:"name"`
	}
	components struct {
		Schemas         map[string]*jsonschema.Schema `json:"schemas"`
		Responses       map[string]*response          `json:"responses"`
		Headers         map[string]header             `json:"headers"`
		Parameters      map[string]parameter          `json:"parameters"`
		Examples        map[string]example            `json:"examples"`
		SecuritySchemes map[string]securityScheme     `json:"securitySchemes"`
	}
	operation struct {
		OperationID string                `json:"operationId"`
		Summary     string                `json:"summary"`
		Description string                `json:"description,omitempty"`
		Tags        []string              `json:"tags"`
		Security    []map[string][]string `json:"security"`
		Parameters  []parameter           `json:"parameters,omitempty"`
		RequestBody *requestBody          `json:"requestBody,omitempty"`
		Responses   map[string]*response  `json:"responses"`
	}
	parameter struct {
		Ref         string             `json:"$ref,omitempty"`
		Name        string             `json:"name,omitempty"`
		In          string             `json:"in,omitempty"`
		Required    bool               `json:"required,omitempty"`
		Description string             `json:"description,omitempty"`
		Style       string             `json:"style,omitempty"`
		Explode     *bool              `json:"explode,omitempty"`
		Schema      *jsonschema.Schema `json:"schema,omitempty"`
	}
	requestBody struct {
		Required bool                 `json:"required"`
		Content  map[string]mediaType `json:"content"`
	}
	response struct {
		Ref         string               `json:"$ref,omitempty"`
		Description string               `json:"description,omitempty"`
		Headers     map[string]header    `json:"headers,omitempty"`
		Content     map[string]mediaType `json:"content,omitempty"`
	}
	header struct {
		Ref         string             `json:"$ref,omitempty"`
		Description string             `json:"description,omitempty"`
		Schema      *jsonschema.Schema `json:"schema,omitempty"`
	}
	mediaType struct {
		Schema   *jsonschema.Schema `json:"schema"`
		Example  json.RawMessage    `json:"example,omitempty"`
		Examples map[string]example `json:"examples,omitempty"`
	}
	example struct {
		Ref     string `json:"$ref,omitempty"`
		Summary string `json:"summary,omitempty"`
		Value   any    `json:"value,omitempty"`
	}
	securityScheme struct {
		Type         string `json:"type"`
		Scheme       string `json:"scheme"`
		BearerFormat string `json:"bearerFormat"`
		Description  string `json:"description"`
	}
)

const documentText = "Connect your own PostgreSQL or MySQL database, map the exact queries you want as skills, and let an agent use them on a live call. " +
	"Every request carries `Authorization: Bearer " + auth.Prefix + "…`; the key fixes the organisation and each operation names the scope it needs. " +
	"Bodies are strict JSON: names match to the letter, unknown and duplicate fields are refused. " +
	"Errors are problem documents (RFC 9457) whose `code` has a page at /problems/{code}."

// newDocument derives the OpenAPI document from the table of routes. The
// version is the program's; without one it is the API's.
func newDocument(routes []*route, version string) *document {
	s := newSchemas(routes)
	d := &document{
		OpenAPI: "3.1.0",
		Info:    docInfo{Title: "flowyte", Version: cmp.Or(version, "1"), Summary: "Live database skills for voice and chat agents", Description: documentText},
		Servers: []docServer{{URL: "/", Description: "This server"}},
		Paths:   map[string]map[string]*operation{},
		Components: components{
			Responses: map[string]*response{},
			Headers: map[string]header{
				"RequestID":     {Description: "Names the request in the log; also in problem documents.", Schema: &jsonschema.Schema{Type: "string"}},
				"Replayed":      {Description: "`true` when the answer is the one of the first request with this Idempotency-Key.", Schema: &jsonschema.Schema{Type: "string", Enum: []any{"true"}}},
				"RateLimit":     {Description: "Of `rate_limited`: how many requests the organisation may make at once.", Schema: &jsonschema.Schema{Type: "integer"}},
				"RateRemaining": {Description: "Of `rate_limited`: how many it may make now.", Schema: &jsonschema.Schema{Type: "integer"}},
				"RateReset":     {Description: "Of `rate_limited`: seconds until it may make all of them again.", Schema: &jsonschema.Schema{Type: "integer"}},
				"RetryAfter":    {Description: "Seconds to wait before asking again.", Schema: &jsonschema.Schema{Type: "integer"}},
			},
			Parameters: map[string]parameter{"IdempotencyKey": {
				Name: idempotencyHeader, In: "header",
				Description: "Makes the request safe to repeat for 24 hours: the same key and body get the first answer again.",
				Schema:      &jsonschema.Schema{Type: "string", MaxLength: ptr(maxIdempotencyKey), Pattern: "^[!-~]+$"},
			}},
			Examples: map[string]example{},
			SecuritySchemes: map[string]securityScheme{"apiKey": {
				Type: "http", Scheme: "bearer", BearerFormat: auth.Prefix + "…",
				Description: "An API key. The names beside it in an operation are the scopes that the key must have: " + strings.Join(auth.ScopesOf(auth.AllScopes()...).Names(), ", ") + ".",
			}},
		},
	}
	s.addErrorCodes()
	for _, rt := range routes {
		if d.Paths[rt.Path] == nil {
			d.Paths[rt.Path] = map[string]*operation{}
		}
		d.Paths[rt.Path][strings.ToLower(rt.Method)] = d.operation(rt, s)
		if !slices.Contains(d.Tags, docTag{rt.Tag}) {
			d.Tags = append(d.Tags, docTag{rt.Tag})
		}
	}
	d.Components.Schemas = s.byName
	return d
}

func ptr[T any](v T) *T { return &v }

func (d *document) operation(rt *route, s *schemas) *operation {
	o := &operation{
		OperationID: operationID(rt), Summary: rt.Summary, Description: rt.Description, Tags: []string{rt.Tag},
		Security:  []map[string][]string{{"apiKey": {string(rt.Scope)}}},
		Responses: map[string]*response{strconv.Itoa(rt.Status): d.success(rt, s)},
	}
	for _, p := range rt.input.params {
		o.Parameters = append(o.Parameters, p.describe())
	}
	if rt.idempotent {
		o.Parameters = append(o.Parameters, parameter{Ref: "#/components/parameters/IdempotencyKey"})
	}
	if b := rt.input.body; b != nil {
		o.RequestBody = &requestBody{Required: !b.optional, Content: map[string]mediaType{"application/json": {Schema: s.of(b.typ, sent), Example: rt.Example}}}
	}
	d.addProblems(o, rt)
	return o
}

// operationID is such as getIntegrationsKindSchema.
func operationID(rt *route) string {
	id := strings.ToLower(rt.Method)
	for segment := range strings.SplitSeq(strings.TrimPrefix(rt.Path, api.Base+"/"), "/") {
		for word := range strings.SplitSeq(strings.Trim(segment, "{}"), "-") {
			id += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return id
}

func (p param) describe() parameter {
	d := parameter{Name: p.name, In: p.in, Required: p.required, Description: p.doc, Schema: &jsonschema.Schema{Type: "string"}}
	switch p.typ.Kind() {
	case reflect.Bool:
		d.Schema.Type = "boolean"
	case reflect.Int:
		d.Schema.Type = "integer"
		if p.min != nil {
			d.Schema.Minimum, d.Schema.Maximum = ptr(float64(*p.min)), ptr(float64(*p.max))
		}
	case reflect.Slice:
		d.Schema = &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string"}}
		d.Style, d.Explode = "form", ptr(false)
	}
	for _, value := range p.enum {
		d.Schema.Enum = append(d.Schema.Enum, value)
	}
	if p.standard != "" {
		d.Schema.Default = json.RawMessage(p.standard)
		if d.Schema.Type == "string" {
			d.Schema.Default = json.RawMessage(strconv.Quote(p.standard))
		}
	}
	return d
}

// success describes the answer of a route that did its work.
func (d *document) success(rt *route, s *schemas) *response {
	schema := &jsonschema.Schema{
		Type: "object", Required: []string{"success", "data"}, PropertyOrder: []string{"success", "data", "pagination"},
		Properties: map[string]*jsonschema.Schema{"success": {Type: "boolean", Const: ptr(any(true))}},
	}
	if list, ok := reflect.Zero(rt.out).Interface().(anyPage); ok {
		schema.Properties["data"] = &jsonschema.Schema{Type: "array", Items: s.of(list.item(), answered)}
		schema.Properties["pagination"] = s.of(reflect.TypeFor[api.Pagination](), answered)
		schema.Required = append(schema.Required, "pagination")
	} else {
		schema.Properties["data"] = s.of(rt.out, answered)
	}
	r := &response{
		Description: "Done.",
		Headers:     map[string]header{"X-Request-Id": {Ref: "#/components/headers/RequestID"}},
		Content:     map[string]mediaType{"application/json": {Schema: schema}},
	}
	if rt.idempotent {
		r.Headers[replayedHeader] = header{Ref: "#/components/headers/Replayed"}
	}
	if rt.event != nil {
		events := s.component(rt.event, answered)
		r.Content["text/event-stream"] = mediaType{Schema: &jsonschema.Schema{Type: "string", Description: "Server-Sent Events, for clients that accept text/event-stream: " +
			"`event: progress` with a " + events + ", then `event: done` with the JSON answer, or `event: error` with a Problem."}}
	}
	return r
}

// addProblems describes what the route and the machinery around it may refuse.
func (d *document) addProblems(o *operation, rt *route) {
	byStatus := map[int][]fault.Def{}
	for _, code := range rt.codes() {
		def, ok := fault.Lookup(code)
		if !ok {
			panic("httpapi: " + rt.full + " names a code that is not in the table: " + string(code))
		}
		byStatus[def.Status] = append(byStatus[def.Status], def)
	}
	for status, defs := range byStatus {
		var codes []any
		examples := map[string]example{}
		for _, def := range defs {
			codes = append(codes, def.Code)
			examples[string(def.Code)] = example{Ref: "#/components/examples/" + string(def.Code)}
			d.Components.Examples[string(def.Code)] = problemExample(def)
		}
		r := &response{
			Description: http.StatusText(status) + ".",
			Headers:     map[string]header{"X-Request-Id": {Ref: "#/components/headers/RequestID"}},
			Content: map[string]mediaType{"application/problem+json": {Examples: examples, Schema: &jsonschema.Schema{AllOf: []*jsonschema.Schema{
				{Ref: schemaRef + "Problem"}, {Properties: map[string]*jsonschema.Schema{"code": {Enum: codes}}}}}}},
		}
		if status == 429 || status == 503 {
			r.Headers["Retry-After"] = header{Ref: "#/components/headers/RetryAfter"}
		}
		if slices.Contains(codes, any(fault.RateLimited)) {
			r.Headers[limitHeader] = header{Ref: "#/components/headers/RateLimit"}
			r.Headers[remainingHeader] = header{Ref: "#/components/headers/RateRemaining"}
			r.Headers[resetHeader] = header{Ref: "#/components/headers/RateReset"}
		}
		o.Responses[strconv.Itoa(status)] = d.share(r, codes)
	}
}

// share makes a component of a response that many routes have.
func (d *document) share(r *response, codes []any) *response {
	if len(codes) > 4 {
		return r
	}
	name := strings.ReplaceAll(words(codes), ", ", "-or-")
	d.Components.Responses[name] = r
	return &response{Ref: "#/components/responses/" + name}
}

// codes are all that a route may end with: its own, and those of what it uses
// of the machinery.
func (rt *route) codes() []fault.Code {
	codes := append([]fault.Code{
		fault.Unauthorized, fault.MissingScope, fault.RateLimited, fault.InvalidParameter, fault.HeadersTooLarge, fault.Internal, fault.StoreUnavailable, fault.Overloaded,
	}, rt.Errors...)
	if rt.Method != http.MethodGet || rt.input.body != nil {
		codes = append(codes, fault.InvalidJSON, fault.InvalidRequest, fault.BodyTooLarge, fault.UnsupportedMediaType, fault.RequestTimeout)
	}
	if strings.Contains(rt.Path, "{") {
		codes = append(codes, fault.NotFound)
	}
	if rt.idempotent {
		codes = append(codes, fault.IdempotencyKeyReused, fault.IdempotencyInProgress)
		if rt.SecretAnswer {
			codes = append(codes, fault.SecretAlreadyShown)
		}
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

func problemExample(def fault.Def) example {
	const id = "req_5Q7R1S0T6U2V8W3X9Y4Z0A1B"
	return example{Summary: def.Title, Value: api.Problem{
		Type: "/problems/" + string(def.Code), Title: def.Title, Status: def.Status, Detail: def.Detail,
		Instance: "/requests/" + id, Code: string(def.Code), RequestID: id, Errors: []api.ProblemField{}, Fixes: []string{def.Fix},
	}}
}

// encoded is the document as it is served and kept in api/openapi.json.
func (d *document) encoded() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		panic("httpapi: encoding the OpenAPI document: " + err.Error())
	}
	return b.Bytes()
}
