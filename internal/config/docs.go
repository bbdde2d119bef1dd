package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Markdown is docs/configuration.md: the settings by group, derived from the
// tags of Flags.
func Markdown() string {
	var b strings.Builder
	b.WriteString(preface)
	t := reflect.TypeFor[Flags]()
	for _, group := range groups(t) {
		fmt.Fprintf(&b, "\n## %s\n\n| flag | variable | default | |\n| --- | --- | --- | --- |\n", group)
		for i := range t.NumField() {
			tag := t.Field(i).Tag
			if tag.Get("group") != group {
				continue
			}
			flag := "--" + tag.Get("name")
			if placeholder := tag.Get("placeholder"); placeholder != "" {
				flag += " " + placeholder
			}
			standard := tag.Get("default")
			if standard != "" {
				standard = "`" + standard + "`"
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", flag, tag.Get("env"), standard, tag.Get("help"))
		}
	}
	b.WriteString(rules)
	return b.String()
}

// groups lists the groups in the order of their first flag.
func groups(t reflect.Type) []string {
	var list []string
	seen := map[string]bool{}
	for i := range t.NumField() {
		if g := t.Field(i).Tag.Get("group"); !seen[g] {
			seen[g] = true
			list = append(list, g)
		}
	}
	return list
}

const preface = `# Configuration

` + "`flowyte serve`" + ` takes flags, and for each an environment variable; the flag wins. Everything that is wrong is told
at once, and the process does not start. This page is generated from the program; ` + "`make generate`" + ` writes it anew.

` + "```sh" + `
flowyte serve --data /var/lib/flowyte --addr 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem --allow-target 10.1.0.0/16
` + "```" + `
`

const rules = `
## Rules

- A listener that can be reached from beyond this machine needs ` + "`tls-cert` and `tls-key`, or `behind-tls-proxy`" + `;
  otherwise the process refuses to start. This holds for the metrics listener as well.
- ` + "`allow-target`" + ` admits a range for every organisation. No request and no setting of an organisation can widen it.
  Names that are not public (single labels, ` + "`.internal`, `.local`, `.svc.cluster.local`" + `) are admitted when every address they
  resolve to lies inside an allowed range.
- Link-local and metadata addresses, and the listeners of this process, are refused whatever is allowed.
- ` + "`model-url`" + ` must be https unless it names this machine, and is reached through the same guard as databases: a private
  address needs ` + "`allow-target`" + `, unless it is an address of this machine that the setting itself names. The model is sent goals, and names of objects and columns that are not blocked; never comments,
  rows or credentials. It has five seconds; after that, and whenever its answer is no good, proposals come from words alone.
- The master key never lies in a backup made by ` + "`flowyte backup`" + `. Keep it apart from the data folder, and keep a copy.
- Memory is held to ` + "`GOMEMLIMIT`" + `, such as ` + "`512MiB`" + `, or without it to nine tenths of what the container has. When nothing more can
  be freed below that, requests are answered 503 with Retry-After until there is room again, instead of the process being killed.
- Of the files that the process may open (` + "`ulimit -n`" + `) half are for the API and a quarter for databases; below 8,192 fewer connections
  and sessions are served than the settings say.
- Write a time as days (` + "`30d`" + `) or as hours, minutes and seconds (` + "`12h`, `90m`" + `).
`
