package assist

import "context"

// Model chooses among candidates that are complete and valid already, and words
// their names.
type Model interface {
	Choose(ctx context.Context, goal string, candidates []Candidate) (int, error)
}

func choose(ctx context.Context, model Model, goal string, list []Candidate, p Proposal) Proposal {
	return p
}
