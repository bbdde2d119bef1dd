package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"flowyte/api"
	"flowyte/client"
	"flowyte/examples"
	"flowyte/internal/auth"
	"flowyte/internal/config"
	"flowyte/internal/demo"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/serve"
)

type demoCommand struct {
	Kind string `help:"postgres or mysql (MariaDB)." default:"postgres" enum:"postgres,mysql"`
	Exit bool   `help:"End after the walk instead of staying up."`
	Addr string `help:"Where the demo's service listens; a free port when it is taken." default:"127.0.0.1:8080"`
}

// demoRun is one run of the demo. Everything it makes lies in one temporary
// folder and is gone at the end.
type demoRun struct {
	app    *app
	kind   schema.Kind
	addr   string
	dir    string
	db     *privatedb.Server
	server *serve.Server
	key    string
	caller demo.Caller
	runner *demo.Runner
}

// Run starts everything, takes the walk, and stays up until interrupted.
func (c demoCommand) Run(a *app) (err error) {
	dir, err := os.MkdirTemp("", "flowyte-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demoRun{app: a, kind: schema.Kind(c.Kind), addr: c.Addr, dir: dir}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, step := range []func(context.Context) error{d.startDatabase, d.load, d.startService, d.walk, d.measure} {
		if err := step(a.ctx); err != nil {
			return err
		}
	}
	d.farewell(c.Exit)
	if c.Exit {
		return nil
	}
	<-a.ctx.Done()
	return nil
}

func (d *demoRun) say(format string, args ...any) { fmt.Fprintf(d.app.out, format+"\n", args...) }

func (d *demoRun) startDatabase(ctx context.Context) error {
	flavor := privatedb.Postgres
	if d.kind == schema.MySQL {
		flavor = privatedb.MariaDB
	}
	install, err := privatedb.Find(flavor)
	if err != nil {
		return err
	}
	d.say("Starting a private %s on loopback, with TLS and a CA of its own. Nothing is installed; it ends with this demo.", flavor)
	d.db, err = privatedb.Start(ctx, install, privatedb.Options{NoSync: true})
	return err
}

const demoDatabase = "appdb"

func (d *demoRun) load(ctx context.Context) error {
	d.say("Loading the demo company, a dental practice: %d customers, %d appointments.", demo.Customers, demo.Appointments)
	if err := d.db.Exec(ctx, "", "CREATE DATABASE "+demoDatabase); err != nil {
		return err
	}
	var err error
	d.caller, err = demo.Load(ctx, d.db, d.kind, demoDatabase)
	return err
}

// demoAllow is all that the demo's service may reach besides public addresses.
var demoAllow = netip.MustParsePrefix("127.0.0.0/8")

