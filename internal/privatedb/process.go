package privatedb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// pollStep is how often a condition outside this process is looked at.
const pollStep = 10 * time.Millisecond

// command is a program to run as the server account.
type command struct {
	as      account
	program string
	args    []string
	dir     string // working folder
	input   io.Reader
	// orphaned is the signal the kernel sends the child when this process dies.
	orphaned syscall.Signal
}

func (c command) build(ctx context.Context, output io.Writer) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.program, c.args...)
	cmd.Dir = c.dir
	cmd.Stdin = c.input
	cmd.Stdout = output
	cmd.Stderr = output
	// A fixed environment: the caller's locale, time zone and PG* or MYSQL*
	// settings must not change what a private server does.
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "HOME=" + c.dir}
	cmd.SysProcAttr = childAttributes(c.as, c.orphaned)
	return cmd
}

// run runs a short program to its end; the error carries what it printed.
func (c command) run(ctx context.Context) error {
	// The kernel's promise to end the child is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var output strings.Builder
	if err := c.build(ctx, &output).Run(); err != nil {
		return fmt.Errorf("privatedb: run %s: %w\n%s", c.program, err, tail(output.String()))
	}
	return nil
}

// process is a running server program.
type process struct {
	pid  int
	done chan struct{} // closed when the program has ended and was reaped

	mu       sync.Mutex
	watchdog *watchdog // set while paused
}

// start runs c in the background, its output appended to the file log.
func (c command) start(log string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("privatedb: open server log: %w", err)
	}
	defer output.Close()
	cmd := c.build(context.Background(), output)
	p := &process{done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel signals the child when the *thread* that started it
		// ends, so this goroutine keeps its thread for as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		// How a server ended is told by its log; that it ended, by done.
		_ = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("privatedb: start %s: %w", c.program, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// ended tells whether the program is gone.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the program to end with signal, and waits.
func (p *process) stop(ctx context.Context, signal syscall.Signal) error {
	if p.ended() {
		return nil
	}
	// A frozen program cannot follow the signal.
	if err := p.resume(true); err != nil {
		return err
	}
	if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("privatedb: signal server: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("privatedb: server did not stop: %w", ctx.Err())
	}
}

// kill ends the program and everything it started, as a power cut would, and
// waits until none of them is left.
func (p *process) kill() error {
	if p.ended() {
		return nil
	}
	// Stopped first, so that it starts no further children meanwhile.
	if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("privatedb: stop server: %w", err)
	}
	children, err := descendants(p.pid)
	if err != nil {
		return err
	}
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	for _, child := range children {
		_ = syscall.Kill(child.pid, syscall.SIGKILL)
	}
	<-p.done
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, child := range children {
		if err := poll(ctx, func() bool { return !child.alive() }); err != nil {
			return fmt.Errorf("privatedb: server process %d stays: %w", child.pid, err)
		}
	}
	return p.resume(false)
}

// pause freezes the program and everything it started. Should this process
// die meanwhile, a watchdog ends them: frozen children notice nothing.
func (p *process) pause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchdog != nil || p.ended() {
		return errors.New("privatedb: pause needs a running server")
	}
	if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("privatedb: pause server: %w", err)
	}
	children, err := descendants(p.pid)
	if err != nil {
		return err
	}
	frozen := []int{p.pid}
	for _, child := range children {
		_ = syscall.Kill(child.pid, syscall.SIGSTOP)
		frozen = append(frozen, child.pid)
	}
	p.watchdog, err = watch(frozen)
	return err
}

func (p *process) paused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.watchdog != nil
}

// resume ends a pause; with wake false the frozen processes are gone already.
func (p *process) resume(wake bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watchdog == nil {
		return nil
	}
	if wake {
		for _, pid := range p.watchdog.pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
	err := p.watchdog.dismiss()
	p.watchdog = nil
	return err
}

// watchdog is a shell that kills pids when this process dies without a word.
type watchdog struct {
	pids []int
	cmd  *exec.Cmd
	line io.WriteCloser // closing it without a line written sets the dog on
}

func watch(pids []int) (*watchdog, error) {
	args := []string{"-c", `read -r _ || kill -9 "$@"`, "watchdog"}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	cmd := exec.Command("/bin/sh", args...)
	// Its own group: an interrupt from the terminal must not end it first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	line, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("privatedb: start watchdog: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("privatedb: start watchdog: %w", err)
	}
	return &watchdog{pids: pids, cmd: cmd, line: line}, nil
}

func (w *watchdog) dismiss() error {
	_, err := io.WriteString(w.line, "done\n")
	return errors.Join(err, w.line.Close(), w.cmd.Wait())
}

// poll waits until ready answers true.
func poll(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(pollStep)
	defer tick.Stop()
	for !ready() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// tail is the end of a log, enough to see why a server gave up.
func tail(log string) string {
	const most = 30
	lines := strings.Split(strings.TrimSpace(log), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
