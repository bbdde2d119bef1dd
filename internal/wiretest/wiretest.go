// Package wiretest holds what a service says to a database against a fixed list
// (INV4).
package wiretest

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"flowyte/api"
	"flowyte/internal/privatedb"
	"flowyte/internal/schema"
	"flowyte/internal/target/targettest"
)

var extendWire = flag.Bool("extend-wire", false, "add the texts that are new on the wire to internal/wiretest/testdata")

// Wiretap hears what a service says to a database: every text on the wire is a
// statement that was compiled, a text of the catalogue queries, or stands in
// testdata. New session commands are added there, and nowhere else: run with
// -extend-wire and read what was added.
type Wiretap struct {
	*targettest.Tap
	kind schema.Kind
}

// New starts one before a server. Tests of packages beside this one use it.
func New(t testing.TB, server *privatedb.Server) *Wiretap {
	t.Helper()
	return &Wiretap{targettest.NewTap(t, server), schema.Kind(server.Kind())}
}

// PortText is the tap's port, as credentials have it.
func (w *Wiretap) PortText() api.Port { return api.Port(strconv.Itoa(w.Port)) }

// said is what a client said in one connection.
type said struct {
	texts  []string // statements, in order
	faults []string // what may not be said at all
}

// Check judges all that was said so far. compiled are the statements of the
// plans.
func (w *Wiretap) Check(t testing.TB, compiled []string) {
	t.Helper()
	path := filepath.Join("..", "wiretest", "testdata", string(w.kind)+".txt")
	const between = "\n---\n"
	file, err := os.ReadFile(path)
	if err != nil && !*extendWire {
		t.Fatal(err)
	}
	listed := strings.Split(strings.TrimSpace(string(file)), between)
	listed = slices.DeleteFunc(listed, func(text string) bool { return text == "" })
	known := catalogueTexts(t, w.kind)
	// The longest first: one may be the beginning of another.
	compiled = slices.SortedFunc(slices.Values(compiled), func(a, b string) int { return len(b) - len(a) })
	wires := w.Wires()
	if len(wires) == 0 {
		t.Fatal("nothing was said; this proves nothing")
	}
	for _, wire := range wires {
		var client []byte
		for _, turn := range wire.Turns() {
			client = append(client, turn.Client...)
		}
		heard := hearPostgres(client)
		if w.kind == schema.MySQL {
			heard = hearMySQL(client)
		}
		for _, f := range heard.faults {
			t.Error(f)
		}
		for _, text := range heard.texts {
			form := formOf(text, compiled)
			if form == aPlan || known[form] || slices.Contains(listed, form) {
				continue
			}
			if !*extendWire {
				t.Errorf("on the wire, and neither compiled nor a catalogue query nor in %s:\n%s", path, text)
			}
			listed = append(listed, form)
		}
	}
	if *extendWire {
		slices.Sort(listed)
		if err := os.WriteFile(path, []byte(strings.TrimSpace(strings.Join(listed, between))+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// catalogueTexts are the forms of the queries of discovery.
func catalogueTexts(t testing.TB, kind schema.Kind) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "discover", string(kind), "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d catalogue queries: %v", len(files), err)
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer("{column}", `"{name}"`, "{object}", `"{name}"."{name}"`).Replace(string(text))
	}
	prefix := "" // of the queries about what a role may see
	if kind == schema.Postgres {
		prefix = read(filepath.Join("..", "discover", "postgres", "visible.sql"))
	}
	known := map[string]bool{}
	for _, path := range files {
		text := read(path)
		known[formOf(text, nil)], known[formOf(prefix+text, nil)] = true, true
	}
	return known
}

// aPlan stands for a compiled statement in the form of a text.
const aPlan = "{statement}"

var (
	quotedName = regexp.MustCompile("\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`")
	names      = regexp.MustCompile(`t\."\{name\}"(, t\."\{name\}")+`)
	killed     = regexp.MustCompile(`^KILL CONNECTION \d+$`)
	executed   = regexp.MustCompile(`EXECUTE flowyte_\d+(\(NULL(, NULL)*\))?$`)
)

// formOf is a text with what differs from one time to the next taken out: the
// statement that it is about, quoted names and how many they are, the number of
// a connection.
func formOf(text string, compiled []string) string {
	for _, statement := range compiled {
		text = strings.ReplaceAll(text, statement, aPlan)
	}
	if killed.MatchString(text) {
		return "KILL CONNECTION {number}"
	}
	text = executed.ReplaceAllString(text, "EXECUTE {statement}")
	text = quotedName.ReplaceAllString(text, `"{name}"`)
	return strings.TrimSpace(names.ReplaceAllString(text, `t."{name}", …`))
}

// hearPostgres reads the messages of a client. The simple protocol, in which a
// text may be several statements, is not spoken.
func hearPostgres(client []byte) said {
	const cancel = 80877102
	var s said
	if len(client) >= 8 && binary.BigEndian.Uint32(client[4:]) != cancel {
		client = client[min(len(client), int(binary.BigEndian.Uint32(client))):]
	} else {
		return s
	}
	for len(client) >= 5 {
		size := 1 + int(binary.BigEndian.Uint32(client[1:]))
		if size > len(client) {
			break // cut off by the end
		}
		kind, body := client[0], client[5:size]
		client = client[size:]
		if !bytes.ContainsRune([]byte("pPDBECHSX"), rune(kind)) {
			s.faults = append(s.faults, "a message "+strconv.QuoteRune(rune(kind))+" to PostgreSQL: "+strconv.Quote(string(body)))
		}
		if kind == 'P' {
			parts := bytes.SplitN(body, []byte{0}, 3)
			s.texts = append(s.texts, string(parts[1]))
		}
	}
	return s
}

// hearMySQL reads the packets of a client: its capabilities first, then, once
// their numbers begin anew, commands.
func hearMySQL(client []byte) said {
	const query, prepare = 0x03, 0x16
	forbidden := map[uint32]string{1 << 5: "compression", 1 << 7: "files", 1 << 16: "several statements", 1 << 17: "several results", 1 << 18: "several results of prepared statements"}
	var s said
	for first := true; len(client) >= 4; first = false {
		size := 4 + int(binary.LittleEndian.Uint32(append(slices.Clone(client[:3]), 0)))
		if size > len(client) || size == 4 {
			break
		}
		sequence, body := client[3], client[4:size]
		client = client[size:]
		switch {
		case first:
			for flag, name := range forbidden {
				if binary.LittleEndian.Uint32(body)&flag != 0 {
					s.faults = append(s.faults, "the capability for "+name+" was claimed")
				}
			}
		case sequence == 0 && (body[0] == query || body[0] == prepare):
			s.texts = append(s.texts, string(body[1:]))
		}
	}
	return s
}
