package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/wire"
)

// Op describes a route: what the table, the OpenAPI document and the tests
// that try every route know of it.
type Op struct {
	Method string
	Path   string // below api.Base, such as /integrations/{kind}/connect
	Scope  auth.Scope

	Summary     string // a few words
	Description string // what a reader must know beyond the types
	Tag         string // the group in the documentation
	Status      int    // of success; 200 when zero
	// Errors are the codes of the use case. Those of the machinery (form, key,
	// scope, size, our own state) are added.
	Errors []fault.Code

	// Example is a body that the documentation shows. It must be one that the
	// route would read.
	Example json.RawMessage

	// NoIdempotencyKey is for a POST that changes nothing. Other POSTs outside
	// of conversations take an Idempotency-Key.
	NoIdempotencyKey bool
	// SecretAnswer is for an answer that is shown once and stored nowhere; its
	// replay is 409 secret_already_shown.
	SecretAnswer bool
	// Quiet routes are logged at debug level when they succeed: a line for
	// each live call costs more than it tells.
	Quiet bool
}

// route is an Op in the table.
type route struct {
	Op
	full string // method and whole path, as the log and the mux know it
	// idempotent tells that the route takes an Idempotency-Key.
	idempotent bool
	page       bool // of the API itself, served without a key
	live       bool // part of a conversation
	input      *input
	in, out    reflect.Type
	event      reflect.Type // of a stream's progress, or nil
	run        func(x *exchange, r *http.Request) error
	count      func(status int)
}

// Page is one page of a list. NextCursor is what the use case needs to go on
// behind it, and empty on the last page; on the wire it is opaque.
type Page[T any] struct {
	Items      []T
	NextCursor string
}

func (p Page[T]) envelope(limit int) any {
	answer := api.ListResponse[T]{Success: true, Data: p.Items, Pagination: api.Pagination{Limit: limit}}
	if answer.Data == nil {
		answer.Data = []T{}
	}
	if p.NextCursor != "" {
		cursor := cursorEncoding.EncodeToString([]byte(p.NextCursor))
		answer.Pagination.NextCursor = &cursor
	}
	return answer
}

func (Page[T]) item() reflect.Type { return reflect.TypeFor[T]() }

// pageOf cuts a page out of a list that is short enough to be read whole. The
// order is that of the keys, which also lead to the next page.
func pageOf[T any](in Paging, list []T, key func(T) string) Page[T] {
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(key(a), key(b)) })
	list = slices.DeleteFunc(list, func(v T) bool { return in.Cursor != "" && key(v) <= in.Cursor })
	if len(list) <= in.Limit {
		return Page[T]{Items: list}
	}
	list = list[:in.Limit]
	return Page[T]{Items: list, NextCursor: key(list[len(list)-1])}
}

// anyPage is any Page.
type anyPage interface {
	envelope(limit int) any
	item() reflect.Type
}

// Paging is embedded in the input of a route that answers a Page.
type Paging struct {
	// Cursor is the NextCursor of the page before.
	Cursor string `query:"cursor" opaque:"true" doc:"Where the page begins: nextCursor of the page before."`
	Limit  int    `query:"limit" default:"50" min:"1" max:"200" doc:"How many values a page has."`
}

// cursorEncoding is of texts that are opaque on the wire.
var cursorEncoding = base64.RawURLEncoding.Strict()

func (p Paging) pageLimit() int { return p.Limit }

// envelope is a value as it is answered.
func envelope(in, out any) any {
	p, ok := out.(anyPage)
	if !ok {
		return api.Response[any]{Success: true, Data: out}
	}
	return p.envelope(in.(interface{ pageLimit() int }).pageLimit())
}

