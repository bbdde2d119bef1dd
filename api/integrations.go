package api

import "encoding/json"

// CatalogEntry is a kind that can be connected.
type CatalogEntry struct {
	Kind        string `json:"kind"`
	DisplayName string `json:"displayName"`
	Category    string `json:"category"`
	Description string `json:"description"`
	Connected   bool   `json:"connected"`
}

// Integration is a connection as its organisation sees it.
type Integration struct {
	Kind             string     `json:"kind"`
	Status           string     `json:"status"` // connected, unreachable, credentials_rejected, identity_changed
	Server           *Server    `json:"server"`
	Database         string     `json:"database"`
	SSLMode          string     `json:"sslmode"`
	LastDiscoveredAt *Timestamp `json:"lastDiscoveredAt"`
	LastTestedAt     *Timestamp `json:"lastTestedAt"`
	Latency          *Latency   `json:"latency"`
}

// Server is what a database server says of itself.
type Server struct {
	Product string `json:"product"`
	Version string `json:"version"`
	Replica bool   `json:"replica"`
}

// Latency is measured over one-row reads on a warm session.
type Latency struct {
	P50Ms   float64 `json:"p50Ms"`
	P95Ms   float64 `json:"p95Ms"`
	Samples int     `json:"samples"`
	Verdict string  `json:"verdict"` // live_ready, needs_filler, too_slow
}

// Scripts is the SQL that makes least-privilege users.
type Scripts struct {
	ReadOnly ScriptPart  `json:"readOnly"`
	Write    *ScriptPart `json:"write,omitempty"`
	// GeneratedPassword is present only when none was passed, and shown once.
	GeneratedPassword string `json:"generatedPassword,omitempty"`
}

// ScriptPart is the SQL for one user.
type ScriptPart struct {
	User   string   `json:"user"`
	SQL    string   `json:"sql"`
	Tables []string `json:"tables,omitempty"`
	Notes  []string `json:"notes"`
}

// Credentials are what an operator connects with. They are sealed at rest and
// never sent back.
type Credentials struct {
	Host          string `json:"host"`
	Port          Port   `json:"port"`
	Database      string `json:"database"`
	User          string `json:"user"`
	Password      string `json:"password"`
	SSLMode       string `json:"sslmode"` // require, verify-ca, verify-full
	CAPEM         string `json:"ca_pem,omitempty" max:"65536" text:"multiline"`
	WriteUser     string `json:"writeUser,omitempty"`
	WritePassword string `json:"writePassword,omitempty"`
}

// CredentialsRequest is the body of test and connect.
type CredentialsRequest struct {
	Credentials Credentials `json:"credentials"`
}

// Check is one step of a connection test.
type Check struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"` // passed, warning, failed, skipped
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	Fix        string `json:"fix"`
	DurationMs int64  `json:"durationMs"`
}

// TestResult is the outcome of the six checks.
type TestResult struct {
	OK      bool     `json:"ok"`
	Checks  []Check  `json:"checks"`
	Server  *Server  `json:"server"`
	Latency *Latency `json:"latency"`
}

// Connected is the answer of connect.
type Connected struct {
	Status string  `json:"status"` // "connected"
	Server *Server `json:"server"`
	Checks []Check `json:"checks"`
}

// Discovered counts what discovery found, after scoping.
type Discovered struct {
	ObjectCount    int             `json:"objectCount"`
	FieldCount     int             `json:"fieldCount"`
	EdgeCount      int             `json:"edgeCount"`
	OperationCount int             `json:"operationCount"`
	DurationMs     int64           `json:"durationMs"`
	SchemaDigest   string          `json:"schemaDigest"`
	Changes        SchemaChanges   `json:"changes"`
	AffectedSkills []AffectedSkill `json:"affectedSkills"`
}

// SchemaChanges name what differs from the discovery before.
type SchemaChanges struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
}

// AffectedSkill is a skill that uses something that changed or was blocked.
type AffectedSkill struct {
	SkillID string `json:"skillId"`
	Name    string `json:"name"`
	Reason  string `json:"reason"`
}

// Schema is the discovered database after scoping.
type Schema struct {
	Kind         string    `json:"kind"`
	Server       Server    `json:"server"`
	DiscoveredAt Timestamp `json:"discoveredAt"`
	SchemaDigest string    `json:"schemaDigest"`
	Objects      []Object  `json:"objects"`
}

// Object is a table or view, whole.
type Object struct {
	Name          string         `json:"name"`
	Schema        string         `json:"schema"`
	Type          string         `json:"type"`
	Comment       string         `json:"comment"`
	EstimatedRows int64          `json:"estimatedRows"`
	Supported     bool           `json:"supported"`
	Reason        string         `json:"reason"`
	Fields        []SchemaField  `json:"fields"`
	PrimaryKey    []string       `json:"primaryKey"`
	UniqueKeys    [][]string     `json:"uniqueKeys"`
	Indexes       []SchemaIndex  `json:"indexes"`
	Relationships []Relationship `json:"relationships"`
	Capabilities  []string       `json:"capabilities"`
	Operations    []Operation    `json:"operations"`
}

