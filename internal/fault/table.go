package fault

import (
	"log/slog"
	"sort"
)

// Def is one row of the table: everything that follows from a code.
type Def struct {
	Code      Code
	Status    int // HTTP status where the fault ends a request
	Title     string
	Detail    string // one sentence for a person
	Fix       string // what to do next
	Retryable bool   // the same request may succeed later
	Level     slog.Level
}

// The codes, grouped by who causes them.
const (
	// Form of a request: 400.
	InvalidJSON      Code = "invalid_json"
	InvalidRequest   Code = "invalid_request"
	InvalidParameter Code = "invalid_parameter"

	// Keys and scopes.
	Unauthorized Code = "unauthorized"
	MissingScope Code = "missing_scope"
	KindReserved Code = "kind_reserved"
	Reserved     Code = "reserved"

	// Routing and size.
	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	RequestTimeout       Code = "request_timeout"
	BodyTooLarge         Code = "body_too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	RateLimited          Code = "rate_limited"
	HeadersTooLarge      Code = "headers_too_large"

	// Idempotency.
	IdempotencyKeyReused  Code = "idempotency_key_reused"
	IdempotencyInProgress Code = "idempotency_in_progress"
	SecretAlreadyShown    Code = "secret_already_shown"

	// Our own state.
	Internal         Code = "internal"
	StoreUnavailable Code = "store_unavailable"
	Overloaded       Code = "overloaded"
	ShuttingDown     Code = "shutting_down"

	// What keeps the process from starting, for the operator at its terminal.
	MasterKeyMissing     Code = "master_key_missing"
	MasterKeyPermissions Code = "master_key_permissions"
	MasterKeyInvalid     Code = "master_key_invalid"
	MasterKeyWrong       Code = "master_key_wrong"
	StoreLocked          Code = "store_locked"
	StoreNewer           Code = "store_too_new"
	StoreDamaged         Code = "store_damaged"
	DataFolderUnusable   Code = "data_folder_unusable"
	NoStore              Code = "no_store"
	BackupExists         Code = "backup_exists"
	AuditBroken          Code = "audit_trail_broken"

	// Where a customer's database is, and whether we may go there.
	HostInvalid          Code = "host_invalid"
	HostNotAllowed       Code = "host_not_allowed"
	HostUnresolvable     Code = "host_unresolvable"
	PortNotAllowed       Code = "port_not_allowed"
	SSLModeInvalid       Code = "sslmode_invalid"
	CARequired           Code = "ca_required"
	CAInvalid            Code = "ca_invalid"
	CAContainsPrivateKey Code = "ca_contains_private_key"
	PasswordEmpty        Code = "password_empty"
	Unreachable          Code = "unreachable_or_not_a_database"
	TLSNotOffered        Code = "tls_not_offered"
	TLSFailed            Code = "tls_failed"
	TLSVersion           Code = "tls_version_unsupported"
	CertificateExpired   Code = "certificate_expired"
	CertificateNotYet    Code = "certificate_not_yet_valid"
	CertificateHost      Code = "certificate_wrong_host"
	CertificateUnknownCA Code = "certificate_unknown_authority"
	// CertificateSelfSigned is one that no authority signed at all.
	CertificateSelfSigned Code = "certificate_self_signed"
	CertificateNoName     Code = "certificate_without_names"
	CertificateWeak       Code = "certificate_too_weak"
	CertificateInvalid    Code = "certificate_invalid"
	ServerIdentity        Code = "server_identity_changed"

	// What the server said.
	CredentialsRejected Code = "credentials_rejected"
	AuthMethodRefused   Code = "auth_method_refused"
	DatabaseUnknown     Code = "database_unknown"
	OverPrivileged      Code = "over_privileged"
	SchemaUnreadable    Code = "schema_unreadable"
	NotReadOnly         Code = "session_not_read_only"
	ServerBusy          Code = "server_full"
	DatabaseBusy        Code = "database_busy"
	ServerStarting      Code = "server_starting"
	ProtocolError       Code = "protocol_error"
	DatabaseTimeout     Code = "database_timeout"
	DatabaseError       Code = "database_error"
	SchemaDrift         Code = "schema_drift"
	PermissionDenied    Code = "permission_denied"
	CredentialCorrupt   Code = "credential_corrupt"
	ServerUnsupported   Code = "server_unsupported"
	ConnectionLost      Code = "connection_lost"

	// What became of a write.
	AlreadyExists      Code = "already_exists"
	ConstraintViolated Code = "constraint_violated"
	MoreThanOneRow     Code = "more_than_one_row"
	NoRow              Code = "no_row"
	NotWritten         Code = "not_written"
	RowLocked          Code = "row_locked"
	CommitUnknown      Code = "commit_unknown"

	// Integrations and scoping.
	NotConnected      Code = "not_connected"
	NotDiscovered     Code = "not_discovered"
	ScriptInvalid     Code = "script_input_invalid"
	ScopingInvalid    Code = "scoping_invalid"
	IdentityChanged   Code = "identity_changed"
	TestBudgetReached Code = "test_limit_reached"

	// Bindings, skills, agents.
	BindingRejected    Code = "binding_rejected"
	ToolNameTaken      Code = "tool_name_taken"
	ToolNameInvalid    Code = "tool_name_invalid"
	PlanChanged        Code = "plan_changed"
	NoConfidentMatch   Code = "no_confident_match"
	GateFixed          Code = "gate_fixed"
	VersionConflict    Code = "version_conflict"
	PublishBlocked     Code = "publish_blocked"
	RollbackBlocked    Code = "rollback_blocked"
	NoPublishedVersion Code = "no_published_version"
	RoleCannotWrite    Code = "role_cannot_write"
	ValueInvalid       Code = "value_invalid"
	SkillUnavailable   Code = "skill_unavailable"
	// How callers prove who they are.
	VerificationRejected Code = "verification_rejected"

	// Conversations.
	UnknownTool        Code = "unknown_tool"
	ConversationEnded  Code = "conversation_ended"
	ToolCallIDReused   Code = "tool_call_id_reused"
	WriteNotOpen       Code = "write_not_open"
	WriteNotUnknown    Code = "write_not_unknown"
	TooManyOpen        Code = "too_many_conversations"
	ToolCallInProgress Code = "tool_call_in_progress"
	// The conversation's version verifies in another way, or not at all.
	VerificationNotOffered Code = "verification_not_offered"
)

// Lookup is the row of a code. ok is false for a code that is not in the table.
func Lookup(code Code) (d Def, ok bool) {
	d, ok = table[code]
	return d, ok
}

// All is the table in order of code, for the OpenAPI document and the problem pages.
func All() []Def {
	defs := make([]Def, 0, len(table))
	for _, d := range table {
		defs = append(defs, d)
	}
	sort.Slice(defs, func(i, j int) bool { return defs[i].Code < defs[j].Code })
	return defs
}

var table = func() map[Code]Def {
	m := make(map[Code]Def, len(rows))
	for _, d := range rows {
		if _, twice := m[d.Code]; twice {
			panic("fault: code twice in the table: " + string(d.Code))
		}
		m[d.Code] = d
	}
	return m
}()
