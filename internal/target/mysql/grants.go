package mysql

import (
	"slices"
	"strings"

	"flowyte/internal/target"
)

// scope is where a right holds.
type scope uint8

const (
	everywhere scope = iota
	wholeDatabase
	oneObject // a table, or some of its columns
	oneRoutine
)

// right is one line of SHOW GRANTS.
type right struct {
	privileges []string // in upper case
	scope      scope
	database   string // as written, which may be a pattern
	grantable  bool
	proxy      bool
	public     bool     // what every account of a MariaDB server holds
	roles      []string // granted roles, quoted for SQL
	unknown    bool     // the line is of a form that this package does not know
}

type rights []right

// token is a word, a quoted name or a sign of a line.
type token struct {
	text   string // a quoted name without its quotes
	quoted bool
}

// tokens cuts a line apart. ok is false for a name that does not end.
func tokens(line string) (list []token, ok bool) {
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == ' ':
			i++
		case c == '`' || c == '\'' || c == '"':
			name, size := unquote(line[i:], c)
			if size == 0 {
				return nil, false
			}
			list = append(list, token{name, true})
			i += size
		case isWord(c):
			end := i
			for end < len(line) && isWord(line[end]) {
				end++
			}
			list = append(list, token{strings.ToUpper(line[i:end]), false})
			i = end
		default:
			list = append(list, token{line[i : i+1], false})
			i++
		}
	}
	return list, true
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

// unquote reads a name in quotes, in which a doubled quote stands for one.
func unquote(s string, quote byte) (name string, size int) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != quote {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == quote {
			b.WriteByte(quote)
			i++
			continue
		}
		return b.String(), i + 1
	}
	return "", 0
}

// parseGrant reads one line of SHOW GRANTS. ok is false for lines that grant
// nothing.
func parseGrant(line string) (r right, ok bool) {
	list, sound := tokens(line)
	switch {
	case !sound:
		return right{unknown: true}, true
	case len(list) > 0 && (list[0].is("SET") || list[0].is("REVOKE")):
		// A default role, which is granted in another line; a part taken away
		// again, which is not counted in the role's favour.
		return right{}, false
	case len(list) < 2 || !list[0].is("GRANT"):
		return right{unknown: true}, true
	}
	// Limits may stand between WITH and these.
	r.public = has(list, "TO", "PUBLIC")
	r.grantable = has(list[1:], "GRANT", "OPTION") || has(list[1:], "ADMIN", "OPTION")
	list = list[1:]
	switch {
	case list[0].quoted:
		r.roles, ok = parseRoles(list)
	case list[0].is("PROXY"):
		r.proxy, ok = true, true
	default:
		ok = r.parsePrivileges(list)
	}
	if !ok {
		r = right{unknown: true}
	}
	return r, true
}

func (t token) is(word string) bool { return !t.quoted && t.text == word }

// has tells whether two words stand together anywhere in the list.
func has(list []token, first, second string) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1].is(first) && list[i].is(second) {
			return true
		}
	}
	return false
}

// parseRoles reads `a`@`%`, `b`@`%` TO ….
func parseRoles(list []token) (roles []string, ok bool) {
	for i := 0; i < len(list); i++ {
		switch {
		case list[i].is("TO"):
			return roles, len(roles) > 0
		case list[i].is(","):
		case list[i].is("@") && len(roles) > 0 && i+1 < len(list):
			roles[len(roles)-1] += "@" + quoteName(list[i+1].text)
			i++
		case list[i].quoted:
			roles = append(roles, quoteName(list[i].text))
		default:
			return nil, false
		}
	}
	return nil, false
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// parsePrivileges reads PRIVILEGE, PRIVILEGE (columns) ON [kind] a.b TO ….
func (r *right) parsePrivileges(list []token) bool {
	var words []string
	end := func() {
		if len(words) > 0 {
			r.privileges = append(r.privileges, strings.Join(words, " "))
		}
		words = nil
	}
	for i := 0; i < len(list); i++ {
		switch t := list[i]; {
		case t.is("ON"):
			end()
			return len(r.privileges) > 0 && r.parseObject(list[i+1:])
		case t.is(","):
			end()
		case t.is("("):
			for i < len(list) && !list[i].is(")") {
				i++
			}
		case t.quoted:
			return false
		default:
			words = append(words, t.text)
		}
	}
	return false
}

func (r *right) parseObject(list []token) bool {
	if len(list) > 0 && !list[0].quoted && !list[0].is("*") {
		if !list[0].is("TABLE") {
			r.scope = oneRoutine
		}
		for len(list) > 0 && !list[0].quoted && !list[0].is("*") { // PACKAGE BODY
			list = list[1:]
		}
	}
	if len(list) < 3 || !list[1].is(".") {
		return false
	}
	switch {
	case list[0].is("*"):
		r.scope = everywhere
	case r.scope == oneRoutine:
	case list[2].is("*"):
		r.scope = wholeDatabase
	default:
		r.scope = oneObject
	}
	r.database = list[0].text
	return true
}

// unescape turns a pattern that stands for one name into that name. ok is
// false for a pattern with a wildcard that matches any number of characters; a
// bare underscore is taken for itself, as that is how people write grants.
func unescape(pattern string) (name string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
		case pattern[i] == '%':
			return "", false
		}
		b.WriteByte(pattern[i])
	}
	return b.String(), true
}

