package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"flowyte/api"
	"flowyte/internal/assist"
	"flowyte/internal/auth"
	"flowyte/internal/binding"
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
	found, err := assist.Propose(r.Goal, c.goals(s.now()))
	if err != nil {
		return api.AutoBound{}, noMatch(err)
	}
	if s.model != nil {
		if found, err = assist.Ask(ctx, s.model, r.Goal, found); err != nil {
			s.log.WarnContext(ctx, "the model was of no help with a goal", "cause", err)
		}
	}
	if r.ToolName != "" {
		if _, err := binding.MachineName(r.ToolName); err != nil {
			return api.AutoBound{}, err
		}
		found.Request.ToolName = r.ToolName
	}
	if r.DryRun {
		return api.AutoBound{Proposal: viewProposal(found)}, nil
	}
	skill, err := s.bindProposal(ctx, p, agent, kind, &found.Request, r.ToolName == "")
	if err != nil {
		return api.AutoBound{}, err
	}
	return api.AutoBound{Skill: &skill, Proposal: viewProposal(found)}, nil
}

const (
	// mostNames bounds how often a name of ours is counted up.
	mostNames = 20
	// countedName is the longest name that a number is added to, so that the
	// machine name keeps it.
	countedName = 36
)

// bindProposal keeps a proposal as a disabled draft. A name that is ours, and
// taken, is counted up; one that a person gave is not touched.
func (s *Service) bindProposal(ctx context.Context, p auth.Principal, agent id.Agent, kind schema.Kind, r *api.BindingRequest, ours bool) (api.Skill, error) {
	name := r.ToolName
	for n := 2; ; n++ {
		skill, err := s.Bind(ctx, p, agent, kind, *r)
		if !ours || n > mostNames || !fault.Is(err, fault.ToolNameTaken) {
			return skill, err
		}
		r.ToolName = counted(name, n)
	}
}

// dangling are words that a name does not end with.
var dangling = map[string]bool{"a": true, "an": true, "the": true, "of": true, "by": true, "and": true, "for": true}

// counted is a name with a number, cut to its first whole words where it is long.
func counted(name string, n int) string {
	if len(name) > countedName {
		whole := strings.LastIndexByte(name[:countedName+1], ' ')
		if whole < 0 {
			whole = countedName
		}
		list := strings.Fields(name[:whole])
		for len(list) > 1 && dangling[list[len(list)-1]] {
			list = list[:len(list)-1]
		}
		name = strings.Join(list, " ")
	}
	return fmt.Sprintf("%s %d", name, n)
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
		Rationale: p.Rationale, ChosenBy: p.ChosenBy, Binding: p.Request, Alternatives: viewAlternatives(p.Alternatives),
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
