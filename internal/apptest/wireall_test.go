package apptest

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"flowyte/api"
	"flowyte/internal/dbtest"
	"flowyte/internal/wiretest"
)

// Every practice of this package's tests is connected through a wiretap, and
// what was said is judged when its test is over (INV4).
func init() {
	onTheWay = func(t testing.TB, a *App, db *dbtest.Database, creds *api.Credentials) {
		w := wiretest.New(t, db.Server)
		creds.Port = w.PortText()
		review := &reviewed{RoundTripper: a.HTTP.Transport}
		a.HTTP.Transport = review
		t.Cleanup(func() { w.Check(t, review.list()) })
	}
}

// reviewed notes the statements that a service shows to its operators.
type reviewed struct {
	http.RoundTripper
	mu         sync.Mutex
	statements map[string]bool
}

var shownStatement = regexp.MustCompile(`"(?:statement|checkStatement)":("(?:[^"\\]|\\.)*")`)

// RoundTrip implements http.RoundTripper.
func (r *reviewed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err != nil || resp.Header.Get("Content-Type") != "application/json" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, found := range shownStatement.FindAllSubmatch(body, -1) {
		text, err := strconv.Unquote(string(found[1]))
		if err != nil {
			return nil, err
		}
		if r.statements == nil {
			r.statements = map[string]bool{}
		}
		r.statements[text] = true
	}
	return resp, nil
}

// CloseIdleConnections is for http.Client.
func (r *reviewed) CloseIdleConnections() {
	(&http.Client{Transport: r.RoundTripper}).CloseIdleConnections()
}

func (r *reviewed) list() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for text := range r.statements {
		list = append(list, text)
	}
	return list
}
