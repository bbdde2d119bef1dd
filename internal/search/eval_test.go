package search

import (
	"flag"
	"fmt"
	"maps"
	"testing"

	"flowyte/internal/schema"
)

var evalAll = flag.Bool("eval", false, "search: ask every sample question and print the table of `make eval-search`")

// tally gathers how much of what answers a question was found among the first
// hits: of each question the share, of all questions the mean.
type tally struct {
	questions          int
	at1, at5, at10     float64
	reciprocal, limit5 float64
	capped5            float64 // at5, of five at most
	unsaid             int     // questions no word of which leads to all that answers them
}

func (t *tally) add(gold, said map[string]bool, found []string) {
	if len(gold) == 0 {
		return
	}
	t.questions++
	for name := range gold {
		if !said[name] {
			t.unsaid++
			break
		}
	}
	share, at5 := 1/float64(len(gold)), 0.0
	first := true
	for i, name := range found {
		if !gold[name] {
			continue
		}
		if first {
			t.reciprocal += 1 / float64(i+1)
			first = false
		}
		if i < 1 {
			t.at1 += share
		}
		if i < 5 {
			at5 += share
		}
		t.at10 += share
	}
	t.at5 += at5
	t.limit5 += min(5*share, 1)
	t.capped5 += at5 / min(5*share, 1)
}

func (t *tally) merge(other tally) {
	t.questions += other.questions
	t.at1, t.at5, t.at10 = t.at1+other.at1, t.at5+other.at5, t.at10+other.at10
	t.reciprocal, t.limit5, t.capped5 = t.reciprocal+other.reciprocal, t.limit5+other.limit5, t.capped5+other.capped5
	t.unsaid += other.unsaid
}

func (t *tally) recall5() float64 { return t.at5 / float64(t.questions) }

func (t *tally) String() string {
	n := float64(t.questions)
	return fmt.Sprintf("%6d %9.3f %9.3f %9.3f %9.3f %9.3f %9.3f %7d", t.questions, t.at1/n, t.at5/n, t.limit5/n, t.capped5/n, t.at10/n, t.reciprocal/n, t.unsaid)
}

// outcome is what a set of questions found: objects among hits of type object,
// fields among hits of type field. Fields "asked for" are those that the answer
// does more with than join tables by them.
type outcome struct{ objects, asked, all tally }

func (o *outcome) merge(other outcome) {
	o.objects.merge(other.objects)
	o.asked.merge(other.asked)
	o.all.merge(other.all)
}

func (o *outcome) print(name string) {
	fmt.Printf("%-24s %-18s %s\n", name, "objects", &o.objects)
	fmt.Printf("%-24s %-18s %s\n", "", "fields asked for", &o.asked)
	fmt.Printf("%-24s %-18s %s\n", "", "fields, all", &o.all)
}

// ask asks every step-th question.
func ask(s questionSet, step int) outcome {
	ix := Build(s.db, readOf)
	var o outcome
	for i := 0; i < len(s.questions); i += step {
		q := &s.questions[i]
		var objects, fields []string
		for _, h := range ix.Search(q.text, Object, 10) {
			objects = append(objects, h.Object)
		}
		for _, h := range ix.Search(q.text, Field, 10) {
			fields = append(fields, h.Object+"."+h.Field)
		}
		said := saidBy(ix, q.text)
		o.objects.add(q.gold.tables, said, objects)
		o.all.add(q.gold.columns, said, fields)
		asked := maps.Clone(q.gold.columns)
		maps.DeleteFunc(asked, func(c string, _ bool) bool { return q.gold.joins[c] })
		o.asked.add(asked, said, fields)
	}
	return o
}

// saidBy are the objects and fields that some word of a text leads to by what
// they are called, say or hold themselves; for an object also by a field.
func saidBy(ix *Index, text string) map[string]bool {
	q, s := ix.read(text), newScratch(ix)
	for i := range q.units {
		s.hear(ix, &q.units[i])
	}
	said := map[string]bool{}
	for _, o := range s.allObjects {
		said[ix.objects[o].name] = s.object[o].sum > 0
	}
	for _, f := range s.allFields {
		said[ix.objects[ix.fields[f].object].name+"."+ix.fields[f].name] = s.field[f].sum > 0
	}
	return said
}

func readOf(o *schema.Object) []string { return []string{o.Name + ".read"} }

// together puts all databases into one, with the questions of all.
func together(sets []questionSet) questionSet {
	all := questionSet{name: "all in one database", db: &schema.Database{Kind: schema.Postgres, DefaultSchema: "public"}}
	for _, s := range sets {
		for _, o := range s.db.Objects {
			o.Schema = "public"
			for k := range o.ForeignKeys {
				o.ForeignKeys[k].TargetSchema = "public"
			}
			all.db.Objects = append(all.db.Objects, o)
		}
		all.questions = append(all.questions, s.questions...)
	}
	sorted(all.db)
	return all
}

// TestRecall holds search to what it reached: of the questions of sql-eval what
// the project promises, of the others, which no search by words can answer in
// full, what it found when this was written. docs/search.md has the definitions.
func TestRecall(t *testing.T) {
	needCorpora(t)
	step := 16
	if *evalAll {
		step = 1
		fmt.Printf("%-24s %-18s %6s %9s %9s %9s %9s %9s %9s %7s\n", "questions", "found", "n", "recall@1", "recall@5", "at most", "capped@5", "recall@10", "MRR", "unsaid")
	}
	show := func(name string, o outcome) {
		if *evalAll {
			o.print(name)
		}
	}
	var sqlEval outcome
	sets := dealershipAndRestaurants(t)
	for _, s := range sets {
		o := ask(s, 1)
		show(s.name, o)
		sqlEval.merge(o)
	}
	show("sql-eval, both", sqlEval)
	reach(t, "sql-eval, objects", sqlEval.objects, 0.98)
	reach(t, "sql-eval, fields asked for", sqlEval.asked, 0.85)
	reach(t, "sql-eval, fields, all", sqlEval.all, 0.85)

	var ours outcome
	for _, s := range ownQuestions(t) {
		o := ask(s, 1)
		show(s.name, o)
		ours.merge(o)
	}
	show("our own, both", ours)
	reach(t, "our own, objects", ours.objects, 0.82)

	university := advising(t, false)
	o := ask(university, step)
	show(university.name, o)
	reach(t, "advising, objects", o.objects, 0.91)
	reach(t, "advising, fields asked for", o.asked, 0.58)
	reach(t, "advising, fields, all", o.all, 0.40)
	if *evalAll {
		filled := advising(t, true)
		show(filled.name, ask(filled, 1))
		one := together(append(sets, university))
		show(one.name, ask(one, 1))
	}
}

func reach(t *testing.T, what string, got tally, least float64) {
	t.Helper()
	if got.questions == 0 || got.recall5() < least {
		t.Errorf("%s: recall@5 is %.3f over %d questions, want at least %.2f", what, got.recall5(), got.questions, least)
	}
}
