package binding

import (
	"bytes"
	"fmt"
	"strings"
)

// Documentation is docs/findings.md: every finding with its explanation and an
// example.
func Documentation() []byte {
	var b bytes.Buffer
	b.WriteString("<!-- Generated from internal/binding by go generate. Do not edit. -->\n")
	b.WriteString("# Findings\n\n")
	b.WriteString("A binding that cannot be compiled is answered with `422 binding_rejected` and all of its findings at once. Each has a code, a severity,\n")
	b.WriteString("the path of the part of the request that it is about, a message, a fix and, where names are near, candidates. Warnings let a binding through.\n")
	sections := []struct {
		title string
		defs  []Def
	}{
		{"About the request", requestFindings},
		{"About the database", databaseFindings},
		{"Warnings", warnings},
	}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n", s.title)
		for _, d := range s.defs {
			document(&b, d)
		}
	}
	return b.Bytes()
}

func document(b *bytes.Buffer, d Def) {
	fmt.Fprintf(b, "\n### `%s`\n\n", d.Code)
	fmt.Fprintf(b, "%s\n\n%s\n\n**Fix:** %s\n\n", strings.ReplaceAll(d.Message, "%s", "…"), d.Why, d.Fix)
	if d.Before != "" {
		fmt.Fprintf(b, "    %s\n", d.Before)
	}
	if d.After != "" {
		fmt.Fprintf(b, "\ninstead\n\n    %s\n", d.After)
	}
}
