package live

import (
	"context"
	"strconv"
	"time"

	"flowyte/api"
	"flowyte/internal/fault"
)

// Outcome is how a call ended; the words are the wire's.
type Outcome = api.Outcome

// The outcomes that this package produces.
const (
	OK                   = api.OutcomeOK
	NotFound             = api.OutcomeNotFound
	InvalidArguments     = api.OutcomeInvalidArguments
	VerificationRequired = api.OutcomeVerificationRequired
	ConfirmationRequired = api.OutcomeConfirmationRequired
	TimedOut             = api.OutcomeTimedOut
	Unavailable          = api.OutcomeUnavailable
	Refused              = api.OutcomeRefused
	Busy                 = api.OutcomeBusy
	Failed               = api.OutcomeFailed
	Conflict             = api.OutcomeConflict
	Unknown              = api.OutcomeUnknown
	Pending              = api.OutcomePending
)

// Answer is what one call yields. It is shared with replays: treat it as
// immutable.
type Answer struct {
	ToolCallID   string
	Tool         string
	Outcome      Outcome
	Reason       string
	Complaints   []Complaint // of invalid_arguments
	Result       []byte      // JSON, nil for none
	Rows         int
	Latency      time.Duration
	Wait         time.Duration // for a session
	DB           time.Duration
	Replayed     bool
	RetryAfter   time.Duration
	Confirmation *Confirmation
	// Err is what stands behind an outcome that is somebody's trouble, for the
	// log. It is never sent.
	Err error
}

// execution tells whether the call ran to a result, which is what is recorded
// and replayed.
func (a *Answer) execution() bool { return a.Outcome == OK || a.Outcome == NotFound }

// asReplay is the answer under the id that was asked for.
func (a *Answer) asReplay(toolCallID string) *Answer {
	again := *a
	again.ToolCallID, again.Replayed = toolCallID, true
	again.Err = nil // told when it happened: who asks again and again must not fill the log
	return &again
}

const reasonUnreachable = "unreachable"

// reasonOf says why a read that ran out of time did.
func reasonOf(ctx context.Context) string {
	if ctx.Err() == context.Canceled {
		return "caller_gone"
	}
	return "deadline"
}

func failed(err error) *Answer { return &Answer{Outcome: Failed, Reason: "internal", Err: err} }

// outcomeOf turns what the database's adapter reported into an outcome. Past
// the deadline nothing matters but whether a session was to be had at all.
func outcomeOf(ctx context.Context, err error) *Answer {
	code := fault.CodeOf(err)
	switch {
	case code == fault.DatabaseBusy:
		return busy(err, "pool")
	case ctx.Err() != nil || code == fault.DatabaseTimeout:
		return &Answer{Outcome: TimedOut, Reason: reasonOf(ctx)}
	case code == fault.ServerBusy:
		return busy(err, "server_full")
	case code == "" || code == fault.Internal:
		return failed(err)
	case code == fault.DatabaseError:
		return &Answer{Outcome: Failed, Reason: "database_error"}
	}
	reason, known := unavailable[code]
	if !known { // about reaching the server
		reason = reasonUnreachable
	}
	f, _ := fault.As(err)
	return &Answer{Outcome: Unavailable, Reason: reason, RetryAfter: f.RetryAfter}
}

// unavailable are the reasons that say more than that nobody was reached.
var unavailable = map[fault.Code]string{
	fault.NotConnected:        "not_connected",
	fault.CredentialsRejected: "credentials_rejected",
	fault.CredentialCorrupt:   "credentials_rejected",
	fault.IdentityChanged:     "reconnected_elsewhere",
	fault.ServerIdentity:      "server_identity_changed",
	fault.SchemaDrift:         reasonDrifted,
	fault.PermissionDenied:    "permission_denied",
	fault.ProtocolError:       "protocol_error",
	fault.NotReadOnly:         "session_not_read_only",
}

func busy(err error, reason string) *Answer {
	a := &Answer{Outcome: Busy, Reason: reason, RetryAfter: 250 * time.Millisecond}
	if f, ok := fault.As(err); ok && f.RetryAfter > 0 {
		a.RetryAfter = f.RetryAfter
	}
	return a
}

