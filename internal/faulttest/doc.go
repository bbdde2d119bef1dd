// Package faulttest holds the service to what it promises on a bad day: faults
// of the network, of databases, of the disk and of the machine, seen by a client
// over HTTP. docs/live-cases.md says which test holds which promise.
package faulttest