// Handle registers a route that answers with one value, or with a Page.
//
// In is a struct. Its fields are tagged path:"name", query:"name" or
// header:"Name", and a field named Body is the JSON body: a value is required,
// a pointer is nil when nothing was sent. Strings, and in queries also ints,
// bools and comma lists, are understood; required:"true", default, min, max,
// enum and doc tags say more. What cannot be served is a panic: it would be
// found at the first start.
func Handle[In, Out any](a *API, op Op, fn func(ctx context.Context, p auth.Principal, in *In) (Out, error)) {
	rt := newRoute[In, Out](op)
	rt.run = func(x *exchange, r *http.Request) error {
		in := new(In)
		body, err := rt.input.read(x, r, reflect.ValueOf(in).Elem())
		if err != nil {
			return err
		}
		x.send(x.once(r, body, func() reply {
			out, err := fn(r.Context(), x.principal, in)
			return x.outcome(in, out, err)
		}))
		return nil
	}
	a.add(rt)
}

// RawHandler serves a route that reads and writes its own bytes. The key and
// the scope have been checked; an error that it returns before it has written
// anything becomes the answer.
type RawHandler func(w http.ResponseWriter, r *http.Request, p auth.Principal) error

// HandleRaw registers a RawHandler. In and Out describe it as they would for
// Handle; ReadBody keeps its body to the rules of the others.
func HandleRaw[In, Out any](a *API, op Op, h RawHandler) {
	rt := newRoute[In, Out](op)
	rt.idempotent = false // the live calls have ids of their own
	rt.run = func(x *exchange, r *http.Request) error { return h(x, r, x.principal) }
	a.add(rt)
}

func newRoute[In, Out any](op Op) *route {
	if op.Status == 0 {
		op.Status = http.StatusOK
	}
	op.Path = api.Base + op.Path
	rt := &route{Op: op, live: op.Scope == auth.ConversationsWrite, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	rt.idempotent = op.Method == http.MethodPost && !op.NoIdempotencyKey && !slices.Contains(strings.Split(op.Path, "/"), "conversations")
	var err error
	if rt.input, err = newInput(rt.in, op.Path); err != nil {
		panic(fmt.Sprintf("httpapi: %s %s: %v", op.Method, op.Path, err))
	}
	if op.Example != nil {
		if err := wire.Decode(op.Example, reflect.New(rt.input.body.typ).Interface()); err != nil {
			panic(fmt.Sprintf("httpapi: %s %s: the example: %v", op.Method, op.Path, err))
		}
	}
	if _, list := reflect.Zero(rt.out).Interface().(anyPage); list {
		if _, paged := reflect.Zero(rt.in).Interface().(interface{ pageLimit() int }); !paged {
			panic("httpapi: " + op.Method + " " + op.Path + " answers a Page but its input has no Paging")
		}
	}
	return rt
}

// add puts a route into the table. Every route there needs a key.
func (a *API) add(rt *route) {
	rt.full = rt.Method + " " + rt.Path
	if !slices.Contains(auth.AllScopes(), rt.Scope) {
		panic("httpapi: " + rt.full + " has no scope")
	}
	a.routes = append(a.routes, rt)
	a.serve(rt)
}

// addPage serves a page of the API itself, which anyone may read.
func (a *API) addPage(pattern string, run func(x *exchange, r *http.Request) error) {
	a.serve(&route{full: pattern, Op: Op{Quiet: true}, page: true, run: run})
}

func (a *API) serve(rt *route) {
	rt.count = a.Meter(rt.full)
	a.mux.HandleFunc(rt.full, func(w http.ResponseWriter, r *http.Request) {
		x := w.(*exchange)
		x.route = rt
		if err := x.enter(r); err != nil {
			x.fail(err)
			return
		}
		if err := rt.run(x, r); err != nil && x.status == 0 {
			x.fail(err)
		} else if err != nil {
			x.err = err
		}
	})
}

// enter is the door of every route: the key, its organisation's limit and its
// scope, before anything of the request is read.
func (x *exchange) enter(r *http.Request) error {
	if x.route.page {
		return nil
	}
	if x.api.Overloaded() { // before anything is read
		return fault.New(fault.Overloaded)
	}
	p, err := x.api.principal(r)
	if err != nil {
		return err
	}
	x.principal = p
	if err := x.admit(); err != nil {
		return err
	}
	return auth.Authorize(p, x.route.Scope)
}

// Routes lists the table, with whole paths, in the order of registration.
func (a *API) Routes() []Op {
	ops := make([]Op, len(a.routes))
	for i, rt := range a.routes {
		ops[i] = rt.Op
	}
	return ops
}
