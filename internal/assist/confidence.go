package assist

import "math"

// confidence turns a score and its lead over the next object into how often
// such a proposal was right on the goals of testdata/goals/tuned: a logistic
// curve whose four numbers were fitted there.
func confidence(d *draft, lead float64) float64 {
	x := -5.5 + 8*d.score + 4*math.Min(math.Max(lead, -0.3), 0.3)
	if d.intent.action != create {
		x += 1.2 * (d.filterFit - 0.6)
	}
	return math.Round(1000/(1+math.Exp(-x))) / 1000
}
