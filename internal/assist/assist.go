// Package assist turns a goal in plain words into complete bindings.
package assist
