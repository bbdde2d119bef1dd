package assist_test

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/assist"
	"flowyte/internal/schema"
)

var verbose = flag.Bool("misses", false, "show every goal that was not served as it should be")

// tally counts what a set of goals came to.
type tally struct {
	goals                     int
	object1, object3          int
	ranked1                   int // the first candidate's object is right, proposed or not
	filters, filter1, filter3 int
	f1, f3                    float64 // F1 of the projection, of the first candidate and of the best of three, summed over the goals
	refused                   int     // goals that can be served and were refused
	unserveable, abstained    int
	reasons                   int
	conf                      []judged
}

// judged is a proposal's confidence and whether object and filter were right.
type judged struct {
	confidence float64
	right      bool
}

func (s *tally) String() string {
	var b strings.Builder
	n := max(s.goals, 1)
	fmt.Fprintf(&b, "%4d goals   object %.3f / %.3f (first candidate %.3f)   filter %.3f / %.3f   projection F1 %.3f / %.3f   refused %d",
		s.goals, share(s.object1, n), share(s.object3, n), share(s.ranked1, n), share(s.filter1, s.filters), share(s.filter3, s.filters), s.f1/float64(n), s.f3/float64(n), s.refused)
	if s.unserveable > 0 {
		fmt.Fprintf(&b, "   abstained %d of %d (%.3f), reason right %d", s.abstained, s.unserveable, share(s.abstained, s.unserveable), s.reasons)
	}
	return b.String()
}

// outcome is one candidate, taken apart for comparison.
type outcome struct {
	object, action, filter string
	columns                []goldColumn
}

func takeApart(db *schema.Database, r api.BindingRequest) outcome {
	dot := strings.LastIndexByte(r.Operation, '.')
	o := outcome{object: r.Operation[:dot], action: r.Operation[dot+1:]}
	if r.SQLSearch != nil {
		o.filter = r.SQLSearch.Column
	}
	if r.SQLWrite != nil {
		o.filter = r.SQLWrite.KeyColumn
	}
	for _, p := range r.Projection {
		c := goldColumn{column: p.Path[len(p.Path)-1]}
		if len(p.Path) == 2 {
			c.object = p.Path[0]
		}
		o.columns = append(o.columns, c)
	}
	for _, a := range r.InputObjectMap {
		if a.System == "" && (len(a.Const) == 0 || o.action == "update") {
			o.columns = append(o.columns, goldColumn{column: a.Field})
		}
	}
	return o
}

// objectRight and filterRight compare with one gold binding.
func (o outcome) objectRight(g gold) bool { return o.object == g.object && o.action == g.action }

func (o outcome) filterRight(g gold) bool {
	return o.objectRight(g) && (len(g.filters) == 0 || slices.Contains(g.filters, o.filter))
}

// f1 compares the columns: optional ones are neither missed nor wrong.
func (o outcome) f1(db *schema.Database, g gold) float64 {
	if !o.objectRight(g) {
		return 0
	}
	base := db.Find(o.object)
	same := func(a, b goldColumn) bool {
		return a.column == b.column && reach(db, base, a.object) == reach(db, base, b.object)
	}
	required, hit, good := 0, 0, 0
	for _, w := range g.columns {
		got := slices.ContainsFunc(o.columns, func(c goldColumn) bool { return same(c, w) })
		if !w.optional {
			required++
			if got {
				hit++
			}
		}
	}
	for _, c := range o.columns {
		if slices.ContainsFunc(g.columns, func(w goldColumn) bool { return same(c, w) }) {
			good++
		}
	}
	if hit == 0 || len(o.columns) == 0 {
		return 0
	}
	recall, precision := float64(hit)/float64(required), float64(good)/float64(len(o.columns))
	return 2 * recall * precision / (recall + precision)
}

// judge proposes for one goal and adds what came of it.
func (s *tally) judge(t testing.TB, c goalCase, db *schema.Database, cat *assist.Catalog) {
	p, err := assist.Propose(c.text, cat)
	var refusal *assist.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatalf("%q: %v", c.text, err)
	}
	if len(c.refuse) > 0 {
		s.unserveable++
		if refusal != nil {
			s.abstained++
			if slices.Contains(c.refuse, string(refusal.Reason)) {
				s.reasons++
			} else {
				s.miss(t, c, "refused because of "+string(refusal.Reason))
			}
			return
		}
		s.conf = append(s.conf, judged{p.Confidence, false})
		s.miss(t, c, fmt.Sprintf("proposed %s (%.2f)", brief(p.Request), p.Confidence))
		return
	}
	s.goals++
	var list []assist.Candidate
	if refusal != nil {
		s.refused++
		list = refusal.Candidates
	} else {
		list = append([]assist.Candidate{p.Candidate}, p.Alternatives...)
	}
	s.compare(t, c, db, list, refusal)
}

