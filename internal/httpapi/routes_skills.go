package httpapi

import (
	"context"
	"net/http"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/control"
	"flowyte/internal/fault"
	"flowyte/internal/id"
)

type skillsInput struct {
	ofAgent
	Paging
}

type bindInput struct {
	ofAgent
	ofKind
	Body api.BindingRequest
}

type autoBindInput struct {
	ofAgent
	ofKind
	Body api.AutoBindRequest
}

type rebindInput struct {
	ofSkill
	ofKind
	Body api.BindingRequest
}

type patchSkillInput struct {
	ofSkill
	Body api.SkillPatch
}

type testSkillInput struct {
	ofSkill
	Body api.SkillTestRequest
}

func registerSkills(a *API, c *control.Service) {
	bindFaults := []fault.Code{
		fault.KindReserved, fault.NotConnected, fault.NotDiscovered, fault.BindingRejected, fault.ToolNameInvalid, fault.ToolNameTaken,
	}
	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/integrations/{kind}/bindings", Scope: auth.SkillsWrite, Tag: "Skills",
		Status: http.StatusCreated, Summary: "Bind an operation as a skill", Errors: bindFaults,
		Description: "The binding compiles to one frozen, parameterised statement. It edits the draft: publish to make it live.",
	}, func(ctx context.Context, p auth.Principal, in *bindInput) (api.Skill, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Skill{}, err
		}
		return c.Bind(ctx, p, in.agent(), kind, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/integrations/{kind}/bindings/auto", Scope: auth.SkillsWrite, Tag: "Skills",
		Status: http.StatusCreated, Summary: "Propose a binding for a goal", Errors: append([]fault.Code{fault.NoConfidentMatch}, bindFaults...),
		Description: "A goal in plain words becomes a disabled draft skill with the reasons for it. With dryRun nothing is kept.",
	}, func(ctx context.Context, p auth.Principal, in *autoBindInput) (api.AutoBound, error) {
		kind, err := in.kind()
		if err != nil {
			return api.AutoBound{}, err
		}
		return c.AutoBind(ctx, p, in.agent(), kind, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodPut, Path: "/agents/{agentId}/integrations/{kind}/bindings/{skillId}", Scope: auth.SkillsWrite, Tag: "Skills",
		Summary: "Replace a skill's binding", Errors: append([]fault.Code{fault.VersionConflict}, bindFaults...),
	}, func(ctx context.Context, p auth.Principal, in *rebindInput) (api.Skill, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Skill{}, err
		}
		agent, skill := in.ids()
		return c.Rebind(ctx, p, agent, kind, skill, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/skills", Scope: auth.SkillsRead, Tag: "Skills", Summary: "List an agent's skills",
	}, func(ctx context.Context, p auth.Principal, in *skillsInput) (Page[api.Skill], error) {
		list, next, err := c.Skills(ctx, p, in.agent(), in.Cursor, in.Limit)
		return Page[api.Skill]{Items: list, NextCursor: next}, err
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/skills", Scope: auth.SkillsWrite, Tag: "Skills", NoIdempotencyKey: true,
		Summary: "Reserved: only bindings create skills", Errors: []fault.Code{fault.Reserved},
	}, func(context.Context, auth.Principal, *ofAgent) (nothing, error) {
		return nothing{}, fault.New(fault.Reserved)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/agents/{agentId}/skills/{skillId}", Scope: auth.SkillsRead, Tag: "Skills", Summary: "Read a skill",
	}, func(ctx context.Context, p auth.Principal, in *ofSkill) (api.Skill, error) {
		agent, skill := in.ids()
		return c.Skill(ctx, p, agent, skill)
	})

	Handle(a, Op{
		Method: http.MethodPatch, Path: "/agents/{agentId}/skills/{skillId}", Scope: auth.SkillsWrite, Tag: "Skills", Summary: "Change a skill",
		Description: "To enable a write, send the planDigest of the statement that was reviewed. The statement is compiled again and the live server is asked; " +
			"a change that makes another statement of an enabled write disables it.",
		Errors: []fault.Code{
			fault.ToolNameInvalid, fault.ToolNameTaken, fault.ValueInvalid, fault.PlanChanged, fault.RoleCannotWrite, fault.GateFixed, fault.BindingRejected,
			fault.VersionConflict, fault.NotConnected, fault.NotDiscovered, fault.SchemaDrift,
			fault.Unreachable, fault.CredentialsRejected, fault.ServerBusy, fault.DatabaseBusy, fault.DatabaseTimeout, fault.DatabaseError, fault.ConnectionLost,
		},
	}, func(ctx context.Context, p auth.Principal, in *patchSkillInput) (api.Skill, error) {
		agent, skill := in.ids()
		return c.PatchSkill(ctx, p, agent, skill, in.Body)
	})

	Handle(a, Op{
		Method: http.MethodDelete, Path: "/agents/{agentId}/skills/{skillId}", Scope: auth.SkillsWrite, Tag: "Skills",
		Summary: "Delete a skill from the draft", Description: "What is published stays live until the next publish; suspend the skill to stop it at once.",
	}, func(ctx context.Context, p auth.Principal, in *ofSkill) (api.Deleted, error) {
		agent, skill := in.ids()
		return c.DeleteSkill(ctx, p, agent, skill)
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/agents/{agentId}/skills/{skillId}/test", Scope: auth.SkillsWrite, Tag: "Skills", NoIdempotencyKey: true,
		Summary: "Try a skill", Description: "A read is done for real, a write is carried out and rolled back: sequences move on, and triggers may act outside the database. " +
			"Works for disabled skills. Arguments are judged and the result is shaped as in a call; its gates are not asked. `subject` stands for what verification would yield.",
	}, func(ctx context.Context, p auth.Principal, in *testSkillInput) (api.SkillTest, error) {
		agent, skill := in.ids()
		return c.TestSkill(ctx, p, agent, skill, in.Body)
	})

	for _, suspended := range []bool{true, false} {
		verb := map[bool]string{true: "suspend", false: "resume"}[suspended]
		Handle(a, Op{
			Method: http.MethodPost, Path: "/agents/{agentId}/skills/{skillId}/" + verb, Scope: auth.SkillsWrite, Tag: "Skills",
			Summary:     map[bool]string{true: "Switch a skill off everywhere at once", false: "Switch a suspended skill on again"}[suspended],
			Description: "It bites on published versions from the next call on.",
		}, func(ctx context.Context, p auth.Principal, in *ofSkill) (api.Skill, error) {
			agent, skill := in.ids()
			return c.Suspend(ctx, p, agent, skill, suspended)
		})
	}
}

func versionID(s string) id.Version { return id.Version(s) }
