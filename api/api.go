// Package api holds the wire types of the service: what it reads and what it
// answers. It depends on the standard library alone, so that any client can
// import it. Fields are added, never renamed.
//
// In a request a field is required unless it has omitempty or is a pointer. A
// string may have 4 KiB and no control characters; the tags `max:"bytes"` and
// `text:"multiline"` (line breaks and tabs) say otherwise.
package api

import (
	"encoding/json"
	"time"
)

// Base is the path under which every versioned route lives.
const Base = "/api/v1"

// Response is a successful answer with one value.
type Response[T any] struct {
	Success bool `json:"success"`
	Data    T    `json:"data"`
}

// ListResponse is a successful answer with a page of values.
type ListResponse[T any] struct {
	Success    bool       `json:"success"`
	Data       []T        `json:"data"`
	Pagination Pagination `json:"pagination"`
}

// Pagination leads to the next page: pass NextCursor as `cursor`.
type Pagination struct {
	NextCursor *string `json:"nextCursor"`
	Limit      int     `json:"limit"`
}

// Problem is an error answer, application/problem+json (RFC 9457).
type Problem struct {
	Type      string         `json:"type"` // "/problems/<code>"
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Instance  string         `json:"instance"` // "/requests/<requestId>"
	Code      string         `json:"code"`
	RequestID string         `json:"requestId"`
	Errors    []ProblemField `json:"errors"`
	Fixes     []string       `json:"fixes"`
	Findings  []Finding      `json:"findings,omitempty"`
	Checks    []Check        `json:"checks,omitempty"`
	// Candidates come nearest to a goal that nothing fits.
	Candidates []Alternative `json:"candidates,omitempty"`
	// Current is the present state, where a conflict is about a stale one.
	Current json.RawMessage `json:"current,omitempty"`
}

// ProblemField says what is wrong with one field; never its value.
type ProblemField struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Finding is one thing that is wrong, or worth knowing, about a binding.
type Finding struct {
	Code       string   `json:"code"`
	Severity   string   `json:"severity"` // "error" or "warning"
	Path       string   `json:"path"`
	Message    string   `json:"message"`
	Fix        string   `json:"fix"`
	Candidates []string `json:"candidates"`
	// SkillID says which skill it is about, in reports over several.
	SkillID string `json:"skillId,omitempty"`
}

// Port is a TCP port. It is written as a string and read from a string or a
// whole number.
type Port string

// UnmarshalJSON accepts "5432" and 5432.
func (p *Port) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*p = Port(s)
		return nil
	}
	var n uint32
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*p = Port(b)
	return nil
}

// Wanted completes "must be" for a reader whose port was refused.
func (Port) Wanted() string { return "a port number, as a string or a whole number" }

// Timestamp formats are RFC 3339 in UTC.
type Timestamp = time.Time
