// Package egresstest holds what tests need to attack the way out: a nameserver
// that answers by script, a forge for good and bad certificates, listeners that
// count who comes, and a connection that cuts, delays and corrupts.
//
// Everything listens on loopback only and ends with the test.
package egresstest
