// Package oplog writes the operator's log: one JSON object a line, with
// nothing in it that an operator's log shipper should not see.
//
// Code does not log secrets to begin with; this is what stands behind it when
// somebody forgets. Texts are searched for keys, passwords and PEM blocks.
// Drivers' errors, which quote rows, users and addresses, are reduced to their
// codes. Values of other types are named by their type, not printed: a struct
// that is logged whole shows the field that was added to it later.
package oplog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxText is how many bytes of one text are written; a stack fits.
const maxText = 16 << 10

// New makes a logger that writes to w what is at least of this level.
func New(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: clean}))
}

// clean is called for every attribute that is not a group, the message too.
func clean(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Redact(a.Value.String()))
	case slog.KindAny:
		a.Value = slog.StringValue(text(a.Value.Any()))
	}
	return a
}

func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case error:
		return errorText(v)
	case slog.Level:
		return v.String()
	case []string:
		return Redact(strings.Join(v, ", "))
	}
	// Named texts, numbers and flags, such as ids and codes, are themselves.
	switch v := reflect.ValueOf(value); {
	case v.Kind() == reflect.String:
		return Redact(v.String())
	case v.CanInt() || v.CanUint() || v.CanFloat() || v.Kind() == reflect.Bool:
		return fmt.Sprint(v)
	}
	return fmt.Sprintf("[%T]", value)
}

// errorText is what may be written of an error. An error that wraps a driver's
// repeats its text, so the whole of it is replaced.
func errorText(err error) string {
	var (
		pg      *pgconn.PgError
		connect *pgconn.ConnectError
		parse   *pgconn.ParseConfigError
		my      *mysql.MySQLError
	)
	switch {
	case errors.As(err, &pg):
		return "postgres: SQLSTATE " + Redact(pg.Code)
	case errors.As(err, &my):
		return fmt.Sprintf("mysql: error %d", my.Number)
	case errors.As(err, &connect):
		return "postgres: the connection failed"
	case errors.As(err, &parse):
		return "postgres: the configuration was not accepted"
	}
	return Redact(err.Error())
}

// secrets are what must not stand in a text, each with what takes its place.
var secrets = []struct {
	sign    string // in every text that the pattern matches; a quick look
	pattern *regexp.Regexp
	instead string
}{
	{"flowyte_sk_", regexp.MustCompile(`flowyte_sk_\w+`), "flowyte_sk_[redacted]"},
	{"-----BEGIN", regexp.MustCompile(`(?s)-----BEGIN [^-]*-----.*?(-----END [^-]*-----|$)`), "[redacted PEM]"},
	{"://", regexp.MustCompile(`://[^\s/@]+@`), "://[redacted]@"},
	{"earer ", regexp.MustCompile(`(?i)(bearer) [^\s"]+`), "$1 [redacted]"},
	{"assw", regexp.MustCompile(`(?i)(password|passwd)(["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&"']+)`), "$1$2[redacted]"},
}

// Redact takes keys, passwords and PEM blocks out of a text and cuts it to
// what a line of a log should hold.
func Redact(text string) string {
	if len(text) > maxText {
		// Cut before searching, which makes the work bounded; a secret that
		// the cut runs through is found by its beginning.
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	for _, s := range secrets {
		if strings.Contains(text, s.sign) {
			text = s.pattern.ReplaceAllString(text, s.instead)
		}
	}
	return text
}
