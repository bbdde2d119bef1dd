package postgres

import "flowyte/internal/target"

// Pooled tells whether a session knows that a pooler stands between.
func Pooled(s target.Session) bool { return s.(*Session).pooled }

// Prepared is the number of statements that a session keeps.
func Prepared(s target.Session) int { return len(s.(*Session).statements) }

// ParseAgain parses the constant anew, in the environment of now, and uses the
// result from then on.
func ParseAgain() error {
	template, errTemplate = parseTemplate()
	return errTemplate
}
