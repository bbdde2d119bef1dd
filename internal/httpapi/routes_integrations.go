package httpapi

import (
	"context"
	"net/http"

	"flowyte/api"
	"flowyte/internal/auth"
	"flowyte/internal/control"
	"flowyte/internal/fault"
	"flowyte/internal/grant"
	"flowyte/internal/search"
	"flowyte/internal/secret"
)

func registerIntegrations(a *API, c *control.Service) {
	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/catalog", Scope: auth.IntegrationsRead, Tag: "Integrations",
		Summary: "List the kinds that can be connected",
	}, func(ctx context.Context, p auth.Principal, in *Paging) (Page[api.CatalogEntry], error) {
		list, err := c.Catalog(ctx, p)
		return pageOf(*in, list, func(e api.CatalogEntry) string { return e.Kind }), err
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations", Scope: auth.IntegrationsRead, Tag: "Integrations",
		Summary: "List the connections",
	}, func(ctx context.Context, p auth.Principal, in *Paging) (Page[api.Integration], error) {
		list, err := c.Integrations(ctx, p)
		return pageOf(*in, list, func(i api.Integration) string { return i.Kind }), err
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}", Scope: auth.IntegrationsRead, Tag: "Integrations",
		Summary: "Read one connection", Errors: []fault.Code{fault.KindReserved, fault.NotConnected},
	}, func(ctx context.Context, p auth.Principal, in *ofKind) (api.Integration, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Integration{}, err
		}
		return c.Integration(ctx, p, kind)
	})
	registerConnecting(a, c)
	registerSchema(a, c)
	registerScoping(a, c)
}

type scriptsInput struct {
	ofKind
	Database   string   `query:"database" required:"true" doc:"The name of the database."`
	Tables     []string `query:"tables" doc:"Tables that write skills will touch; schema.table is allowed."`
	Schema     []string `query:"schema" doc:"PostgreSQL schemas to read; public when absent."`
	ReadTables []string `query:"readTables" doc:"Narrows what may be read to these tables."`
	User       string   `query:"user" doc:"The read user's name; flowyte_ro when absent."`
	Password   string   `query:"password" doc:"A password of your own; one is generated when absent, which is better."`
}

type credentialsInput struct {
	ofKind
	Body api.CredentialsRequest
}

func registerConnecting(a *API, c *control.Service) {
	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}/sql/scripts", Scope: auth.IntegrationsRead, Tag: "Integrations", SecretAnswer: true,
		Summary: "Generate the SQL of a least-privilege user", Errors: []fault.Code{fault.KindReserved, fault.ScriptInvalid},
	}, func(_ context.Context, _ auth.Principal, in *scriptsInput) (api.Scripts, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Scripts{}, err
		}
		return c.Scripts(kind, grant.Input{
			Database: in.Database, Schemas: in.Schema, Tables: in.Tables, ReadTables: in.ReadTables, User: in.User, Password: secret.New(in.Password),
		})
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/integrations/{kind}/sql/test", Scope: auth.IntegrationsWrite, Tag: "Integrations", NoIdempotencyKey: true,
		Summary: "Test credentials without storing anything", Errors: []fault.Code{fault.KindReserved, fault.TestBudgetReached},
		Description: "Runs six checks in a fixed order and answers 200 with their results; after a failed check the rest are skipped.",
	}, func(ctx context.Context, p auth.Principal, in *credentialsInput) (api.TestResult, error) {
		kind, err := in.kind()
		if err != nil {
			return api.TestResult{}, err
		}
		return c.Test(ctx, p, kind, in.Body.Credentials)
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/integrations/{kind}/sql/retest", Scope: auth.IntegrationsWrite, Tag: "Integrations", NoIdempotencyKey: true,
		Summary: "Test the stored credentials", Errors: []fault.Code{fault.KindReserved, fault.NotConnected, fault.TestBudgetReached},
		Description: "Under sslmode require, a server key that was not seen before is remembered when the test passes.",
	}, func(ctx context.Context, p auth.Principal, in *ofKind) (api.TestResult, error) {
		kind, err := in.kind()
		if err != nil {
			return api.TestResult{}, err
		}
		return c.Retest(ctx, p, kind)
	})

	Handle(a, Op{
		Method: http.MethodPost, Path: "/integrations/{kind}/connect", Scope: auth.IntegrationsWrite, Tag: "Integrations",
		Summary: "Connect a database", Errors: connectFaults,
		Description: "The credentials are tested, sealed and never shown again. What was connected before serves until they have passed.",
	}, func(ctx context.Context, p auth.Principal, in *credentialsInput) (api.Connected, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Connected{}, err
		}
		return c.Connect(ctx, p, kind, in.Body.Credentials)
	})

	Handle(a, Op{
		Method: http.MethodDelete, Path: "/integrations/{kind}", Scope: auth.IntegrationsWrite, Tag: "Integrations",
		Summary: "Disconnect", Errors: []fault.Code{fault.KindReserved, fault.NotConnected},
		Description: "Pools are closed, the credentials destroyed, the catalogue removed. Scoping and skills stay.",
	}, func(ctx context.Context, p auth.Principal, in *ofKind) (api.Disconnected, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Disconnected{}, err
		}
		return c.Disconnect(ctx, p, kind)
	})
}

