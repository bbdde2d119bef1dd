// Package crashtest shows that a write is never lost and never made twice. It
// runs the whole service in a process of its own that kills itself in the middle
// of a write, kills databases there, and cuts connections at random; then it
// compares what the database has with what was answered. docs/writes.md says
// what is promised and what was measured.
package crashtest