// system tells whether a right reaches the server's own tables.
func (r *right) system() bool {
	name, ok := unescape(r.database)
	return ok && slices.Contains([]string{"mysql", "sys", "performance_schema", "information_schema"}, strings.ToLower(name))
}

// canWrite tells whether the role may change rows of some table.
func (list rights) canWrite() bool {
	return slices.ContainsFunc(list, func(r right) bool {
		return slices.ContainsFunc(r.privileges, isWrite)
	})
}

func isWrite(privilege string) bool {
	return privilege == "INSERT" || privilege == "UPDATE" || privilege == "DELETE" || isAll(privilege)
}

func isAll(privilege string) bool { return privilege == "ALL PRIVILEGES" || privilege == "ALL" }

// beyond sorts what the role may do beyond the script for database: powers over
// the server, rights that are merely wider, and those of them that every role
// holds. The phrases name privileges and never objects.
func (list rights) beyond(database string) target.Privileges {
	var p target.Privileges
	for i := range list {
		superuser, wider := list[i].beyond(database)
		p.Superuser = append(p.Superuser, superuser...)
		if list[i].public {
			p.Public = append(p.Public, wider...)
		} else {
			p.Wider = append(p.Wider, wider...)
		}
	}
	return target.Privileges{Superuser: shown(p.Superuser), Wider: shown(p.Wider), Public: shown(p.Public)}
}

// shown are the different ones of the server's words for rights, as they may be
// told.
func shown(words []string) []string {
	const longest = 64
	for i := range words {
		words[i] = clean(words[i], longest)
	}
	return unique(words)
}

func (r *right) beyond(database string) (superuser, wider []string) {
	switch {
	case r.unknown:
		return nil, []string{"a grant of an unknown form"}
	case r.proxy:
		return []string{"PROXY"}, nil
	}
	if r.grantable {
		superuser = append(superuser, "GRANT OPTION")
	}
	for _, privilege := range r.privileges {
		phrase, refused := r.judge(privilege, database)
		switch {
		case phrase == "":
		case refused:
			superuser = append(superuser, phrase)
		default:
			wider = append(wider, phrase)
		}
	}
	return superuser, wider
}

// judge gives the phrase for a privilege, "" for one that the script gives.
func (r *right) judge(privilege, database string) (phrase string, refused bool) {
	if privilege == "USAGE" {
		return "", false
	}
	if r.scope != everywhere && r.system() {
		return privilege + " on the server's own tables", isWrite(privilege)
	}
	switch r.scope {
	case everywhere:
		return privilege + " on every database", isPower(privilege) || isWrite(privilege)
	case wholeDatabase:
		if name, ok := unescape(r.database); !ok || !strings.EqualFold(name, database) {
			return privilege + " on another database", false
		}
		if privilege == "SELECT" || privilege == "SHOW VIEW" {
			return "", false
		}
		return privilege + " on the whole database", false
	case oneRoutine:
		return privilege + " on a routine", false
	}
	switch privilege {
	case "SELECT", "INSERT", "UPDATE", "SHOW VIEW":
		return "", false
	}
	return privilege + " on a table", false
}

// isPower tells the privileges over the server itself: its accounts, files,
// settings and other people's sessions.
func isPower(privilege string) bool {
	switch privilege {
	case "SUPER", "FILE", "CREATE USER", "CREATE ROLE", "DROP ROLE", "SHUTDOWN", "GRANT OPTION",
		"SYSTEM_USER", "SET_USER_ID", "SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER", "SET USER":
		return true
	}
	return strings.HasSuffix(privilege, "_ADMIN") || strings.HasSuffix(privilege, " ADMIN")
}

func unique(list []string) []string {
	var out []string
	for _, item := range list {
		if !slices.Contains(out, item) {
			out = append(out, item)
		}
	}
	return out
}