func (s *tally) compare(t testing.TB, c goalCase, db *schema.Database, list []assist.Candidate, refusal *assist.Refusal) {
	var object, filter [3]bool
	f1, f3 := 0.0, 0.0
	for i := range min(len(list), 3) {
		o := takeApart(db, list[i].Request)
		for _, g := range c.golds {
			object[i] = object[i] || o.objectRight(g)
			filter[i] = filter[i] || o.filterRight(g)
			f := o.f1(db, g)
			if f3 = max(f3, f); i == 0 {
				f1 = max(f1, f)
			}
		}
	}
	s.ranked1 += one(object[0])
	any := func(list [3]bool) bool { return list[0] || list[1] || list[2] }
	if refusal != nil { // what is refused is not served, whatever stands in its candidates
		object[0], filter[0], f1 = false, false, 0
	}
	s.object1, s.object3 = s.object1+one(object[0]), s.object3+one(any(object))
	if len(c.golds[0].filters) > 0 {
		s.filters++
		s.filter1, s.filter3 = s.filter1+one(filter[0]), s.filter3+one(any(filter))
	}
	s.f1, s.f3 = s.f1+f1, s.f3+f3
	if refusal == nil && len(list) > 0 {
		s.conf = append(s.conf, judged{list[0].Confidence, filter[0]})
	}
	if !filter[0] || f1 < 0.8 {
		what := "nothing"
		if refusal != nil {
			what = "refused because of " + string(refusal.Reason)
		}
		if len(list) > 0 {
			what += "; " + brief(list[0].Request) + fmt.Sprintf(" (%.2f)", list[0].Confidence)
		}
		s.miss(t, c, fmt.Sprintf("object %v filter %v F1 %.2f: %s", object[0], filter[0], f1, what))
	}
}

func (s *tally) miss(t testing.TB, c goalCase, what string) {
	if *verbose {
		t.Logf("%s: %q\n\t%s\n\twant %+v %v", c.where, c.text, what, c.golds, c.refuse)
	}
}

func share(k, n int) float64 { return float64(k) / float64(max(n, 1)) }

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func brief(r api.BindingRequest) string {
	var b strings.Builder
	b.WriteString(r.Operation)
	if r.SQLSearch != nil {
		b.WriteString(" by " + r.SQLSearch.Column + " ->")
	}
	if r.SQLWrite != nil {
		b.WriteString(" by " + r.SQLWrite.KeyColumn)
	}
	for _, p := range r.Projection {
		b.WriteString(" " + strings.Join(p.Path, "."))
	}
	for _, a := range r.InputObjectMap {
		b.WriteString(" " + a.Field + "=" + a.Param + string(a.Const) + a.System)
	}
	return b.String()
}

// evaluate judges the goals of folders on both kinds.
func evaluate(t testing.TB, folders ...string) *tally {
	t.Helper()
	var s tally
	cats := map[string]*assist.Catalog{}
	for _, kind := range kinds {
		for _, folder := range folders {
			for _, c := range goals(t, folder) {
				db := company(t, c.schema, kind)
				key := string(kind) + c.schema
				if cats[key] == nil {
					cats[key] = assist.NewCatalog(db, schema.Scope{})
				}
				s.judge(t, c, db, cats[key])
			}
		}
	}
	return &s
}

// want are the least figures of a set of goals.
type want struct{ object, filter, projection, abstention float64 }

func (s *tally) hold(t *testing.T, set string, w want) {
	t.Helper()
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"object", share(s.object1, s.goals), w.object}, {"filter", share(s.filter1, s.filters), w.filter},
		{"projection F1", s.f1 / float64(max(s.goals, 1)), w.projection}, {"abstention", share(s.abstained, s.unserveable), w.abstention},
	} {
		if f.got < f.want {
			t.Errorf("%s: %s %.3f, want at least %.2f", set, f.name, f.got, f.want)
		}
	}
}

