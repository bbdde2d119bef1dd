package search

import "slices"

// How much relationships say. What is not asked for by any word is mostly
// needed to come from one thing that is to another, or says more about one.
const (
	fromNext   = 0.75 // of the best neighbour, for an object
	fromSecond = 0.15 // of the second best, in units of the best
	fromFar    = 0.2  // of what the best neighbour has from its own
	between    = 0.3  // of the lesser of two objects, for those on the shortest way from one to the other
	atEdge     = 0.2  // of all that, for an object of one neighbour that no word means best
	inAll      = 0.85 // of all that, when fields are ranked
)

// Limits of what is looked at.
const (
	leaders    = 64   // objects whose neighbours are looked at
	ends       = 4    // objects between which ways are looked for
	leastEnd   = 0.33 // evidence of an end, in units of the best
	longestWay = 4    // steps
	widest     = 250  // objects that are visited from one end
)

// relatedness is the evidence that an object has from others.
type relatedness struct {
	best, second float32 // of neighbours
	far          float32 // of neighbours' neighbours
	way          float32 // for standing between two others
	total        float32

	nearest uint32    // the best neighbour
	ends    [2]uint32 // the two others
	steps   uint8     // from the end that ways are looked for from, and one
}

// spread gives objects a part of the evidence of those that they are related
// to, and ranks them.
func (s *scratch) spread(ix *Index) {
	first := top{most: leaders}
	for _, o := range s.allObjects {
		first.offer(scored{o, s.object[o].sum})
	}
	leading := first.sorted()
	s.connect(ix, leading)
	for _, l := range leading {
		for _, o := range ix.neighbours.of(l.doc) {
			s.seeObject(o)
			if r := &s.related[o]; l.score > r.best {
				r.best, r.second, r.nearest = l.score, r.best, l.doc
			} else {
				r.second = max(r.second, l.score)
			}
		}
	}
	s.spreadOn(ix)
	all := top{most: maxHits}
	for _, o := range s.allObjects {
		state := &s.object[o]
		r := &s.related[o]
		r.total = r.next() + fromFar*r.far
		if state.meant == 0 && ix.edge(o) {
			r.total *= atEdge
		}
		r.total += r.way
		said := state.sum + state.meant
		state.all = said + inAll*r.total
		all.offer(scored{o, said + r.total})
	}
	s.ranked = append(s.ranked, all.sorted()...)
}

// next is the evidence of neighbours.
func (r *relatedness) next() float32 { return fromNext * (r.best + fromSecond*r.second) }

// edge tells whether an object leads nowhere.
func (ix *Index) edge(o uint32) bool { return len(ix.neighbours.of(o)) <= 1 }

// spreadOn passes on what objects have from their neighbours, but not back.
func (s *scratch) spreadOn(ix *Index) {
	next := top{most: leaders}
	for _, o := range s.allObjects {
		v := s.related[o].next()
		if s.object[o].meant == 0 && ix.edge(o) {
			v *= atEdge
		}
		if v > 0 {
			next.offer(scored{o, v})
		}
	}
	for _, l := range next.sorted() {
		for _, o := range ix.neighbours.of(l.doc) {
			if s.related[l.doc].nearest == o {
				continue
			}
			s.seeObject(o)
			r := &s.related[o]
			r.far = max(r.far, l.score)
			if r.best == 0 && r.far == l.score {
				r.nearest = l.doc
			}
		}
	}
}

// connect finds what stands between the objects that were asked for most.
func (s *scratch) connect(ix *Index, leading []scored) {
	n := 0
	for n < min(ends, len(leading)) && leading[n].score >= leastEnd*leading[0].score {
		n++
	}
	for i := 1; i < n; i++ {
		reached := s.walk(ix, leading[i].doc)
		for j := range i {
			s.goBack(ix, leading[i], leading[j])
		}
		for _, o := range reached {
			s.related[o].steps = 0
		}
	}
}

// walk counts the steps from an object to those around it.
func (s *scratch) walk(ix *Index, from uint32) []uint32 {
	s.related[from].steps = 1
	s.reached = append(s.reached[:0], from)
	for i := 0; i < len(s.reached); i++ {
		o := s.reached[i]
		steps := s.related[o].steps
		if steps > longestWay {
			break
		}
		for _, n := range ix.neighbours.of(o) {
			if s.related[n].steps == 0 && len(s.reached) < widest {
				s.related[n].steps = steps + 1
				s.reached = append(s.reached, n)
			}
		}
	}
	return s.reached
}

// goBack goes all shortest ways from an object that walk reached to where it
// began. Where there are several, each says less.
func (s *scratch) goBack(ix *Index, begin, end scored) {
	on := []uint32{end.doc}
	for steps := s.related[end.doc].steps; steps > 2; steps-- {
		var before []uint32
		for _, o := range on {
			for _, n := range ix.neighbours.of(o) {
				if s.related[n].steps == steps-1 && !slices.Contains(before, n) {
					before = append(before, n)
				}
			}
		}
		v := between * begin.score / float32(len(before))
		for _, o := range before {
			s.seeObject(o)
			if r := &s.related[o]; v > r.way {
				r.way, r.ends = v, [2]uint32{end.doc, begin.doc}
			}
		}
		on = before
	}
}
