package assist_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/schema"
)

// goalCase is one goal of testdata/goals and what an operator would have
// written for it; testdata/README.md has the form.
type goalCase struct {
	schema string
	text   string
	where  string // file and line, for failures
	golds  []gold
	refuse []string // reasons, one of which is right; none for a goal that can be served
}

// gold is one right answer.
type gold struct {
	object  string
	action  string
	filters []string // any of them is right; none for an insert
	columns []goldColumn
}

type goldColumn struct {
	object, column string // object "" means the bound one; else the target's or the relationship's name
	optional       bool
}

// folders hold the sets of goals; testdata/README.md tells which is for what.
var folders = []string{"tuned", "heldout", "second", "third", "fourth", "fifth", "sixth", "seventh"}

// goals reads the goals of a folder of testdata/goals.
func goals(t testing.TB, folder string) []goalCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "goals", folder, "*.txt"))
	if err != nil || len(paths) < 3 {
		t.Fatalf("goals of %s: %d files, %v", folder, len(paths), err)
	}
	var all []goalCase
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		for paragraph := range strings.SplitSeq(string(data), "\n\n") {
			if c, ok := parseGoal(t, name, paragraph); ok {
				c.where = folder + "/" + name
				all = append(all, c)
			}
		}
	}
	return all
}

func parseGoal(t testing.TB, name, paragraph string) (goalCase, bool) {
	t.Helper()
	c := goalCase{schema: name}
	for line := range strings.Lines(paragraph) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "= "):
			c.golds = append(c.golds, parseGold(t, line[2:]))
		case strings.HasPrefix(line, "! "):
			for reason := range strings.SplitSeq(line[2:], ",") {
				c.refuse = append(c.refuse, strings.TrimSpace(reason))
			}
		default:
			c.text = line
		}
	}
	if name == "unserveable" {
		c.schema, c.text, _ = strings.Cut(c.text, ": ")
	}
	if c.text == "" {
		return c, false
	}
	if len(c.golds)+len(c.refuse) == 0 {
		t.Fatalf("%s: %q has no answer", name, c.text)
	}
	return c, true
}

// parseGold reads "object.read by a|b -> c, d.e?" or "object.update by k set c, d?".
func parseGold(t testing.TB, line string) gold {
	t.Helper()
	var g gold
	head, tail, ok := strings.Cut(line, " -> ")
	if !ok {
		if head, tail, ok = strings.Cut(line, " set "); !ok {
			t.Fatalf("no columns in %q", line)
		}
	}
	operation, filters, _ := strings.Cut(head, " by ")
	dot := strings.LastIndexByte(operation, '.')
	g.object, g.action = operation[:dot], operation[dot+1:]
	if filters != "" {
		g.filters = strings.Split(filters, "|")
	}
	for column := range strings.SplitSeq(tail, ",") {
		column = strings.TrimSpace(column)
		name, optional := strings.CutSuffix(column, "?")
		object, leaf, hop := strings.Cut(name, ".")
		if !hop {
			object, leaf = "", name
		}
		g.columns = append(g.columns, goldColumn{object, leaf, optional})
	}
	return g
}

// TestGoalsAreWritable keeps the gold bindings to the schemas they are for.
func TestGoalsAreWritable(t *testing.T) {
	for _, folder := range folders {
		for _, c := range goals(t, folder) {
			for _, kind := range kinds {
				db := company(t, c.schema, kind)
				for _, g := range c.golds {
					o := db.Find(g.object)
					if o == nil {
						t.Errorf("%s: %q: no object %s", c.where, c.text, g.object)
						continue
					}
					for _, f := range g.filters {
						if o.Field(f) == nil {
							t.Errorf("%s: %q: no column %s", c.where, c.text, f)
						}
					}
					for _, col := range g.columns {
						if target := reach(db, o, col.object); target == nil || target.Field(col.column) == nil {
							t.Errorf("%s: %q: no column %s.%s", c.where, c.text, col.object, col.column)
						}
					}
				}
			}
		}
	}
}

// reach is the object that a gold column stands on.
func reach(db *schema.Database, o *schema.Object, name string) *schema.Object {
	if name == "" {
		return o
	}
	i := slices.IndexFunc(o.ForeignKeys, func(fk schema.ForeignKey) bool {
		return fk.Relationship == name || fk.TargetObject == name
	})
	if i < 0 {
		return nil
	}
	return db.Lookup(o.ForeignKeys[i].TargetSchema, o.ForeignKeys[i].TargetObject)
}
