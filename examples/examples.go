// Package examples carries the walkthrough, so that the demo and the tests run
// the very text that people read.
package examples

import _ "embed"

// Walkthrough is walkthrough.md.
//
//go:embed walkthrough.md
var Walkthrough string
