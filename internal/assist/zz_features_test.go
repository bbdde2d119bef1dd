package assist_test

import (
	"fmt"
	"os"
	"testing"

	"flowyte/internal/assist"
	"flowyte/internal/schema"
)

func TestFeatures(t *testing.T) {
	out := os.Getenv("FEATURES")
	if out == "" {
		return
	}
	f, _ := os.Create(out)
	defer f.Close()
	emit := func(set string, c goalCase, cat *assist.Catalog) {
		list, ops, filters, refused := assist.Features(c.text, cat)
		if refused != "" || len(list) == 0 {
			fmt.Fprintf(f, "%s\t%d\t%s\t-1\t%s\n", set, one(len(c.refuse) > 0), refused, c.text)
			return
		}
		right, obj := 0, 0
		for _, g := range c.golds {
			if ops[0] == g.object+"."+g.action {
				obj = 1
				for _, x := range g.filters {
					if x == filters[0] {
						right = 1
					}
				}
				if len(g.filters) == 0 {
					right = 1
				}
			}
		}
		fmt.Fprintf(f, "%s\t%d\t\t%d\t%d\t%v\t%s\n", set, one(len(c.refuse) > 0), obj, right, list[0], c.text)
	}
	for _, folder := range []string{"tuned"} {
		cats := map[string]*assist.Catalog{}
		for _, c := range goals(t, folder) {
			if cats[c.schema] == nil {
				cats[c.schema] = assist.NewCatalog(company(t, c.schema, schema.Postgres), schema.Scope{})
			}
			emit(folder, c, cats[c.schema])
		}
	}
	cats := map[string]*assist.Catalog{}
	for _, n := range companies {
		cats[n] = assist.NewCatalog(company(t, n, schema.Postgres), schema.Scope{})
	}
	for _, c := range goals(t, "tuned") {
		for n, cat := range cats {
			if n != c.schema && len(c.golds) > 0 {
				c2 := c
				c2.golds = nil
				c2.refuse = []string{"x"}
				c2.text = n + " <- " + c.text
				list, ops, filters, refused := assist.Features(c.text, cat)
				if refused != "" || len(list) == 0 {
					continue
				}
				fmt.Fprintf(f, "cross\t1\t\t0\t0\t%v\t%s => %s by %s\n", list[0], c2.text, ops[0], filters[0])
			}
		}
	}
	folder := corpora(t)
	cat := assist.NewCatalog(advisingSchema(t, folder), schema.Scope{})
	for _, c := range advisingGoals(t, folder, false) {
		emit("advising", c, cat)
	}
	for _, name := range []string{"car_dealership", "restaurants"} {
		cat := assist.NewCatalog(defogSchema(t, folder, name), schema.Scope{})
		served, refused := sqlEvalGoals(t, folder, name)
		for _, c := range append(served, refused...) {
			emit("sqleval", c, cat)
		}
	}
}
