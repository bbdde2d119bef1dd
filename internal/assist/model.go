package assist

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"flowyte/internal/binding"
)

// Model chooses among candidates that are complete and valid already, and may
// word the name of the one it chose. What it answers is checked: it cannot add
// a candidate, change one, or turn a look-up into a write.
type Model interface {
	Choose(ctx context.Context, q Question) (Choice, error)
}

// Question is all that a model is told: the goal, and by name what each
// candidate reads or writes. There are no comments in it, no values, and
// nothing that is blocked.
type Question struct {
	Goal    string
	Options []Option
}

// Option is one candidate.
type Option struct {
	Action  string   `json:"action"` // "look up", "create" or "update"
	Object  string   `json:"object"`
	FoundBy string   `json:"foundBy,omitempty"` // the filter of a look-up, the key of an update
	Columns []string `json:"columns"`           // what is returned, or written
}

// Choice is a model's answer: the place of an option, and a name for the tool
// or "".
type Choice struct {
	Index    int
	ToolName string
}

// What chose a proposal.
const (
	ByWords = "words"
	ByModel = "model"
)

// Ask has a model choose among a proposal and those of its alternatives that
// could have been proposed themselves. Where the model gives no answer, or one
// that was not offered, the proposal stays as it is; a name that says anything
// but what the candidate's names say is left out. The error is for the log.
func Ask(ctx context.Context, model Model, goal string, p Proposal) (Proposal, error) {
	offered := p.offered()
	q := Question{Goal: goal}
	for _, c := range offered {
		q.Options = append(q.Options, c.option)
	}
	choice, err := model.Choose(ctx, q)
	if err != nil {
		return p, err
	}
	if choice.Index < 0 || choice.Index >= len(offered) {
		return p, fmt.Errorf("assist: the model chose number %d of %d", choice.Index, len(offered))
	}
	chosen := offered[choice.Index]
	rest := slices.Delete(append([]Candidate{p.Candidate}, p.Alternatives...), chosen.at, chosen.at+1)
	p.Candidate, p.Alternatives, p.ChosenBy = chosen.Candidate, rest, ByModel
	if name := strings.Join(strings.Fields(choice.ToolName), " "); name != "" {
		if !p.sound(name) {
			return p, fmt.Errorf("assist: the model's name for the tool is not used")
		}
		p.Request.ToolName = name
	}
	return p, nil
}

// offer is a candidate that a model may choose.
type offer struct {
	Candidate
	at int // its place, the proposal being 0
}

// offered are the candidates that a model may choose, and do no harm by: those
// above the bar, and of the proposal's own kind, reads for a read.
func (p *Proposal) offered() []offer {
	list := []offer{{p.Candidate, 0}}
	for i, c := range p.Alternatives {
		if c.option.Action == p.option.Action && c.Confidence >= bar {
			list = append(list, offer{c, i + 1})
		}
	}
	return list
}

// maxToolName is the longest name in characters that a model may word.
const maxToolName = 60

// sound tells whether a name says nothing but what the candidate's own names,
// verbs and small words say, so that no text of a database, and no guess at
// what is blocked, gets any further.
func (c *Candidate) sound(name string) bool {
	if _, err := binding.MachineName(name); err != nil || len(name) > maxToolName {
		return false
	}
	known := map[string]bool{}
	texts := append([]string{c.option.Object, c.option.FoundBy}, c.option.Columns...)
	for _, text := range texts {
		for _, w := range strings.Fields(spoken(text)) {
			known[stem(w)] = true
			for other, fit := range words.near[stem(w)] {
				known[other] = known[other] || fit == sameFit
			}
		}
	}
	for _, w := range strings.Fields(strings.ToLower(name)) {
		if !known[stem(w)] && !words.silent[w] && allVerbs[w] == 0 {
			return false
		}
	}
	return true
}

// option is what a model is told of a draft.
func (d *draft) option() Option {
	o := Option{Object: d.object.public}
	switch d.intent.action {
	case create:
		o.Action = "create"
	case change:
		o.Action = "update"
	default:
		o.Action = "look up"
	}
	if d.filter != nil {
		o.FoundBy = d.filter.Name
	}
	for _, w := range d.wants {
		o.Columns = append(o.Columns, w.path())
	}
	for _, a := range d.sets {
		o.Columns = append(o.Columns, a.column.Name)
	}
	return o
}
