package faulttest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"flowyte/internal/apptest"
	"flowyte/internal/cli"
)

// roleVariable makes the test binary another process that does what it names.
const (
	roleVariable = "FLOWYTE_FAULT_TEST_ROLE"
	// Limits of that process, as numbers.
	filesVariable    = "FLOWYTE_FAULT_TEST_FILES"
	fileSizeVariable = "FLOWYTE_FAULT_TEST_FILE_SIZE"
)

// play is what another process does; it gives its exit code.
func play(role string) int {
	for variable, resource := range map[string]int{filesVariable: syscall.RLIMIT_NOFILE, fileSizeVariable: syscall.RLIMIT_FSIZE} {
		if n, err := strconv.ParseUint(os.Getenv(variable), 10, 64); err == nil {
			if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
	}
	return cli.Main(os.Args[1:], os.Stdout, os.Stderr)
}

// process is the service as a process of its own, on the folder of a practice
// that was stopped. The practice speaks to it.
type process struct {
	cmd     *exec.Cmd
	metrics string        // where they are served
	took    time.Duration // from its start until it listened
	ended   chan error
	log     *apptest.Log
}

// apart stops the practice's service and starts it as another process.
func (p *practice) apart(t *testing.T, env ...string) *process {
	t.Helper()
	p.Stop()
	metrics := freeAddress(t)
	cmd := exec.Command(os.Args[0], "serve", "--addr", "127.0.0.1:0", "--metrics-addr", metrics, "--data", p.Data, "--allow-target", "127.0.0.0/8")
	cmd.Env = append(append(os.Environ(), roleVariable+"=serve"), env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	one := &process{cmd: cmd, metrics: metrics, ended: make(chan error, 1), log: &apptest.Log{}}
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			fmt.Fprintln(one.log, lines.Text())
			var entry struct {
				Message string `json:"msg"`
				Address string `json:"address"`
			}
			if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Message == "listening" {
				address <- entry.Address
			}
		}
		one.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended by itself
			<-one.ended
		}
	})
	select {
	case a := <-address:
		p.URL, one.took = "http://"+a, time.Since(begun)
	case err := <-one.ended:
		one.ended <- err
		t.Fatalf("the service did not start: %v\n%s", err, one.log.String())
	case <-time.After(20 * time.Second):
		t.Fatalf("the service did not say where it listens:\n%s", one.log.String())
	}
	return one
}

// freeAddress is one on which nobody listens at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// stop sends SIGTERM and waits for the end.
func (one *process) stop(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	if err := one.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-one.ended:
		one.ended <- err
		if err != nil {
			t.Errorf("the service ended with %v\n%s", err, one.log.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the service does not end")
	}
	return time.Since(begun)
}
