package config

import (
	"errors"
	"flag"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

//go:generate go test -run ^TestDocumentationIsUpToDate$ . -update

var update = flag.Bool("update", false, "write docs/configuration.md anew")

// parse reads flags as the command does, with only the given environment.
func parse(t *testing.T, env map[string]string, args ...string) (Settings, error) {
	t.Helper()
	for _, name := range variables() {
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	var f Flags
	parser, err := kong.New(&f, kong.Exit(func(int) { t.Fatal("kong exits") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return f.Settings()
}

func variables() []string {
	var names []string
	typ := reflect.TypeFor[Flags]()
	for i := range typ.NumField() {
		names = append(names, typ.Field(i).Tag.Get("env"))
	}
	return names
}

func standard() Settings {
	return Settings{
		Addr: "127.0.0.1:8080", Data: "d", MaxConnections: 4096, KeepEvents: 30 * 24 * time.Hour, KeepAudit: 400 * 24 * time.Hour,
		TestsPerMinute: 10, RequestsPerSecond: 50, RequestsAtOnce: 200, CallsPerSecond: 2000, CallsAtOnce: 4000, LogLevel: slog.LevelInfo,
	}
}

func TestDefaults(t *testing.T) {
	got, err := parse(t, nil, "--data", "d")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(standard(), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func everything() Settings {
	return Settings{
		Addr: "[::]:8443", TLSCert: "c.pem", TLSKey: "k.pem", MetricsAddr: "127.0.0.1:9090", MaxConnections: 100,
		Data: "/data", MasterKeyFile: "/keys/master", KeepEvents: 90 * time.Minute, KeepAudit: 24 * time.Hour,
		AllowTargets: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")},
		AllowPorts:   []uint16{443, 3306}, NAT64: true, TestsPerMinute: 99, LogLevel: slog.LevelDebug,
		RequestsPerSecond: 1, RequestsAtOnce: 2, CallsPerSecond: 3, CallsAtOnce: 1_000_000,
		ModelURL: &url.URL{Scheme: "https", Host: "models.example.com", Path: "/v1"}, Model: "m-1", ModelKeyFile: "/keys/model",
	}
}

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestFlagsAndEnvironmentSayTheSame(t *testing.T) {
	byFlag, err := parse(t, nil, "--addr=[::]:8443", "--tls-cert", "c.pem", "--tls-key=k.pem", "--metrics-addr", "localhost:9090", "--max-connections", "100",
		"--data", "/data", "--master-key-file", "/keys/master", "--keep-events", "90m", "--keep-audit", "1d", "--allow-target", "10.1.0.0/16",
		"--allow-target", "fd00:1::/32", "--allow-port", "443,3306", "--nat64", "--tests-per-minute", "99", "--log-level", "DEBUG",
		"--requests-per-second", "1", "--requests-at-once", "2", "--calls-per-second", "3", "--calls-at-once", "1000000",
		"--model-url", "https://models.example.com/v1", "--model", "m-1", "--model-key-file", "/keys/model")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(everything(), byFlag, comparePrefixes); diff != "" {
		t.Errorf("by flag: -want +got\n%s", diff)
	}
	byEnv, err := parse(t, map[string]string{
		"FLOWYTE_ADDR": "[::]:8443", "FLOWYTE_TLS_CERT": "c.pem", "FLOWYTE_TLS_KEY": "k.pem", "FLOWYTE_METRICS_ADDR": "localhost:9090", "FLOWYTE_MAX_CONNECTIONS": "100",
		"FLOWYTE_DATA": "/data", "FLOWYTE_MASTER_KEY_FILE": "/keys/master", "FLOWYTE_KEEP_EVENTS": "90m", "FLOWYTE_KEEP_AUDIT": "1d", "FLOWYTE_ALLOW_TARGET": "10.1.0.0/16, fd00:1::/32",
		"FLOWYTE_ALLOW_PORT": "443,3306", "FLOWYTE_NAT64": "yes", "FLOWYTE_TESTS_PER_MINUTE": "99", "FLOWYTE_LOG_LEVEL": "debug",
		"FLOWYTE_REQUESTS_PER_SECOND": "1", "FLOWYTE_REQUESTS_AT_ONCE": "2", "FLOWYTE_CALLS_PER_SECOND": "3", "FLOWYTE_CALLS_AT_ONCE": "1000000",
		"FLOWYTE_MODEL_URL": "https://models.example.com/v1", "FLOWYTE_MODEL": "m-1", "FLOWYTE_MODEL_KEY_FILE": "/keys/model",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(byFlag, byEnv, comparePrefixes); diff != "" {
		t.Errorf("by environment: -flag +env\n%s", diff)
	}
	// The flag wins, also to switch something off.
	both, err := parse(t, map[string]string{"FLOWYTE_ADDR": "127.0.0.1:1", "FLOWYTE_NAT64": "true"}, "--data", "d", "--addr", "127.0.0.1:2", "--nat64=false")
	if err != nil || both.Addr != "127.0.0.1:2" || both.NAT64 {
		t.Errorf("got %+v, %v", both, err)
	}
}

func TestListenerRules(t *testing.T) {
	secured := []string{"--tls-cert", "c", "--tls-key", "k"}
	proxied := []string{"--behind-tls-proxy"}
	tests := []struct {
		addr                string
		plain, tls, metrics bool
	}{
		{"127.0.0.1:8080", true, true, true},
		{"127.9.9.9:0", true, true, true},
		{"[::1]:8080", true, true, true},
		{"[::ffff:127.0.0.1]:8080", true, true, true},
		{"localhost:8081", true, true, true},
		{":8080", false, true, false},
		{"0.0.0.0:8080", false, true, false},
		{"[::]:8080", false, true, false},
		{"10.0.0.1:8080", false, true, false},
		{"192.0.2.1:443", false, true, false},
		{"example.com:8080", false, false, false},
		{"127.0.0.1", false, false, false},
		{"127.0.0.1:http", false, false, false},
		{"127.0.0.1:65536", false, false, false},
		{"127.0.0.1:-1", false, false, false},
		{"127.0.0.1:+80", false, false, false},
		{"", false, false, false},
	}
	for _, tt := range tests {
		for what, want := range map[string]struct {
			args []string
			ok   bool
		}{
			"plain":   {[]string{"--addr=" + tt.addr}, tt.plain},
			"tls":     {append([]string{"--addr=" + tt.addr}, secured...), tt.tls},
			"proxy":   {append([]string{"--addr=" + tt.addr}, proxied...), tt.tls},
			"metrics": {[]string{"--metrics-addr=" + tt.addr}, tt.metrics || tt.addr == ""},
		} {
			if what == "metrics" && tt.addr == "127.0.0.1:8080" {
				continue // that is where the API listens
			}
			_, err := parse(t, nil, append(want.args, "--data=d")...)
			if (err == nil) != want.ok {
				t.Errorf("%s, %s: %v", tt.addr, what, err)
			}
		}
	}
}

func TestProblemsComeTogether(t *testing.T) {
	_, err := parse(t, map[string]string{"FLOWYTE_BEHIND_TLS_PROXY": "maybe", "FLOWYTE_NAT64": "2"},
		"--addr", "0.0.0.0:8080", "--metrics-addr", "nowhere", "--tls-key", "k", "--keep-events", "30", "--keep-audit", "12h", "--allow-target", "10.0.0.1/8",
		"--allow-target", "db.internal", "--allow-target", "::ffff:10.0.0.0/104", "--allow-port", "0", "--allow-port", "70000", "--tests-per-minute", "none", "--max-connections", "1", "--log-level", "INFO+1")
	var got Problems
	if !errors.As(err, &got) {
		t.Fatalf("error %v", err)
	}
	count := map[string]int{}
	for _, p := range got {
		count[p.Setting]++
	}
	want := map[string]int{"behind-tls-proxy": 1, "nat64": 1, "metrics-addr": 1, "tls-cert": 1, "keep-events": 1, "keep-audit": 1, "allow-target": 3,
		"allow-port": 2, "tests-per-minute": 1, "max-connections": 1, "log-level": 1}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("-want +got\n%s\n%v", diff, err)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != len(got) || !strings.Contains(err.Error(), "--tls-cert (FLOWYTE_TLS_CERT): is missing") || !strings.Contains(err.Error(), "10.0.0.0/8 is the range, 10.0.0.1/32 the one address") {
		t.Errorf("told as\n%v", err)
	}
}

// TestModelRules: goals, names and a key leave this machine over https only.
func TestModelRules(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string // the setting that is complained of, "" for none
	}{
		{[]string{"--model-url=https://models.example.com/v1", "--model=m"}, ""},
		{[]string{"--model-url=http://127.0.0.1:11434/v1", "--model=m"}, ""},
		{[]string{"--model-url=http://[::1]:11434/v1", "--model=m"}, ""},
		{[]string{"--model-url=http://localhost:11434/v1", "--model=m"}, ""},
		{[]string{"--model-url=http://models.example.com/v1", "--model=m"}, "model-url"},
		{[]string{"--model-url=http://10.0.0.1/v1", "--model=m"}, "model-url"},
		{[]string{"--model-url=ftp://models.example.com", "--model=m"}, "model-url"},
		{[]string{"--model-url=models.example.com/v1", "--model=m"}, "model-url"},
		{[]string{"--model-url=https://user:secret@models.example.com", "--model=m"}, "model-url"},
		{[]string{"--model-url=https://models.example.com?key=secret", "--model=m"}, "model-url"},
		{[]string{"--model-url=https://models.example.com#x", "--model=m"}, "model-url"},
		{[]string{"--model-url=https://models.example.com/v1"}, "model"},
		{[]string{"--model=m"}, "model"},
		{[]string{"--model-key-file=f"}, "model-key-file"},
	} {
		_, err := parse(t, nil, append(tt.args, "--data=d")...)
		var got Problems
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%v: %v", tt.args, err)
		case tt.want != "" && (!errors.As(err, &got) || len(got) != 1 || got[0].Setting != tt.want):
			t.Errorf("%v: %v, want a problem of %s alone", tt.args, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%v: the complaint shows what may be a secret: %v", tt.args, err)
		}
	}
}

func TestRulesAcrossSettings(t *testing.T) {
	for what, args := range map[string][]string{
		"tls-key":          {"--tls-cert", "c"},
		"tls-cert":         {"--tls-key", "k"},
		"behind-tls-proxy": {"--tls-cert", "c", "--tls-key", "k", "--behind-tls-proxy"},
		"metrics-addr":     {"--metrics-addr", "localhost:8080"},
		"keep-events":      {"--keep-events", "7301d"},
		"keep-audit":       {"--keep-audit", "99999999999999999999d"},
	} {
		_, err := parse(t, nil, append(args, "--data=d")...)
		var got Problems
		if !errors.As(err, &got) || len(got) != 1 || got[0].Setting != what {
			t.Errorf("%v: %v", args, err)
		}
	}
	if _, err := parse(t, nil, "--data=d", "--addr=127.0.0.1:0", "--metrics-addr=127.0.0.1:0", "--keep-events=7300d"); err != nil {
		t.Error(err)
	}
}

// TestEveryFlagIsNamedAlike: the variable follows from the flag, and both are told.
func TestEveryFlagIsNamedAlike(t *testing.T) {
	typ := reflect.TypeFor[Flags]()
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(tag.Get("name")) || variable(tag.Get("name")) != tag.Get("env") || tag.Get("group") == "" || !strings.HasSuffix(tag.Get("help"), ".") {
			t.Errorf("%s: %s", typ.Field(i).Name, tag)
		}
	}
}

func TestDocumentationIsUpToDate(t *testing.T) {
	const path = "../../docs/configuration.md"
	want := Markdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/configuration.md is out of date: run make generate")
	}
	for _, name := range variables() {
		if strings.Count(want, "| `"+name+"` |") != 1 {
			t.Errorf("%s is not told once", name)
		}
	}
}
