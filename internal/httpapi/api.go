package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/secret"
)

// Keys is where API keys are checked.
type Keys interface {
	// Authenticate finds the principal of a key, or fails with unauthorized.
	Authenticate(key string) (auth.Principal, error)
	// Active tells whether a key that was accepted before still is.
	Active(key id.Key) bool
}

// Options is what the API needs from the rest of the program.
type Options struct {
	Keys        Keys
	Idempotency Idempotency
	Ring        *secret.Keyring // hashes the bodies that Idempotency compares
	Log         *slog.Logger
	// Ready answers nil when the process can take work, or a fault.
	Ready func(context.Context) error
	// Overloaded tells that the process must shed what is asked of it; nil for
	// never. Pages are served all the same.
	Overloaded func() bool
	// Control and Live are what an organisation may ask of the control plane
	// and of the routes of a conversation, each apart.
	Control, Live Rate
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Meter gives the counter of a route's answers by status, once for each
	// pattern; "none" is for paths that no route has. nil counts nothing.
	Meter func(pattern string) func(status int)
	// Version of the program, for the readers of the OpenAPI document.
	Version string
}

// API is the table of routes and the handler that serves it. Routes are
// registered before it serves; after that it does not change.
type API struct {
	Options
	mux     *http.ServeMux
	routes  []*route
	limits  limits
	streams chan struct{} // one place for each open stream
	// countNone counts what no route took.
	countNone func(status int)
	// control and live are nil for no limit; epoch is where their time begins.
	control, live *limiter
	epoch         time.Time
	slow          slowLog

	// Made at the first request for them, when all routes are registered.
	describe func() *document
	openAPI  func() []byte
}

// limits bound what one client may hold on to. They are fields so that tests
// need not wait.
type limits struct {
	body        time.Duration // for a request's body to arrive
	write       time.Duration // for one event of a stream to leave
	keyCheck    time.Duration // between two looks at a stream's key
	keepAlive   time.Duration // between two signs of life on a stream
	headerBytes int           // of all headers together
}

var defaultLimits = limits{
	body:        10 * time.Second,
	write:       10 * time.Second,
	keyCheck:    2 * time.Second,
	keepAlive:   15 * time.Second,
	headerBytes: 16 << 10,
}

// maxStreams is how many streams may be open in the process.
const maxStreams = 256

// New makes an API that serves its own pages: health, the OpenAPI document and
// its readers. The use cases are registered with Handle and its siblings.
func New(o Options) *API {
	if o.Meter == nil {
		o.Meter = func(string) func(int) { return func(int) {} }
	}
	if o.Overloaded == nil {
		o.Overloaded = func() bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &API{
		Options: o, countNone: o.Meter(noRoute), mux: http.NewServeMux(), limits: defaultLimits, streams: make(chan struct{}, maxStreams),
		control: newLimiter(o.Control), live: newLimiter(o.Live), epoch: o.Now(),
	}
	a.mux.HandleFunc("/", a.unmatched)
	a.addHealth()
	a.addPages()
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newExchange(a, w, r)
	defer x.end()
	if r.ContentLength != 0 {
		// For as long as it is not read whole: net/http itself would wait for
		// the rest of a body for ever.
		x.setReadDeadline(time.Now().Add(a.limits.body))
	}
	switch {
	case headerSize(r.Header) > a.limits.headerBytes:
		x.fail(fault.New(fault.HeadersTooLarge))
	case !clean(r.URL.EscapedPath()):
		// The mux would redirect, and a redirect loses the body.
		x.fail(fault.New(fault.NotFound))
	default:
		a.mux.ServeHTTP(x, r)
	}
}

func headerSize(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// clean tells whether a path has no empty, "." or ".." segments.
func clean(path string) bool {
	rest, ok := strings.CutPrefix(path, "/")
	if rest == "" {
		return ok
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return ok
}

// unmatched answers what no route takes: 405 when the path exists for another
// method, else 404.
func (a *API) unmatched(w http.ResponseWriter, r *http.Request) {
	x := w.(*exchange)
	if allowed := a.methodsFor(r); len(allowed) > 0 {
		x.Header().Set("Allow", strings.Join(allowed, ", "))
		x.fail(fault.New(fault.MethodNotAllowed))
		return
	}
	x.fail(fault.New(fault.NotFound))
}

func (a *API) methodsFor(r *http.Request) []string {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := *r
		probe.Method = method
		if _, pattern := a.mux.Handler(&probe); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	return allowed
}

// principal is who asks, by the one Authorization header.
func (a *API) principal(r *http.Request) (auth.Principal, error) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return auth.Principal{}, fault.New(fault.Unauthorized)
	}
	scheme, key, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return auth.Principal{}, fault.New(fault.Unauthorized)
	}
	return a.Keys.Authenticate(key)
}