// ObjectSummary is an object in a list.
type ObjectSummary struct {
	Name              string   `json:"name"`
	Schema            string   `json:"schema"`
	Type              string   `json:"type"`
	Comment           string   `json:"comment"`
	EstimatedRows     int64    `json:"estimatedRows"`
	Supported         bool     `json:"supported"`
	FieldCount        int      `json:"fieldCount"`
	SearchableCount   int      `json:"searchableCount"`
	RelationshipCount int      `json:"relationshipCount"`
	Capabilities      []string `json:"capabilities"`
}

// SchemaField is a column.
type SchemaField struct {
	Name       string   `json:"name"`
	Type       string   `json:"type"`
	NativeType string   `json:"nativeType"`
	Zoned      bool     `json:"zoned"`
	Nullable   bool     `json:"nullable"`
	HasDefault bool     `json:"hasDefault"`
	Generated  bool     `json:"generated"`
	EnumValues []string `json:"enumValues"`
	MaxLength  *int     `json:"maxLength"`
	Precision  *int     `json:"precision"`
	Scale      *int     `json:"scale"`
	Comment    string   `json:"comment"`
	PIIClass   string   `json:"piiClass"`
	Searchable bool     `json:"searchable"`
	Unique     bool     `json:"unique"`
	// PhoneForms are the shapes in which the column stores telephone numbers, as
	// learnt when a skill was bound: every digit is a 9, but for zeros at the
	// beginning.
	PhoneForms []string `json:"phoneForms"`
}

// SchemaIndex is an index; Reason says why it cannot serve a lookup.
type SchemaIndex struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
	Unique  bool     `json:"unique"`
	Usable  bool     `json:"usable"`
	Reason  string   `json:"reason"`
}

// Relationship leads from one object to another.
type Relationship struct {
	Name         string   `json:"name"`
	Fields       []string `json:"fields"`
	Target       string   `json:"target"`
	TargetFields []string `json:"targetFields"`
	Cardinality  string   `json:"cardinality"` // many_to_one, one_to_one
	Inferred     bool     `json:"inferred"`
	Reason       string   `json:"reason"`
}

// Operation is something a binding can name.
type Operation struct {
	Name      string     `json:"name"`
	Type      string     `json:"type"` // read, insert, update
	Arguments []Argument `json:"arguments"`
}

// Argument is a column an operation can take.
type Argument struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required"`
}

// SearchHit is one finding of a schema search, best first.
type SearchHit struct {
	Type      string  `json:"type"` // object, field, operation
	Object    string  `json:"object"`
	Field     string  `json:"field"`
	Operation string  `json:"operation"`
	Score     float64 `json:"score"`
	Why       string  `json:"why"`
	PIIClass  string  `json:"piiClass"`
}

// Scoping is what the agent must never see.
type Scoping struct {
	BlockedTables  []string                     `json:"blockedTables"`
	BlockedColumns map[string][]string          `json:"blockedColumns"`
	AllowedViews   []string                     `json:"allowedViews"`
	ColumnClasses  map[string]map[string]string `json:"columnClasses"`
	Unmatched      []string                     `json:"unmatched"`
	Renamed        []RenamedBlock               `json:"renamed"`
	AlsoBlocked    []AlsoBlocked                `json:"alsoBlocked"`
	AffectedSkills []AffectedSkill              `json:"affectedSkills"`
}

// RenamedBlock is an entry that goes on blocking what was renamed: `table` or
// `table.column`, as it was written and as it is called now.
type RenamedBlock struct {
	Entry string `json:"entry"`
	Now   string `json:"now"`
}

// AlsoBlocked is a `table` or `table.column` that no entry names and that is
// blocked because of one. Reason: view, sources_unknown, partition, generated.
type AlsoBlocked struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// ScopingPatch replaces each top-level key it carries; null clears it.
type ScopingPatch struct {
	BlockedTables  json.RawMessage `json:"blockedTables,omitempty"`
	BlockedColumns json.RawMessage `json:"blockedColumns,omitempty"`
	AllowedViews   json.RawMessage `json:"allowedViews,omitempty"`
	ColumnClasses  json.RawMessage `json:"columnClasses,omitempty"`
}

// Disconnected is the answer of a disconnect.
type Disconnected struct {
	Status         string          `json:"status"` // "disconnected"
	AffectedSkills []AffectedSkill `json:"affectedSkills"`
}
