package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Step is one curl of the walkthrough with what is said around it.
type Step struct {
	Heading string // set on the first step under a heading
	Prose   string
	Command string
	Keep    []Keep
	Expect  []Expect
	RunSQL  []string // paths of SQL in the answer, to run as administrator
}

// Keep stores a value of the answer in a variable.
type Keep struct{ Path, Variable string }

// Expect is what the page promises of the answer.
type Expect struct{ Path, Value string }

var (
	keepLine   = regexp.MustCompile("^Keep `([^`]+)` as `([A-Z_]+)`\\.$")
	expectLine = regexp.MustCompile("^Expect `([^`]+)` to be `([^`]+)`\\.$")
	runLine    = regexp.MustCompile("^Run `([^`]+)` on the database as its administrator\\.$")
)

// ParseSteps reads the walkthrough: every bash block is a step, and the lines
// after it that begin with Keep, Expect or Run say what to do with its answer.
func ParseSteps(markdown string) ([]Step, error) {
	var steps []Step
	var heading string
	var prose, command []string
	inBlock := false
	for _, line := range strings.Split(markdown, "\n") {
		switch {
		case inBlock && line == "```":
			inBlock = false
			steps = append(steps, Step{Heading: heading, Prose: strings.TrimSpace(strings.Join(prose, "\n")), Command: strings.Join(command, "\n")})
			heading, prose, command = "", nil, nil
		case inBlock:
			command = append(command, line)
		case line == "```bash":
			inBlock = true
		case strings.HasPrefix(line, "## "):
			heading, prose = strings.TrimPrefix(line, "## "), nil
		case len(steps) > 0 && steps[len(steps)-1].annotate(line):
		default:
			prose = append(prose, line)
		}
	}
	if inBlock {
		return nil, fmt.Errorf("the last bash block is not closed")
	}
	return steps, nil
}

func (s *Step) annotate(line string) bool {
	if m := keepLine.FindStringSubmatch(line); m != nil {
		s.Keep = append(s.Keep, Keep{m[1], m[2]})
		return true
	}
	if m := expectLine.FindStringSubmatch(line); m != nil {
		s.Expect = append(s.Expect, Expect{m[1], m[2]})
		return true
	}
	if m := runLine.FindStringSubmatch(line); m != nil {
		s.RunSQL = append(s.RunSQL, m[1])
		return true
	}
	return false
}

// Runner performs steps over HTTP.
type Runner struct {
	Env map[string]string
	// Admin runs SQL on the walkthrough's database.
	Admin func(ctx context.Context, sql string) error
	HTTP  *http.Client
}

// Answer is what a step got.
type Answer struct {
	Status  int
	Body    []byte
	Elapsed time.Duration
}

// Run performs one step, keeps what the page keeps, and fails when the answer
// is not what the page promises.
func (r *Runner) Run(ctx context.Context, s Step) (Answer, error) {
	call, err := parseCurl(s.Command, r.Env)
	if err != nil {
		return Answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, strings.NewReader(call.Body))
	if err != nil {
		return Answer{}, err
	}
	req.Header = call.Header
	if call.Body == "" {
		req.Body, req.ContentLength = nil, 0
	}
	began := time.Now()
	resp, err := r.HTTP.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Status: resp.StatusCode, Body: body, Elapsed: time.Since(began)}
	if resp.StatusCode >= 300 {
		return a, fmt.Errorf("the service answered %d: %s", resp.StatusCode, body)
	}
	return a, r.after(ctx, s, body)
}

func (r *Runner) after(ctx context.Context, s Step, body []byte) error {
	for _, e := range s.Expect {
		got, err := Lookup(body, e.Path)
		if err != nil {
			return err
		}
		if got != e.Value {
			return fmt.Errorf("%s is %q, the walkthrough promises %q", e.Path, got, e.Value)
		}
	}
	for _, k := range s.Keep {
		got, err := Lookup(body, k.Path)
		if err != nil {
			return err
		}
		r.Env[k.Variable] = got
	}
	for _, path := range s.RunSQL {
		sql, err := Lookup(body, path)
		if err != nil {
			return err
		}
		if err := r.Admin(ctx, sql); err != nil {
			return fmt.Errorf("run %s as administrator: %w", path, err)
		}
	}
	return nil
}

// Lookup finds a value in a JSON document by a dotted path of names and
// positions. Scalars come as their text.
func Lookup(document []byte, path string) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(document))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", fmt.Errorf("the answer is not JSON: %w", err)
	}
	for _, part := range strings.Split(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			child, ok := node[part]
			if !ok {
				return "", fmt.Errorf("the answer has no %s", path)
			}
			v = child
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(node) {
				return "", fmt.Errorf("the answer has no %s", path)
			}
			v = node[i]
		default:
			return "", fmt.Errorf("the answer has no %s", path)
		}
	}
	return fmt.Sprint(v), nil
}
