package api

import "encoding/json"

// ConversationRequest starts a conversation.
type ConversationRequest struct {
	Channel   string            `json:"channel"` // voice, chat
	Caller    *Caller           `json:"caller,omitempty"`
	DraftMode bool              `json:"draftMode,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// Caller is what the telephone side knows about who is calling.
type Caller struct {
	Phone string `json:"phone,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Conversation is one call or chat and the tools it may use.
type Conversation struct {
	ID        string    `json:"id"`
	AgentID   string    `json:"agentId"`
	VersionID string    `json:"versionId"`
	Version   int       `json:"version"`
	Tools     []Tool    `json:"tools"`
	StartedAt Timestamp `json:"startedAt"`
}

// Tool is all an agent gets to know of a skill.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"` // JSON Schema object
}

// ToolCallRequest is one question.
type ToolCallRequest struct {
	ToolCallID        string                     `json:"toolCallId"`
	Tool              string                     `json:"tool"`
	Arguments         map[string]json.RawMessage `json:"arguments,omitempty"`
	ConfirmationToken string                     `json:"confirmationToken,omitempty"`
}

// Outcome is how a tool call ended.
type Outcome string

// The outcomes; each answers HTTP 200.
const (
	OutcomeOK                   Outcome = "ok"
	OutcomeNotFound             Outcome = "not_found"
	OutcomeConflict             Outcome = "conflict"
	OutcomeFailed               Outcome = "failed"
	OutcomeUnknown              Outcome = "unknown"
	OutcomePending              Outcome = "pending"
	OutcomeInvalidArguments     Outcome = "invalid_arguments"
	OutcomeConfirmationRequired Outcome = "confirmation_required"
	OutcomeVerificationRequired Outcome = "verification_required"
	OutcomeBusy                 Outcome = "busy"
	OutcomeTimedOut             Outcome = "timed_out"
	OutcomeUnavailable          Outcome = "unavailable"
	OutcomeRefused              Outcome = "refused"
)

// Outcomes lists every outcome, in the order of the documentation.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeOK, OutcomeNotFound, OutcomeConflict, OutcomeFailed, OutcomeUnknown, OutcomePending, OutcomeInvalidArguments,
		OutcomeConfirmationRequired, OutcomeVerificationRequired, OutcomeBusy, OutcomeTimedOut, OutcomeUnavailable, OutcomeRefused,
	}
}

// ToolCallAnswer is the answer to one question.
type ToolCallAnswer struct {
	ToolCallID   string          `json:"toolCallId"`
	Tool         string          `json:"tool"`
	Outcome      Outcome         `json:"outcome"`
	Reason       *string         `json:"reason"`
	Result       json.RawMessage `json:"result"`
	Say          *string         `json:"say"`
	LatencyMs    float64         `json:"latencyMs"`
	DBMs         float64         `json:"dbMs"`
	Replayed     bool            `json:"replayed"`
	RetryAfterMs *int64          `json:"retryAfterMs"`
	Confirmation *Confirmation   `json:"confirmation"`
	// Errors names the parameters of invalid_arguments and what is wanted.
	Errors []ProblemField `json:"errors,omitempty"`
}

// Confirmation is what the caller must agree to before a write runs.
type Confirmation struct {
	Token     string    `json:"token"`
	Summary   string    `json:"summary"`
	ExpiresAt Timestamp `json:"expiresAt"`
}

// ReadResult is the result of a read.
type ReadResult struct {
	Rows      []json.RawMessage `json:"rows"`
	RowCount  int               `json:"rowCount"`
	Truncated bool              `json:"truncated"`
}

// Receipt is what a conversation leaves behind.
type Receipt struct {
	ID        string            `json:"id"`
	AgentID   string            `json:"agentId"`
	VersionID string            `json:"versionId"`
	Version   int               `json:"version"`
	Channel   string            `json:"channel"`
	Status    string            `json:"status"` // open, ended
	StartedAt Timestamp         `json:"startedAt"`
	EndedAt   *Timestamp        `json:"endedAt"`
	ToolCalls int               `json:"toolCalls"`
	Outcomes  map[string]int    `json:"outcomes"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// Event is one step of a conversation, in order of Seq.
type Event struct {
	ID             string          `json:"id"`
	ConversationID string          `json:"conversationId"`
	Seq            int64           `json:"seq"`
	TsMs           int64           `json:"tsMs"`
	Channel        string          `json:"channel"`
	EventType      string          `json:"eventType"`
	Payload        json.RawMessage `json:"payload"`
}
