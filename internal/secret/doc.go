// Package secret keeps values that must not be printed, and seals them at rest.
//
// Text is a value in memory that no formatter, encoder or logger gets to see.
// Master is the key file, Keyring what it unlocks: sealing bound to the place
// where a value is kept, and keyed hashes apart for each purpose.
package secret
