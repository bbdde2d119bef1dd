package httpapi

import (
	"bytes"
	"errors"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"flowyte/internal/fault"
)

// MaxBody is how many bytes a body may have.
const MaxBody = 256 << 10

// ReadBody reads the whole body of a raw route's request, by the rules that
// hold for every body: JSON by its media type, not compressed, at most MaxBody
// bytes, and in time. It appends to buf, which may be nil.
func ReadBody(w http.ResponseWriter, r *http.Request, buf []byte) ([]byte, error) {
	return w.(*exchange).readBody(r, buf)
}

// longestQuiet is more than a live call takes once its body is in.
const longestQuiet = 5 * time.Second

// bodyIsIn lifts the bound on reading, past which the connection would count as
// broken off. A live call is over long before, when its body came in time: for
// that one a change of a timer is saved.
func (x *exchange) bodyIsIn() {
	left := x.api.limits.body - x.api.Now().Sub(x.started)
	if x.route.Quiet && left > longestQuiet {
		return
	}
	x.setReadDeadline(time.Time{})
}

// readBody is ReadBody. No body at all is no error here: whether one is needed
// the route knows.
func (x *exchange) readBody(r *http.Request, buf []byte) ([]byte, error) {
	if r.ContentLength == 0 {
		return buf, nil
	}
	if len(r.Header["Content-Encoding"]) > 0 {
		return nil, fault.New(fault.UnsupportedMediaType)
	}
	typed := len(r.Header["Content-Type"]) > 0
	if typed && !isJSON(r.Header["Content-Type"]) {
		return nil, fault.New(fault.UnsupportedMediaType)
	}
	if r.ContentLength > MaxBody {
		return nil, fault.New(fault.BodyTooLarge)
	}
	b := bytes.NewBuffer(buf)
	body := r.Body
	if r.ContentLength > 0 {
		// A declared length is a claim: beyond what most bodies have, memory is
		// given for bytes that came. ReadFrom grows unless MinRead bytes are free.
		b.Grow(int(min(r.ContentLength, 16<<10)) + bytes.MinRead)
	} else { // net/http itself holds a body to a length that was declared
		body = http.MaxBytesReader(x.ResponseWriter, body, MaxBody)
	}
	if _, err := b.ReadFrom(body); err != nil {
		return nil, bodyFault(err)
	}
	x.bodyIsIn()
	if !typed && b.Len() > len(buf) {
		return nil, fault.New(fault.UnsupportedMediaType)
	}
	return b.Bytes(), nil
}

// bodyFault says why a body could not be read to its end.
func bodyFault(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return fault.New(fault.BodyTooLarge)
	}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		return fault.Wrap(fault.RequestTimeout, err)
	}
	return fault.Wrap(fault.InvalidJSON, err).WithDetail("The body is not complete, or not framed as its headers say.")
}

// isJSON tells whether a Content-Type is JSON, which is UTF-8 by definition.
func isJSON(values []string) bool {
	if len(values) != 1 {
		return false
	}
	if values[0] == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(values[0])
	if err != nil || media != "application/json" {
		return false
	}
	charset, ok := params["charset"]
	return len(params) == 0 || ok && len(params) == 1 && strings.EqualFold(charset, "utf-8")
}
