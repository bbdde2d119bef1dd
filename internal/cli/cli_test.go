package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// flowyte runs one command to its end.
func flowyte(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

var (
	keyLine = regexp.MustCompile(`^flowyte_sk_[0-9A-Za-z]{30,}\n$`)
	keyID   = regexp.MustCompile(`key_[0-9A-Za-z]+`)
)

func TestKeysCreatePrintsTheKeyAlone(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	code, out, errOut := flowyte(t, "keys", "create", "--org", "acme", "--scopes", "all", "--data", data)
	if code != 0 || !keyLine.MatchString(out) {
		t.Fatalf("exit %d, standard output %q, standard error %q", code, out, errOut)
	}
	key := strings.TrimSpace(out)
	code, list, _ := flowyte(t, "keys", "list", "--org", "acme", "--data", data)
	if code != 0 || !strings.Contains(list, key[len(key)-4:]) || strings.Contains(list, key) {
		t.Errorf("the list must show the last four and not the key: %q", list)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"keys", "create", "--org", "acme", "--scopes", "everything", "--data", data}, "value_invalid"},
		{[]string{"keys", "create", "--data", data}, "--org"},
		{[]string{"keys", "create", "--org", "", "--data", data}, "org: must be a name"},
		{[]string{"keys", "create", "--org", " acme", "--data", data}, "org: must be a name"},
		{[]string{"keys", "list", "--org", "nobody", "--data", data}, "not_found"},
		{[]string{"keys", "revoke", "key_0", "--data", data}, "not_found"},
		{[]string{"nonsense"}, "--help"},
	} {
		code, out, errOut := flowyte(t, c.args...)
		if code == 0 || out != "" || !strings.Contains(errOut, c.want) {
			t.Errorf("%v: exit %d, out %q, error %q", c.args, code, out, errOut)
		}
	}
}

// service runs `flowyte serve` until stop, on a free port.
func service(t *testing.T, data string) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var log lockedBuffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"serve", "--addr", addr, "--data", data}, &log, &log) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case code := <-done:
				if code != 0 {
					t.Errorf("serve ended with %d: %s", code, log.String())
				}
				for _, word := range []string{"listening", "stopping", "stopped"} {
					if !strings.Contains(log.String(), `"msg":"`+word) {
						t.Errorf("the log does not say %s: %s", word, log.String())
					}
				}
			case <-time.After(10 * time.Second):
				t.Error("serve did not end within 10 s")
			}
		})
	}
	t.Cleanup(stop)
	eventually(t, 10*time.Second, func() bool { return status(t, "http://"+addr+"/readyz", "") == http.StatusOK }, &log)
	return "http://" + addr, stop
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, limit time.Duration, holds func() bool, log *lockedBuffer) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("did not happen within %v: %s", limit, log.String())
		case <-tick.C:
		}
	}
}

// status is the HTTP status of a GET, 0 when nobody answers.
func status(t *testing.T, url, key string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestKeysBesideARunningService: a key made beside it works, and a revoked one
// is refused within a second.
func TestKeysBesideARunningService(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	url, _ := service(t, data)
	code, out, errOut := flowyte(t, "keys", "create", "--org", "acme", "--data", data)
	if code != 0 {
		t.Fatal(errOut)
	}
	key := strings.TrimSpace(out)
	route := url + "/api/v1/integrations"
	eventually(t, time.Second, func() bool { return status(t, route, key) == http.StatusOK }, &lockedBuffer{})
	_, list, _ := flowyte(t, "keys", "list", "--org", "acme", "--data", data)
	if code, _, errOut := flowyte(t, "keys", "revoke", keyID.FindString(list), "--data", data); code != 0 {
		t.Fatal(errOut)
	}
	eventually(t, time.Second, func() bool { return status(t, route, key) == http.StatusUnauthorized }, &lockedBuffer{})
}

// TestOneServiceAFolder is K01.
func TestOneServiceAFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	service(t, data)
	began := time.Now()
	code, _, errOut := flowyte(t, "serve", "--addr", "127.0.0.1:0", "--data", data)
	if code != 1 || !strings.Contains(errOut, "store_locked") || time.Since(began) > 6*time.Second {
		t.Errorf("a second service: exit %d after %v: %s", code, time.Since(began), errOut)
	}
}

// TestBackup: a copy made beside a running service opens elsewhere with the
// master key, and does not hold it.
func TestBackup(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	_, stop := service(t, data)
	if code, _, errOut := flowyte(t, "keys", "create", "--org", "acme", "--data", data); code != 0 {
		t.Fatal(errOut)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(other, "flowyte.db")
	if code, _, errOut := flowyte(t, "backup", file, "--data", data); code != 0 {
		t.Fatal(errOut)
	}
	if code, _, errOut := flowyte(t, "backup", file, "--data", data); code == 0 || !strings.Contains(errOut, "backup_exists") {
		t.Errorf("an existing file is written over: exit %d, %s", code, errOut)
	}
	stop()
	key, err := os.ReadFile(filepath.Join(data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(copied, bytes.TrimSpace(key)) {
		t.Error("the backup holds the master key")
	}
	if code, _, errOut := flowyte(t, "keys", "list", "--org", "acme", "--data", other); code == 0 {
		t.Errorf("the copy opens without the master key: %s", errOut)
	}
	if code, list, errOut := flowyte(t, "keys", "list", "--org", "acme", "--data", other, "--master-key-file", filepath.Join(data, "master.key")); code != 0 || !strings.Contains(list, "key_") {
		t.Errorf("the copy with the master key: exit %d %s %s", code, list, errOut)
	}
}

func TestServeSaysAllThatIsWrong(t *testing.T) {
	code, _, errOut := flowyte(t, "serve", "--addr", "0.0.0.0:1", "--allow-target", "10.0.0.0", "--data", t.TempDir())
	if code != 1 || !strings.Contains(errOut, "--addr") || !strings.Contains(errOut, "--allow-target") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}
