package control

import (
	"context"
	"errors"

	"flowyte/api"
	"flowyte/internal/assist"
	"flowyte/internal/auth"
	"flowyte/internal/fault"
	"flowyte/internal/id"
	"flowyte/internal/schema"
)

// AutoBind turns a goal in plain words into a disabled draft skill, with its
// reasons for a person to review. It sees what scoping left and no comments,
// and whatever it proposes has compiled like any binding.
func (s *Service) AutoBind(ctx context.Context, p auth.Principal, agent id.Agent, kind schema.Kind, r api.AutoBindRequest) (api.AutoBound, error) {
	if _, err := s.store.Agent(ctx, p.OrgID, agent); err != nil {
		return api.AutoBound{}, err
	}
	c, err := s.bindable(ctx, p.OrgID, kind)
	if err != nil {
		return api.AutoBound{}, err
	}
	found, err := assist.Propose(r.Goal, c.goals())
	if err != nil {
		return api.AutoBound{}, noMatch(err)
	}
	request := found.Request
	request.Enabled = false
	if r.ToolName != "" {
		request.ToolName = r.ToolName
	}
	out := api.AutoBound{Proposal: viewProposal(found)}
	out.Proposal.Binding = request
	if r.DryRun {
		return out, nil
	}
	skill, err := s.Bind(ctx, p, agent, kind, request)
	if err != nil {
		return api.AutoBound{}, err
	}
	out.Skill = &skill
	return out, nil
}

// refusals say why no single operation serves a goal, and what to say instead.
var refusals = map[assist.Reason]struct{ detail, fix string }{
	assist.Aggregate:      {"A skill answers with rows; it does not count, add up or compare.", "Describe one lookup, such as \"find an appointment by phone number\"."},
	assist.SeveralFilters: {"A lookup filters on one column.", "Name the one thing that the caller gives."},
	assist.Deletes:        {"A skill never deletes.", "Describe an update instead, such as setting a status."},
	assist.SchemaChange:   {"A skill never changes the schema.", "Describe a lookup, an insert or an update."},
	assist.NoFilter:       {"The goal does not say what the caller gives.", "Name what the record is found by, such as a phone number or an order number."},
	assist.NotIndexed:     {"What the record would be found by has no index.", "Name an indexed column; the schema marks those as searchable."},
	assist.NoMatch:        {"Nothing in the schema fits the goal well enough.", "Use words of the schema; GET /integrations/{kind}/search shows what they find."},
}

func noMatch(err error) error {
	var r *assist.Refusal
	if !errors.As(err, &r) {
		return err
	}
	f := fault.New(fault.NoConfidentMatch)
	if words, ok := refusals[r.Reason]; ok {
		f.WithDetail("%s", words.detail).WithFix("%s", words.fix)
	}
	return f.WithExtra("candidates", viewAlternatives(r.Candidates))
}

func viewProposal(p assist.Proposal) api.Proposal {
	v := api.Proposal{
		Operation: p.Request.Operation, Filter: filterOf(p.Request), Projection: p.Request.Projection, Confidence: p.Confidence,
		Rationale: p.Rationale, Alternatives: viewAlternatives(p.Alternatives),
	}
	if v.Projection == nil {
		v.Projection = []api.ProjectionEntry{}
	}
	return v
}

func viewAlternatives(candidates []assist.Candidate) []api.Alternative {
	list := make([]api.Alternative, 0, len(candidates))
	for _, c := range candidates {
		list = append(list, api.Alternative{
			Operation: c.Request.Operation, Filter: filterOf(c.Request), Confidence: c.Confidence, Rationale: c.Rationale, Binding: c.Request,
		})
	}
	return list
}

// filterOf is the column that a binding finds its row by.
func filterOf(r api.BindingRequest) string {
	switch {
	case r.SQLSearch != nil:
		return r.SQLSearch.Column
	case len(r.Inputs) > 0:
		return r.Inputs[0].Arg
	case r.SQLWrite != nil:
		return r.SQLWrite.KeyColumn
	}
	return ""
}
