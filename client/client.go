// Package client is the Go client of the flowyte API. Methods answer with the
// wire types of package api, or with *Error when the service answered with a
// problem document.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"flowyte/api"
)

// Client speaks to one service with one key. It is safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New makes a client for the service at base, such as http://127.0.0.1:8080.
// A nil h means http.DefaultClient.
func New(base, key string, h *http.Client) *Client {
	if h == nil {
		h = http.DefaultClient
	}
	return &Client{base: strings.TrimSuffix(base, "/"), key: key, http: h}
}

// Error is a problem document.
type Error struct{ api.Problem }

func (e *Error) Error() string {
	return fmt.Sprintf("%s (%d): %s", e.Code, e.Status, e.Detail)
}

// Do sends one request below /api/v1 and decodes the answer's data into out,
// which may be nil. body is marshalled unless it is nil.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) error {
	raw, err := c.Raw(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return json.Unmarshal(envelope.Data, out)
}

// Raw sends one request below /api/v1 and returns the whole body of a
// successful answer.
func (c *Client) Raw(ctx context.Context, method, path string, body any, header http.Header) ([]byte, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+api.Base+path, reader)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		e := &Error{}
		if err := json.Unmarshal(answer, &e.Problem); err != nil || e.Code == "" {
			return nil, fmt.Errorf("the service answered %d without a problem document", resp.StatusCode)
		}
		return nil, e
	}
	return answer, nil
}

func do[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	err := c.Do(ctx, method, path, body, &out)
	return out, err
}

// Scripts asks for the SQL of a least-privilege user.
func (c *Client) Scripts(ctx context.Context, kind string, query url.Values) (api.Scripts, error) {
	return do[api.Scripts](ctx, c, http.MethodGet, "/integrations/"+kind+"/sql/scripts?"+query.Encode(), nil)
}

// Test runs the six checks without storing anything.
func (c *Client) Test(ctx context.Context, kind string, creds api.Credentials) (api.TestResult, error) {
	return do[api.TestResult](ctx, c, http.MethodPost, "/integrations/"+kind+"/sql/test", api.CredentialsRequest{Credentials: creds})
}

// Connect stores the credentials once they pass.
func (c *Client) Connect(ctx context.Context, kind string, creds api.Credentials) (api.Connected, error) {
	return do[api.Connected](ctx, c, http.MethodPost, "/integrations/"+kind+"/connect", api.CredentialsRequest{Credentials: creds})
}

// Disconnect closes a connection and destroys its credentials.
func (c *Client) Disconnect(ctx context.Context, kind string) (api.Disconnected, error) {
	return do[api.Disconnected](ctx, c, http.MethodDelete, "/integrations/"+kind, nil)
}

// Integration tells how a connection stands.
func (c *Client) Integration(ctx context.Context, kind string) (api.Integration, error) {
	return do[api.Integration](ctx, c, http.MethodGet, "/integrations/"+kind, nil)
}

// Discover reads the schema of the connected database.
func (c *Client) Discover(ctx context.Context, kind string) (api.Discovered, error) {
	return do[api.Discovered](ctx, c, http.MethodPost, "/integrations/"+kind+"/discover", nil)
}

// Schema returns the discovered schema after scoping.
func (c *Client) Schema(ctx context.Context, kind string) (api.Schema, error) {
	return do[api.Schema](ctx, c, http.MethodGet, "/integrations/"+kind+"/schema", nil)
}

// Search finds objects, fields and operations by words.
func (c *Client) Search(ctx context.Context, kind, q string) ([]api.SearchHit, error) {
	return do[[]api.SearchHit](ctx, c, http.MethodGet, "/integrations/"+kind+"/search?q="+url.QueryEscape(q), nil)
}

// Scoping tells what is blocked.
func (c *Client) Scoping(ctx context.Context, kind string) (api.Scoping, error) {
	return do[api.Scoping](ctx, c, http.MethodGet, "/integrations/"+kind+"/scoping", nil)
}

// SetScoping replaces the keys that the patch carries.
func (c *Client) SetScoping(ctx context.Context, kind string, patch any) (api.Scoping, error) {
	return do[api.Scoping](ctx, c, http.MethodPatch, "/integrations/"+kind+"/scoping", patch)
}

