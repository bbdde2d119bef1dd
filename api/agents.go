package api

import "encoding/json"

// AgentRequest creates an agent.
type AgentRequest struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty" text:"multiline"`
	Country     string   `json:"country,omitempty"`  // ISO 3166 alpha-2, for phones
	TimeZone    string   `json:"timeZone,omitempty"` // IANA, for zoned values
	Channels    []string `json:"channels,omitempty"` // voice, chat
}

// AgentPatch changes an agent; absent fields stay.
type AgentPatch struct {
	Name        *string   `json:"name,omitempty"`
	Description *string   `json:"description,omitempty" text:"multiline"`
	Country     *string   `json:"country,omitempty"`
	TimeZone    *string   `json:"timeZone,omitempty"`
	Channels    *[]string `json:"channels,omitempty"`
}

// Agent is an agent; Version is the revision of its draft.
type Agent struct {
	ID                 string    `json:"id"`
	OrganizationID     string    `json:"organizationId"`
	Name               string    `json:"name"`
	Description        string    `json:"description"`
	Country            string    `json:"country"`
	TimeZone           string    `json:"timeZone"`
	Channels           []string  `json:"channels"`
	Version            int       `json:"version"`
	PublishedVersionID *string   `json:"publishedVersionId"`
	PublishedVersion   *int      `json:"publishedVersion"`
	CreatedAt          Timestamp `json:"createdAt"`
	UpdatedAt          Timestamp `json:"updatedAt"`
}

// BindingRequest maps an operation onto a skill.
type BindingRequest struct {
	ToolName       string            `json:"toolName"`
	Description    string            `json:"description,omitempty" text:"multiline"`
	Operation      string            `json:"operation"`
	Inputs         []BindingInput    `json:"inputs,omitempty"`
	SQLSearch      *SQLSearch        `json:"sqlSearch,omitempty"`
	Projection     []ProjectionEntry `json:"projection,omitempty"`
	IsWrite        bool              `json:"isWrite,omitempty"`
	InputObjectMap []InputObject     `json:"inputObjectMap,omitempty"`
	SQLWrite       *SQLWrite         `json:"sqlWrite,omitempty"`
	Enabled        bool              `json:"enabled,omitempty"`
}

// BindingInput is a read's one filter in the short form.
type BindingInput struct {
	Param       string `json:"param"`
	Arg         string `json:"arg"`                // the filter column
	Required    *bool  `json:"required,omitempty"` // absent means true
	Description string `json:"description,omitempty" text:"multiline"`
	Format      string `json:"format,omitempty"` // phone, email
	CallerOnly  bool   `json:"callerOnly,omitempty"`
}

// SQLSearch is a read's filter in the explicit form.
type SQLSearch struct {
	Column  string   `json:"column"`
	Param   string   `json:"param"`
	MaxRows *int     `json:"maxRows,omitempty"`
	OrderBy *OrderBy `json:"orderBy,omitempty"`
	OwnedBy *OwnedBy `json:"ownedBy,omitempty"`
}

// OrderBy is the one column that orders a read's rows.
type OrderBy struct {
	Column    string `json:"column"`
	Direction string `json:"direction,omitempty"` // asc (default) or desc
}

// OwnedBy ties a row to the verified caller.
type OwnedBy struct {
	Column  string `json:"column"`
	Subject string `json:"subject"`
}

// ProjectionEntry is one column of the answer: [column], [relationship,
// column] or [object, column].
type ProjectionEntry struct {
	Path []string `json:"path"`
	Leaf string   `json:"leaf"`
}

// InputObject gives one column of a write its value.
type InputObject struct {
	Field       string          `json:"field"`
	Param       string          `json:"param,omitempty"`
	Required    *bool           `json:"required,omitempty"`
	Description string          `json:"description,omitempty" text:"multiline"`
	Format      string          `json:"format,omitempty"`
	Const       json.RawMessage `json:"const,omitempty" text:"multiline"`
	System      string          `json:"system,omitempty"` // now, uuid, conversation_id, caller_phone
}

// SQLWrite is the unique key of an update.
type SQLWrite struct {
	KeyColumn string   `json:"keyColumn"`
	KeyParam  string   `json:"keyParam"`
	OwnedBy   *OwnedBy `json:"ownedBy,omitempty"`
}

