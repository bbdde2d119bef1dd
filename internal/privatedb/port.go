package privatedb

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strconv"
)

// onFreePort calls launch with a free port, and again with another one when
// somebody took that port in between.
func onFreePort(launch func(port int) error) error {
	const attempts = 5
	var err error
	for range attempts {
		port, e := freePort()
		if e != nil {
			return e
		}
		if err = launch(port); err == nil || portFree(port) {
			return err
		}
	}
	return err
}

// freePort finds a port that nobody listens on, below the range from which
// the kernel takes ports for outgoing connections: there it stays free while
// the server is down between Kill and Restart.
func freePort() (int, error) {
	const lowest, ports, attempts = 15000, 17000, 100
	for range attempts {
		n, err := rand.Int(rand.Reader, big.NewInt(ports))
		if err != nil {
			return 0, fmt.Errorf("privatedb: choose port: %w", err)
		}
		if port := lowest + int(n.Int64()); portFree(port) {
			return port, nil
		}
	}
	return 0, errors.New("privatedb: no free port")
}

func portFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}
