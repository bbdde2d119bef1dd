package search

import (
	"slices"
	"sort"
	"strings"
)

// maxReasons is how many reasons a hit gives.
const maxReasons = 3

// reasons puts into words what a hit was found by.
type reasons struct {
	ix      *Index
	units   []unit
	scratch *scratch
}

// places are the ends of a reason, by zone.
var places = [...]string{inName: " in its name", inComment: " in its comment", inValues: " among its values", inType: ", by its type"}

// field says why a field was found: for each word of the query the nearest place.
func (r *reasons) field(f uint32) string {
	object := r.ix.fields[f].object
	var said sayings
	for i := range r.units {
		u := &r.units[i]
		if a, p, ok := u.at(&r.ix.inFields, f); ok {
			said.add(u.word, r.taken(u, a)+places[p.zone])
		} else if a, _, ok := u.at(&r.ix.inObjects, object); ok {
			said.add(u.word, r.taken(u, a)+" in "+r.ix.objects[object].name)
		} else if target, ok := r.target(u, f); ok {
			said.add(u.word, " in "+r.ix.objects[target].name+", to which it refers")
		}
	}
	if len(said) == 0 && r.scratch.field[f].joint {
		return "joins " + r.ix.objects[object].name + " and " + r.ix.objects[r.scratch.jointOf(f).other].name
	}
	if len(said) == 0 {
		return "belongs to " + r.ix.objects[object].name + ": " + r.object(object)
	}
	return said.String()
}

// object says why an object, or an operation on it, was found.
func (r *reasons) object(o uint32) string {
	var said sayings
	for i := range r.units {
		u := &r.units[i]
		if a, p, ok := u.at(&r.ix.inObjects, o); ok {
			said.add(u.word, r.taken(u, a)+places[p.zone])
		} else if a, f, ok := r.inside(u, o); ok {
			said.add(u.word, r.taken(u, a)+" in its field "+r.ix.fields[f].name)
		}
	}
	if len(said) == 0 {
		return r.related(&r.scratch.related[o])
	}
	return said.String()
}

// related says what an object that no word means is related to.
func (r *reasons) related(to *relatedness) string {
	if to.way > to.total-to.way {
		return "between " + r.ix.objects[to.ends[0]].name + " and " + r.ix.objects[to.ends[1]].name
	}
	return "related to " + r.ix.objects[to.nearest].name
}

// taken tells for which other word a word was taken.
func (r *reasons) taken(u *unit, a alternative) string {
	indexed := r.ix.words[a.term]
	if indexed == u.word || a.manner <= inflected || strings.Contains(indexed, " ") {
		return ""
	}
	switch a.manner {
	case meaning:
		return " meaning “" + indexed + "”"
	case misspelt:
		return " taken for “" + indexed + "”"
	}
	return " as “" + indexed + "”"
}

// sayings are reasons: words of the query, and what they have in common.
type sayings []saying

type saying struct{ words, tail string }

func (s *sayings) add(word, tail string) {
	quoted := "“" + word + "”"
	for i := range *s {
		if have := &(*s)[i]; have.tail == tail {
			have.words += ", " + quoted
			return
		}
	}
	if len(*s) < maxReasons {
		*s = append(*s, saying{quoted, tail})
	}
}

func (s sayings) String() string {
	var parts []string
	for _, one := range s {
		parts = append(parts, one.words+one.tail)
	}
	return strings.Join(parts, "; ")
}

// at is the meaning of a word that counts most in a document.
func (u *unit) at(p *postings, doc uint32) (best alternative, where posting, ok bool) {
	for _, a := range u.alternatives {
		if ok && a.weight <= best.weight*where.share() {
			break
		}
		if found, is := p.in(a.term, doc); is && (!ok || a.weight*found.share() > best.weight*where.share()) {
			best, where, ok = a, found, true
		}
	}
	return best, where, ok
}

// inside is a field of an object in which a word stands.
func (r *reasons) inside(u *unit, o uint32) (alternative, uint32, bool) {
	fields := r.ix.objects[o].fields
	for _, a := range u.alternatives {
		list := r.ix.inFields.of(a.term)
		i := sort.Search(len(list), func(i int) bool { return list[i].doc >= fields.from })
		if i < len(list) && list[i].doc < fields.to {
			return a, list[i].doc, true
		}
	}
	return alternative{}, 0, false
}

// target is the object that a field refers to, when the word names it.
func (r *reasons) target(u *unit, f uint32) (uint32, bool) {
	for _, o := range r.ix.neighbours.of(r.ix.fields[f].object) {
		if _, refers := slices.BinarySearch(r.ix.referring.of(o), f); refers {
			if _, _, ok := u.at(&r.ix.inObjects, o); ok {
				return o, true
			}
		}
	}
	return 0, false
}
