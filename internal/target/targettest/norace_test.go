//go:build !race

package targettest

const slowdown = 1
