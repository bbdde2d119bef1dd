package demo

import (
	"fmt"
	"net/http"
	"strings"
)

// Request is one curl of the walkthrough.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   string
}

// parseCurl reads one curl command of the plain kind the walkthrough uses:
// quoting, $VARIABLES, line continuations, and the options -X, -H and -d.
func parseCurl(command string, env map[string]string) (Request, error) {
	words, err := shellWords(command, env)
	if err != nil {
		return Request{}, err
	}
	if len(words) == 0 || words[0] != "curl" {
		return Request{}, fmt.Errorf("not a curl command")
	}
	r := Request{Method: http.MethodGet, Header: http.Header{}}
	for i := 1; i < len(words); i++ {
		option := words[i]
		switch option {
		case "-X", "-H", "-d":
			i++
			if i == len(words) {
				return Request{}, fmt.Errorf("%s needs a value", option)
			}
		case "-s", "-sS":
			continue
		}
		switch option {
		case "-X":
			r.Method = words[i]
		case "-H":
			name, value, ok := strings.Cut(words[i], ":")
			if !ok {
				return Request{}, fmt.Errorf("a header has no colon")
			}
			r.Header.Add(name, strings.TrimSpace(value))
		case "-d":
			r.Body = words[i]
		default:
			if strings.HasPrefix(option, "-") {
				return Request{}, fmt.Errorf("curl option %s is not known here", option)
			}
			r.URL = option
		}
	}
	if r.URL == "" {
		return Request{}, fmt.Errorf("the command has no URL")
	}
	return r, nil
}

// shellWords splits a command as a POSIX shell does: single quotes are literal,
// $NAME expands outside them, a backslash before a line break joins lines.
func shellWords(command string, env map[string]string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(command); {
		switch c := command[i]; {
		case c == '\'':
			end := strings.IndexByte(command[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("a single quote is not closed")
			}
			word.WriteString(command[i+1 : i+1+end])
			i += end + 2
			inWord = true
		case c == '"':
			n, err := doubleQuoted(&word, command[i+1:], env)
			if err != nil {
				return nil, err
			}
			i += n + 1
			inWord = true
		case c == '\\' && i+1 < len(command):
			if command[i+1] != '\n' {
				word.WriteByte(command[i+1])
				inWord = true
			}
			i += 2
		case c == ' ' || c == '\t' || c == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			i++
		case c == '$':
			n, err := expand(&word, command[i:], env)
			if err != nil {
				return nil, err
			}
			i += n
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
			i++
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// doubleQuoted reads up to the closing quote and returns how far that was.
func doubleQuoted(word *strings.Builder, s string, env map[string]string) (int, error) {
	for i := 0; i < len(s); {
		switch s[i] {
		case '"':
			return i + 1, nil
		case '$':
			n, err := expand(word, s[i:], env)
			if err != nil {
				return 0, err
			}
			i += n
		default:
			word.WriteByte(s[i])
			i++
		}
	}
	return 0, fmt.Errorf("a double quote is not closed")
}

func expand(word *strings.Builder, s string, env map[string]string) (int, error) {
	n := 1
	for n < len(s) && (s[n] == '_' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	value, ok := env[s[1:n]]
	if !ok {
		return 0, fmt.Errorf("variable %s is not set", s[1:n])
	}
	word.WriteString(value)
	return n, nil
}