// Skill is a tool of an agent: a binding and the statement it compiled to.
type Skill struct {
	ID                       string           `json:"id"`
	AgentID                  string           `json:"agentId"`
	OrganizationID           string           `json:"organizationId"`
	Name                     string           `json:"name"`
	ToolName                 string           `json:"toolName"`
	Description              string           `json:"description"`
	SkillType                string           `json:"skillType"` // native_sql
	ParametersSchema         json.RawMessage  `json:"parametersSchema"`
	RequiredParams           []string         `json:"requiredParams"`
	ExecutionConfig          *ExecutionConfig `json:"executionConfig"`
	Binding                  json.RawMessage  `json:"binding"`
	DataEgressMap            []EgressEntry    `json:"dataEgressMap"`
	DataIngressMap           []IngressEntry   `json:"dataIngressMap"`
	AllowedFields            []string         `json:"allowedFields"`
	IsWrite                  bool             `json:"isWrite"`
	RequiresVerifiedIdentity bool             `json:"requiresVerifiedIdentity"`
	RequiresConfirmation     bool             `json:"requiresConfirmation"`
	NonParallelizable        bool             `json:"nonParallelizable"`
	Channels                 []string         `json:"channels"`
	ErrorHandling            ErrorHandling    `json:"errorHandling"`
	IsEnabled                bool             `json:"isEnabled"`
	ExpectedLatencyMs        *float64         `json:"expectedLatencyMs"`
	Status                   string           `json:"status"` // active, disabled, suspended, blocked, drifted, unavailable
	StatusReason             string           `json:"statusReason"`
	LiveAfterPublish         bool             `json:"liveAfterPublish"`
	Warnings                 []Finding        `json:"warnings"`
	CreatedAt                Timestamp        `json:"createdAt"`
	UpdatedAt                Timestamp        `json:"updatedAt"`
}

// ExecutionConfig is for the operator's eyes: what would run.
type ExecutionConfig struct {
	Kind      string `json:"kind"`
	Operation string `json:"operation"`
	Statement string `json:"statement"`
	// CheckStatement is what a write on the MySQL family asks besides, before
	// and after its statement: the written columns of its row.
	CheckStatement string          `json:"checkStatement,omitempty"`
	Parameters     []PlanParameter `json:"parameters"`
	Results        []PlanResult    `json:"results"`
	MaxRows        int             `json:"maxRows"`
	TimeoutMs      int             `json:"timeoutMs"`
	Plan           *QueryPlan      `json:"plan"`
	PlanDigest     string          `json:"planDigest"`
}

// PlanParameter is one placeholder of the statement and where its value comes from.
type PlanParameter struct {
	Position int    `json:"position"`
	Source   string `json:"source"`
	Name     string `json:"name,omitempty"`
	Type     string `json:"type"`
	Format   string `json:"format,omitempty"`
	Variant  *int   `json:"variant,omitempty"`
	// PhoneForms are those that the column was learnt to store, the most
	// frequent first.
	PhoneForms []string `json:"phoneForms,omitempty"`
}

// PlanResult is one column of the answer.
type PlanResult struct {
	Leaf   string `json:"leaf"`
	Type   string `json:"type"`
	Object string `json:"object"`
	Column string `json:"column"`
}

// QueryPlan is what the live server said about the statement.
type QueryPlan struct {
	// UsesIndex tells whether the server can answer through an index.
	UsesIndex bool     `json:"usesIndex"`
	Indexes   []string `json:"indexes"`
	Nodes     []string `json:"nodes"`
}

// EgressEntry names a column whose values leave the database.
type EgressEntry struct {
	Leaf     string `json:"leaf"`
	Object   string `json:"object"`
	Column   string `json:"column"`
	PIIClass string `json:"piiClass"`
}

// IngressEntry names a column that a write gives a value, and where the value
// comes from.
type IngressEntry struct {
	Object   string  `json:"object"`
	Column   string  `json:"column"`
	Source   string  `json:"source"`          // param, const, system
	Name     string  `json:"name,omitempty"`  // of the parameter or system value
	Const    *string `json:"const,omitempty"` // its canonical text
	PIIClass string  `json:"piiClass"`
}

// ErrorHandling says what a caller hears when a call does not succeed.
type ErrorHandling struct {
	NotFound    string `json:"notFound"`
	TimedOut    string `json:"timedOut"`
	Unavailable string `json:"unavailable"`
}

// SkillPatch changes a skill; absent fields stay.
type SkillPatch struct {
	Name                     *string   `json:"name,omitempty"`
	ToolName                 *string   `json:"toolName,omitempty"`
	Description              *string   `json:"description,omitempty" text:"multiline"`
	IsEnabled                *bool     `json:"isEnabled,omitempty"`
	TimeoutMs                *int      `json:"timeoutMs,omitempty"`
	MaxRows                  *int      `json:"maxRows,omitempty"`
	Channels                 *[]string `json:"channels,omitempty"`
	RequiresConfirmation     *bool     `json:"requiresConfirmation,omitempty"`
	RequiresVerifiedIdentity *bool     `json:"requiresVerifiedIdentity,omitempty"`
	PlanDigest               *string   `json:"planDigest,omitempty"`
}

