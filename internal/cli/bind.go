package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"flowyte/api"
	"flowyte/client"
)

type bindCommand struct {
	Goal     string `arg:"" help:"What the agent should be able to do, in plain words."`
	URL      string `help:"Where the service listens." default:"http://127.0.0.1:8080" env:"FLOWYTE_URL"`
	KeyFile  string `help:"A file that holds the API key; FLOWYTE_KEY holds the key itself." type:"path"`
	Agent    string `help:"The agent's id." required:""`
	Kind     string `help:"postgres or mysql." default:"postgres" enum:"postgres,mysql"`
	ToolName string `help:"What the skill is to be called, instead of the proposed name."`
}

// Run shows what the service proposes for the goal, asks, and keeps what was
// shown as a disabled draft.
func (c bindCommand) Run(a *app) error {
	key, err := c.key()
	if err != nil {
		return err
	}
	service := client.New(c.URL, key, nil)
	found, err := service.AutoBind(a.ctx, c.Agent, c.Kind, api.AutoBindRequest{Goal: c.Goal, ToolName: c.ToolName, DryRun: true})
	if err != nil {
		return refused(a.out, err)
	}
	p := found.Proposal
	show(a.out, "Proposed", p.Binding, p.Confidence, p.Rationale)
	for i, other := range p.Alternatives {
		show(a.out, fmt.Sprintf("Alternative %d", i+1), other.Binding, other.Confidence, other.Rationale)
	}
	chosen, ok, err := choose(a, p)
	if err != nil || !ok {
		return err
	}
	skill, err := service.Bind(a.ctx, c.Agent, c.Kind, chosen)
	if err != nil {
		return refused(a.out, err)
	}
	_, err = fmt.Fprintf(a.out, "Kept as the disabled skill %s (%s). Review its statement, enable it, and publish.\n", skill.ID, skill.ToolName)
	return err
}

func (c bindCommand) key() (string, error) {
	if c.KeyFile == "" {
		if key := os.Getenv("FLOWYTE_KEY"); key != "" {
			return key, nil
		}
		return "", errors.New("no API key: give --key-file, or set FLOWYTE_KEY")
	}
	b, err := os.ReadFile(c.KeyFile)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// show prints one binding for the person who decides.
func show(w io.Writer, title string, b api.BindingRequest, confidence float64, rationale string) {
	fmt.Fprintf(w, "%s: %s, %s, confidence %.2f\n", title, b.ToolName, b.Operation, confidence)
	for _, in := range b.Inputs {
		fmt.Fprintf(w, "  given      %s = %s\n", in.Arg, in.Param)
	}
	if b.SQLWrite != nil {
		fmt.Fprintf(w, "  given      %s = %s\n", b.SQLWrite.KeyColumn, b.SQLWrite.KeyParam)
	}
	for _, p := range b.Projection {
		fmt.Fprintf(w, "  returns    %s as %s\n", strings.Join(p.Path, "."), p.Leaf)
	}
	for _, m := range b.InputObjectMap {
		source := m.Param + string(m.Const)
		if m.System != "" {
			source = "the system's " + m.System
		}
		fmt.Fprintf(w, "  writes     %s = %s\n", m.Field, source)
	}
	fmt.Fprintf(w, "  %s\n\n", rationale)
}

// choose asks until it is told yes, no, or the number of an alternative. The
// end of the input is a no.
func choose(a *app, p api.Proposal) (api.BindingRequest, bool, error) {
	question := "Keep it as a disabled draft? [y/N] "
	if n := len(p.Alternatives); n > 0 {
		question = fmt.Sprintf("Keep it as a disabled draft? [y/N, or 1 to %d for an alternative] ", n)
	}
	answers := bufio.NewScanner(a.in)
	for {
		if _, err := fmt.Fprint(a.out, question); err != nil {
			return api.BindingRequest{}, false, err
		}
		if !answers.Scan() {
			return api.BindingRequest{}, false, answers.Err()
		}
		switch answer := strings.ToLower(strings.TrimSpace(answers.Text())); answer {
		case "y", "yes":
			return p.Binding, true, nil
		case "", "n", "no":
			return api.BindingRequest{}, false, nil
		default:
			if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(p.Alternatives) {
				return p.Alternatives[n-1].Binding, true, nil
			}
		}
	}
}

// refused shows the candidates that come nearest, and makes an error of what
// the service said against a request: what happened, then what to do.
func refused(w io.Writer, err error) error {
	var problem *client.Error
	if !errors.As(err, &problem) {
		return err
	}
	for i, c := range problem.Candidates {
		show(w, fmt.Sprintf("Nearest %d", i+1), c.Binding, c.Confidence, c.Rationale)
	}
	said := append([]string{fmt.Sprintf("%s (%s)", problem.Detail, problem.Code)}, problem.Fixes...)
	return errors.New(strings.Join(said, "\n  "))
}
