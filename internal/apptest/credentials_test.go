package apptest

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/serve"
	"flowyte/internal/target"
)

// TestNothingBesideTheFields: what is not one of the nine fields, or one of
// them twice or in another spelling, is refused before anything is reached
// (C11), and so are texts that no name or password can be (C07).
func TestNothingBesideTheFields(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		w := newWorld(t, db.Server.Port)
		app := New(t, w.options())
		creds := Credentials(db, Clinic(t, db))
		plain, err := json.Marshal(creds)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]json.RawMessage{}
		if err := json.Unmarshal(plain, &fields); err != nil {
			t.Fatal(err)
		}
		with := func(name, value string) string {
			changed := maps.Clone(fields)
			changed[name] = json.RawMessage(value)
			body, err := json.Marshal(changed)
			if err != nil {
				t.Fatal(err)
			}
			return `{"credentials":` + string(body) + `}`
		}
		bodies := []string{
			`{"credentials":` + strings.TrimSuffix(string(plain), "}") + `,"host":"127.0.0.2"}}`,
			`{"credentials":` + string(plain) + `,"credentials":` + string(plain) + `}`,
			`{"credentials":[` + string(plain) + `]}`, `{"credentials":null}`, `{"credentials":"postgres://db.example.com/d"}`,
			with("password", `"\ud800"`), with("password", `"\udc00\ud800"`), with("user", `"a\u0000user\u0000b"`), with("database", `"d\u0085"`),
			with("host", `["127.0.0.1"]`), with("host", `null`), with("port", `5432.5`), with("port", `1e4`), with("port", `[5432,5433]`), with("port", `true`),
			with("user", `"a\tb"`), with("password", `"p\r\n"`),
		}
		for _, name := range strings.Fields(`options sslrootcert sslcert sslkey allowAllFiles allowCleartextPasswords service servicefile passfile krbsrvname application_name
			hostaddr target_session_attrs require_auth channel_binding timeout tls serverPubKey socket replication Host HOST hoſt sslMode ca_PEM caPem dsn url allow proxy`) {
			bodies = append(bodies, with(name, `"x"`))
		}
		for _, body := range bodies {
			for _, route := range []string{"/connect", "/sql/test"} {
				status, p := send(t, app, "/integrations/"+string(db.Kind)+route, body)
				if status != 400 {
					t.Errorf("%s answers %d %s to %.200s", route, status, p.Code, body)
				}
			}
		}
		for port, code := range map[string]fault.Code{
			`"05432"`: fault.PortNotAllowed, `" 5432"`: fault.PortNotAllowed, `"+5432"`: fault.PortNotAllowed, `"0"`: fault.PortNotAllowed, `"65536"`: fault.PortNotAllowed,
			`"5432,1"`: "", `"٥٤٣٢"`: "", `""`: fault.PortNotAllowed, `"-1"`: fault.PortNotAllowed, `-1`: "", `65536`: "", `0`: "", `"443"`: fault.PortNotAllowed,
		} {
			if status, p := send(t, app, "/integrations/"+string(db.Kind)+"/connect", with("port", port)); status != 422 && status != 400 || code != "" && p.Code != string(code) {
				t.Errorf("port %s answers %d %s", port, status, p.Code)
			}
		}
		if dials := w.take(); len(dials) != 0 || w.dns.Total() != 0 {
			t.Errorf("dialled %v, asked %d", dials, w.dns.Total())
		}
		w.untouched(t)
	})
}

// send posts a body as it is.
func send(t *testing.T, app *App, path, body string) (status int, p api.Problem) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, app.URL+api.Base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+app.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := app.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, p
}

// TestFinalDot: a name may end in a dot, which no certificate has (S22).
func TestFinalDot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		app := New(t)
		creds := Credentials(db, Clinic(t, db))
		creds.Host = "LocalHost."
		if result, err := app.Client().Test(t.Context(), string(db.Kind), creds); err != nil || !result.OK {
			t.Errorf("%+v, %v", result, err)
		}
	})
}

// TestWhatIsNoDatabase: a port that is closed, one that is silent, and services
// of other kinds look the same, at the same time, and nothing that they say is
// repeated (S38).
func TestWhatIsNoDatabase(t *testing.T) {
	w := newWorld(t, 0)
	app := New(t, w.options())
	greet := func(text string) *egresstest.Listener {
		return egresstest.Listen(t, "127.0.0.1:0", func(conn net.Conn) { _, _ = conn.Write([]byte(text)); _, _ = io.Copy(io.Discard, conn) })
	}
	closed := egresstest.Listen(t, "127.0.0.1:0", nil)
	closed.Close()
	var asked sync.WaitGroup
	for name, l := range map[string]*egresstest.Listener{
		"closed": closed, "hangs up": egresstest.Listen(t, "127.0.0.1:0", func(net.Conn) {}), "silent": greet(""),
		"SSH": greet("SSH-2.0-canary\r\n"), "HTTP": greet("HTTP/1.1 400 canary\r\n\r\n"), "SMTP": greet("220 canary ESMTP\r\n"), "Redis": greet("-ERR canary\r\n"),
		"FTP": greet("220-canary\r\n"), "POP3": greet("+OK canary\r\n"), "IMAP": greet("* OK canary\r\n"), "VNC": greet("RFB 003.008\n"), "a TLS alert": greet("\x15\x03\x01\x00\x02\x02\x46"),
		"a byte": greet("\x00"), "much": greet(strings.Repeat("canary ", 1<<17)),
	} {
		for _, kind := range []string{"postgres", "mysql"} {
			asked.Go(func() {
				creds := api.Credentials{Host: "127.0.0.1", Port: api.Port(strconv.Itoa(int(l.Port()))), Database: "d", User: "u", Password: "p", SSLMode: string(egress.VerifyFull)}
				began := time.Now()
				_, err := app.Client().Connect(t.Context(), kind, creds)
				if took := time.Since(began); took < target.ConnectLimit {
					t.Errorf("%s, %s: the answer came after %v, which tells what is there", kind, name, took)
				}
				var p *client.Error
				if !errors.As(err, &p) || p.Status != 422 || p.Code != string(fault.Unreachable) {
					t.Errorf("%s, %s: %v", kind, name, err)
				}
				if text, err := json.Marshal(p); err != nil || strings.Contains(string(text), "canary") {
					t.Errorf("%s, %s: %s, %v", kind, name, text, err)
				}
			})
		}
	}
	asked.Wait()
	if strings.Contains(app.Log.String(), "canary") {
		t.Error("a banner is in the log")
	}
}

// TestTestsAreLimited: an organisation may scan nobody's network with tests,
// and what it uses up is its own (S38, AP14).
func TestTestsAreLimited(t *testing.T) {
	app := New(t, Options{Serve: func(o *serve.Options) { o.TestsPerMinute = 5 }})
	creds := api.Credentials{Host: "10.0.0.1", Port: "5432", Database: "d", User: "u", Password: "p", SSLMode: "require"}
	for i := range 5 {
		if _, err := app.Client().Test(t.Context(), "postgres", creds); err != nil {
			t.Fatalf("test %d: %v", i, err)
		}
	}
	_, err := app.Client().Test(t.Context(), "mysql", creds)
	wantProblem(t, err, 429, string(fault.TestBudgetReached))
	_, err = app.Client().Connect(t.Context(), "postgres", creds)
	wantProblem(t, err, 429, string(fault.TestBudgetReached))
	if _, err := app.ClientWith(app.NewKey(t, "other")).Test(t.Context(), "postgres", creds); err != nil {
		t.Errorf("another organisation: %v", err)
	}
}
