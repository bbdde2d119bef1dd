package grant

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"flowyte/internal/fault"
)

// maxNames bounds each list of names, and with it the length of a script.
const maxNames = 1000

// rules are what one kind of database allows in names.
type rules struct {
	object   nameRule
	user     nameRule
	password nameRule
	// secret judges what the form of a password does not tell; nil for nothing.
	secret func(string) string
	// schemas says that a database has schemas, which may be chosen; without
	// them it is its own only one.
	schemas bool
	// reservedUser and reservedSchema tell names that belong to the server
	// itself: a script for them would change its administrator or open its
	// catalogue.
	reservedUser   func(string) bool
	reservedSchema func(string) bool
}

// nameRule judges the form of one name.
type nameRule struct {
	max      int
	unit     string // of max, for the message: "bytes", "characters"
	length   func(string) int
	basic    bool // only the basic multilingual plane
	endSpace bool // trailing spaces are legal
}

// judge is "" for a legal name, else what is wrong with it, without the name.
func (r nameRule) judge(name string) string {
	switch {
	case name == "":
		return "must not be empty"
	case !utf8.ValidString(name):
		return "must be valid UTF-8"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "must not contain control characters"
	case strings.ContainsFunc(name, bidirectional):
		return "must not contain characters that change the direction of the text around them"
	case r.basic && strings.ContainsFunc(name, func(c rune) bool { return c > 0xFFFF }):
		return "must not contain characters beyond U+FFFF"
	case !r.endSpace && strings.HasSuffix(name, " "):
		return "must not end with a space"
	case r.length(name) > r.max:
		return fmt.Sprintf("must have at most %d %s", r.max, r.unit)
	}
	return ""
}

// bidirectional characters would let a script look different from what it
// does to the administrator who reviews it.
func bidirectional(c rune) bool { return unicode.Is(unicode.Bidi_Control, c) }

func byteLength(s string) int { return len(s) }

// check judges an Input. The error is the fault script_input_invalid with one
// entry for every name that is wrong.
func check(r rules, in Input) (*order, error) {
	problem := fault.New(fault.ScriptInvalid)
	note := func(field, message string) {
		if message != "" {
			problem.WithField(field, "%s", message)
		}
	}
	o := &order{database: in.Database}
	note("database", r.object.judge(in.Database))
	if !r.schemas && r.reservedSchema(in.Database) {
		note("database", "belongs to the server itself")
	}
	o.schemas = spacesOf(r, in, note)
	o.tables = relations("tables", r, in.Tables, o.schemas, note)
	o.readTables = relations("readTables", r, in.ReadTables, o.schemas, note)
	o.named = unique(in.Tables)

	o.reader, o.writer = users(in)
	if message := r.user.judge(o.reader); message != "" {
		note("user", message)
	} else if message := r.user.judge(o.writer); message != "" && len(in.Tables) > 0 {
		note("user", message+` together with the suffix "`+writerSuffix+`" of the writer`)
	}
	if r.reservedUser(o.reader) {
		note("user", "belongs to the server itself")
	}
	if !in.Password.Empty() {
		note("password", r.password.judge(in.Password.Reveal()))
		if r.secret != nil {
			note("password", r.secret(in.Password.Reveal()))
		}
	}
	if len(problem.Fields) > 0 {
		return nil, problem
	}
	return o, nil
}

// spacesOf are the schemas of an Input.
func spacesOf(r rules, in Input, note func(field, message string)) []string {
	if !r.schemas {
		if len(in.Schemas) > 0 {
			note("schema", "is for PostgreSQL only")
		}
		return []string{in.Database}
	}
	if len(in.Schemas) == 0 {
		return []string{"public"}
	}
	if len(in.Schemas) > maxNames {
		note("schema", fmt.Sprintf("must have at most %d entries", maxNames))
		return in.Schemas[:1]
	}
	for i, name := range in.Schemas {
		note(entry("schema", i), judgeSchema(r, name))
	}
	return unique(in.Schemas)
}

func judgeSchema(r rules, name string) string {
	if message := r.object.judge(name); message != "" {
		return message
	}
	if r.reservedSchema(name) {
		return "belongs to the server itself"
	}
	return ""
}

func relations(field string, r rules, names, known []string, note func(field, message string)) []relation {
	if len(names) > maxNames {
		note(field, fmt.Sprintf("must have at most %d entries", maxNames))
		return nil
	}
	var all []relation
	for i, name := range names {
		t := split(name, known)
		if message := judgeSchema(r, t.schema); message != "" && name != "" {
			note(entry(field, i), "the part before the dot "+message)
		}
		note(entry(field, i), r.object.judge(t.name))
		all = append(all, t)
	}
	return unique(all)
}

func entry(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }
