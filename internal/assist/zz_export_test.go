package assist

func Features(text string, cat *Catalog) (list [][]float64, ops []string, filters []string, refused string) {
	g := readGoal(text)
	m := newMatch(g, cat)
	refused = string(m.unserveable())
	drafts := m.rank(m.drafts())
	for i, d := range drafts {
		if i > 5 {
			break
		}
		rival := 0.0
		for j, other := range drafts {
			if j != i && (other.object != d.object || other.intent.action != d.intent.action) {
				rival = max(rival, other.score)
			}
		}
		f := 1.0
		if d.intent.action == create {
			f = 0
		}
		gv := 0.0
		if d.terms > 0 {
			gv = 1
		}
		fn := ""
		if d.filter != nil {
			fn = d.filter.Name
		}
		list = append(list, []float64{d.score, d.score - rival, d.explained, d.named, d.filterFit, f, gv, float64(d.reason), float64(m.unanswered(d))})
		ops = append(ops, d.operation())
		filters = append(filters, fn)
	}
	if refused == "" {
		r := m.refuse(drafts)
		if r != NoMatch {
			refused = string(r)
		}
	}
	return
}
