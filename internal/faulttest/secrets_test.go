package faulttest

import (
	"bytes"
	"net/http"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"flowyte/internal/apptest"
	"flowyte/internal/dbtest"
	"flowyte/internal/serve"
)

// TestDumpsHoldNoSecrets is K16: what a crash or a profile shows of a service at
// work holds no password, key, row or argument, and nobody can ask for one.
func TestDumpsHoldNoSecrets(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *dbtest.Database) {
		p := behind(t, db, apptest.Options{Serve: func(o *serve.Options) { o.MetricsAddr = "127.0.0.1:0" }})
		release := lock(t, db)
		defer release()
		done := make(chan struct{})
		go func() {
			defer close(done)
			apptest.Ask(t, p.Client(), p.conv, "under way")
		}()
		within(t, deadline, "at work", func() bool { return p.atWork(t) })
		dumps := map[string][]byte{}
		// What a panic prints: every goroutine with its stack.
		stacks := make([]byte, 16<<20)
		dumps["stacks"] = stacks[:runtime.Stack(stacks, true)]
		for _, profile := range pprof.Profiles() {
			for _, level := range []int{0, 1, 2} {
				var b bytes.Buffer
				if err := profile.WriteTo(&b, level); err != nil {
					t.Fatal(err)
				}
				dumps[profile.Name()] = append(dumps[profile.Name()], b.Bytes()...)
			}
		}
		<-done
		if !bytes.Contains(dumps["stacks"], []byte("live.")) {
			t.Fatal("no call is under way; the test proves nothing")
		}
		for name, dump := range dumps {
			for _, canary := range []string{p.Login.Password, p.Login.User, p.Key, apptest.CanaryRow, strings.TrimPrefix(apptest.CanaryPhone, "+1"), db.Server.AdminPassword} {
				if bytes.Contains(dump, []byte(canary)) {
					t.Errorf("%s holds %q", name, canary)
				}
			}
		}
		for _, door := range []string{p.URL, "http://" + p.Server.MetricsAddr().String()} {
			for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/vars", "/debug/requests"} {
				resp, err := p.HTTP.Get(door + path)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != http.StatusNotFound {
					t.Errorf("%s answers %d", path, resp.StatusCode)
				}
			}
		}
	})
}
