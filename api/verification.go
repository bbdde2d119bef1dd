package api

import "encoding/json"

// CallerVerification is how callers of an agent prove who they are. Tools that
// need a verified caller run only in conversations in which that happened.
type CallerVerification struct {
	// Method is none, asserted (a trusted system says who the caller is) or
	// verifier_skill (the caller answers for themselves).
	Method string `json:"method"`
	// VerifierSkillID is the read that finds the caller's row. It is offered to
	// no agent, and nothing of its rows is ever answered.
	VerifierSkillID *string `json:"verifierSkillId"`
	// RequiredFields are what the caller must give: the verifier's parameter,
	// and leaves of its row whose values the caller must know.
	RequiredFields []string `json:"requiredFields"`
	// TokenTTLSeconds is how long a verification holds in its conversation.
	TokenTTLSeconds int `json:"tokenTtlSeconds"`
	// MaxAttempts is how many attempts may fail in one conversation.
	MaxAttempts int `json:"maxAttempts"`
	// StepUpFor lists further tools that need a verified caller, by tool name
	// or skill id; those whose gates or owner ask for one need it anyway.
	StepUpFor []string `json:"stepUpFor"`
	// Subject names what the caller is known by afterwards, as ownedBy does: a
	// leaf of the verifier, or what is asserted.
	Subject *string `json:"subject"`
}

// CallerVerificationRequest replaces the configuration; what is absent or null
// takes its default.
type CallerVerificationRequest struct {
	Method          string    `json:"method"`
	VerifierSkillID *string   `json:"verifierSkillId"`
	RequiredFields  *[]string `json:"requiredFields"`
	TokenTTLSeconds *int      `json:"tokenTtlSeconds"` // 1 to 86400, 900 by default
	MaxAttempts     *int      `json:"maxAttempts"`     // 1 to 10, 3 by default
	StepUpFor       *[]string `json:"stepUpFor"`
	Subject         *string   `json:"subject"`
}

// VerificationRequest is either what the caller gave, or somebody's word for
// who the caller is.
type VerificationRequest struct {
	Fields map[string]json.RawMessage `json:"fields,omitempty"`
	// Asserted needs a key with the scope verification:assert.
	Asserted bool `json:"asserted,omitempty"`
	// Subject is a text or a whole number.
	Subject json.RawMessage `json:"subject,omitempty"`
}

// VerificationAnswer tells what came of it. It does not tell whether a caller
// who is not verified exists.
type VerificationAnswer struct {
	Verified     bool       `json:"verified"`
	ExpiresAt    *Timestamp `json:"expiresAt"`
	AttemptsLeft int        `json:"attemptsLeft"`
	// Outcome is ok or verification_required; invalid_arguments, refused, busy,
	// timed_out, unavailable and failed cost no attempt.
	Outcome      Outcome        `json:"outcome"`
	Reason       *string        `json:"reason"`
	Say          *string        `json:"say"`
	RetryAfterMs *int64         `json:"retryAfterMs"`
	Errors       []ProblemField `json:"errors,omitempty"`
}
