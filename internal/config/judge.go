package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Problem is one thing that is wrong with a setting.
type Problem struct {
	Setting string // the flag's name, such as tls-key
	Message string
}

// Problems is everything that is wrong, in the order of the rules.
type Problems []Problem

// Error is one line a problem, naming the flag and its variable.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = fmt.Sprintf("--%s (%s): %s", problem.Setting, variable(problem.Setting), problem.Message)
	}
	return strings.Join(lines, "\n")
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "FLOWYTE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// The least that makes sense, and the most that is meant.
const (
	minKeepEvents = time.Hour
	minKeepAudit  = 24 * time.Hour
	maxKeep       = 20 * 365 * 24 * time.Hour
	maxTests      = 10_000
	maxConns      = 1_000_000
	maxRate       = 1_000_000
)

// Settings judges the flags. The error is Problems.
func (f Flags) Settings() (Settings, error) {
	j := &judge{}
	s := Settings{
		Addr: f.Addr, TLSCert: f.TLSCert, TLSKey: f.TLSKey, MetricsAddr: f.MetricsAddr,
		BehindTLSProxy:    j.toggle("behind-tls-proxy", f.BehindProxy),
		MaxConnections:    j.whole("max-connections", f.MaxOpenConns, 16, maxConns),
		Data:              f.Data,
		MasterKeyFile:     f.MasterKey,
		KeepEvents:        j.span("keep-events", f.KeepEvents, minKeepEvents),
		KeepAudit:         j.span("keep-audit", f.KeepAudit, minKeepAudit),
		NAT64:             j.toggle("nat64", f.NAT64),
		TestsPerMinute:    j.whole("tests-per-minute", f.TestsPerMin, 1, maxTests),
		RequestsPerSecond: j.whole("requests-per-second", f.RequestsPerSec, 1, maxRate), RequestsAtOnce: j.whole("requests-at-once", f.RequestsAtOnce, 1, maxRate),
		CallsPerSecond: j.whole("calls-per-second", f.CallsPerSec, 1, maxRate), CallsAtOnce: j.whole("calls-at-once", f.CallsAtOnce, 1, maxRate),
	}
	j.tls(s)
	s.Addr = j.listener("addr", s.Addr, s)
	if s.MetricsAddr != "" {
		s.MetricsAddr = j.listener("metrics-addr", s.MetricsAddr, s)
		if s.MetricsAddr == s.Addr && !strings.HasSuffix(s.Addr, ":0") {
			j.say("metrics-addr", "must differ from addr: /metrics has a listener of its own")
		}
	}
	if s.Data == "" {
		j.say("data", "is required: the folder that holds the store, such as /var/lib/flowyte")
	}
	for _, text := range f.AllowTarget {
		if prefix, ok := j.prefix(text); ok {
			s.AllowTargets = append(s.AllowTargets, prefix)
		}
	}
	for _, text := range f.AllowPort {
		s.AllowPorts = append(s.AllowPorts, uint16(j.whole("allow-port", text, 1, 65535)))
	}
	s.ModelURL, s.Model, s.ModelKeyFile = j.model(f), f.Model, f.ModelKeyFile
	if err := s.LogLevel.UnmarshalText([]byte(f.LogLevel)); err != nil || !named(s.LogLevel) {
		j.say("log-level", "must be debug, info, warn or error, not %q", f.LogLevel)
	}
	if len(j.problems) > 0 {
		return Settings{}, j.problems
	}
	return s, nil
}

// named tells the four levels from those in between, such as INFO+1.
func named(l slog.Level) bool {
	return l == slog.LevelDebug || l == slog.LevelInfo || l == slog.LevelWarn || l == slog.LevelError
}

// judge collects problems.
type judge struct{ problems Problems }

func (j *judge) say(setting, format string, args ...any) {
	j.problems = append(j.problems, Problem{setting, fmt.Sprintf(format, args...)})
}

func (j *judge) toggle(setting string, s Switch) bool {
	switch strings.ToLower(string(s)) {
	case "", "false", "0", "no":
		return false
	case "true", "1", "yes":
		return true
	}
	j.say(setting, "must be true or false, not %q", string(s))
	return false
}

func (j *judge) whole(setting, text string, least, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		j.say(setting, "must be a whole number from %d to %d, not %q", least, most, text)
		return 0
	}
	return n
}

// span reads days, which time.ParseDuration does not know, or a Go duration.
func (j *judge) span(setting, text string, least time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n = min(n, 1+int(maxKeep.Hours()/24)); err == nil {
			d = time.Duration(n) * 24 * time.Hour
		}
	}
	switch {
	case err != nil:
		j.say(setting, "must be a time such as 30d or 12h, not %q", text)
	case d < least || d > maxKeep:
		j.say(setting, "must be from %s to %dd, not %q", strings.TrimSuffix(least.String(), "0m0s"), int(maxKeep.Hours()/24), text)
	}
	return d
}

func (j *judge) tls(s Settings) {
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		j.say("tls-key", "is missing: tls-cert needs its private key")
	case s.TLSCert == "" && s.TLSKey != "":
		j.say("tls-cert", "is missing: tls-key needs its certificate")
	}
	if s.TLSCert != "" && s.BehindTLSProxy {
		j.say("behind-tls-proxy", "must not stand beside tls-cert: TLS ends either here or at the proxy")
	}
}

// listener judges an address to listen on, and returns it with localhost put
// into numbers. Beyond this machine, keys and callers' data would pass in the
// clear unless TLS ends here or in front.
func (j *judge) listener(setting, addr string, s Settings) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		j.say(setting, "must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080, not %q", addr)
		return addr
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || port != strconv.FormatUint(n, 10) {
		j.say(setting, "must end in a port from 0 to 65535, not %q", port)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil && host != "" {
		j.say(setting, "must begin with an IP address, localhost or nothing, not %q", host)
		return addr
	}
	if !ip.Unmap().IsLoopback() && s.TLSCert == "" && s.TLSKey == "" && !s.BehindTLSProxy {
		j.say(setting, "is reachable from beyond this machine without TLS: set tls-cert and tls-key, or behind-tls-proxy, or listen on 127.0.0.1")
	}
	return net.JoinHostPort(host, port)
}

// model judges the endpoint of a model; nil when there is none. Goals and the
// names of a schema go there, and so does a key: in the clear to this machine
// only.
func (j *judge) model(f Flags) *url.URL {
	if f.ModelURL == "" {
		if f.Model != "" {
			j.say("model", "needs model-url: without an endpoint no model is asked")
		}
		if f.ModelKeyFile != "" {
			j.say("model-key-file", "needs model-url: without an endpoint no key is sent")
		}
		return nil
	}
	if f.Model == "" {
		j.say("model", "is missing: model-url needs the name of a model")
	}
	u, err := url.Parse(f.ModelURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		j.say("model-url", "must be an address such as https://api.example.com/v1, without user, query or fragment")
		return nil
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		j.say("model-url", "must be https: goals, names and the key would leave this machine in the clear")
	}
	return u
}

// loopback tells whether a host can only be this machine.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (j *judge) prefix(text string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(strings.TrimSpace(text))
	switch {
	case err != nil:
		j.say("allow-target", "must be a range such as 10.1.0.0/16 or fd00:1::/32, not %q", text)
	case p.Addr().Is4In6():
		j.say("allow-target", "must be written as an IPv4 range, not %q", text)
	case p.Masked() != p:
		j.say("allow-target", "%q has bits beyond its length set: %s is the range, %s the one address", text, p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
	default:
		return p, true
	}
	return p, false
}
