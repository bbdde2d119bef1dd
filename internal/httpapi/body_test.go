package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// TestBodies is A10 and A12: what is not one strict JSON document of the
// route's form is 400 and says where.
func TestBodies(t *testing.T) {
	k := newKit(t)
	k.addSample()
	for body, want := range map[string]fault.Code{
		`{"name":"a"} `:                            "",
		`{"name":"a"}x`:                            fault.InvalidJSON,
		"\xef\xbb\xbf{\"name\":\"a\"}":             fault.InvalidJSON,
		"{\x00\"\x00":                              fault.InvalidJSON,
		`{"name":"a"/**/}`:                         fault.InvalidJSON,
		`{"name":"a","count":NaN}`:                 fault.InvalidJSON,
		`{"name":"a","name":"b"}`:                  fault.InvalidJSON,
		strings.Repeat("[", 100_000):               fault.InvalidJSON,
		`{"NAME":"a"}`:                             fault.InvalidRequest,
		`{"name":"a","id":"x"}`:                    fault.InvalidRequest,
		`{"name":"a","sql":"select"}`:              fault.InvalidRequest,
		`{"name":null}`:                            fault.InvalidRequest,
		`{"name":"a\u0000"}`:                       fault.InvalidRequest,
		`{"name":"a","count":1.5}`:                 fault.InvalidRequest,
		`{}`:                                       fault.InvalidRequest,
		`null`:                                     fault.InvalidRequest,
		`{"name":"` + big(5000) + `"}`:             fault.InvalidRequest,
		`{"name":"a","text":"` + big(65536) + `"}`: "",
	} {
		w := k.ask(t, "POST", "/api/v1/things/x", body)
		if want == "" {
			data(t, w, 201)
			continue
		}
		if p := wantProblem(t, w, want); len(p.Errors) == 0 || p.Errors[0].Field == "" {
			t.Errorf("%.40q: no field is named: %+v", body, p)
		}
	}
	wantProblem(t, k.ask(t, "POST", "/api/v1/things/x", ""), fault.InvalidJSON) // a body is required
	wantProblem(t, k.ask(t, "POST", "/api/v1/things/x/refresh", `{"force":true}`), fault.InvalidRequest)
	wantProblem(t, k.ask(t, "GET", "/api/v1/things?q=x", `[]`), fault.InvalidRequest)
}

func big(n int) string { return strings.Repeat("x", n) }

func TestMediaTypes(t *testing.T) {
	k := newKit(t)
	k.addSample()
	for media, ok := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "Application/JSON;charset=\"UTF-8\"": true,
		"": false, "text/plain": false, "application/x-www-form-urlencoded": false, "application/json; charset=utf-16": false,
		"application/json; profile=x": false, "application/json; charset=utf-8; x=y": false, "application/jsonx": false, "application/json, text/plain": false, ";": false, "application/problem+json": false,
	} {
		w := k.ask(t, "POST", "/api/v1/things/x", `{"name":"a"}`, "Content-Type", media)
		if ok {
			data(t, w, 201)
		} else {
			wantProblem(t, w, fault.UnsupportedMediaType)
		}
	}
	for _, encoding := range []string{"gzip", "identity", "br, gzip", "x"} {
		wantProblem(t, k.ask(t, "POST", "/api/v1/things/x", `{"name":"a"}`, "Content-Encoding", encoding), fault.UnsupportedMediaType)
	}
	r := httptest.NewRequest("POST", "/api/v1/things/x", strings.NewReader(`{"name":"a"}`))
	r.Header = http.Header{"Authorization": {"Bearer all"}, "Content-Type": {"application/json", "application/json"}}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, r)
	wantProblem(t, w, fault.UnsupportedMediaType)
}

// raw speaks HTTP by hand and returns the answer, or nil when the server
// closed without one.
func raw(t *testing.T, addr, head string, body func(w io.Writer)) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, head)
	if body != nil {
		go body(conn)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	return resp
}

const jsonHead = "POST /api/v1/things/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\nContent-Type: application/json\r\n"

// TestBodyLimits is A13 over a real connection.
func TestBodyLimits(t *testing.T) {
	k := newKit(t)
	k.addSample()
	k.limits.body = time.Second
	server := httptest.NewServer(k)
	defer server.Close()
	addr := server.Listener.Addr().String()

	chunks := func(total int) func(io.Writer) {
		return func(w io.Writer) {
			chunk := strings.Repeat(" ", 4096)
			for sent := 0; sent < total; sent += len(chunk) {
				if _, err := fmt.Fprintf(w, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, "0\r\n\r\n")
		}
	}
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	write := func(text string) func(io.Writer) {
		return func(w io.Writer) { _, _ = io.WriteString(w, text) }
	}
	tests := map[string]struct {
		head   string
		body   func(io.Writer)
		status int
	}{
		"at the limit":     {fmt.Sprintf("Content-Length: %d\r\n\r\n", MaxBody), write(`{"name":"a"}` + strings.Repeat(" ", MaxBody-12)), 201},
		"one over":         {fmt.Sprintf("Content-Length: %d\r\n\r\n", MaxBody+1), write(strings.Repeat(" ", MaxBody+1)), 413},
		"a gigabyte said":  {"Content-Length: 1073741824\r\n\r\n", nil, 413},
		"endless chunks":   {"Transfer-Encoding: chunked\r\n\r\n", chunks(1 << 40), 413},
		"chunks in limits": {"Transfer-Encoding: chunked\r\n\r\n", chunks(8192), 400}, // read, and then no JSON
		"short of its length": {"Content-Length: 100\r\n\r\n", func(w io.Writer) {
			_, _ = io.WriteString(w, `{"name":"a"}`)
			_ = w.(*net.TCPConn).CloseWrite()
		}, 400},
		"never complete":     {"Content-Length: 100\r\n\r\n", write(`{"name":`), 408},
		"never complete, 2":  {"Transfer-Encoding: chunked\r\n\r\n", write("5\r\n{\"na"), 408},
		"broken chunk":       {"Transfer-Encoding: chunked\r\n\r\n", write("zz\r\n"), 400},
		"gzip bomb":          {fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len()), write(bomb.String()), 415},
		"unread, never sent": {"X: y\r\nContent-Encoding: gzip\r\nContent-Length: 200000\r\n\r\n", nil, 415},
	}
	for name, tt := range tests {
		resp := raw(t, addr, jsonHead+tt.head, tt.body)
		if resp == nil || resp.StatusCode != tt.status {
			t.Errorf("%s: answer %+v, want %d", name, resp, tt.status)
			continue
		}
		if tt.status >= 400 && resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: Content-Type %q", name, resp.Header.Get("Content-Type"))
		}
	}
}

