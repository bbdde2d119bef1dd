package schema

import "strings"

// PIITable is the table of classes as Markdown, for docs/pii-classes.md.
func PIITable() string {
	var b strings.Builder
	b.WriteString("| class | in writes | terms | in company only | not |\n| --- | --- | --- | --- | --- |\n")
	for i := range piiRules {
		r := &piiRules[i]
		writes := "marked"
		if RefusedInWrites(r.class) {
			writes = "refused"
		}
		company := listed(r.weak)
		if len(r.near) > 0 {
			company += " (near " + strings.Join(r.near, ", ") + ")"
		}
		if len(r.beside) > 0 {
			company += " (beside " + strings.Join(r.beside, ", ") + ")"
		}
		b.WriteString("| `" + r.class + "` | " + writes + " | " + listed(r.terms) + " | " + company + " | " + listed(r.unless) + " |\n")
	}
	return b.String()
}

func listed(terms [][]string) string {
	list := make([]string, len(terms))
	for i, term := range terms {
		list[i] = strings.Join(term, " ")
	}
	return strings.Join(list, ", ")
}
