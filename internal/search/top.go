package search

import "slices"

// top keeps the best of what it is offered: a heap with the worst at its root.
type top struct {
	kept []scored
	most int
}

func (t *top) offer(s scored) {
	switch {
	case len(t.kept) < t.most:
		t.kept = append(t.kept, s)
		t.up(len(t.kept) - 1)
	case order(s, t.kept[0]) < 0:
		t.kept[0] = s
		t.down()
	}
}

func (t *top) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if order(t.kept[i], t.kept[parent]) < 0 {
			return
		}
		t.kept[i], t.kept[parent] = t.kept[parent], t.kept[i]
		i = parent
	}
}

func (t *top) down() {
	for i := 0; ; {
		worst := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(t.kept); child++ {
			if order(t.kept[child], t.kept[worst]) > 0 {
				worst = child
			}
		}
		if worst == i {
			return
		}
		t.kept[i], t.kept[worst] = t.kept[worst], t.kept[i]
		i = worst
	}
}

// sorted is what was kept, best first.
func (t *top) sorted() []scored {
	slices.SortFunc(t.kept, order)
	return t.kept
}
