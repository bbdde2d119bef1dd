package control

import (
	"context"
	"strings"
	"time"

	"golang.org/x/text/language"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/store"
)

// CreateAgent makes an agent with an empty draft.
func (s *Service) CreateAgent(ctx context.Context, p auth.Principal, r api.AgentRequest) (api.Agent, error) {
	a := store.Agent{Name: r.Name, Description: r.Description, Country: r.Country, TimeZone: r.TimeZone, Channels: r.Channels}
	if err := checkAgent(&a); err != nil {
		return api.Agent{}, err
	}
	a, err := s.store.CreateAgent(ctx, by(p), a)
	if err != nil {
		return api.Agent{}, err
	}
	return viewAgent(a), nil
}

// checkAgent judges what an operator may set. All problems come together.
func checkAgent(a *store.Agent) error {
	bad := fault.New(fault.ValueInvalid)
	if strings.TrimSpace(a.Name) == "" {
		bad.WithField("name", "must not be empty")
	}
	if a.Country != "" {
		r, err := language.ParseRegion(a.Country)
		if err != nil || !r.IsCountry() || r.String() != a.Country {
			bad.WithField("country", "must be a two-letter ISO 3166 country code in capitals, such as US")
		}
	}
	if a.TimeZone != "" {
		// "Local" is a legal argument of LoadLocation and means this machine.
		if _, err := time.LoadLocation(a.TimeZone); err != nil || a.TimeZone == "Local" {
			bad.WithField("timeZone", "must be an IANA time zone, such as America/Los_Angeles")
		}
	}
	if !soundChannels(a.Channels) {
		bad.WithField("channels", "must be voice, chat, or both")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// Agents lists the organisation's agents.
func (s *Service) Agents(ctx context.Context, p auth.Principal, cursor string, limit int) ([]api.Agent, string, error) {
	page, err := s.store.Agents(ctx, p.OrgID, store.Page{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, "", err
	}
	list := make([]api.Agent, 0, len(page.Items))
	for _, a := range page.Items {
		list = append(list, viewAgent(a))
	}
	return list, page.Next, nil
}

// Agent is one agent.
func (s *Service) Agent(ctx context.Context, p auth.Principal, agent id.Agent) (api.Agent, error) {
	a, err := s.store.Agent(ctx, p.OrgID, agent)
	if err != nil {
		return api.Agent{}, err
	}
	return viewAgent(a), nil
}

// PatchAgent changes an agent. revision is what the caller last saw, 0 when it
// does not care; a stale one is a conflict that carries the present state.
func (s *Service) PatchAgent(ctx context.Context, p auth.Principal, agent id.Agent, revision int, patch api.AgentPatch) (api.Agent, error) {
	a, err := s.store.ChangeAgent(ctx, by(p), agent, revision, func(a *store.Agent) error {
		set(&a.Name, patch.Name)
		set(&a.Description, patch.Description)
		set(&a.Country, patch.Country)
		set(&a.TimeZone, patch.TimeZone)
		set(&a.Channels, patch.Channels)
		return checkAgent(a)
	})
	if fault.Is(err, fault.VersionConflict) {
		return api.Agent{}, fault.New(fault.VersionConflict).WithExtra("current", viewAgent(a))
	}
	if err != nil {
		return api.Agent{}, err
	}
	return viewAgent(a), nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// DeleteAgent removes an agent with its skills and versions. Its open
// conversations end.
func (s *Service) DeleteAgent(ctx context.Context, p auth.Principal, agent id.Agent) (api.Deleted, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if err := s.store.DeleteAgent(ctx, by(p), agent); err != nil {
		return api.Deleted{}, err
	}
	s.retire(agent)
	return api.Deleted{ID: string(agent), Deleted: true}, nil
}

func viewAgent(a store.Agent) api.Agent {
	v := api.Agent{
		ID: string(a.ID), OrganizationID: string(a.OrgID), Name: a.Name, Description: a.Description, Country: a.Country,
		TimeZone: a.TimeZone, Channels: channelsOrAll(a.Channels), Version: a.Revision, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt,
	}
	if a.PublishedVersionID != "" {
		v.PublishedVersionID, v.PublishedVersion = ptr(string(a.PublishedVersionID)), ptr(a.PublishedNumber)
	}
	return v
}
