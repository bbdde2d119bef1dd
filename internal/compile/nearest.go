package compile

import (
	"cmp"
	"slices"
	"strings"
)

// maxCandidates is how many names a finding offers.
const maxCandidates = 5

// nearest are the names that are most like the given one, best first. Names
// that are equally like it come in their alphabetical order.
func nearest(name string, names []string) []string {
	type scored struct {
		name     string
		distance int
	}
	folded := []rune(strings.ToLower(name))
	list := make([]scored, 0, len(names))
	for _, n := range names {
		list = append(list, scored{n, distance(folded, []rune(strings.ToLower(n)))})
	}
	slices.SortFunc(list, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), strings.Compare(a.name, b.name))
	})
	var best []string
	for _, s := range list {
		if len(best) == maxCandidates {
			break
		}
		if !slices.Contains(best, s.name) {
			best = append(best, s.name)
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap with their
// neighbour to turn a into b.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
