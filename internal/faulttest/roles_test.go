package faulttest

import "os"

// roleVariable makes the test binary another process that does what it names.
const roleVariable = "FLOWYTE_FAULT_TEST_ROLE"

// play is what another process does; it gives its exit code.
func play(role string) int {
	_ = os.Args
	return 1
}
