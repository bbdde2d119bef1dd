package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/control"
	"flowyte/internal/fault"
)

type createAgentInput struct{ Body api.AgentRequest }

type patchAgentInput struct {
	ofAgent
	IfMatch string `header:"If-Match" doc:"The revision (version) that was last seen; a stale one is refused with the present state."`
	Body    api.AgentPatch
}

func registerAgents(a *API, c *control.Service) {
	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents", Scope: auth.AgentsWrite, Tag: "Agents", Status: http.StatusCreated,
		Summary: "Create an agent", Errors: []fault.Code{fault.ValueInvalid},
	}, func(ctx context.Context, p auth.Principal, in *createAgentInput) (api.Agent, error) {
		return c.CreateAgent(ctx, p, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents", Scope: auth.AgentsRead, Tag: "Agents", Summary: "List agents",
	}, func(ctx context.Context, p auth.Principal, in *Paging) (Page[api.Agent], error) {
		list, next, err := c.Agents(ctx, p, in.Cursor, in.Limit)
		return Page[api.Agent]{Items: list, NextCursor: next}, err
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}", Scope: auth.AgentsRead, Tag: "Agents", Summary: "Read an agent",
	}, func(ctx context.Context, p auth.Principal, in *ofAgent) (api.Agent, error) {
		return c.Agent(ctx, p, in.agent())
	})

	Handle(a, Op{
		Method: http.MethodPatch, Path: "/agents/{agentId}", Scope: auth.AgentsWrite, Tag: "Agents", Summary: "Change an agent",
		Errors: []fault.Code{fault.ValueInvalid, fault.VersionConflict},
	}, func(ctx context.Context, p auth.Principal, in *patchAgentInput) (api.Agent, error) {
		revision, err := parseRevision(in.IfMatch)
		if err != nil {
			return api.Agent{}, err
		}
		return c.PatchAgent(ctx, p, in.agent(), revision, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodDelete, Path: "/agents/{agentId}", Scope: auth.AgentsWrite, Tag: "Agents",
		Summary: "Delete an agent with its skills and versions",
	}, func(ctx context.Context, p auth.Principal, in *ofAgent) (api.Deleted, error) {
		return c.DeleteAgent(ctx, p, in.agent())
	})
}

// parseRevision reads If-Match: a revision with or without quotes, 0 for none.
func parseRevision(header string) (int, error) {
	if header == "" || header == "*" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.Trim(header, `"`))
	if err != nil || n < 1 {
		return 0, fault.New(fault.InvalidParameter).WithField("If-Match", "must be a revision, such as \"3\"")
	}
	return n, nil
}

type publishInput struct {
	ofAgent
	Body *api.PublishRequest
}

type rollbackInput struct {
	ofAgent
	Body api.RollbackRequest
}

type versionsInput struct {
	ofAgent
	Paging
}

func registerVersions(a *API, c *control.Service) {
	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/publish", Scope: auth.AgentsWrite, Tag: "Versions", Summary: "Publish the draft",
		Errors:      []fault.Code{fault.PublishBlocked, fault.VersionConflict},
		Description: "Compiles every enabled skill against the schema and scoping of now, and makes the result live.",
	}, func(ctx context.Context, p auth.Principal, in *publishInput) (api.Version, error) {
		note := ""
		if in.Body != nil {
			note = in.Body.Note
		}
		return c.Publish(ctx, p, in.agent(), note)
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/rollback", Scope: auth.AgentsWrite, Tag: "Versions",
		Summary: "Make an earlier version live again", Errors: []fault.Code{fault.RollbackBlocked},
	}, func(ctx context.Context, p auth.Principal, in *rollbackInput) (api.Version, error) {
		return c.RollBack(ctx, p, in.agent(), versionID(in.Body.VersionID))
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/versions", Scope: auth.AgentsRead, Tag: "Versions", Summary: "List versions",
	}, func(ctx context.Context, p auth.Principal, in *versionsInput) (Page[api.Version], error) {
		list, next, err := c.Versions(ctx, p, in.agent(), in.Cursor, in.Limit)
		return Page[api.Version]{Items: list, NextCursor: next}, err
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/versions/{versionId}", Scope: auth.AgentsRead, Tag: "Versions", Summary: "Read a version",
	}, func(ctx context.Context, p auth.Principal, in *ofVersion) (api.Version, error) {
		agent, version := in.ids()
		return c.Version(ctx, p, agent, version)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/versions/{versionId}/diff", Scope: auth.AgentsRead, Tag: "Versions",
		Summary: "Compare a version with the draft",
	}, func(ctx context.Context, p auth.Principal, in *ofVersion) (api.VersionDiff, error) {
		agent, version := in.ids()
		return c.Diff(ctx, p, agent, version)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/prepublish-report", Scope: auth.AgentsRead, Tag: "Versions",
		Summary: "Say what publishing now would make live",
	}, func(ctx context.Context, p auth.Principal, in *ofAgent) (api.PrepublishReport, error) {
		return c.PrepublishReport(ctx, p, in.agent())
	})
}
