// Package fault holds the one table of error codes that this service may show
// to anybody, and the error type that carries a code through the program.
//
// A fault never carries a submitted value, SQL, a host, an address, a user
// name or driver text: its wording comes from the table, and the few words a
// caller of New may add are fixed phrases and names of fields or catalogue
// objects that the reader is allowed to see. The cause is kept for the log and
// cannot be reached by the transports.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code names one kind of failure. Codes are part of the wire contract: they
// are added, never renamed.
type Code string

// Field says what is wrong with one part of a request. Message never repeats
// the submitted value.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a failure that the reader may be told about.
type Error struct {
	Code   Code
	Detail string  // one sentence; the table's detail when empty
	Fields []Field // for form and meaning errors
	Fixes  []string

	// RetryAfter is sent as Retry-After when it is positive.
	RetryAfter time.Duration
	// Extra is an additional member of the problem document, such as the
	// findings of a rejected binding. Its key must be in the OpenAPI document.
	Extra map[string]any

	// Status replaces the table's HTTP status where the contract gives a code
	// another one on one route; 0 means the table's.
	Status int

	cause error
}

// New makes a fault with the wording of the table.
func New(code Code) *Error {
	if _, ok := table[code]; !ok {
		panic("fault: code missing from the table: " + string(code))
	}
	return &Error{Code: code}
}

// Wrap makes a fault and keeps cause for the log. The cause is never shown.
func Wrap(code Code, cause error) *Error {
	e := New(code)
	e.cause = cause
	return e
}

// WithDetail replaces the table's sentence. The text must be a fixed phrase.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// WithField adds what is wrong with one field.
func (e *Error) WithField(field, format string, args ...any) *Error {
	e.Fields = append(e.Fields, Field{Field: field, Message: fmt.Sprintf(format, args...)})
	return e
}

// WithFix adds an instruction to those of the table.
func (e *Error) WithFix(format string, args ...any) *Error {
	e.Fixes = append(e.Fixes, fmt.Sprintf(format, args...))
	return e
}

// WithExtra adds a member to the problem document.
func (e *Error) WithExtra(key string, value any) *Error {
	if e.Extra == nil {
		e.Extra = map[string]any{}
	}
	e.Extra[key] = value
	return e
}

// WithStatus answers with another HTTP status than the table's.
func (e *Error) WithStatus(status int) *Error {
	e.Status = status
	return e
}

// WithRetryAfter says when to come back.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	e.RetryAfter = d
	return e
}

// Error is for logs and tests: the code only, so that wrapping a fault in
// another error cannot leak more than the code.
func (e *Error) Error() string { return string(e.Code) }

// Is makes errors.Is(err, fault.New(code)) compare codes.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Cause is what the log may record; transports have no business with it.
func Cause(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e.cause
	}
	return nil
}

// As finds the fault in err's chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// CodeOf is the code of the fault in err's chain, or "" when there is none.
func CodeOf(err error) Code {
	if e, ok := As(err); ok {
		return e.Code
	}
	return ""
}

// Is reports whether err is a fault with this code.
func Is(err error, code Code) bool { return CodeOf(err) == code }
