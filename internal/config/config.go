// Package config is what `flowyte serve` is told: flags and their environment
// variables, the rules they must keep, and their documentation. All problems
// are reported together.
package config

import (
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"github.com/alecthomas/kong"
)

// Flags are the settings as they are written, on the command line or in the
// environment. The command embeds them; Settings judges them. They are texts,
// so that everything wrong with them can be told at once.
type Flags struct {
	Addr           string `name:"addr" env:"FLOWYTE_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" group:"Listening" help:"Where the API listens. An empty host is every interface."`
	TLSCert        string `name:"tls-cert" env:"FLOWYTE_TLS_CERT" placeholder:"FILE" group:"Listening" help:"Certificate chain in PEM form. Needs tls-key."`
	TLSKey         string `name:"tls-key" env:"FLOWYTE_TLS_KEY" placeholder:"FILE" group:"Listening" help:"Private key of tls-cert in PEM form."`
	BehindProxy    Switch `name:"behind-tls-proxy" env:"FLOWYTE_BEHIND_TLS_PROXY" group:"Listening" help:"A proxy in front terminates TLS, and nobody else can reach the listener."`
	MetricsAddr    string `name:"metrics-addr" env:"FLOWYTE_METRICS_ADDR" placeholder:"HOST:PORT" group:"Listening" help:"Where GET /metrics listens. Absent: nowhere."`
	Data           string `name:"data" env:"FLOWYTE_DATA" placeholder:"DIR" group:"State" default:"./data" help:"The folder that holds the store."`
	MasterKey      string `name:"master-key-file" env:"FLOWYTE_MASTER_KEY_FILE" placeholder:"FILE" group:"State" help:"The master key. Absent: master.key in the data folder, made on first start."`
	KeepEvents     string `name:"keep-events" env:"FLOWYTE_KEEP_EVENTS" default:"30d" placeholder:"TIME" group:"State" help:"How long conversations, their events and their settled writes are kept, in days or hours: 30d, 12h."`
	KeepAudit      string `name:"keep-audit" env:"FLOWYTE_KEEP_AUDIT" default:"400d" placeholder:"TIME" group:"State" help:"How long it is kept who changed what."`
	AllowTarget    Texts  `name:"allow-target" env:"FLOWYTE_ALLOW_TARGET" placeholder:"CIDR" group:"Databases" help:"A range outside the public Internet in which customers' databases may live. Repeatable; a comma list in the environment. Metadata addresses and the listeners of this process are refused all the same."`
	AllowPort      Texts  `name:"allow-port" env:"FLOWYTE_ALLOW_PORT" placeholder:"PORT" group:"Databases" help:"A database port below 1024. Repeatable."`
	NAT64          Switch `name:"nat64" env:"FLOWYTE_NAT64" group:"Databases" help:"Judge 64:ff9b::/96 by the IPv4 address inside it. Without it the range is refused."`
	TestsPerMin    string `name:"tests-per-minute" env:"FLOWYTE_TESTS_PER_MINUTE" default:"10" placeholder:"N" group:"Databases" help:"Connection tests that an organisation may run in a minute."`
	MaxOpenConns   string `name:"max-connections" env:"FLOWYTE_MAX_CONNECTIONS" default:"4096" placeholder:"N" group:"Listening" help:"Connections to the API that may be open at once. When one more comes, the one that has waited longest without a request gives way."`
	RequestsPerSec string `name:"requests-per-second" env:"FLOWYTE_REQUESTS_PER_SECOND" default:"50" placeholder:"N" group:"Limits" help:"Requests that an organisation may make to the control plane in a second, with all its keys together."`
	RequestsAtOnce string `name:"requests-at-once" env:"FLOWYTE_REQUESTS_AT_ONCE" default:"200" placeholder:"N" group:"Limits" help:"How many of them may come at once after a pause."`
	CallsPerSec    string `name:"calls-per-second" env:"FLOWYTE_CALLS_PER_SECOND" default:"2000" placeholder:"N" group:"Limits" help:"Requests that an organisation may make in a second to the routes of a conversation: start, tool calls, verification, end."`
	CallsAtOnce    string `name:"calls-at-once" env:"FLOWYTE_CALLS_AT_ONCE" default:"4000" placeholder:"N" group:"Limits" help:"How many of them may come at once after a pause."`
	ModelURL       string `name:"model-url" env:"FLOWYTE_MODEL_URL" placeholder:"URL" group:"Model" help:"An OpenAI-compatible endpoint that helps to turn goals into bindings, such as https://api.example.com/v1. Absent: no model is asked, and proposals are made from words alone."`
	Model          string `name:"model" env:"FLOWYTE_MODEL" placeholder:"NAME" group:"Model" help:"The model's name there. Needs model-url."`
	ModelKeyFile   string `name:"model-key-file" env:"FLOWYTE_MODEL_KEY_FILE" placeholder:"FILE" group:"Model" help:"The file that holds the endpoint's key. Absent: none is sent."`
	LogLevel       string `name:"log-level" env:"FLOWYTE_LOG_LEVEL" default:"info" placeholder:"LEVEL" group:"Log" help:"debug, info, warn or error. The log is JSON on standard error; live calls that succeed are logged at debug."`
}

// Settings are Flags that keep the rules.
type Settings struct {
	Addr           string
	TLSCert        string // both or neither
	TLSKey         string
	BehindTLSProxy bool
	MetricsAddr    string // empty: no listener
	MaxConnections int

	Data          string
	MasterKeyFile string // empty: master.key in Data
	KeepEvents    time.Duration
	KeepAudit     time.Duration

	AllowTargets   []netip.Prefix
	AllowPorts     []uint16
	NAT64          bool
	TestsPerMinute int

	// What one organisation may ask for; zero in a test means any number.
	RequestsPerSecond, RequestsAtOnce int
	CallsPerSecond, CallsAtOnce       int

	// ModelURL is nil without a model.
	ModelURL     *url.URL
	Model        string
	ModelKeyFile string // empty: no key

	LogLevel slog.Level
}

// Switch is on or off. It keeps what was written, so that a wrong word in the
// environment is told together with the rest.
type Switch string

// IsBool lets the flag stand without a value.
func (Switch) IsBool() bool { return true }

// Decode implements kong's reading of a flag.
func (s *Switch) Decode(ctx *kong.DecodeContext) error {
	*s = "true"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		*s = Switch(ctx.Scan.Pop().String())
	}
	return nil
}

// Texts is a list that was written as repeated flags or with commas.
type Texts []string
