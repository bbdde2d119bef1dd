package oplog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"flowyte/internal/fault"
	"flowyte/internal/secret"
)

// line is the one line that an attribute makes.
func line(t *testing.T, args ...any) map[string]any {
	t.Helper()
	var out bytes.Buffer
	New(&out, slog.LevelInfo).Info("m", args...)
	var m map[string]any
	if err := json.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	return m
}

const pem = "-----BEGIN PRIVATE KEY-----\nMIIhunter2\n-----END PRIVATE KEY-----"

func TestTextsAreRedacted(t *testing.T) {
	key := "flowyte_sk_" + strings.Repeat("hunter2", 6)
	for given, want := range map[string]string{
		"plain text, 3 > 2":                           "plain text, 3 > 2",
		"key " + key + " sent":                        "key flowyte_sk_[redacted] sent",
		key + "," + key:                               "flowyte_sk_[redacted],flowyte_sk_[redacted]",
		"a " + pem + " b":                             "a [redacted PEM] b",
		"cut " + pem[:40]:                             "cut [redacted PEM]",
		"dial postgres://u:hunter2@h/d":               "dial postgres://[redacted]@h/d",
		"see https://example.com/x":                   "see https://example.com/x",
		"Authorization: Bearer hunter2":               "Authorization: Bearer [redacted]",
		"bearer hunter2\" x":                          "bearer [redacted]\" x",
		"host=h password=hunter2 user=u":              "host=h password=[redacted] user=u",
		`{"password": "hunter2, 3", "user": "u"}`:     `{"password": [redacted], "user": "u"}`,
		"PASSWORD='hunter2 x'; passwd: hunter2":       "PASSWORD=[redacted]; passwd: [redacted]",
		"the password was wrong":                      "the password was wrong",
		strings.Repeat("ä", maxText/2) + " hunter2":   strings.Repeat("ä", maxText/2) + "…",
		"x" + strings.Repeat("ä", maxText/2) + "tail": "x" + strings.Repeat("ä", maxText/2-1) + "…",
	} {
		if got := line(t, "text", given)["text"]; got != want {
			t.Errorf("%.60q is written as %.80q, want %.80q", given, got, want)
		}
		if got := line(t, slog.Group("g", "e", errors.New(given)))["g"].(map[string]any)["e"]; got != want {
			t.Errorf("the error %.60q is written as %.80q", given, got)
		}
		var out bytes.Buffer
		New(&out, nil).Info(given)
		if strings.Contains(out.String(), "hunter2") {
			t.Errorf("as a message: %s", out.String())
		}
	}
}

// TestSecretAcrossTheCut: a key that begins before the end of what is written
// is found though its end is cut off.
func TestSecretAcrossTheCut(t *testing.T) {
	text := strings.Repeat("x", maxText-20) + " flowyte_sk_hunter2hunter2hunter2"
	if got := Redact(text); strings.Contains(got, "hunter2") || !strings.Contains(got, "[redacted]") {
		t.Errorf("written as …%s", got[maxText-30:])
	}
}

// TestDriverErrorsAreCodes is L02 and L03.
func TestDriverErrorsAreCodes(t *testing.T) {
	_, parse := pgx.ParseConfig("postgres://hunter2:hunter2@hunter2:99999999/hunter2")
	if parse == nil {
		t.Fatal("the configuration was accepted")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	config, err := pgx.ParseConfig("postgres://hunter2@127.0.0.1:1/hunter2?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	_, connect := pgx.ConnectConfig(ctx, config)
	var typed *pgconn.ConnectError
	if !errors.As(connect, &typed) || !strings.Contains(connect.Error(), "hunter2") {
		t.Fatalf("connecting to a closed port: %v", connect)
	}
	pg := &pgconn.PgError{Severity: "ERROR", Code: "23505", Message: "duplicate hunter2", Detail: "Key (email)=(hunter2) already exists."}
	my := &mysql.MySQLError{Number: 1062, Message: "Duplicate entry 'hunter2' for key"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{pg, "postgres: SQLSTATE 23505"}, {my, "mysql: error 1062"},
		{parse, "postgres: the configuration was not accepted"}, {connect, "postgres: the connection failed"},
	} {
		for _, err := range []error{tt.err, fmt.Errorf("hunter2: %w", tt.err), errors.Join(errors.New("hunter2"), tt.err)} {
			if got := line(t, "cause", err)["cause"]; got != tt.want {
				t.Errorf("%T is written as %q, want %q", tt.err, got, tt.want)
			}
		}
	}
}

func TestValuesAreNamedByType(t *testing.T) {
	type credentials struct{ Password string }
	got := line(t, "s", credentials{"hunter2"}, "p", &credentials{"hunter2"}, "b", []byte("hunter2"), "m", map[string]string{"a": "hunter2"},
		"raw", json.RawMessage(`"hunter2"`), "text", secret.New("hunter2"), "n", nil, "list", []string{"a", "flowyte_sk_hunter2"})
	for key, want := range map[string]string{
		"s": "[oplog.credentials]", "p": "[*oplog.credentials]", "b": "[[]uint8]", "m": "[map[string]string]", "raw": "[json.RawMessage]",
		"text": "[redacted]", "n": "", "list": "a, flowyte_sk_[redacted]",
	} {
		if got[key] != want {
			t.Errorf("%s is written as %v, want %s", key, got[key], want)
		}
	}
}

type id int

func TestPlainAttributes(t *testing.T) {
	got := line(t, "code", fault.NotFound, "n", 7, "f", 1.5, "ok", true, "took", time.Second, "id", id(9), "e", fault.New(fault.NotFound))
	for key, want := range map[string]any{"level": "INFO", "msg": "m", "n": 7.0, "f": 1.5, "ok": true, "took": 1e9, "id": "9", "code": "not_found", "e": "not_found"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	var out bytes.Buffer
	New(&out, slog.LevelWarn).Info("quiet")
	if out.Len() > 0 {
		t.Errorf("written below its level: %s", out.String())
	}
}
