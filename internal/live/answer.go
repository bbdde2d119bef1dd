package live

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"time"

	"flowyte/api"
	"flowyte/internal/fault"
)

// Outcome is how a call ended; the words are the wire's.
type Outcome = api.Outcome

// The outcomes that this package produces.
const (
	OK               = api.OutcomeOK
	NotFound         = api.OutcomeNotFound
	InvalidArguments = api.OutcomeInvalidArguments
	TimedOut         = api.OutcomeTimedOut
	Unavailable      = api.OutcomeUnavailable
	Refused          = api.OutcomeRefused
	Busy             = api.OutcomeBusy
	Failed           = api.OutcomeFailed
)

// Answer is what one call yields.
type Answer struct {
	ToolCallID string
	Tool       string
	Outcome    Outcome
	Reason     string
	Complaints []Complaint
	Result     []byte // JSON, nil for none
	Rows       int
	Latency    time.Duration
	DB         time.Duration
	Replayed   bool
	RetryAfter time.Duration
}

// execution tells whether the call ran to a result, which is what is recorded
// and replayed.
func (a *Answer) execution() bool { return a.Outcome == OK || a.Outcome == NotFound }

func (a *Answer) asReplay(id string) *Answer {
	again := *a
	again.ToolCallID = id
	again.Replayed = true
	return &again
}

// answerOf turns what the database's adapter reported into an outcome. expired
// is the call's context error: past the deadline nothing else matters.
func answerOf(err, expired error) *Answer {
	if expired == context.DeadlineExceeded {
		return &Answer{Outcome: TimedOut, Reason: "deadline"}
	}
	f, ok := fault.As(err)
	if !ok {
		return &Answer{Outcome: Failed, Reason: "internal"}
	}
	switch f.Code {
	case fault.DatabaseTimeout:
		return &Answer{Outcome: TimedOut, Reason: "deadline"}
	case fault.DatabaseBusy:
		return &Answer{Outcome: Busy, Reason: "pool", RetryAfter: retryAfter(f)}
	case fault.CredentialsRejected, fault.CredentialCorrupt:
		return &Answer{Outcome: Unavailable, Reason: "credentials_rejected"}
	case fault.IdentityChanged:
		return &Answer{Outcome: Unavailable, Reason: "reconnected_elsewhere"}
	case fault.ServerIdentity:
		return &Answer{Outcome: Unavailable, Reason: "server_identity_changed"}
	case fault.SchemaDrift:
		return &Answer{Outcome: Unavailable, Reason: "drifted"}
	case fault.PermissionDenied:
		return &Answer{Outcome: Unavailable, Reason: "permission_denied"}
	case fault.ProtocolError:
		return &Answer{Outcome: Unavailable, Reason: "protocol_error"}
	case fault.DatabaseError:
		return &Answer{Outcome: Failed, Reason: "database_error"}
	}
	// Everything else is about reaching the server.
	return &Answer{Outcome: Unavailable, Reason: "unreachable", RetryAfter: f.RetryAfter}
}

func retryAfter(f *fault.Error) time.Duration {
	if f.RetryAfter > 0 {
		return f.RetryAfter
	}
	return 250 * time.Millisecond
}

// say is one fixed sentence that an agent may speak.
func say(o Outcome, reason string) string {
	switch o {
	case OK:
		return ""
	case NotFound:
		return "I could not find anything under that."
	case InvalidArguments:
		return "I did not get that quite right. Could you tell me again?"
	case TimedOut:
		return "The system is taking too long to answer right now."
	case Busy:
		return "The system is busy at the moment. Let me try again shortly."
	case Refused:
		if reason == "too_many_lookups" {
			return "I have looked up as many records as I may in one conversation."
		}
		return "I am not able to do that."
	case Failed:
		return "That did not work, and nothing was changed."
	}
	return "I cannot reach that information at the moment."
}

// AppendJSON writes the answer as it goes over the wire (api.ToolCallAnswer).
func (a *Answer) AppendJSON(b []byte) []byte {
	b = append(b, `{"toolCallId":`...)
	b = appendString(b, a.ToolCallID, math.MaxInt)
	b = append(b, `,"tool":`...)
	b = appendString(b, a.Tool, math.MaxInt)
	b = append(b, `,"outcome":"`...)
	b = append(b, a.Outcome...)
	b = append(b, `","reason":`...)
	b = appendNullable(b, a.reason())
	b = append(b, `,"result":`...)
	if a.Result == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, a.Result...)
	}
	b = append(b, `,"say":`...)
	b = appendNullable(b, say(a.Outcome, a.Reason))
	b = append(b, `,"latencyMs":`...)
	b = strconv.AppendFloat(b, ms(a.Latency), 'f', -1, 64)
	b = append(b, `,"dbMs":`...)
	b = strconv.AppendFloat(b, ms(a.DB), 'f', -1, 64)
	b = append(b, `,"replayed":`...)
	b = strconv.AppendBool(b, a.Replayed)
	b = append(b, `,"retryAfterMs":`...)
	if a.RetryAfter > 0 {
		b = strconv.AppendInt(b, a.RetryAfter.Milliseconds(), 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"confirmation":null`...)
	if len(a.Complaints) > 0 {
		b = append(b, `,"errors":`...)
		b = append(b, a.complaintsJSON()...)
	}
	return append(b, '}')
}

// reason is the first complaint for invalid arguments, the code otherwise.
func (a *Answer) reason() string {
	if len(a.Complaints) > 0 {
		return a.Complaints[0].Param + ": " + a.Complaints[0].Wanted
	}
	return a.Reason
}

func (a *Answer) complaintsJSON() []byte {
	fields := make([]api.ProblemField, len(a.Complaints))
	for i, c := range a.Complaints {
		fields[i] = api.ProblemField{Field: c.Param, Message: c.Wanted}
	}
	b, err := json.Marshal(fields)
	if err != nil { // two strings a row
		panic("live: " + err.Error())
	}
	return b
}

func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendString(b, s, math.MaxInt)
}

// ms is a duration in milliseconds with three digits.
func ms(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Millisecond)*1000) / 1000
}
