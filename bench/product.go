package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"flowyte/api"
	"flowyte/client"
)

const (
	tool = "look_up_an_order"
	// keysPerConversation is the contract's limit on distinct keys of a lookup.
	keysPerConversation = 5
)

// product is a running flowyte.
type product struct {
	*process
	binary string
	data   string
	http   *http.Client
}

func startProduct(ctx context.Context, binary, data string) (*product, error) {
	p, err := start(ctx, listening, binary, "serve", "--addr", "127.0.0.1:0", "--data", data, "--allow-target", "127.0.0.0/8",
		"--calls-per-second", "1000000", "--calls-at-once", "1000000")
	if err != nil {
		return nil, err
	}
	return &product{process: p, binary: binary, data: data, http: &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}}, nil
}

// listening finds the address in the log.
func listening(line string) string {
	var entry struct {
		Message string `json:"msg"`
		Address string `json:"address"`
	}
	if json.Unmarshal([]byte(line), &entry) != nil || entry.Message != "listening" {
		return ""
	}
	return entry.Address
}

// organisation makes one with a key and gives its client.
func (p *product) organisation(ctx context.Context, name string) (*client.Client, string, error) {
	out, err := exec.CommandContext(ctx, p.binary, "keys", "create", "--org", name, "--data", p.data).Output()
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	key := strings.TrimSpace(string(out))
	c := client.New("http://"+p.address.String(), key, p.http)
	// A running service notices a new key within a second.
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err = c.Do(ctx, http.MethodGet, "/integrations/catalog", nil, nil); err == nil || time.Now().After(deadline) {
			return c, key, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func binding() api.BindingRequest {
	return api.BindingRequest{
		ToolName: "Look up an order", Operation: "orders.read",
		Inputs: []api.BindingInput{{Param: "reference", Arg: "reference"}},
		Projection: []api.ProjectionEntry{
			{Path: []string{"order", "status"}, Leaf: "order_status"},
			{Path: []string{"order", "carrier"}, Leaf: "order_carrier"},
			{Path: []string{"order", "parcels"}, Leaf: "order_parcels"},
			{Path: []string{"customer", "name"}, Leaf: "customer_name"},
		},
		Enabled: true,
	}
}

// publish connects an organisation to the company and makes the look-up live.
func publish(ctx context.Context, c *client.Client, company *company, port int) (api.Agent, error) {
	var none api.Agent
	if _, err := c.Connect(ctx, company.kind, company.credentials(port)); err != nil {
		return none, fmt.Errorf("connect: %w", err)
	}
	if _, err := c.Discover(ctx, company.kind); err != nil {
		return none, fmt.Errorf("discover: %w", err)
	}
	agent, err := c.CreateAgent(ctx, api.AgentRequest{Name: "Front desk", Country: "US"})
	if err != nil {
		return none, fmt.Errorf("make an agent: %w", err)
	}
	if _, err := c.Bind(ctx, agent.ID, company.kind, binding()); err != nil {
		return none, fmt.Errorf("bind: %w", err)
	}
	if _, err := c.Publish(ctx, agent.ID, ""); err != nil {
		return none, fmt.Errorf("publish: %w", err)
	}
	return agent, nil
}

// ask starts a conversation and prepares as many questions as one may ask.
func ask(ctx context.Context, c *client.Client, agent api.Agent, key string, orders []int) ([]question, error) {
	conversation, err := c.Start(ctx, agent.ID, api.ConversationRequest{Channel: "voice"})
	if err != nil {
		return nil, fmt.Errorf("start a conversation: %w", err)
	}
	var questions []question
	for _, n := range orders {
		questions = append(questions, newQuestion(api.Base+"/conversations/"+conversation.ID+"/tool-calls", key, tool, reference(n)))
	}
	return questions, nil
}

// callers makes an organisation with a published look-up, and those who ask it.
func (p *product) callers(ctx context.Context, company *company, organisation string, port, n int) ([]*caller, error) {
	c, key, err := p.organisation(ctx, organisation)
	if err != nil {
		return nil, err
	}
	agent, err := publish(ctx, c, company, port)
	if err != nil {
		return nil, err
	}
	var callers []*caller
	for i := range n {
		questions, err := ask(ctx, c, agent, key, randomOrders(uint64(i), keysPerConversation))
		if err != nil {
			return nil, err
		}
		one, err := newCaller(p.address, questions)
		if err != nil {
			return nil, err
		}
		callers = append(callers, one)
	}
	return callers, nil
}

// randomOrders picks orders that every run asks for.
func randomOrders(seed uint64, n int) []int {
	random := rand.New(rand.NewPCG(seed, seed))
	picked := make([]int, n)
	for i := range picked {
		picked[i] = 1 + random.IntN(orders)
	}
	return picked
}
