package apptest

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/config"
	"flowyte/internal/dbtest"
	"flowyte/internal/fault"
	"flowyte/internal/serve"
)

// recorder keeps every byte that the service answers.
type recorder struct {
	base http.RoundTripper
	got  bytes.Buffer
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.got.WriteString(req.Method + " " + req.URL.Path + "\n")
	if err := resp.Header.Write(&r.got); err != nil {
		return nil, err
	}
	r.got.Write(body)
	r.got.WriteString("\n")
	return resp, err
}

// TestNothingPrivateLeaks drives the service through good days and bad ones,
// with canaries for the password, the key and the rows, and looks for them in
// everything that comes out: answers, log, and the files of the data folder.
// L01, L02, A21, A22.
func TestNothingPrivateLeaks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		const wrong = "canary-wrong-password-5d2c"
		p := Published(t, db)
		record := &recorder{base: p.HTTP.Transport}
		p.HTTP.Transport = record
		c, ctx := p.Client(), t.Context()
		conv := p.Ring(t)
		Ask(t, c, conv.ID, "good")

		bad := Credentials(db, p.Login)
		bad.Password = wrong
		for _, change := range []func(*api.Credentials){
			func(*api.Credentials) {},
			func(c *api.Credentials) { c.SSLMode = "disable" },
			func(c *api.Credentials) {
				c.CAPEM = "-----BEGIN PRIVATE KEY-----\n" + wrong + "\n-----END PRIVATE KEY-----"
			},
			func(c *api.Credentials) { c.Host = "canary-host-91aa.internal" },
			func(c *api.Credentials) { c.User = "canary-user-77bb" },
			func(c *api.Credentials) { c.Database = "canary-database-33cc" },
		} {
			creds := bad
			change(&creds)
			if _, err := c.Connect(ctx, p.Kind, creds); err == nil {
				t.Error("bad credentials were accepted")
			}
			if _, err := c.Test(ctx, p.Kind, creds); err != nil {
				t.Errorf("test: %v", err)
			}
		}
		for _, body := range []any{
			map[string]any{"credentials": map[string]any{"password": wrong, "unknown": wrong}},
			map[string]any{"toolName": wrong, "sql": wrong}, wrong,
		} {
			if _, err := c.Raw(ctx, "POST", "/integrations/"+p.Kind+"/connect", body, nil); err == nil {
				t.Error("rubbish was accepted")
			}
		}
		for _, args := range []string{`{"caller_phone":"` + wrong + `"}`, `{"other":"` + wrong + `"}`} {
			if _, err := c.Raw(ctx, "POST", "/conversations/"+conv.ID+"/tool-calls",
				map[string]any{"toolCallId": "x", "tool": "look_up_an_appointment", "arguments": jsonRaw(args)}, nil); err != nil {
				t.Errorf("call: %v", err)
			}
		}
		db.Exec(t, "DROP TABLE payments CASCADE", "ALTER TABLE appointments DROP COLUMN status")
		Ask(t, c, conv.ID, "drifted")
		for _, path := range []string{"", "/schema", "/scoping", "/objects"} {
			if _, err := c.Raw(ctx, "GET", "/integrations/"+p.Kind+path, nil, nil); err != nil {
				t.Errorf("GET %s: %v", path, err)
			}
		}
		key := p.Key
		p.Stop()

		answers := record.got.String()
		everywhere := map[string]string{"the log": p.Log.String(), "the data folder": dataFolder(t, p.Data)}
		for _, canary := range []string{wrong, p.Login.Password, key, "PRIVATE KEY", CanaryRow, strings.TrimPrefix(CanaryPhone, "+1")} {
			for where, text := range everywhere {
				if strings.Contains(text, canary) {
					t.Errorf("%s holds %q", where, canary)
				}
			}
		}
		for _, canary := range []string{wrong, p.Login.Password, p.Login.User, key, "canary-host", "canary-user", "canary-database", "localhost", "127.0.0.1", "SELECT", "pgconn", "pgx", "go-sql-driver", "goroutine", ".go:"} {
			if line := lineWith(answers, canary); line != "" && !permitted(canary, line) {
				t.Errorf("an answer holds %q: %.300s", canary, line)
			}
		}
		if strings.Count(answers, CanaryRow) == 0 {
			t.Error("the recorder saw no row at all: it would not have seen a leak either")
		}
	})
}

type jsonRaw string

