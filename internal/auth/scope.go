package auth

import (
	"slices"
	"strings"

	"flowyte/internal/fault"
)

// Scope is one thing a key may do. No scope contains another: a key that may
// write may read only if it has both.
type Scope string

// The scopes, as the wire names them.
const (
	IntegrationsRead   Scope = "integrations:read"
	IntegrationsWrite  Scope = "integrations:write"
	AgentsRead         Scope = "agents:read"
	AgentsWrite        Scope = "agents:write"
	SkillsRead         Scope = "skills:read"
	SkillsWrite        Scope = "skills:write"
	AnalyticsRead      Scope = "analytics:read"
	ConversationsWrite Scope = "conversations:write"
	VerificationAssert Scope = "verification:assert"
	KeysRead           Scope = "keys:read"
	KeysWrite          Scope = "keys:write"
)

// order gives each scope its bit; it is also the order in which they are shown.
var order = []Scope{
	IntegrationsRead, IntegrationsWrite, AgentsRead, AgentsWrite, SkillsRead, SkillsWrite,
	AnalyticsRead, ConversationsWrite, VerificationAssert, KeysRead, KeysWrite,
}

// AllScopes lists every scope.
func AllScopes() []Scope { return slices.Clone(order) }

// Scopes is a set of scopes. The zero value is empty.
type Scopes uint32

// ScopesOf is the set of the scopes given; a scope that is not one of the
// constants adds nothing.
func ScopesOf(scopes ...Scope) Scopes {
	var s Scopes
	for _, scope := range scopes {
		s |= bit(scope)
	}
	return s
}

func bit(scope Scope) Scopes {
	if i := slices.Index(order, scope); i >= 0 {
		return 1 << i
	}
	return 0
}

// ParseScopes reads "all" or a comma list of scopes. The fault is
// value_invalid when the list is empty or names something else.
func ParseScopes(text string) (Scopes, error) {
	if strings.TrimSpace(text) == "all" {
		return ScopesOf(order...), nil
	}
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	s, ok := named(names)
	if !ok {
		return 0, fault.New(fault.ValueInvalid).WithField("scopes", "must be `all` or a comma list of %s", ScopesOf(order...))
	}
	return s, nil
}

// ScopesNamed is the set of the scopes with these names. The fault is
// value_invalid when there is none, or a name is not that of a scope.
func ScopesNamed(names []string) (Scopes, error) {
	s, ok := named(names)
	if !ok || s == 0 {
		return 0, fault.New(fault.ValueInvalid).WithField("scopes", "must be one or more of %s", ScopesOf(order...))
	}
	return s, nil
}

func named(names []string) (s Scopes, ok bool) {
	for _, name := range names {
		one := bit(Scope(name))
		if one == 0 {
			return 0, false
		}
		s |= one
	}
	return s, true
}

// Has tells whether scope is in the set.
func (s Scopes) Has(scope Scope) bool {
	b := bit(scope)
	return b != 0 && s&b != 0
}

// Without is what of s is not in other. A key may hand on to another key what
// is left empty by its own scopes.
func (s Scopes) Without(other Scopes) Scopes { return s &^ other }

// Names lists the scopes of the set in their fixed order.
func (s Scopes) Names() []string {
	names := make([]string, 0, len(order))
	for i, scope := range order {
		if s&(1<<i) != 0 {
			names = append(names, string(scope))
		}
	}
	return names
}

// String is the comma list that ParseScopes reads.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }
