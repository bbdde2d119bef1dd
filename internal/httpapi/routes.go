package httpapi

import (
	"flowyte/internal/control"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/live"
	"flowyte/internal/schema"
)

// Register puts every use case into the route table.
func Register(a *API, c *control.Service, e *live.Engine) {
	registerIntegrations(a, c)
	registerAgents(a, c)
	registerSkills(a, c)
	registerVersions(a, c)
	registerConversations(a, c, e)
	registerVerification(a, c, e)
	registerKeys(a, c)
}

// The inputs that many routes share. A kind is read by control.ParseKind, so
// that a reserved one is told from an unknown one.
type (
	ofKind struct {
		Kind string `path:"kind" doc:"postgres or mysql."`
	}
	ofAgent struct {
		AgentID string `path:"agentId"`
	}
	ofSkill struct {
		AgentID string `path:"agentId"`
		SkillID string `path:"skillId"`
	}
	ofVersion struct {
		AgentID   string `path:"agentId"`
		VersionID string `path:"versionId"`
	}
	ofConversation struct {
		ConversationID string `path:"id"`
	}
	nothing struct{}
)

func (in ofKind) kind() (schema.Kind, error) { return control.ParseKind(in.Kind) }

func (in ofAgent) agent() id.Agent { return id.Agent(in.AgentID) }

func (in ofSkill) ids() (id.Agent, id.Skill) { return id.Agent(in.AgentID), id.Skill(in.SkillID) }

func (in ofVersion) ids() (id.Agent, id.Version) {
	return id.Agent(in.AgentID), id.Version(in.VersionID)
}

func (in ofConversation) conversation() id.Conversation { return id.Conversation(in.ConversationID) }

// What connecting to a customer's database can meet.
var connectFaults = []fault.Code{
	fault.KindReserved, fault.HostInvalid, fault.HostNotAllowed, fault.HostUnresolvable, fault.PortNotAllowed, fault.SSLModeInvalid,
	fault.CARequired, fault.CAInvalid, fault.CAContainsPrivateKey, fault.PasswordEmpty, fault.Unreachable, fault.TLSNotOffered,
	fault.TLSFailed, fault.TLSVersion, fault.CertificateExpired, fault.CertificateNotYet, fault.CertificateHost,
	fault.CertificateUnknownCA, fault.CertificateSelfSigned, fault.CertificateNoName, fault.CertificateWeak, fault.CertificateInvalid, fault.ServerIdentity,
	fault.CredentialsRejected, fault.AuthMethodRefused, fault.DatabaseUnknown, fault.OverPrivileged, fault.SchemaUnreadable,
	fault.NotReadOnly, fault.ServerBusy, fault.ServerStarting, fault.ProtocolError, fault.DatabaseTimeout, fault.DatabaseError,
	fault.ServerUnsupported, fault.TestBudgetReached,
}