func (d *demoRun) startService(ctx context.Context) error {
	data := filepath.Join(d.dir, "data")
	quiet := &app{ctx: ctx, log: slog.New(slog.DiscardHandler)}
	key, err := dataFlags{Data: data}.makeKey(quiet, "demo", "demo", auth.ScopesOf(auth.AllScopes()...))
	if err != nil {
		return err
	}
	d.key = key.Reveal()
	o := serve.Options{
		Settings: config.Settings{Addr: d.addr, Data: data, AllowTargets: []netip.Prefix{demoAllow}, MaxConnections: 256, TestsPerMinute: 10},
		Version:  version,
		Log:      slog.New(slog.NewTextHandler(d.app.err, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	if d.server, err = serve.Open(ctx, o); errors.Is(err, syscall.EADDRINUSE) {
		d.say("%s is taken; using a free port.", d.addr)
		o.Addr = "127.0.0.1:0"
		d.server, err = serve.Open(ctx, o)
	}
	if err != nil {
		return err
	}
	d.say("The service listens on http://%s; its data is in %s.", d.server.Addr(), data)
	return nil
}

// walk takes the steps of examples/walkthrough.md.
func (d *demoRun) walk(ctx context.Context) error {
	steps, err := demo.ParseSteps(examples.Walkthrough)
	if err != nil {
		return err
	}
	d.runner = &demo.Runner{
		HTTP:  &http.Client{Transport: &http.Transport{}, Timeout: time.Minute},
		Admin: func(ctx context.Context, sql string) error { return d.db.Exec(ctx, demoDatabase, sql) },
		Env: map[string]string{
			"FLOWYTE_URL": "http://" + d.server.Addr().String(), "FLOWYTE_KEY": d.key, "KIND": string(d.kind),
			"DB_HOST": d.db.Host, "DB_PORT": fmt.Sprint(d.db.Port), "DB_CA_PEM": strings.ReplaceAll(d.db.CAPEM, "\n", `\n`),
			"CALLER_PHONE": d.caller.Phone,
		},
	}
	d.exports("FLOWYTE_URL", "FLOWYTE_KEY", "KIND", "DB_HOST", "DB_PORT", "DB_CA_PEM", "CALLER_PHONE")
	for _, s := range steps {
		if s.Heading != "" {
			d.say("\n── %s", s.Heading)
		}
		if s.Prose != "" {
			d.say("   %s", strings.ReplaceAll(s.Prose, "\n", "\n   "))
		}
		d.say("\n%s\n", s.Command)
		answer, err := d.runner.Run(ctx, s)
		if err != nil {
			return fmt.Errorf("the walkthrough does not hold: %w", err)
		}
		d.say("→ %d in %.1f ms", answer.Status, float64(answer.Elapsed.Microseconds())/1000)
		d.show(answer.Body)
		for _, path := range s.RunSQL {
			d.say("(ran %s on %s as its administrator)", path, demoDatabase)
		}
		for _, k := range s.Keep {
			d.exports(k.Variable)
		}
		if err := d.split(answer.Body, answer.Elapsed); err != nil {
			return err
		}
	}
	return nil
}

func (d *demoRun) exports(names ...string) {
	d.say("")
	for _, n := range names {
		d.say("export %s='%s'", n, d.runner.Env[n])
	}
}

// maxShown keeps a schema from filling the screen.
const maxShown = 60

func (d *demoRun) show(body []byte) {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		d.say("%s", body)
		return
	}
	pretty, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		d.say("%s", body)
		return
	}
	lines := strings.Split(string(pretty), "\n")
	if len(lines) > maxShown {
		lines = append(lines[:maxShown], fmt.Sprintf("… and %d lines more", len(lines)-maxShown))
	}
	d.say("%s", strings.Join(lines, "\n"))
}

// split shows where the time of a live call went.
func (d *demoRun) split(body []byte, elapsed time.Duration) error {
	var answer struct {
		Data api.ToolCallAnswer `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Data.Outcome == "" {
		return nil
	}
	a := answer.Data
	if a.Replayed || a.DBMs == 0 {
		return nil // it asked nobody
	}
	d.say("\nThe call took %.2f ms: %.2f ms in the database, %.2f ms in this service, %.2f ms of HTTP on the way.",
		ms(elapsed), a.DBMs, a.LatencyMs-a.DBMs, ms(elapsed)-a.LatencyMs)
	return nil
}

// warmCalls are asked after the walk, when the session is warm.
const warmCalls = 50

// measure asks the same question again and again and shows the middle of it.
func (d *demoRun) measure(ctx context.Context) error {
	c := client.New(d.runner.Env["FLOWYTE_URL"], d.key, d.runner.HTTP)
	var whole, service, database []float64
	for i := range warmCalls {
		began := time.Now()
		a, err := c.Call(ctx, d.runner.Env["CONVERSATION_ID"], api.ToolCallRequest{ToolCallID: fmt.Sprintf("warm-%d", i), Tool: "look_up_an_appointment"})
		if err != nil {
			return err
		}
		whole = append(whole, ms(time.Since(began)))
		service, database = append(service, a.LatencyMs-a.DBMs), append(database, a.DBMs)
	}
	d.say("The first call met a session that was just opened. Asked %d times more, the middle call took %.2f ms: %.2f ms in the database, %.2f ms in this service.",
		warmCalls, middle(whole), middle(database), middle(service))
	return nil
}

func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (d *demoRun) farewell(exit bool) {
	if exit {
		d.say("\nEvery step of the walkthrough held. The database and the service end now.")
		return
	}
	d.say("\nEverything stays up until you press Ctrl-C. Three things to try, after pasting the exports above:")
	d.say(`
1. Look somebody up who is not in the books; "not found" is a result, not an error:
   curl -X POST "$FLOWYTE_URL/api/v1/conversations/$CONVERSATION_ID/tool-calls" -H "Authorization: Bearer $FLOWYTE_KEY" \
     -H "Content-Type: application/json" -d '{ "toolCallId": "call-3", "tool": "look_up_an_appointment", "arguments": { "caller_phone": "+1 206 555 0100" } }'

2. Block the column that the skill returns; the published skill stops at once:
   curl -X PATCH "$FLOWYTE_URL/api/v1/integrations/$KIND/scoping" -H "Authorization: Bearer $FLOWYTE_KEY" \
     -H "Content-Type: application/json" -d '{ "blockedColumns": { "appointments": ["status"] } }'
   curl -X POST "$FLOWYTE_URL/api/v1/conversations/$CONVERSATION_ID/tool-calls" -H "Authorization: Bearer $FLOWYTE_KEY" \
     -H "Content-Type: application/json" -d '{ "toolCallId": "call-4", "tool": "look_up_an_appointment", "arguments": {} }'

3. Open the reference in a browser:
   %s/docs`, d.runner.Env["FLOWYTE_URL"])
}

func (d *demoRun) close() error {
	var errs []error
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	return errors.Join(errs...)
}
