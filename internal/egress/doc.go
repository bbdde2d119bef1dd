// Package egress is the only way from this process to a customer's database.
//
// It answers four questions, each in one place: may we go there (Classify,
// Policy, ParseHost), how do we get there (Guard), whom do we talk to (TLS) and
// how much may they send us (Conn). The answer is always the strict one: an
// address is refused unless it is known to be public or the operator admitted
// it, a host is refused when one of its addresses is, and a peer is refused
// before it has seen a user name.
//
// Nothing here comes from a tenant except the host, the port, the mode and the
// CA; the policy is built from the operator's configuration alone. Refusals are
// faults and name neither the address found nor the rule that refused it, so
// that the service cannot be used to look into somebody's DNS.
package egress