type objectsInput struct {
	ofKind
	Paging
	Q string `query:"q" doc:"Only objects whose name contains this."`
}

type objectInput struct {
	ofKind
	Name string `path:"name" doc:"The object's name, schema.table outside the default schema."`
}

type searchInput struct {
	ofKind
	Q     string `query:"q" required:"true" doc:"What you are looking for, in your own words."`
	Limit int    `query:"limit" default:"20" min:"1" max:"200" doc:"How many hits are wanted; there are no further pages."`
	Type  string `query:"type" enum:"object,field,operation" doc:"Only hits of this type."`
}

func (in searchInput) pageLimit() int { return in.Limit }

// discoverProgress is one event of a discovery that is streamed.
type discoverProgress struct {
	Stage string `json:"stage"`
	Done  int    `json:"done"`
	Total int    `json:"total"`
}

func registerSchema(a *API, c *control.Service) {
	schemaFaults := []fault.Code{fault.KindReserved, fault.NotConnected, fault.NotDiscovered}

	HandleStream(a, Op{
		Method: http.MethodPost, Path: "/integrations/{kind}/discover", Scope: auth.IntegrationsWrite, Tag: "Schema",
		Summary: "Read the schema of the connected database", Errors: append([]fault.Code{fault.NotConnected}, connectFaults...),
	}, func(ctx context.Context, p auth.Principal, in *ofKind, progress func(discoverProgress)) (api.Discovered, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Discovered{}, err
		}
		return c.Discover(ctx, p, kind, func(stage string, done, total int) { progress(discoverProgress{stage, done, total}) })
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}/schema", Scope: auth.IntegrationsRead, Tag: "Schema",
		Summary: "Read the discovered schema", Errors: schemaFaults,
	}, func(ctx context.Context, p auth.Principal, in *ofKind) (api.Schema, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Schema{}, err
		}
		return c.Schema(ctx, p, kind)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}/objects", Scope: auth.IntegrationsRead, Tag: "Schema",
		Summary: "List objects", Errors: schemaFaults,
	}, func(ctx context.Context, p auth.Principal, in *objectsInput) (Page[api.ObjectSummary], error) {
		kind, err := in.kind()
		if err != nil {
			return Page[api.ObjectSummary]{}, err
		}
		list, next, err := c.Objects(ctx, p, kind, in.Q, in.Cursor, in.Limit)
		return Page[api.ObjectSummary]{Items: list, NextCursor: next}, err
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}/objects/{name}", Scope: auth.IntegrationsRead, Tag: "Schema",
		Summary: "Read one object", Errors: schemaFaults,
	}, func(ctx context.Context, p auth.Principal, in *objectInput) (api.Object, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Object{}, err
		}
		return c.Object(ctx, p, kind, in.Name)
	})

	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}/search", Scope: auth.IntegrationsRead, Tag: "Schema",
		Summary: "Search the schema by words", Errors: schemaFaults,
	}, func(ctx context.Context, p auth.Principal, in *searchInput) (Page[api.SearchHit], error) {
		kind, err := in.kind()
		if err != nil {
			return Page[api.SearchHit]{}, err
		}
		hits, err := c.Search(ctx, p, kind, in.Q, search.HitType(in.Type), in.Limit)
		return Page[api.SearchHit]{Items: hits}, err
	})
}

type scopingInput struct {
	ofKind
	Body api.ScopingPatch
}

func registerScoping(a *API, c *control.Service) {
	Handle(a, Op{
		Method: http.MethodGet, Path: "/integrations/{kind}/scoping", Scope: auth.IntegrationsRead, Tag: "Schema",
		Summary: "Read what the agent must never see", Errors: []fault.Code{fault.KindReserved},
	}, func(ctx context.Context, p auth.Principal, in *ofKind) (api.Scoping, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Scoping{}, err
		}
		return c.Scoping(ctx, p, kind)
	})

	Handle(a, Op{
		Method: http.MethodPatch, Path: "/integrations/{kind}/scoping", Scope: auth.IntegrationsWrite, Tag: "Schema",
		Summary: "Set what the agent must never see", Errors: []fault.Code{fault.KindReserved, fault.ScopingInvalid},
		Description: "Replaces each list that the body carries; null clears it. It bites at once, also on what is published.",
	}, func(ctx context.Context, p auth.Principal, in *scopingInput) (api.Scoping, error) {
		kind, err := in.kind()
		if err != nil {
			return api.Scoping{}, err
		}
		return c.SetScoping(ctx, p, kind, in.Body)
	})
}
