package assist

import "math"

// confidence is how often a draft like this was the right one, as a logistic
// curve over what speaks for it. Its numbers were fitted on the goals of
// testdata/goals/tuned, asked of their own company and, as goals that cannot be
// served, of the others.
func confidence(d *draft, lead float64) float64 {
	filter := 0.8
	switch {
	case d.intent.action == look, d.intent.action == change && d.terms > 0:
		filter = d.filterFit
	case d.intent.action == change:
		filter = max(0.6, d.filterFit) // which row is seldom said of a change
	}
	x := -6.8 + 3.7*d.score + 2.9*math.Min(math.Max(lead, -0.3), 0.3) + 3.1*d.explained + 1.2*d.named + 2.4*filter
	return math.Round(1000/(1+math.Exp(-x))) / 1000
}