// SkillTestRequest tries a skill as a caller would use it.
type SkillTestRequest struct {
	Arguments map[string]json.RawMessage `json:"arguments,omitempty"`
	Caller    *Caller                    `json:"caller,omitempty"`
	// Subject stands for what a verification of the caller would yield; a skill
	// with ownedBy needs it.
	Subject string `json:"subject,omitempty"`
}

// SkillTest is how the trial of a skill ended. Of a write, Result is what the
// answer would have been.
type SkillTest struct {
	SkillID    string          `json:"skillId"`
	Tool       string          `json:"tool"`
	PlanDigest string          `json:"planDigest"` // of the statement that ran
	Outcome    Outcome         `json:"outcome"`
	Reason     *string         `json:"reason"`
	Result     json.RawMessage `json:"result"`
	// Summary is what a caller is asked to confirm.
	Summary string `json:"summary"`
	// RolledBack tells that a write was carried out and undone.
	RolledBack bool           `json:"rolledBack"`
	Note       string         `json:"note"` // what the trial leaves behind
	LatencyMs  float64        `json:"latencyMs"`
	DBMs       float64        `json:"dbMs"`
	Errors     []ProblemField `json:"errors"` // of invalid_arguments
}

// PublishRequest is the body of publish; it may be empty.
type PublishRequest struct {
	Note string `json:"note,omitempty" text:"multiline"`
}

// RollbackRequest names the version to make live again.
type RollbackRequest struct {
	VersionID string `json:"versionId"`
}

// Version is a published, immutable state of an agent.
type Version struct {
	ID             string          `json:"id"`
	AgentID        string          `json:"agentId"`
	Version        int             `json:"version"`
	Digest         string          `json:"digest"`
	CompiledConfig *CompiledConfig `json:"compiledConfig,omitempty"`
	Note           string          `json:"note"`
	PublishedAt    Timestamp       `json:"publishedAt"`
	PublishedBy    string          `json:"publishedBy"`
	Live           bool            `json:"live"`
}

// CompiledConfig is what a version froze.
type CompiledConfig struct {
	Format int     `json:"format"`
	Agent  Agent   `json:"agent"`
	Skills []Skill `json:"skills"`
	// CallerVerification is null in versions from before it existed.
	CallerVerification *CallerVerification `json:"callerVerification"`
}

// VersionDiff compares a version with the draft.
type VersionDiff struct {
	VersionID string          `json:"versionId"`
	Changes   []VersionChange `json:"changes"`
}

// VersionChange is one difference.
type VersionChange struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Kind   string          `json:"kind"` // added, removed, changed
}

// PrepublishReport says what publishing now would make live.
type PrepublishReport struct {
	Publishable        bool               `json:"publishable"`
	Skills             []Skill            `json:"skills"`
	Findings           []Finding          `json:"findings"`
	Changes            VersionDiff        `json:"changes"`
	CallerVerification CallerVerification `json:"callerVerification"`
}

// Deleted answers a delete.
type Deleted struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
}

// AutoBindRequest describes a goal in plain words.
type AutoBindRequest struct {
	Goal     string `json:"goal" max:"1000"`
	ToolName string `json:"toolName,omitempty"`
	DryRun   bool   `json:"dryRun,omitempty"`
}

// AutoBound is a proposed binding. Skill is the disabled draft that it became,
// null for a dry run.
type AutoBound struct {
	Skill    *Skill   `json:"skill"`
	Proposal Proposal `json:"proposal"`
}

// Proposal is what a goal was understood as, for a person to review.
type Proposal struct {
	Operation    string            `json:"operation"`
	Filter       string            `json:"filter"` // the column that is looked up by, "" for an insert
	Projection   []ProjectionEntry `json:"projection"`
	Confidence   float64           `json:"confidence"` // 0 to 1
	Rationale    string            `json:"rationale"`
	ChosenBy     string            `json:"chosenBy"` // words, or model
	Binding      BindingRequest    `json:"binding"`
	Alternatives []Alternative     `json:"alternatives"`
}

// Alternative is what the goal may have meant instead.
type Alternative struct {
	Operation  string         `json:"operation"`
	Filter     string         `json:"filter"`
	Confidence float64        `json:"confidence"`
	Rationale  string         `json:"rationale"`
	Binding    BindingRequest `json:"binding"`
}
