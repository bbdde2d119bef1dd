package httpapi

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// parsePage parses a page and holds it to what every page of ours promises:
// it fetches nothing from elsewhere, has no script or style of its own, and
// its links within the page lead somewhere.
func parsePage(t *testing.T, w *httptest.ResponseRecorder) *html.Node {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("status %d, %v: %s", w.Code, w.Header(), w.Body)
	}
	if got := w.Header()["Content-Security-Policy"]; len(got) != 1 || !strings.HasPrefix(got[0], "default-src 'none'; style-src 'self'; script-src 'self';") {
		t.Errorf("policy %q", got)
	}
	root, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	ids, links := map[string]bool{}, []string{}
	for n := range root.Descendants() {
		if n.Data == "style" || n.Data == "script" && n.FirstChild != nil {
			t.Errorf("the page has an inline <%s>, which its policy forbids", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id":
				if ids[a.Val] {
					t.Errorf("the id %s is there twice", a.Val)
				}
				ids[a.Val] = true
			case strings.HasPrefix(a.Key, "on"), a.Key == "style":
				t.Errorf("attribute %s", a.Key)
			case (a.Key == "src" || a.Key == "href") && n.Data != "a" && !strings.HasPrefix(a.Val, "/docs/"):
				t.Errorf("<%s> fetches %s", n.Data, a.Val)
			case a.Key == "href" && strings.HasPrefix(a.Val, "#"):
				links = append(links, a.Val[1:])
			}
		}
	}
	for _, id := range links {
		if !ids[id] {
			t.Errorf("the link #%s leads nowhere", id)
		}
	}
	return root
}

func TestDocsPage(t *testing.T) {
	k := newKit(t)
	k.addSample()
	Handle(k.API, Op{Method: "PUT", Path: "/shown", Scope: auth.SkillsRead, Summary: `<script>alert("x")</script>`, Tag: "Other", Errors: []fault.Code{fault.ToolNameTaken},
		Example: []byte(`{"name":"</pre><b>"}`)}, idle[struct{ Body thing }, map[string]thing])
	k.streaming(nil)
	w := k.ask(t, "GET", "/docs", "", "Authorization", "")
	parsePage(t, w)
	page := w.Body.String()
	for _, op := range k.Routes() {
		if !strings.Contains(page, "<code>"+op.Path+"</code>") {
			t.Errorf("%s %s is not on the page", op.Method, op.Path)
		}
	}
	for _, scope := range auth.AllScopes() {
		if !strings.Contains(page, string(scope)) {
			t.Errorf("the scope %s is not on the page", scope)
		}
	}
	for _, def := range fault.All() {
		if !strings.Contains(page, `href="/problems/`+string(def.Code)+`"`) {
			t.Errorf("the error %s is not on the page", def.Code)
		}
	}
	for _, want := range []string{
		`&lt;script&gt;alert`, `&#34;name&#34;: &#34;\u003c/pre\u003e\u003cb\u003e&#34;`, `list of <a href="#type-Thing">Thing</a>`, `map of <a href="#type-Thing">Thing</a>`,
		`event: progress`, `Idempotency-Key`, `one of object, field`, `Body, optional`, `id="type-Problem"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for asset, media := range map[string]string{"/docs/docs.css": "text/css; charset=utf-8", "/docs/docs.js": "text/javascript; charset=utf-8"} {
		w := k.ask(t, "GET", asset, "", "Authorization", "")
		if w.Code != 200 || w.Header().Get("Content-Type") != media || w.Body.Len() < 100 || regexp.MustCompile(`https?://|url\(|@import`).MatchString(w.Body.String()) {
			t.Errorf("%s: %d %v", asset, w.Code, w.Header())
		}
	}
}

func TestProblemPages(t *testing.T) {
	k := newKit(t)
	for _, def := range fault.All() {
		w := k.ask(t, "GET", "/problems/"+string(def.Code), "", "Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Authorization", "")
		parsePage(t, w)
		for _, text := range []string{def.Title, def.Fix} {
			if !strings.Contains(html.UnescapeString(w.Body.String()), text) {
				t.Errorf("%s: the page lacks %q", def.Code, text)
			}
		}
		w = k.ask(t, "GET", "/problems/"+string(def.Code), "", "Authorization", "")
		var row problemPage
		if err := json.Unmarshal(w.Body.Bytes(), &row); err != nil || row != (problemPage{"/problems/" + string(def.Code), def.Code, def.Title, def.Status, def.Detail, def.Fix, def.Retryable}) {
			t.Errorf("%s: %v, %s", def.Code, err, w.Body)
		}
	}
	parsePage(t, k.ask(t, "GET", "/problems", "", "Accept", "text/html"))
	var all []problemPage
	w := k.ask(t, "GET", "/problems", "", "Accept", "application/json")
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || len(all) != len(fault.All()) {
		t.Errorf("%v: %d rows", err, len(all))
	}
	wantProblem(t, k.ask(t, "GET", "/problems/nothing", ""), fault.NotFound)
}

// TestPagesTellNothingOfTenants is A24: what needs no key is the same for all.
func TestPagesTellNothingOfTenants(t *testing.T) {
	k := newKit(t)
	k.addSample()
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json", "/docs", "/problems", "/problems/not_found"} {
		var bodies []string
		for _, key := range []string{"", "Bearer all", "Bearer other", "Bearer nobody"} {
			w := k.ask(t, "GET", path, "", "Authorization", key)
			if w.Code != 200 {
				t.Errorf("%s with %q: %d", path, key, w.Code)
			}
			bodies = append(bodies, w.Body.String())
			if strings.Contains(w.Body.String(), "org_a") {
				t.Errorf("%s names an organisation", path)
			}
		}
		for _, b := range bodies {
			if b != bodies[0] {
				t.Errorf("%s differs by key", path)
			}
		}
	}
}
