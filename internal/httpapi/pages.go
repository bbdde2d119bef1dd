package httpapi

import (
	"bytes"
	"embed"
	"html/template"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"flowyte/internal/fault"
)

// The pages for people: nothing in them is fetched from elsewhere.
//
//go:embed pages
var pageFiles embed.FS

var pageTemplates = template.Must(template.New("").Funcs(template.FuncMap{"lower": strings.ToLower}).ParseFS(pageFiles, "pages/*.html"))

// pagePolicy lets a page use what this server sends, and be framed by nobody.
var pagePolicy = []string{"default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}

// addPages registers what describes the API: the OpenAPI document, its
// readable form, and a page for each error code.
func (a *API) addPages() {
	a.describe = sync.OnceValue(func() *document { return newDocument(a.routes, a.Version) })
	a.openAPI = sync.OnceValue(func() []byte { return a.describe().encoded() })
	docs := sync.OnceValue(func() []byte { return render("docs.html", newDocsView(a.describe())) })
	a.addPage("GET /openapi.json", func(x *exchange, _ *http.Request) error {
		x.send(reply{status: http.StatusOK, body: a.openAPI()})
		return nil
	})
	a.addPage("GET /docs", func(x *exchange, _ *http.Request) error {
		x.sendPage("text/html; charset=utf-8", docs())
		return nil
	})
	for name, media := range map[string]string{"docs.css": "text/css; charset=utf-8", "docs.js": "text/javascript; charset=utf-8"} {
		content, err := pageFiles.ReadFile("pages/" + name)
		if err != nil {
			panic("httpapi: " + err.Error())
		}
		a.addPage("GET /docs/"+name, func(x *exchange, _ *http.Request) error {
			x.sendPage(media, content)
			return nil
		})
	}
	a.addPage("GET /problems", func(x *exchange, r *http.Request) error { return x.problems(r) })
	a.addPage("GET /problems/{code}", func(x *exchange, r *http.Request) error {
		def, known := fault.Lookup(fault.Code(r.PathValue("code")))
		if !known {
			return fault.New(fault.NotFound)
		}
		return x.problems(r, def)
	})
}

// render executes a page. Templates and their data are ours: failing is a bug.
func render(name string, view any) []byte {
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, name, view); err != nil {
		panic("httpapi: " + err.Error())
	}
	return b.Bytes()
}

func (x *exchange) sendPage(media string, content []byte) {
	h := x.Header()
	h["Content-Security-Policy"] = pagePolicy
	h.Set("Content-Type", media)
	x.WriteHeader(http.StatusOK)
	_, _ = x.Write(content) // a reader who has gone is no news
}

// problemPage is a row of the error table for a reader.
type problemPage struct {
	Type      string     `json:"type"`
	Code      fault.Code `json:"code"`
	Title     string     `json:"title"`
	Status    int        `json:"status"`
	Detail    string     `json:"detail"`
	Fix       string     `json:"fix"`
	Retryable bool       `json:"retryable"`
}

// problems answers with one row of the table, or with all of it, as a page or
// as JSON.
func (x *exchange) problems(r *http.Request, only ...fault.Def) error {
	defs := only
	if len(defs) == 0 {
		defs = fault.All()
	}
	rows := make([]problemPage, len(defs))
	for i, def := range defs {
		rows[i] = problemPage{"/problems/" + string(def.Code), def.Code, def.Title, def.Status, def.Detail, def.Fix, def.Retryable}
	}
	switch {
	case !prefersHTML(r) && len(only) == 1:
		x.send(reply{status: http.StatusOK, body: encode(rows[0])})
	case !prefersHTML(r):
		x.send(reply{status: http.StatusOK, body: encode(rows)})
	default:
		x.sendPage("text/html; charset=utf-8", render("problems.html", struct {
			All  bool
			Rows []problemPage
		}{len(only) == 0, rows}))
	}
	return nil
}

// prefersHTML tells a browser from a program: programs do not name text/html.
func prefersHTML(r *http.Request) bool {
	return slices.ContainsFunc(r.Header["Accept"], func(value string) bool {
		for accepted := range strings.SplitSeq(value, ",") {
			if media, _, err := mime.ParseMediaType(accepted); err == nil && media == "text/html" {
				return true
			}
		}
		return false
	})
}
