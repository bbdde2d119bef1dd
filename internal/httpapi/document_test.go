package httpapi

import "testing"

// TestOpenAPIDocumentIsUpToDate holds api/openapi.json to the routes that the
// program serves.
func TestOpenAPIDocumentIsUpToDate(t *testing.T) {
	k := newKit(t)
	Register(k.API, nil, nil)
	golden(t, "../../api/openapi.json", k.openAPI())
	doc := parsed(t, k.openAPI())
	checkDocument(t, doc, k.Routes())
	if n := checkExamples(t, doc); n < len(k.Routes()) {
		t.Errorf("only %d examples were held against their schemas", n)
	}
	parsePage(t, k.ask(t, "GET", "/docs", ""))
}