// TestGoals holds what is proposed without a model to what was promised. The
// sets beyond "tuned" were measured before anything was done about their misses,
// and are of other companies from the second on; docs/auto-bind.md has the first
// figures.
func TestGoals(t *testing.T) {
	promised := want{object: 0.95, filter: 0.92, projection: 0.85, abstention: 0.9}
	for _, set := range []struct {
		name    string
		folders []string
		want    want
	}{
		{"own companies, tuned", []string{"tuned"}, promised},
		{"own companies, held out", []string{"heldout"}, want{object: 0.9, filter: 0.9, projection: 0.82, abstention: 0.9}},
		{"own companies, all", []string{"tuned", "heldout"}, promised},
		{"other companies, second", []string{"second"}, promised},
		{"other companies, third", []string{"third"}, want{object: 0.95, filter: 0.88, projection: 0.85, abstention: 0.9}},
		{"other companies, fourth", []string{"fourth"}, promised},
		{"other companies, fifth", []string{"fifth"}, promised},
		{"other companies, 2nd to 5th", folders[2:6], promised},
		{"own companies, sixth", []string{"sixth"}, want{object: 0.85, filter: 0.85, projection: 0.75, abstention: 0.9}},
		{"other companies, seventh", []string{"seventh"}, want{object: 0.85, filter: 0.85, projection: 0.6, abstention: 0.9}},
		{"everything", folders, promised},
	} {
		s := evaluate(t, set.folders...)
		t.Logf("%-24s%v", set.name, s)
		s.hold(t, set.name, set.want)
		if set.name != "everything" {
			continue
		}
		t.Logf("confidence and how often it was right, everything:\n%s", s.calibration())
		if gap := s.gap(); gap > 0.1 {
			t.Errorf("confidence is off by %.3f on average, want at most 0.1", gap)
		}
	}
}

// bands of confidence; what is below the bar is not proposed.
const bands = 5

func band(confidence float64) int { return min(max(int((confidence-0.5)*2*bands), 0), bands-1) }

// calibration is a table of confidence against how often it was right.
func (s *tally) calibration() string {
	var b strings.Builder
	for i := range bands {
		n, right, sum := s.band(i)
		if n > 0 {
			fmt.Fprintf(&b, "  %.1f to %.1f: %3d proposals, mean confidence %.2f, right %.2f\n", 0.5+float64(i)/2/bands, 0.5+float64(i+1)/2/bands, n, sum/float64(n), share(right, n))
		}
	}
	return b.String()
}

func (s *tally) band(i int) (n, right int, sum float64) {
	for _, j := range s.conf {
		if band(j.confidence) == i {
			n, right, sum = n+1, right+one(j.right), sum+j.confidence
		}
	}
	return n, right, sum
}

// gap is the mean distance between confidence and how often it was right.
func (s *tally) gap() float64 {
	total := 0.0
	for i := range bands {
		_, right, sum := s.band(i)
		total += math.Abs(sum - float64(right))
	}
	return total / float64(max(len(s.conf), 1))
}

// TestKeyOfWhoCalls: a loan sounds like a borrower to the dictionary. Its key is
// nobody's number, and not what the service knows a caller by.
func TestKeyOfWhoCalls(t *testing.T) {
	for _, kind := range kinds {
		db := company(t, "library", kind)
		p, err := assist.Propose("Which of my loans is due next week?", assist.NewCatalog(db, schema.Scope{}))
		if err != nil {
			t.Fatal(err)
		}
		if got := takeApart(db, p.Request); got.object != "loans" || got.filter != "barcode" {
			t.Errorf("%s: %s by %s, want loans by barcode", kind, got.object, got.filter)
		}
	}
}

// TestYearIsAnotherCondition: what is given is one condition, and a year is
// another.
func TestYearIsAnotherCondition(t *testing.T) {
	for _, tt := range []struct{ company, goal string }{
		{"hotel", "Is a given guest a VIP or has a given guest stayed before 2020?"},
		{"energy", "bills of a given household not paid in 2023"},
	} {
		for _, kind := range kinds {
			_, err := assist.Propose(tt.goal, assist.NewCatalog(company(t, tt.company, kind), schema.Scope{}))
			if refusal := (*assist.Refusal)(nil); !errors.As(err, &refusal) {
				t.Errorf("%s: %q is not refused: %v", kind, tt.goal, err)
			}
		}
	}
}