// CreateAgent makes an agent.
func (c *Client) CreateAgent(ctx context.Context, a api.AgentRequest) (api.Agent, error) {
	return do[api.Agent](ctx, c, http.MethodPost, "/agents", a)
}

// Agent reads an agent.
func (c *Client) Agent(ctx context.Context, id string) (api.Agent, error) {
	return do[api.Agent](ctx, c, http.MethodGet, "/agents/"+id, nil)
}

// Bind maps an operation onto a new skill.
func (c *Client) Bind(ctx context.Context, agent, kind string, b api.BindingRequest) (api.Skill, error) {
	return do[api.Skill](ctx, c, http.MethodPost, "/agents/"+agent+"/integrations/"+kind+"/bindings", b)
}

// AutoBind asks for a binding that serves a goal.
func (c *Client) AutoBind(ctx context.Context, agent, kind string, r api.AutoBindRequest) (api.AutoBound, error) {
	return do[api.AutoBound](ctx, c, http.MethodPost, "/agents/"+agent+"/integrations/"+kind+"/bindings/auto", r)
}

// Skill reads a skill.
func (c *Client) Skill(ctx context.Context, agent, skill string) (api.Skill, error) {
	return do[api.Skill](ctx, c, http.MethodGet, "/agents/"+agent+"/skills/"+skill, nil)
}

// PatchSkill changes a skill.
func (c *Client) PatchSkill(ctx context.Context, agent, skill string, p api.SkillPatch) (api.Skill, error) {
	return do[api.Skill](ctx, c, http.MethodPatch, "/agents/"+agent+"/skills/"+skill, p)
}

// Publish makes the draft live.
func (c *Client) Publish(ctx context.Context, agent, note string) (api.Version, error) {
	return do[api.Version](ctx, c, http.MethodPost, "/agents/"+agent+"/publish", api.PublishRequest{Note: note})
}

// RollBack makes an earlier version live again.
func (c *Client) RollBack(ctx context.Context, agent, version string) (api.Version, error) {
	return do[api.Version](ctx, c, http.MethodPost, "/agents/"+agent+"/rollback", api.RollbackRequest{VersionID: version})
}

// CreateKey makes an API key; the answer is the only one that holds it.
func (c *Client) CreateKey(ctx context.Context, r api.APIKeyRequest) (api.APIKey, error) {
	return do[api.APIKey](ctx, c, http.MethodPost, "/api-keys", r)
}

// Keys lists the organisation's API keys.
func (c *Client) Keys(ctx context.Context) ([]api.APIKey, error) {
	return do[[]api.APIKey](ctx, c, http.MethodGet, "/api-keys?limit=200", nil)
}

// RevokeKey ends an API key.
func (c *Client) RevokeKey(ctx context.Context, key string) (api.APIKey, error) {
	return do[api.APIKey](ctx, c, http.MethodDelete, "/api-keys/"+key, nil)
}

// Start opens a conversation.
func (c *Client) Start(ctx context.Context, agent string, r api.ConversationRequest) (api.Conversation, error) {
	return do[api.Conversation](ctx, c, http.MethodPost, "/agents/"+agent+"/conversations", r)
}

// Call asks one question.
func (c *Client) Call(ctx context.Context, conversation string, r api.ToolCallRequest) (api.ToolCallAnswer, error) {
	return do[api.ToolCallAnswer](ctx, c, http.MethodPost, "/conversations/"+conversation+"/tool-calls", r)
}

// ToolCall reads the answer of an earlier question again, which is how the
// outcome of a write that was pending becomes known.
func (c *Client) ToolCall(ctx context.Context, conversation, toolCallID string) (api.ToolCallAnswer, error) {
	return do[api.ToolCallAnswer](ctx, c, http.MethodGet, "/conversations/"+conversation+"/tool-calls/"+url.PathEscape(toolCallID), nil)
}

// End closes a conversation.
func (c *Client) End(ctx context.Context, conversation string) (api.Receipt, error) {
	return do[api.Receipt](ctx, c, http.MethodPost, "/conversations/"+conversation+"/end", nil)
}
