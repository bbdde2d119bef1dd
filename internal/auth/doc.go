// Package auth decides who is asking and what they may do: API keys, scopes
// and the principal a key stands for.
//
// Keys are checked against a table in memory. The store is asked only whether
// the table is still true, so a request never waits for it and goes on being
// served while it is away.
package auth
