package httpapi

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
)

// exchange is one request: the ResponseWriter its handler writes to, and what
// will be logged of it.
type exchange struct {
	http.ResponseWriter
	api       *API
	req       *http.Request
	id        string
	idHeader  [1]string // id, as a header's values
	started   time.Time
	route     *route // nil when none matched
	principal auth.Principal
	status    int // 0 until the header is written
	err       error
	stack     []byte
}

// Header values that never change are shared: a slice for each response would
// be the only thing they allocate.
var (
	noStore    = []string{"no-store"}
	noSniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	// noContent lets a browser that is shown an answer do nothing with it.
	noContent   = []string{"default-src 'none'; frame-ancestors 'none'"}
	jsonType    = []string{"application/json"}
	problemType = []string{"application/problem+json"}
)

func newExchange(a *API, w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, api: a, req: r, id: newRequestID(), started: a.Now()}
	h := w.Header()
	x.idHeader[0] = x.id
	h["X-Request-Id"] = x.idHeader[:]
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = noContent
	return x
}

// newRequestID is random, never the caller's: it stands in our log.
func newRequestID() string {
	var random [15]byte
	if _, err := rand.Read(random[:]); err != nil { // crypto/rand ends the process first
		panic("httpapi: " + err.Error())
	}
	const prefix = "req_"
	var text [len(prefix) + 24]byte
	copy(text[:], prefix)
	base32.HexEncoding.Encode(text[len(prefix):], random[:])
	return string(text[:])
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// WriteHeader notes the status for the log.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write is an answer's bytes.
func (x *exchange) Write(b []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(b)
}

// setReadDeadline bounds reading of the body; the zero time lifts the bound. A
// server without deadlines, as in tests, has nothing to set.
func (x *exchange) setReadDeadline(t time.Time) {
	_ = http.NewResponseController(x.ResponseWriter).SetReadDeadline(t)
}

// reply is an answer before it is sent.
type reply struct {
	status int
	body   []byte
}

// fail ends the request with an error.
func (x *exchange) fail(err error) {
	x.send(x.problem(err))
}

// send writes an answer. Its media type follows from its status.
func (x *exchange) send(r reply) {
	h := x.Header()
	if r.status >= 400 {
		h["Content-Type"] = problemType
	} else {
		h["Content-Type"] = jsonType
	}
	x.WriteHeader(r.status)
	_, _ = x.Write(r.body) // a client that has gone is no news
}

// encode is a value as it is sent. Values are ours, so that failing is a bug.
func encode(value any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the statements that answers show have < and > in them
	if err := enc.Encode(value); err != nil {
		panic("httpapi: encoding an answer: " + err.Error())
	}
	return b.Bytes()
}

// end answers a panic, if that is still possible, and logs the request. It is
// deferred directly by ServeHTTP, so that recover works.
func (x *exchange) end() {
	panicked := recover()
	abort := panicked == http.ErrAbortHandler
	if panicked != nil && !abort {
		x.stack = debug.Stack()
		if abort = x.status != 0; abort { // half an answer must not look like a whole one
			x.err = panicError{panicked}
		} else {
			x.fail(panicError{panicked})
		}
	}
	x.count()
	x.log()
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// panicError is a bug that ended a handler.
type panicError struct{ value any }

func (p panicError) Error() string { return fmt.Sprintf("panic: %v", p.value) }

// Unwrap lets the log judge an error that was thrown like one that was returned.
func (p panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// log writes the one line of a request. It names the route, not the path, and
// nothing of query, headers and body: those are the sender's secrets.
func (x *exchange) log() {
	level := slog.LevelInfo
	if x.route != nil && x.route.Quiet {
		level = slog.LevelDebug
	}
	code := fault.Code("")
	if x.err != nil {
		def := definition(x.err)
		level, code = def.Level, def.Code
	}
	ctx := x.req.Context()
	if !x.api.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("request", x.id),
		slog.String("method", method(x.req.Method)),
		slog.String("route", x.routeName()),
		slog.Int("status", x.status),
		slog.Float64("durationMs", ms(x.api.Now().Sub(x.started))))
	if x.principal.KeyID != "" {
		attrs = append(attrs, slog.String("org", string(x.principal.OrgID)), slog.String("key", string(x.principal.KeyID)))
	}
	if x.err != nil {
		attrs = append(attrs, slog.String("code", string(code)))
		if cause := causeOf(x.err); cause != nil {
			attrs = append(attrs, slog.Any("cause", cause))
		}
	}
	if x.stack != nil {
		attrs = append(attrs, slog.String("stack", string(x.stack)))
	}
	x.api.Log.LogAttrs(ctx, level, "request", attrs...)
}

func (x *exchange) count() {
	if x.route == nil {
		x.api.countNone(x.status)
		return
	}
	x.route.count(x.status)
}

// noRoute stands for what no route took, in the log and in the metrics.
const noRoute = "none"

func (x *exchange) routeName() string {
	if x.route == nil {
		return noRoute
	}
	return x.route.full
}

// method is the request's method where it is one of HTTP's: anything else is
// the sender's own text.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
