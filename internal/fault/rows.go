package fault

import "log/slog"

const (
	debug = slog.LevelDebug
	info  = slog.LevelInfo
	warn  = slog.LevelWarn
	fatal = slog.LevelError
)

// rows is the table. Every sentence is written for the engineer who reads it
// at night: what happened, then what to do.
var rows = []Def{
	{InvalidJSON, 400, "The body is not acceptable JSON", "The body could not be read as one strict JSON value.", "Send one UTF-8 JSON object without comments, duplicate keys or trailing bytes.", false, info},
	{InvalidRequest, 400, "The request does not have the expected form", "One or more fields have the wrong form.", "Correct the fields listed in `errors`; the OpenAPI document has the exact shape.", false, info},
	{InvalidParameter, 400, "A query or path parameter does not have the expected form", "A parameter is missing, unknown or malformed.", "Correct the parameters listed in `errors`.", false, info},

	{Unauthorized, 401, "The API key is missing or not valid", "The request carries no usable API key.", "Send `Authorization: Bearer flowyte_sk_…` with a key that has not been revoked; `flowyte keys create` makes one.", false, info},
	{MissingScope, 403, "The API key lacks a scope", "The key is valid but may not do this.", "Use a key with the scope named here, or make one with `flowyte keys create --scopes`.", false, info},
	{KindReserved, 403, "This kind of integration is reserved", "The kind is reserved for a curated provider that this service does not offer.", "Use `postgres` or `mysql`.", false, info},
	{Reserved, 403, "This route is reserved", "The route exists in the public API but not for this use.", "Create skills through a binding: POST /agents/{agentId}/integrations/{kind}/bindings.", false, info},

	{NotFound, 404, "Not found", "There is nothing here that this key may see.", "Check the path and the id.", false, info},
	{MethodNotAllowed, 405, "Method not allowed", "The path exists but not with this method.", "See the Allow header and the OpenAPI document.", false, info},
	{RequestTimeout, 408, "The request did not arrive in time", "The body was not complete within the time limit.", "Send the whole body without pauses.", true, info},
	{BodyTooLarge, 413, "The body is too large", "The body is over the limit of 256 KiB.", "Send a smaller body.", false, info},
	{UnsupportedMediaType, 415, "Unsupported media type", "The body must be uncompressed JSON.", "Send `Content-Type: application/json` and no Content-Encoding.", false, info},
	{RateLimited, 429, "Too many requests", "The organisation has reached its limit.", "Wait for the time in Retry-After.", true, info},
	{HeadersTooLarge, 431, "The request headers are too large", "The headers are over the limit.", "Send fewer or shorter headers.", false, info},

	{IdempotencyKeyReused, 422, "The Idempotency-Key belongs to another request", "The same key was used with a different body or route.", "Use a new Idempotency-Key for a new request.", false, info},
	{IdempotencyInProgress, 409, "The first request with this Idempotency-Key is still running", "The outcome is not known yet.", "Ask again in a moment with the same key and body.", true, info},
	{SecretAlreadyShown, 409, "The answer carried a secret and was shown once", "Answers that carry a secret are not stored.", "Make a new secret with a new Idempotency-Key.", false, info},

	{Internal, 500, "Something went wrong on our side", "The request could not be completed. The log has the details under the request id.", "Try again; if it persists, look in the server log for the request id.", true, fatal},
	{StoreUnavailable, 503, "The service's own store is not available", "The service could not read or write its own state. Live reads go on.", "Try again shortly; check free disk space and whether another process holds the store.", true, fatal},
	{Overloaded, 503, "The service is at its limit", "There is no free capacity for this request.", "Try again after the time in Retry-After.", true, warn},
	{ShuttingDown, 503, "The service is stopping", "The process is draining and takes no new work.", "Try again shortly.", true, info},

	{MasterKeyMissing, 503, "The master key is missing", "The store holds data sealed with a master key, and the key file is not there.", "Put the key file back where it was, or name it with FLOWYTE_MASTER_KEY_FILE. A new key could not open the old data, so none is made.", false, fatal},
	{MasterKeyPermissions, 503, "The master key can be read by others", "The key file must be a regular file that only its owner may read or write.", "Run chmod 600 on the key file, and consider whether somebody else has read it.", false, fatal},
	{MasterKeyInvalid, 503, "The master key file is not usable", "The key file is empty, cut short or not a key that this program made.", "Put the right key file back from where you keep its copy.", false, fatal},
	{MasterKeyWrong, 503, "The master key is not the one of this store", "The key file is sound, but this store was sealed with another key.", "Put back the key file that belongs to this data folder.", false, fatal},
	{StoreLocked, 503, "Another process holds the store", "A server is already running on this data folder.", "Stop the other server, or give this one a data folder of its own with --data.", false, fatal},
	{StoreNewer, 503, "The store was written by a newer release", "This release does not know the store's format.", "Start the newer release, or restore the copy that was made before it migrated the store.", false, fatal},
	{StoreDamaged, 503, "Something in the store is damaged", "A stored value does not have the digest it was written with. It is not used.", "Restore the store from a backup, or publish the agent again; check the disk.", false, fatal},
	{DataFolderUnusable, 503, "The data folder cannot be used", "The data folder could not be made, read or written, or others may enter it.", "Give a folder that this process owns, on a disk with free space, with mode 0700.", false, fatal},
	{NoStore, 503, "There is no store in that folder", "The data folder holds nothing of this program's.", "Give with --data the folder that serve uses; serve and keys create make one.", false, fatal},
	{AuditBroken, 503, "The audit trail was changed", "What is kept of the audit trail is not what this program wrote, at the places named above.", "Keep a copy of the data folder as it is, find out who could write to it, and compare with a backup.", false, fatal},
	{BackupExists, 409, "The backup file exists already", "A backup never replaces a file.", "Name a file that does not exist yet.", false, info},

	{HostInvalid, 422, "The host is not a legal host name or address", "The host must be one DNS name or one IP address.", "Give a name such as db.example.com, or one address; no socket path, list, port, user or scheme.", false, info},
	{HostNotAllowed, 422, "The host is not allowed", "The host, or an address it resolves to, is outside what this service may connect to.", "Use a public address, or have the operator of this service admit the private range with --allow-target.", false, warn},
	{HostUnresolvable, 422, "The host could not be resolved", "The name did not resolve within the time limit.", "Check the spelling and that the name is in public DNS; then try again.", true, info},
	{PortNotAllowed, 422, "The port is not allowed", "The port is outside the allowed range.", "Use a port from 1024 to 65535, or have the operator list the port.", false, info},
	{SSLModeInvalid, 422, "sslmode is not acceptable", "sslmode must be require, verify-ca or verify-full.", "Use verify-full, with ca_pem when the database uses a private CA.", false, info},
	{CARequired, 422, "verify-ca needs ca_pem", "Without a CA of your own, verify-ca would accept any public certificate.", "Send the CA certificate as ca_pem, or use verify-full.", false, info},
	{CAInvalid, 422, "ca_pem is not usable", "ca_pem must hold CA certificates in PEM form, at most 64 KiB.", "Send the certificate of the authority that signed the server's certificate.", false, info},
	{CAContainsPrivateKey, 422, "ca_pem contains a private key", "A private key was sent where a certificate belongs. It was not stored.", "Send certificates only, and consider the key compromised.", false, warn},
	{PasswordEmpty, 422, "The password is empty", "A database user without a password is not accepted.", "Set a password for the database user and send it.", false, info},
	{Unreachable, 422, "No database answered there", "The connection could not be made, or what answered does not speak this database's protocol.", "Check host and port, that the database listens on that address, and that its firewall admits this service.", true, info},
	{TLSNotOffered, 422, "The database does not offer TLS", "The server declined an encrypted connection.", "Enable TLS on the database server (PostgreSQL: ssl = on; MySQL: a server certificate).", false, info},
	{TLSFailed, 422, "The TLS handshake failed", "The server broke off the TLS handshake.", "Check the server's certificate, key and TLS settings.", false, info},
	{TLSVersion, 422, "The database's TLS is too old", "The server does not speak TLS 1.2 or newer.", "Enable TLS 1.2 or 1.3 on the database server.", false, info},
	{CertificateExpired, 422, "The server's certificate has expired", "The certificate, or one it depends on, is past its end date.", "Renew the database server's certificate.", false, info},
	{CertificateNotYet, 422, "The server's certificate is not valid yet", "The certificate's start date lies in the future.", "Check the clocks of both machines, or wait until the certificate is valid.", false, info},
	{CertificateHost, 422, "The server's certificate is for another host", "The certificate does not name the host that was given.", "Connect by a name in the certificate, or issue a certificate for this name.", false, info},
	{CertificateUnknownCA, 422, "The server's certificate is signed by an unknown authority", "The certificate does not lead to a trusted authority.", "Send the authority's certificate as ca_pem; if intermediates are missing, have the server send them.", false, info},
	{CertificateSelfSigned, 422, "The server's certificate is self-signed", "The certificate is signed by its own key and by no authority.", "Use sslmode require, which remembers the server's key; or have an authority issue the certificate. If it may act as an authority itself, it can be sent as ca_pem.", false, info},
	{CertificateNoName, 422, "The server's certificate names no host", "The certificate has no subject alternative names.", "Issue a certificate with the host name as a subject alternative name.", false, info},
	{CertificateWeak, 422, "The server's certificate is too weak", "The certificate uses a key or signature that is no longer safe.", "Issue a certificate with an RSA key of at least 2048 bits or an EC key, signed with SHA-256.", false, info},
	{CertificateInvalid, 422, "The server's certificate is not acceptable", "The certificate could not be verified.", "Check the certificate chain that the database server sends.", false, info},
	{ServerIdentity, 422, "The server's key is not the one seen before", "Under sslmode require the server's key is remembered, and this server has another.", "If the server's key was changed on purpose, run the test again with POST /integrations/{kind}/sql/retest and review it; otherwise treat this as an attack.", false, fatal},

	{CredentialsRejected, 422, "The database rejected the credentials", "The server refused the user name or the password, or does not admit this user from here.", "Check user and password, and on the server which hosts the user may come from.", false, info},
	{AuthMethodRefused, 422, "The server asks for an authentication method that is not accepted", "The server wants a method that would expose the password or is not supported.", "Use scram-sha-256 on PostgreSQL, or caching_sha2_password or mysql_native_password over TLS on the MySQL family.", false, warn},
	{DatabaseUnknown, 422, "The server has no such database", "The server knows no database of that name, or the user may not connect to it.", "Check the database name and grant CONNECT to the user.", false, info},
	{OverPrivileged, 422, "The database user may do too much", "The user has rights that reach beyond its tables, such as superuser, role creation or file access.", "Create a least-privilege user with the SQL of GET /integrations/{kind}/sql/scripts and connect with that.", false, warn},
	{SchemaUnreadable, 422, "The schema could not be read", "The user sees no table that it may select.", "Grant SELECT with the SQL of GET /integrations/{kind}/sql/scripts.", false, info},
	{NotReadOnly, 422, "The read session is not read-only", "The server let a write through in a session that must be read-only.", "Connect to the database directly or through a pooler that keeps transactions whole; contact support if it persists.", false, fatal},
	{ServerBusy, 422, "The database has no free connection", "The server or the role has reached its connection limit.", "Raise the limit, or close other connections.", true, warn},
	{DatabaseBusy, 422, "All connections to the database are in use", "No connection became free within the time that was left.", "Try again shortly; raise the connection cap if it persists.", true, info},
	{ServerStarting, 422, "The database is starting or stopping", "The server does not accept connections at the moment.", "Try again shortly.", true, info},
	{ProtocolError, 422, "The server does not speak the database's protocol correctly", "The server sent bytes that are not acceptable.", "Check that host and port lead to the database itself.", false, warn},
	{DatabaseTimeout, 422, "The database did not answer in time", "The time limit for this step has passed.", "Check the database's load and the distance to it; then try again.", true, info},
	{DatabaseError, 422, "The database reported an error", "The server refused the statement.", "The SQLSTATE or error number is in the server log under the request id.", false, warn},
	{SchemaDrift, 422, "The database changed since discovery", "Something that the statement uses is gone or different.", "Run discover, then publish again.", false, warn},
	{PermissionDenied, 422, "The database user may not do this", "The server refused for lack of a privilege.", "Grant the right with the SQL of GET /integrations/{kind}/sql/scripts.", false, warn},
	{CredentialCorrupt, 503, "The stored credentials cannot be read", "The sealed credentials do not open; they were changed or belong elsewhere.", "Connect again with the credentials; check the data folder's integrity.", false, fatal},
	{ServerUnsupported, 422, "This server version is not supported", "The server is older than the oldest supported version.", "Use PostgreSQL 13 or newer, MySQL 9, or MariaDB 10.11 or newer.", false, info},
	{ConnectionLost, 422, "The connection to the database was lost", "The server or the network ended the connection before the answer was complete.", "Try again; if it persists, look in the database server's log.", true, warn},

	{AlreadyExists, 409, "There is such a row already", "A unique key of the table holds the same value already; nothing was written.", "Use another value, or update the row that is there.", false, info},
	{ConstraintViolated, 422, "The database refused the values", "A rule of the table, such as a foreign key, a check or a trigger, refused the row; nothing was written.", "Compare the values with the table's constraints and triggers.", false, info},
	{MoreThanOneRow, 422, "More than one row would have changed", "The statement met more than one row and was rolled back; nothing was written.", "Look for a unique index that is gone, or a trigger or rule that writes; then discover and publish again.", false, fatal},
	{NoRow, 404, "No row was found", "The update met no row and was rolled back; nothing was written.", "Check the key, and whether the row belongs to the caller.", false, info},
	{NotWritten, 422, "The row was not written", "The database accepted the statement and wrote no such row, as a trigger or rule may have it; nothing was written.", "Look at the triggers and rules of the table.", false, warn},
	{RowLocked, 422, "The row is in use", "Another transaction holds the row and did not let go in time; nothing was written.", "Try again shortly.", true, info},
	{CommitUnknown, 422, "It is not known whether the write took effect", "The database did not answer the COMMIT. The service asks it for the outcome.", "Do not repeat the write before its outcome is known; `flowyte journal` lists what is open.", false, fatal},

	{NotConnected, 404, "Not connected", "The organisation has no connection of this kind.", "Connect with POST /integrations/{kind}/connect.", false, info},
	{NotDiscovered, 404, "Not discovered", "The schema has not been discovered yet.", "Run POST /integrations/{kind}/discover first.", false, info},
	{ScriptInvalid, 422, "A name cannot be used in the script", "A name is not legal on this kind of database.", "Correct the names listed in `errors`.", false, info},
	{ScopingInvalid, 422, "The scoping is not acceptable", "A name in the block list is not usable.", "Correct the entries listed in `errors`.", false, info},
	{IdentityChanged, 422, "The connection leads to another database", "The server's identity is not the one that was connected.", "Connect again, discover and publish.", false, warn},
	{TestBudgetReached, 429, "Too many connection tests", "The organisation has reached its limit of connection tests.", "Wait for the time in Retry-After.", true, info},

	{BindingRejected, 422, "The binding was rejected", "The binding cannot be compiled; `findings` lists everything that is wrong with it.", "Apply the fix of each finding and send the binding again.", false, info},
	{ToolNameTaken, 409, "The tool name is taken", "Another skill of this agent has the same name or machine name.", "Choose another toolName.", false, info},
	{ToolNameInvalid, 422, "The tool name cannot be used", "No machine name can be derived from it, or the name is reserved by voice platforms.", "Use a short name with letters, such as \"Look up an appointment\".", false, info},
	{PlanChanged, 409, "The statement is not the one that was reviewed", "The planDigest sent is not the skill's present one.", "Read the skill, review its statement, and send its present planDigest.", false, info},
	{NoConfidentMatch, 422, "No binding fits the goal well enough", "Nothing is proposed below a bar of confidence; `candidates` come nearest.", "Say the goal in other words, or write the binding yourself.", false, info},
	{GateFixed, 422, "This gate cannot be switched off", "A write always keeps its confirmation and identity gates.", "Leave the gates of a write as they are.", false, info},
	{VersionConflict, 409, "The agent was changed meanwhile", "If-Match does not name the present revision.", "Read the agent again and repeat the change on its present revision.", false, info},
	{PublishBlocked, 422, "The agent cannot be published", "One or more enabled skills do not compile against the schema and scoping of now.", "Apply the fix of each finding, or disable the skill, then publish.", false, info},
	{RollbackBlocked, 422, "The version cannot be made live again", "Something the version needs is gone, blocked or changed.", "See the findings; publish a new version instead.", false, info},
	{NoPublishedVersion, 409, "The agent has never been published", "There is no version that a conversation could use.", "Publish with POST /agents/{agentId}/publish.", false, info},
	{RoleCannotWrite, 422, "The database role lacks the right to write", "The role that writes use lacks a right that this write needs.", "Run the GRANTs listed here as an administrator, or the write script of GET /integrations/{kind}/sql/scripts for this table.", false, info},
	{ValueInvalid, 422, "A value is not acceptable", "One or more values have the right form but cannot be used.", "Correct the fields listed in `errors`.", false, info},
	{SkillUnavailable, 422, "The skill cannot be used now", "The skill depends on something that is blocked, gone or not connected.", "See the skill's statusReason.", false, info},
	{VerificationRejected, 422, "The caller verification was rejected", "Callers cannot be verified this way; `findings` lists everything that is wrong with it.", "Apply the fix of each finding and send the whole configuration again.", false, info},

	{UnknownTool, 404, "Unknown tool", "The conversation's version has no tool of that name.", "Use one of the tools that the conversation listed when it began.", false, info},
	{ConversationEnded, 409, "The conversation has ended", "An ended conversation takes no more calls.", "Start a new conversation.", false, info},
	{WriteNotOpen, 409, "The write has ended", "The journal holds another end of this write already.", "See `flowyte journal --all`.", false, warn},
	{WriteNotUnknown, 409, "The write's end is not unknown", "The end of this write is known, or the service is still finding it out.", "See `flowyte journal --all`; a write that is open stays so until its database can be asked.", false, info},
	{ToolCallIDReused, 409, "The toolCallId belongs to another call", "The same toolCallId was used with other arguments or another tool.", "Use a new toolCallId for a new call.", false, info},
	{TooManyOpen, 503, "Too many open conversations", "The service holds as many open conversations as it can.", "End conversations that are over, then try again.", true, warn},
	{ToolCallInProgress, 409, "The tool call is still running", "The same toolCallId is being worked on.", "Ask again in a moment with GET /conversations/{id}/tool-calls/{toolCallId}.", true, debug},
	{VerificationNotOffered, 409, "This conversation does not verify callers this way", "The version that the conversation began with verifies its callers in another way, or not at all.", "Send `fields` where the method is verifier_skill and `asserted` where it is asserted; see GET /agents/{agentId}/caller-verification.", false, info},
}
