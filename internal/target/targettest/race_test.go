//go:build race

package targettest

// slowdown is how much more time everything needs under the race detector. The
// strict times are those of the plain binary.
const slowdown = 6