// say is one fixed sentence that an agent may speak, "" when the result speaks
// for itself.
func say(o Outcome, reason string) string {
	switch o {
	case OK:
		return ""
	case NotFound:
		return "I could not find anything under that."
	case InvalidArguments:
		return "I did not get that quite right. Could you tell me again?"
	case VerificationRequired:
		return "I need to make sure who I am speaking with before I can look at that."
	case ConfirmationRequired:
		return "Shall I go ahead with that?"
	case TimedOut:
		return "The system is taking too long to answer right now."
	case Busy:
		if reason == reasonAnother {
			return "One moment, I am still working on the change before this one."
		}
		return "The system is busy at the moment. Let me try again shortly."
	case Refused:
		switch reason {
		case reasonLookups:
			return "I have looked up as many records as I may in one conversation."
		case reasonWrites:
			return "I have made as many changes as I may in one conversation."
		}
		return "I am not able to do that."
	case Failed:
		return "That did not work, and nothing was changed."
	case Conflict:
		return sayConflict(reason)
	case Pending:
		return "That is taking a little longer. Let me check on it in a moment."
	case Unknown:
		return "I could not make sure whether that went through. It needs to be checked before it is tried again."
	}
	switch reason {
	case reasonJournal, reasonStopping, reasonNotServed, reasonRole:
		return "I cannot make changes at the moment, and nothing was changed."
	}
	return "I cannot reach that information at the moment."
}

func sayConflict(reason string) string {
	switch reason {
	case reasonExists:
		return "There is already an entry like that, so nothing was changed."
	case reasonMoreThanOne:
		return "That fits more than one record, so nothing was changed. Somebody has to look at it first."
	}
	return "The system does not accept that, and nothing was changed."
}

// AppendResponse writes the whole body of the answer's response.
func (a *Answer) AppendResponse(b []byte) []byte {
	if b == nil {
		b = make([]byte, 0, 512+len(a.Result))
	}
	b = append(b, `{"success":true,"data":`...)
	return append(a.AppendJSON(b), '}')
}

// AppendJSON writes the answer as it goes over the wire (api.ToolCallAnswer).
func (a *Answer) AppendJSON(b []byte) []byte {
	b = append(b, `{"toolCallId":`...)
	b = appendExact(b, a.ToolCallID)
	b = append(b, `,"tool":`...)
	b = appendExact(b, a.Tool)
	b = append(b, `,"outcome":`...)
	b = appendExact(b, string(a.Outcome))
	b = append(b, `,"reason":`...)
	b = a.appendReason(b)
	b = append(b, `,"result":`...)
	if a.Result == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, a.Result...)
	}
	b = append(b, `,"say":`...)
	b = appendNullable(b, say(a.Outcome, a.Reason))
	b = append(b, `,"latencyMs":`...)
	b = appendMs(b, a.Latency)
	b = append(b, `,"dbMs":`...)
	b = appendMs(b, a.DB)
	b = append(b, `,"replayed":`...)
	b = strconv.AppendBool(b, a.Replayed)
	b = append(b, `,"retryAfterMs":`...)
	if a.RetryAfter > 0 {
		b = strconv.AppendInt(b, max(1, a.RetryAfter.Milliseconds()), 10)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"confirmation":`...)
	b = a.Confirmation.append(b)
	return append(a.appendErrors(b), '}')
}

// appendReason writes the first complaint for invalid arguments, the code
// otherwise.
func (a *Answer) appendReason(b []byte) []byte {
	if len(a.Complaints) > 0 {
		return appendExact(b, a.Complaints[0].Param+": "+a.Complaints[0].Wanted)
	}
	return appendNullable(b, a.Reason)
}

func (a *Answer) appendErrors(b []byte) []byte {
	for i, c := range a.Complaints {
		if i == 0 {
			b = append(b, `,"errors":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"field":`...)
		b = appendExact(b, c.Param)
		b = append(b, `,"message":`...)
		b = appendExact(b, c.Wanted)
		b = append(b, '}')
	}
	if len(a.Complaints) > 0 {
		b = append(b, ']')
	}
	return b
}

func (q *Confirmation) append(b []byte) []byte {
	if q == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"token":`...)
	b = appendExact(b, q.Token)
	b = append(b, `,"summary":`...)
	b = appendExact(b, q.Summary)
	b = append(b, `,"expiresAt":"`...)
	b = q.ExpiresAt.UTC().AppendFormat(b, time.RFC3339)
	return append(b, `"}`...)
}

func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return appendExact(b, s)
}

// appendMs writes a duration in milliseconds with up to three digits.
func appendMs(b []byte, d time.Duration) []byte {
	micros := max(0, d.Microseconds()) // a clock that was set back took no time
	b = strconv.AppendInt(b, micros/1000, 10)
	if rest := micros % 1000; rest > 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return b
}
