package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"flowyte/api"
	"flowyte/internal/fault"
)

// definition is the row of the table that an error ends with: its own for a
// fault, that of a bug for anything else.
func definition(err error) fault.Def {
	def, ok := fault.Lookup(fault.CodeOf(err))
	if !ok {
		def, _ = fault.Lookup(fault.Internal)
	}
	if errors.Is(err, context.Canceled) || errors.Is(fault.Cause(err), context.Canceled) {
		def.Level = slog.LevelInfo // the client has gone; nobody is to be woken
	}
	return def
}

// causeOf is what the log is told beyond the code.
func causeOf(err error) error {
	if _, ok := fault.As(err); ok {
		return fault.Cause(err)
	}
	return err
}

// problem renders an error and notes it for the log. Errors that are not
// faults are bugs: whoever asks is told one fixed sentence.
func (x *exchange) problem(err error) reply {
	x.err = err
	f, ok := fault.As(err)
	if !ok {
		f = fault.New(fault.Internal)
	}
	if f.Code == fault.NotFound {
		// What does not exist and what belongs to another organisation must
		// not differ in a byte, whatever else is known about it.
		f = fault.New(fault.NotFound)
	}
	def := definition(f)
	if f.Status != 0 {
		def.Status = f.Status
	}
	x.problemHeaders(f, def)
	return reply{status: def.Status, body: encode(newProblemDocument(f, def, x))}
}

func (x *exchange) problemHeaders(f *fault.Error, def fault.Def) {
	h := x.Header()
	wait := f.RetryAfter
	if wait <= 0 && (def.Status == 429 || def.Status == 503) {
		wait = time.Second
	}
	if wait > 0 {
		h.Set("Retry-After", seconds(wait))
	}
	if def.Status == 401 {
		h.Set("WWW-Authenticate", "Bearer")
	}
}

// problemDocument is api.Problem with the members that a use case adds already
// encoded.
type problemDocument struct {
	api.Problem
	Findings   json.RawMessage `json:"findings,omitempty"`
	Checks     json.RawMessage `json:"checks,omitempty"`
	Candidates json.RawMessage `json:"candidates,omitempty"`
	Current    json.RawMessage `json:"current,omitempty"`
}

func newProblemDocument(f *fault.Error, def fault.Def, x *exchange) problemDocument {
	d := problemDocument{Problem: api.Problem{
		Type: "/problems/" + string(def.Code), Title: def.Title, Status: def.Status, Detail: def.Detail,
		Instance: "/requests/" + x.id, Code: string(def.Code), RequestID: x.id, Errors: []api.ProblemField{},
		Fixes: append([]string{def.Fix}, f.Fixes...),
	}}
	if f.Detail != "" {
		d.Detail = f.Detail
	}
	for _, field := range f.Fields {
		d.Errors = append(d.Errors, api.ProblemField{Field: field.Field, Message: field.Message})
	}
	for key, value := range f.Extra {
		switch key {
		case "findings":
			d.Findings = encode(value)
		case "checks":
			d.Checks = encode(value)
		case "candidates":
			d.Candidates = encode(value)
		case "current":
			d.Current = encode(value)
		default:
			panic("httpapi: the OpenAPI document has no problem member " + key)
		}
	}
	return d
}
