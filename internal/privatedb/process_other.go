//go:build !linux

package privatedb

import (
	"errors"
	"os"
	"syscall"
)

// errNotLinux: ending with this process and freezing a whole server rest on
// what Linux alone offers. The rest of the program runs elsewhere too.
var errNotLinux = errors.New("privatedb: private servers need Linux")

func childAttributes(account, syscall.Signal) *syscall.SysProcAttr { return nil }
func lockFile(string) (*os.File, error)                            { return nil, errNotLinux }
func abandoned(string) bool                                        { return false }
func freeBytes(string) uint64                                      { return 0 }
func removeSharedMemory(int32, int)                                {}

type child struct{ pid int }

func (child) alive() bool { return false }

func descendants(int) ([]child, error) { return nil, errNotLinux }