// TestHostileBodiesUseLittleMemory holds the worst accepted shapes to a bound.
func TestHostileBodiesUseLittleMemory(t *testing.T) {
	k := newKit(t)
	k.addSample()
	Handle(k.API, Op{Method: "POST", Path: "/bind", Scope: auth.SkillsWrite, NoIdempotencyKey: true},
		idle[struct{ Body api.ScopingPatch }, string])
	manyNames := func() string {
		var b strings.Builder
		b.WriteString(`{"blockedColumns":{`)
		for i := 0; b.Len() < MaxBody-40; i++ {
			fmt.Fprintf(&b, `"%d":0,`, i)
		}
		return b.String() + `"x":0}}`
	}()
	for name, body := range map[string]string{
		"unknown fields": `{"a":[` + strings.Repeat("{},", MaxBody/3-20) + `{}]}`, "many names": manyNames,
		"chunk of zeros": `{"blockedTables":[` + strings.Repeat("0,", MaxBody/2-20) + `0]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		k.ask(t, "POST", "/api/v1/bind", body)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 12<<20 {
			t.Errorf("%s: %d KiB allocated for a body of %d KiB", name, used>>10, len(body)>>10)
		}
	}
}

func TestHeadersTooLarge(t *testing.T) {
	k := newKit(t)
	k.addSample()
	wantProblem(t, k.ask(t, "POST", "/api/v1/things/x/refresh", "", "X-Big", big(17<<10)), fault.HeadersTooLarge)
	data(t, k.ask(t, "POST", "/api/v1/things/x/refresh", "", "X-Big", big(15<<10)), 200)
}

// TestReadBodyForRawRoutes: a raw route's body follows the same rules.
func TestReadBodyForRawRoutes(t *testing.T) {
	k := newKit(t)
	HandleRaw[struct{ Body api.ToolCallRequest }, api.ToolCallAnswer](k.API, Op{Method: "POST", Path: "/raw", Scope: auth.ConversationsWrite},
		func(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
			body, err := ReadBody(w, r, make([]byte, 0, 512))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "%s %s", p.OrgID, body)
			return err
		})
	if w := k.ask(t, "POST", "/api/v1/raw", `{"x":1}`); w.Body.String() != `org_a {"x":1}` {
		t.Errorf("got %s", w.Body)
	}
	wantProblem(t, k.ask(t, "POST", "/api/v1/raw", `{}`, "Content-Type", "text/plain"), fault.UnsupportedMediaType)
	wantProblem(t, k.ask(t, "POST", "/api/v1/raw", `{"x":"`+big(MaxBody)+`"}`), fault.BodyTooLarge)
	wantProblem(t, k.ask(t, "POST", "/api/v1/raw", `{}`, "Authorization", "Bearer read"), fault.MissingScope)
	if w := k.ask(t, "POST", "/api/v1/raw", `{}`, "Idempotency-Key", "k"); w.Code != 200 || len(k.idem.entries) != 0 {
		t.Errorf("a raw route took an Idempotency-Key: %d", w.Code)
	}
}

// FuzzHandle sends any bytes as path, query and body: every answer is one of
// the two forms.
func FuzzHandle(f *testing.F) {
	k := &kit{keys: newKeys(), logs: &logBuffer{}, idem: &memoryIdempotency{entries: map[string]*entry{}}}
	k.API = New(Options{Keys: k.keys, Idempotency: k.idem, Log: discard, Ready: func(context.Context) error { return nil }})
	k.addSample()
	f.Add("/api/v1/things/x", "", []byte(`{"name":"a"}`))
	f.Add("/api/v1/things", "q=a&limit=3&cursor=YQ", []byte(nil))
	f.Fuzz(func(t *testing.T, path, query string, body []byte) {
		for _, method := range []string{"GET", "POST", "PATCH"} {
			r := httptest.NewRequest(method, "/", bytes.NewReader(body))
			r.URL.Path, r.URL.RawQuery = path, query
			r.Header.Set("Authorization", "Bearer all")
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			k.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Fatalf("%s %q ? %q %q: %d %s", method, path, query, body, w.Code, w.Body)
			}
			if w.Code >= 400 {
				wantProblem(t, w, fault.Code(code(w.Body.Bytes())))
			}
		}
	})
}
