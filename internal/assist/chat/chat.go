// Package chat asks an OpenAI-compatible endpoint to choose among bindings. It
// speaks plain HTTP through the egress guard, without a proxy or redirects, and
// believes nothing that it is told.
package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"crypto/x509"

	"flowyte/internal/assist"
	"flowyte/internal/egress"
	"flowyte/internal/secret"
)

const (
	// Deadline is how long a model may take, connection included.
	Deadline = 5 * time.Second
	// maxAnswer is the most bytes of an answer that are read.
	maxAnswer = 64 << 10
)

// Options say where the model is.
type Options struct {
	// URL is the endpoint's base, such as https://api.example.com/v1; the
	// request goes to /chat/completions below it.
	URL   *url.URL
	Model string
	Key   secret.Text // sent as a bearer token unless it is empty
	Guard *egress.Guard
	// Roots stands in for the system's authorities; nil means the system's.
	Roots *x509.CertPool
	// Deadline replaces the package's; 0 means that.
	Deadline time.Duration
}

// Model is one endpoint. It is safe for concurrent use.
type Model struct {
	url      string
	model    string
	key      secret.Text
	deadline time.Duration
	http     *http.Client
}

// New makes a model. The errors are faults about the host, and one for a scheme
// that is neither http nor https.
func New(o Options) (*Model, error) {
	host, err := egress.ParseHost(o.URL.Hostname())
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		// Every connection has a budget of bytes, which reuse would run down.
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dial(ctx, o.Guard, host, address)
		},
	}
	switch o.URL.Scheme {
	case "http":
	case "https":
		if transport.TLSClientConfig, err = egress.TLS(egress.TLSOptions{Mode: egress.VerifyFull, Host: host, Roots: o.Roots}); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("chat: the endpoint must be http or https")
	}
	m := &Model{url: o.URL.JoinPath("chat", "completions").String(), model: o.Model, key: o.Key, deadline: o.Deadline}
	if m.deadline == 0 {
		m.deadline = Deadline
	}
	m.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return m, nil
}

func dial(ctx context.Context, guard *egress.Guard, host egress.Host, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	return guard.Dial(ctx, host, uint16(number))
}

// Choose implements assist.Model. The errors are for the log; they hold no key
// and nothing that the endpoint sent.
func (m *Model) Choose(ctx context.Context, q assist.Question) (assist.Choice, error) {
	ctx, cancel := context.WithTimeout(ctx, m.deadline)
	defer cancel()
	body, err := json.Marshal(m.request(q))
	if err != nil {
		return assist.Choice{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(body))
	if err != nil {
		return assist.Choice{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if !m.key.Empty() {
		req.Header.Set("Authorization", "Bearer "+m.key.Reveal())
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return assist.Choice{}, fmt.Errorf("chat: ask the model: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return assist.Choice{}, fmt.Errorf("chat: the model answered with status %d", resp.StatusCode)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return assist.Choice{}, fmt.Errorf("chat: read the model's answer: %w", err)
	}
	return parse(answer)
}

// parse reads the completion and the JSON text inside it.
func parse(answer []byte) (assist.Choice, error) {
	if len(answer) > maxAnswer {
		return assist.Choice{}, errors.New("chat: the model's answer is too long")
	}
	var completion struct {
		Choices []struct {
			Message struct {
				Content string `json:"content"`
			} `json:"message"`
		} `json:"choices"`
	}
	if err := json.Unmarshal(answer, &completion); err != nil || len(completion.Choices) == 0 {
		return assist.Choice{}, errors.New("chat: the model's answer is no completion")
	}
	var content struct {
		Choice   *int   `json:"choice"`
		ToolName string `json:"toolName"`
	}
	if err := json.Unmarshal([]byte(completion.Choices[0].Message.Content), &content); err != nil || content.Choice == nil {
		return assist.Choice{}, errors.New("chat: the model's answer is not of the form that was asked for")
	}
	return assist.Choice{Index: *content.Choice, ToolName: content.ToolName}, nil
}
