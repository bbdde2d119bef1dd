package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server that is measured: a program of its own, so that what it
// costs is its own.
type process struct {
	cmd     *exec.Cmd
	address netip.AddrPort
	ended   chan error
	log     *tail
}

const (
	startLimit = 20 * time.Second
	endLimit   = 10 * time.Second
)

// start runs a program and reads its address from the first line of output or
// log for which addressOf finds one.
func start(ctx context.Context, addressOf func(line string) string, program string, args ...string) (*process, error) {
	cmd := exec.Command(program, args...)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan error, 1), log: &tail{}}
	found := make(chan string, 1)
	go func() {
		defer r.Close()
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			p.log.add(lines.Text())
			if a := addressOf(lines.Text()); a != "" {
				select {
				case found <- a:
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, r) // a line too long for the scanner must not block the program
		p.ended <- cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case a := <-found:
		p.address, err = netip.ParseAddrPort(a)
	case err = <-p.ended:
		return nil, fmt.Errorf("%s ended at its start: %w\n%s", program, err, p.log)
	case <-ctx.Done():
		err = fmt.Errorf("%s did not say its address: %w\n%s", program, ctx.Err(), p.log)
	}
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// end stops the program, in order if it can.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(endLimit):
		if err := p.cmd.Process.Kill(); err != nil {
			return err
		}
		<-p.ended
	}
	return nil
}

// resident is the memory that the process holds now and the most that it ever
// did, in MiB.
func (p *process) resident() (now, peak float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0, 0, err
	}
	read := func(name string) float64 {
		_, rest, _ := bytes.Cut(status, []byte("\n"+name+":"))
		fields := strings.Fields(string(rest))
		if len(fields) == 0 {
			return 0
		}
		kib, _ := strconv.ParseFloat(fields[0], 64)
		return kib / 1024
	}
	return read("VmRSS"), read("VmHWM"), nil
}

// tail keeps the last lines of a log for an error message.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 20 {
		t.lines = t.lines[1:]
	}
}

// String is the lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
