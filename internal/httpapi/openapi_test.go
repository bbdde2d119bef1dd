package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// parsed is the document as a client reads it.
func parsed(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at walks into a document by keys.
func at(doc any, keys ...string) any {
	for _, key := range keys {
		object, _ := doc.(map[string]any)
		doc = object[key]
	}
	return doc
}

// sampleDocument is the document of the sample routes, over the wire.
func sampleDocument(t *testing.T) map[string]any {
	t.Helper()
	k := newKit(t)
	k.addSample()
	type nested struct {
		Server  *api.Server     `json:"server"`
		Maybe   *api.Server     `json:"maybe,omitempty"`
		Number  *int            `json:"number"`
		When    api.Timestamp   `json:"when"`
		Rows    [][]string      `json:"rows"`
		Any     json.RawMessage `json:"any"`
		Again   thing           `json:"again"`
		Outcome api.Outcome     `json:"outcome"`
	}
	Handle(k.API, Op{Method: "POST", Path: "/nested/{kind}", Scope: auth.AgentsWrite, Summary: "Nest", Tag: "Other", SecretAnswer: true,
		Errors: []fault.Code{fault.ToolNameTaken}, Example: []byte(`{"credentials":{"host":"db.example.com","port":5432,"database":"d","user":"u","password":"p","sslmode":"require"}}`)},
		idle[struct {
			Kind string `path:"kind"`
			Body api.CredentialsRequest
		}, nested])
	Handle(k.API, Op{Method: "PUT", Path: "/nullable", Scope: auth.AgentsWrite, Summary: "Null", Tag: "Other"},
		idle[struct {
			Body struct {
				Verifier *string `json:"verifier"`
				Patch    *string `json:"patch,omitempty"`
			}
		}, api.Deleted])
	HandleStream(k.API, Op{Method: "POST", Path: "/streamed", Scope: auth.AgentsWrite, Summary: "Stream", Tag: "Other"},
		func(c context.Context, p auth.Principal, in *struct{}, tell func(progress)) (api.Deleted, error) {
			return api.Deleted{}, nil
		})
	w := k.ask(t, "GET", "/openapi.json", "", "Authorization", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %v", w.Code, w.Header())
	}
	return parsed(t, w.Body.Bytes())
}

func TestOpenAPISchemas(t *testing.T) {
	doc := sampleDocument(t)
	schemas := at(doc, "components", "schemas")
	text := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	for path, want := range map[string]string{
		"Nested.properties.server":                  `{"anyOf":[{"$ref":"#/components/schemas/Server"},{"type":"null"}]}`,
		"Nested.properties.maybe":                   `{"$ref":"#/components/schemas/Server"}`,
		"Nested.properties.number":                  `{"type":["integer","null"]}`,
		"Nested.properties.when":                    `{"format":"date-time","type":"string"}`,
		"Nested.properties.rows":                    `{"items":{"items":{"type":"string"},"type":"array"},"type":"array"}`,
		"Nested.properties.any":                     `true`,
		"Nested.properties.again":                   `{"$ref":"#/components/schemas/Thing"}`,
		"Nested.required":                           `["server","number","when","rows","any","again","outcome"]`,
		"Nested.additionalProperties":               `null`,
		"ThingInput.properties.name":                `{"maxLength":4096,"type":"string"}`,
		"ThingInput.properties.text":                `{"maxLength":65536,"type":"string"}`,
		"ThingInput.additionalProperties":           `false`,
		"ThingInput.required":                       `["name"]`,
		"Thing.properties.name":                     `{"type":"string"}`,
		"Credentials.properties.port.type":          `["string","integer"]`,
		"Credentials.properties.sslmode":            `{"description":"require, verify-ca, verify-full","maxLength":4096,"type":"string"}`,
		"Credentials.properties.ca_pem.maxLength":   `65536`,
		"CredentialsRequest.properties.credentials": `{"$ref":"#/components/schemas/Credentials"}`,
		"Problem.properties.code":                   `{"$ref":"#/components/schemas/ErrorCode"}`,
		"Progress.properties.stage":                 `{"type":"string"}`,
	} {
		if got := text(at(schemas, strings.Split(path, ".")...)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if got := at(schemas, "Credentials", "description"); got == nil || !strings.HasPrefix(got.(string), "Credentials are what") {
		t.Errorf("the comment of Credentials is missing: %v", got)
	}
	nullable := at(doc, "paths", "/api/v1/nullable", "put", "requestBody", "content", "application/json", "schema")
	if got, want := text(nullable), `{"additionalProperties":false,"properties":{"patch":{"maxLength":4096,"type":"string"},"verifier":{"maxLength":4096,"type":["string","null"]}},"type":"object"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := len(at(schemas, "ErrorCode", "enum").([]any)); got != len(fault.All()) {
		t.Errorf("the enum has %d codes, the table %d", got, len(fault.All()))
	}
}

func TestOpenAPIOperations(t *testing.T) {
	doc := sampleDocument(t)
	nest := at(doc, "paths", "/api/v1/nested/{kind}", "post")
	if diff := cmp.Diff([]any{map[string]any{"apiKey": []any{"agents:write"}}}, at(nest, "security")); diff != "" {
		t.Error(diff)
	}
	if at(nest, "operationId") != "postNestedKind" {
		t.Errorf("operationId %v", at(nest, "operationId"))
	}
	var conflict []string
	ref := at(nest, "responses", "409", "$ref").(string)
	for _, code := range at(doc, "components", "responses", strings.TrimPrefix(ref, "#/components/responses/"), "content", "application/problem+json", "schema", "allOf").([]any)[1].(map[string]any)["properties"].(map[string]any)["code"].(map[string]any)["enum"].([]any) {
		conflict = append(conflict, code.(string))
	}
	if diff := cmp.Diff([]string{"idempotency_in_progress", "secret_already_shown", "tool_name_taken"}, conflict); diff != "" {
		t.Error(diff)
	}
	for _, status := range []string{"200", "400", "401", "403", "404", "408", "413", "415", "422", "500", "503"} {
		if at(nest, "responses", status) == nil {
			t.Errorf("no response %s", status)
		}
	}
	list := at(doc, "paths", "/api/v1/things", "get")
	if at(list, "requestBody") != nil || at(list, "responses", "413") != nil || at(list, "responses", "409") != nil {
		t.Error("a GET is described with a body or an Idempotency-Key")
	}
	if got := at(list, "responses", "200", "content", "application/json", "schema", "properties", "pagination"); got == nil {
		t.Error("a list has no pagination")
	}
	params := map[string]map[string]any{}
	for _, p := range at(list, "parameters").([]any) {
		params[p.(map[string]any)["name"].(string)] = p.(map[string]any)
	}
	if s := params["limit"]["schema"].(map[string]any); s["default"] != 50.0 || s["minimum"] != 1.0 || s["maximum"] != 200.0 {
		t.Errorf("limit is %v", s)
	}
	if params["q"]["required"] != true || params["tables"]["explode"] != false || !cmp.Equal(params["type"]["schema"].(map[string]any)["enum"], []any{"object", "field"}) {
		t.Errorf("parameters %v", params)
	}
	if at(doc, "paths", "/api/v1/streamed", "post", "responses", "200", "content", "text/event-stream") == nil {
		t.Error("a stream is not described as one")
	}
}

// checkDocument holds any document of ours to what a reader of OpenAPI 3.1
// relies on.
func checkDocument(t *testing.T, doc map[string]any, routes []Op) {
	t.Helper()
	if doc["openapi"] != "3.1.0" || at(doc, "info", "title") == nil || at(doc, "info", "version") == nil {
		t.Errorf("head %v, %v", doc["openapi"], doc["info"])
	}
	var refs func(path string, v any)
	refs = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				target, inside := strings.CutPrefix(ref, "#/")
				if !inside || at(doc, strings.Split(target, "/")...) == nil {
					t.Errorf("%s: %s leads nowhere", path, ref)
				}
			}
			for key, value := range v {
				refs(path+"/"+key, value)
			}
		case []any:
			for i, value := range v {
				refs(fmt.Sprintf("%s/%d", path, i), value)
			}
		}
	}
	refs("#", doc)

	ids, seen := map[string]bool{}, 0
	for _, op := range routes {
		o, _ := at(doc, "paths", op.Path, strings.ToLower(op.Method)).(map[string]any)
		if o == nil {
			t.Errorf("%s %s is not in the document", op.Method, op.Path)
			continue
		}
		seen++
		checkOperation(t, op, o, ids)
	}
	total := 0
	for _, item := range doc["paths"].(map[string]any) {
		total += len(item.(map[string]any))
	}
	if total != seen {
		t.Errorf("the document has %d operations, the table %d", total, seen)
	}
}

func checkOperation(t *testing.T, op Op, o map[string]any, ids map[string]bool) {
	t.Helper()
	name := op.Method + " " + op.Path
	id, _ := o["operationId"].(string)
	if ids[id] || !regexp.MustCompile(`^[a-z][A-Za-z]+$`).MatchString(id) {
		t.Errorf("%s: operationId %q", name, id)
	}
	ids[id] = true
	if o["summary"] == "" || !cmp.Equal(o["tags"], []any{op.Tag}) || op.Tag == "" {
		t.Errorf("%s: summary %v, tags %v", name, o["summary"], o["tags"])
	}
	if diff := cmp.Diff([]any{map[string]any{"apiKey": []any{string(op.Scope)}}}, o["security"]); diff != "" {
		t.Errorf("%s: security: %s", name, diff)
	}
	var wild, declared []string
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.Path, -1) {
		wild = append(wild, m[1])
	}
	params, _ := o["parameters"].([]any)
	for _, p := range params {
		if p := p.(map[string]any); p["in"] == "path" {
			declared = append(declared, p["name"].(string))
			if p["required"] != true {
				t.Errorf("%s: path parameter %v is not required", name, p["name"])
			}
		}
	}
	slices.Sort(wild)
	slices.Sort(declared)
	if !slices.Equal(wild, declared) {
		t.Errorf("%s: declares %v", name, declared)
	}
	successes := 0
	for status, r := range o["responses"].(map[string]any) {
		if at(r, "$ref") != nil {
			continue
		}
		if status < "300" {
			successes++
		}
		if text, _ := at(r, "description").(string); text == "" {
			t.Errorf("%s: response %s has no description", name, status)
		}
	}
	if successes != 1 {
		t.Errorf("%s: %d successes", name, successes)
	}
}

// resolver makes the document's schemas usable by a validator.
func resolver(t *testing.T, doc map[string]any) func(schema any) *jsonschema.Resolved {
	t.Helper()
	return func(schema any) *jsonschema.Resolved {
		t.Helper()
		whole := map[string]any{"allOf": []any{schema}, "$defs": at(doc, "components", "schemas")}
		raw, err := json.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		var s jsonschema.Schema
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(raw), schemaRef, "#/$defs/")), &s); err != nil {
			t.Fatal(err)
		}
		r, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// checkExamples validates every example against the schema beside it.
func checkExamples(t *testing.T, doc map[string]any) (checked int) {
	t.Helper()
	resolve := resolver(t, doc)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		list, _ := v.([]any)
		for i, value := range list {
			walk(fmt.Sprintf("%s/%d", path, i), value)
		}
		object, _ := v.(map[string]any)
		for key, value := range object {
			walk(path+"/"+key, value)
		}
		if object["schema"] == nil {
			return
		}
		var values []any
		if object["example"] != nil {
			values = append(values, object["example"])
		}
		examples, _ := object["examples"].(map[string]any)
		for _, e := range examples {
			target := strings.Split(strings.TrimPrefix(e.(map[string]any)["$ref"].(string), "#/"), "/")
			values = append(values, at(doc, append(target, "value")...))
		}
		if len(values) == 0 {
			return
		}
		schema := resolve(object["schema"])
		for _, value := range values {
			checked++
			if err := schema.Validate(value); err != nil {
				t.Errorf("%s: an example is not of its schema: %v", path, err)
			}
		}
	}
	walk("#/paths", doc["paths"])
	walk("#/components/responses", at(doc, "components", "responses"))
	return checked
}

func TestOpenAPIDocumentHolds(t *testing.T) {
	k := newKit(t)
	k.addSample()
	doc := parsed(t, k.openAPI())
	checkDocument(t, doc, k.Routes())
	if n := checkExamples(t, sampleDocument(t)); n < 20 {
		t.Errorf("only %d examples were held against their schemas", n)
	}
}

// TestAnswersAreOfTheirSchema holds real answers against the document.
func TestAnswersAreOfTheirSchema(t *testing.T) {
	k := newKit(t)
	k.addSample()
	doc := parsed(t, k.openAPI())
	resolve := resolver(t, doc)
	for _, tt := range []struct{ method, target, path, body, status, media string }{
		{"GET", "/api/v1/things?q=x", "/api/v1/things", "", "200", "application/json"},
		{"GET", "/api/v1/things?q=none", "/api/v1/things", "", "200", "application/json"},
		{"GET", "/api/v1/things", "/api/v1/things", "", "400", "application/problem+json"},
		{"POST", "/api/v1/things/x", "/api/v1/things/{kind}", `{"name":"a"}`, "201", "application/json"},
		{"POST", "/api/v1/things/x", "/api/v1/things/{kind}", `{}`, "400", "application/problem+json"},
	} {
		w := k.ask(t, tt.method, tt.target, tt.body)
		described := at(doc, "paths", tt.path, strings.ToLower(tt.method), "responses", tt.status)
		if ref, ok := at(described, "$ref").(string); ok {
			described = at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		schema := at(described, "content", tt.media, "schema")
		if fmt.Sprint(w.Code) != tt.status || schema == nil {
			t.Errorf("%s %s: status %d, schema %v", tt.method, tt.target, w.Code, schema)
			continue
		}
		var answer any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if err := resolve(schema).Validate(answer); err != nil {
			t.Errorf("%s %s: %v", tt.method, tt.target, err)
		}
	}
	// The validator does refuse what does not belong.
	schema := resolve(at(doc, "paths", "/api/v1/things", "get", "responses", "200", "content", "application/json", "schema"))
	if schema.Validate(map[string]any{"success": true, "data": nil}) == nil {
		t.Error("anything passes")
	}
}

func TestTwoTypesOfOneNamePanic(t *testing.T) {
	type Server struct {
		X int `json:"x"`
	}
	k := newKit(t)
	op := Op{Method: "GET", Path: "/a", Scope: auth.AgentsRead, Summary: "A", Tag: "T"}
	Handle(k.API, op, idle[struct{}, Server])
	op.Path = "/b"
	Handle(k.API, op, idle[struct{}, api.Server])
	defer func() {
		if recover() == nil {
			t.Error("two types share one schema")
		}
	}()
	newDocument(k.routes, "")
}

// TestEveryRequestTypeCanBeRead: what package api calls a request is read by
// the strict reader, wherever it will be bound.
func TestEveryRequestTypeCanBeRead(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[api.CredentialsRequest](), reflect.TypeFor[api.ScopingPatch](), reflect.TypeFor[api.AgentRequest](), reflect.TypeFor[api.AgentPatch](),
		reflect.TypeFor[api.BindingRequest](), reflect.TypeFor[api.SkillPatch](), reflect.TypeFor[api.PublishRequest](), reflect.TypeFor[api.RollbackRequest](),
		reflect.TypeFor[api.ConversationRequest](), reflect.TypeFor[api.ToolCallRequest](),
	} {
		in := reflect.StructOf([]reflect.StructField{{Name: "Body", Type: typ}})
		if _, err := newInput(in, "/x"); err != nil {
			t.Errorf("%v: %v", typ, err)
		}
	}
}
