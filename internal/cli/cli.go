// Package cli holds the commands: serve, bind, keys, backup, audit, journal, demo, version.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"flowyte/internal/fault"
	"flowyte/internal/oplog"
)

// version is set by the linker.
var version = "dev"

type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run the service."`
	Keys    keysCommand    `cmd:"" help:"Make, list and revoke API keys. Works beside a running service."`
	Bind    bindCommand    `cmd:"" help:"Describe a goal, see the binding that a running service proposes, and keep it or not."`
	Backup  backupCommand  `cmd:"" help:"Write a consistent copy of the store, without the master key."`
	Audit   auditCommand   `cmd:"" help:"Prove that the audit trail was not changed."`
	Journal journalCommand `cmd:"" help:"List the writes whose end is open or unknown, and settle them."`
	Demo    demoCommand    `cmd:"" help:"Start a private database with a demo company and walk through the product."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// app is what every command gets.
type app struct {
	ctx context.Context
	in  io.Reader
	out io.Writer
	err io.Writer
	log *slog.Logger
}

// Main runs one command and returns the exit code: 0, 1 for a failure, 2 for a
// command line that cannot be read.
func Main(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, out, errOut)
}

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	var c commands
	code := -1
	parser, err := kong.New(&c,
		kong.Name("flowyte"),
		kong.Description("Voice and chat agents on your own PostgreSQL or MySQL, during a live call."),
		kong.Writers(out, errOut),
		kong.Exit(func(n int) { code = n }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(errOut, "flowyte:", err)
		return 2
	}
	cmd, err := parser.Parse(args)
	if code >= 0 { // --help was asked for and answered
		return code
	}
	if err != nil {
		fmt.Fprintln(errOut, "flowyte:", err)
		fmt.Fprintln(errOut, "Run `flowyte --help` for the commands.")
		return 2
	}
	a := &app{ctx: ctx, in: os.Stdin, out: out, err: errOut, log: oplog.New(errOut, slog.LevelInfo)}
	if err := cmd.Run(a); err != nil {
		explain(errOut, err)
		return 1
	}
	return 0
}

// explain prints an error for the person at the terminal: what happened, then
// what to do.
func explain(w io.Writer, err error) {
	f, ok := fault.As(err)
	if !ok {
		fmt.Fprintln(w, "flowyte:", err)
		return
	}
	def, _ := fault.Lookup(f.Code)
	detail := f.Detail
	if detail == "" {
		detail = def.Detail
	}
	fmt.Fprintf(w, "flowyte: %s (%s)\n", detail, f.Code)
	for _, field := range f.Fields {
		fmt.Fprintf(w, "  %s: %s\n", field.Field, field.Message)
	}
	for _, fix := range append([]string{def.Fix}, f.Fixes...) {
		fmt.Fprintln(w, "  "+fix)
	}
	// On the operator's own terminal the cause helps, and it is about our own
	// files, not about a customer's database.
	if cause := fault.Cause(err); cause != nil && !errors.Is(cause, context.Canceled) {
		fmt.Fprintln(w, "  cause:", cause)
	}
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(a *app) error {
	_, err := fmt.Fprintln(a.out, version)
	return err
}