func (r jsonRaw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// permitted are texts of ours that contain a word which must not come from
// elsewhere: a fix may speak of GRANT SELECT.
func permitted(canary, line string) bool {
	return canary == "SELECT" && !strings.Contains(line, "FROM")
}

func lineWith(text, word string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, word) {
			return line
		}
	}
	return ""
}

// dataFolder is every byte of every file in the folder.
func dataFolder(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if all.Len() == 0 {
		t.Fatal("the data folder is empty")
	}
	return all.String()
}

// TestMasterKey is K08 and K09: no start without the right master key, and no
// new key over old data.
func TestMasterKey(t *testing.T) {
	app := New(t)
	data := app.Data
	app.Stop()
	file := filepath.Join(data, serve.MasterKeyName)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := New(t)
	foreign, err := os.ReadFile(filepath.Join(other.Data, serve.MasterKeyName))
	if err != nil {
		t.Fatal(err)
	}
	open := func() error {
		s, err := serve.Open(t.Context(), serve.Options{
			Settings: config.Settings{Addr: "127.0.0.1:0", Data: data, MaxConnections: 10, TestsPerMinute: 1, AllowTargets: []netip.Prefix{}}, Log: slog.New(slog.DiscardHandler),
		})
		if err == nil {
			err = s.Close()
		}
		return err
	}
	for _, c := range []struct {
		name    string
		content []byte
		mode    os.FileMode
		code    fault.Code
	}{
		{"missing", nil, 0, fault.MasterKeyMissing},
		{"empty", []byte{}, 0o600, fault.MasterKeyInvalid},
		{"short", good[:len(good)/2], 0o600, fault.MasterKeyInvalid},
		{"world-readable", good, 0o644, fault.MasterKeyPermissions},
		{"of another store", foreign, 0o600, fault.MasterKeyWrong},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if c.mode != 0 {
				if err := os.WriteFile(file, c.content, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			if err := open(); !fault.Is(err, c.code) {
				t.Errorf("got %v, want %s", err, c.code)
			}
			if c.mode == 0 {
				if _, err := os.Stat(file); err == nil {
					t.Error("a new key was made over old data")
				}
			}
		})
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("with the right key again: %v", err)
	}
}

// TestMovedCredentials is K06: one organisation's sealed credentials do not
// open in another's row.
func TestMovedCredentials(t *testing.T) {
	db := dbtest.Postgres(t)
	p := Published(t, db)
	other := p.ClientWith(p.NewKey(t, "other"))
	if _, err := other.Connect(t.Context(), p.Kind, Credentials(db, p.Login)); err != nil {
		t.Fatal(err)
	}
	data := p.Data
	p.Stop()
	raw, err := sql.Open("sqlite", filepath.Join(data, "flowyte.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec(`UPDATE connections SET sealed = (SELECT sealed FROM connections c WHERE c.id <> connections.id)`); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	again := New(t, Options{Data: data})
	conv, err := again.Client().Start(t.Context(), p.Agent.ID, api.ConversationRequest{Channel: "voice", Caller: &api.Caller{Phone: CanaryPhone}})
	if err != nil {
		t.Fatal(err)
	}
	if a := Ask(t, again.Client(), conv.ID, "moved"); a.Outcome != api.OutcomeUnavailable {
		t.Errorf("a moved credential answers %s", a.Outcome)
	}
	_, err = again.Client().Discover(t.Context(), p.Kind)
	wantProblem(t, err, 503, "credential_corrupt")
}

// TestReadsGoOnWhileTheStoreIsLocked holds the store's write lock from another
// process: a new conversation and its reads must not notice.
func TestReadsGoOnWhileTheStoreIsLocked(t *testing.T) {
	p := Published(t, dbtest.Postgres(t))
	release := lockStore(t, filepath.Join(p.Data, "flowyte.db"))
	conv := p.Ring(t)
	for _, id := range []string{"1", "2", "3"} {
		if a := Ask(t, p.Client(), conv.ID, id); a.Outcome != api.OutcomeOK || a.LatencyMs > 1000 {
			t.Errorf("call %s with the store locked: %s in %.0f ms", id, a.Outcome, a.LatencyMs)
		}
	}
	_, err := p.Client().CreateAgent(context.WithoutCancel(t.Context()), api.AgentRequest{Name: "x"})
	wantProblem(t, err, 503, "store_unavailable")
	release()
	// What happened meanwhile was kept.
	eventually(t, "the receipt of the locked time", func() bool {
		var events []api.Event
		if err := p.Client().Do(t.Context(), "GET", "/conversations/"+conv.ID+"/events", nil, &events); err != nil {
			return false
		}
		return len(events) == 4
	})
}
