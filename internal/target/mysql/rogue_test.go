package mysql

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"flowyte/internal/dbtest"
	"flowyte/internal/egress"
	"flowyte/internal/egress/egresstest"
	"flowyte/internal/fault"
	"flowyte/internal/target"
	"flowyte/internal/target/targettest"

	"go.uber.org/goleak"
)

// visit opens a session to a rogue, runs a read on it and closes it.
func visit(ctx context.Context, t testing.TB, creds *target.Credentials, options ...egress.GuardOption) error {
	t.Helper()
	s, err := Driver{}.Open(ctx, targettest.Guard(t, options...), creds, target.ForReads)
	if err != nil {
		return err
	}
	defer s.Close()
	p := read("SELECT 1", nil, []column{integer}, 1)
	err = s.Run(ctx, p, nil, targettest.Discard{})
	if again := s.Run(ctx, p, nil, targettest.Discard{}); err == nil {
		err = again
	}
	return err
}

// noLeaks fails the test when goroutines are left of it.
func noLeaks(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
}

// allocated is how much memory f asked for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestGreetings: whatever comes first instead of a greeting is an ordinary
// error, and nothing is sent in return.
func TestGreetings(t *testing.T) {
	noLeaks(t)
	good := hello(serverCapabilities, pluginSHA2)
	cases := map[string]struct {
		bytes []byte
		want  fault.Code
	}{
		"nothing":            {nil, fault.Unreachable},
		"one byte":           {packet(0, []byte{10}), fault.Unreachable},
		"no NUL":             {packet(0, bytes.Repeat([]byte{10}, 80)), fault.Unreachable},
		"empty packet":       {[]byte{0, 0, 0, 0}, fault.Unreachable},
		"16 MiB":             {[]byte{255, 255, 255, 0, 10}, fault.Unreachable},
		"sequence":           {packet(1, good), fault.Unreachable},
		"protocol 9":         {packet(0, append([]byte{9}, good[1:]...)), fault.Unreachable},
		"SSH":                {[]byte("SSH-2.0-OpenSSH_9.2\r\n"), fault.Unreachable},
		"HTTP":               {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), fault.Unreachable},
		"error of 1 byte":    {packet(0, []byte{255}), fault.Unreachable},
		"error of 2 bytes":   {packet(0, []byte{255, 0}), fault.Unreachable},
		"error of 3 bytes":   {packet(0, []byte{255, 0x10, 0x04}), fault.ServerBusy},
		"host not admitted":  {packet(0, append([]byte{255, 0x6a, 0x04}, "Host 'canary' is not allowed"...)), fault.CredentialsRejected},
		"no TLS":             {packet(0, hello(serverCapabilities&^capTLS, pluginSHA2)), fault.TLSNotOffered},
		"no plugins":         {packet(0, hello(serverCapabilities&^capPluginAuth, pluginSHA2)), fault.ServerUnsupported},
		"no handshake after": {packet(0, good), fault.TLSFailed},
	}
	for i := range good[:len(good)-len(pluginSHA2)-1] {
		cases[fmt.Sprintf("cut after %d", i)] = struct {
			bytes []byte
			want  fault.Code
		}{packet(0, good[:i]), fault.Unreachable}
	}
	for name, c := range cases {
		creds, seen := rogue(t, func(p *peer) { p.raw(c.bytes...) })
		err := visit(t.Context(), t, creds)
		if !fault.Is(err, c.want) {
			t.Errorf("%s: %v (%v), want %s", name, err, fault.Cause(err), c.want)
		}
		if seen.bytes() > 0 || seen.connections.Load() != 1 {
			t.Errorf("%s: %d bytes on %d connections were sent", name, seen.bytes(), seen.connections.Load())
		}
	}
}

// key is a packet with a public key of another kind than the driver expects.
var key = "\x01-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH6cuzP8XuD5wal6wf9M6xDljTOPL\nX2i8uIp/C/ASqiIGUeeKQtX0/IR3qCXyThP/dbCiHrF3v1cuhBOI3CLCrg==\n-----END PUBLIC KEY-----\n"

// TestLogins: a login that goes wrong is an ordinary error, and the password
// is not sent as it is.
func TestLogins(t *testing.T) {
	noLeaks(t)
	switchTo := func(plugin string, challenge int) func(*peer) {
		return func(p *peer) {
			p.send(append(append([]byte{packetEOF}, plugin+"\x00"...), bytes.Repeat([]byte("x"), challenge)...)...)
		}
	}
	sends := func(body ...byte) func(*peer) { return func(p *peer) { p.send(body...) } }
	for name, c := range map[string]struct {
		play func(*peer)
		want fault.Code
	}{
		"challenge of 3 bytes":   {switchTo(pluginNative, 3), fault.ProtocolError},
		"no challenge":           {switchTo(pluginSHA2, 0), fault.ProtocolError},
		"ed25519 with 20 bytes":  {switchTo(pluginEd25519, 20), fault.ProtocolError},
		"clear password":         {switchTo("mysql_clear_password", 20), fault.AuthMethodRefused},
		"old password":           {switchTo("mysql_old_password", 8), fault.AuthMethodRefused},
		"old switch":             {sends(packetEOF), fault.AuthMethodRefused},
		"dialog":                 {switchTo("dialog", 20), fault.AuthMethodRefused},
		"PAM":                    {switchTo("authentication_pam", 0), fault.AuthMethodRefused},
		"unnamed":                {switchTo("", 20), fault.AuthMethodRefused},
		"name without an end":    {sends(bytes.Repeat([]byte{packetEOF}, 200)...), fault.AuthMethodRefused},
		"switch twice":           {func(p *peer) { switchTo(pluginNative, 20)(p); p.receive(); switchTo(pluginNative, 20)(p) }, fault.ProtocolError},
		"switch without end":     {func(p *peer) { repeat(p, func() { switchTo(pluginNative, 20)(p) }) }, fault.ProtocolError},
		"another kind of key":    {sends([]byte(key)...), fault.ProtocolError},
		"empty key":              {sends(packetMore), fault.ProtocolError},
		"unknown step":           {sends(packetMore, 9), fault.ProtocolError},
		"steps without end":      {func(p *peer) { repeat(p, func() { p.send(packetMore, 3) }) }, fault.ProtocolError},
		"16 MiB":                 {func(p *peer) { p.header(1<<24 - 1); p.silence() }, fault.ProtocolError},
		"5 KiB":                  {sends(make([]byte, 5<<10)...), fault.ProtocolError},
		"empty packet":           {func(p *peer) { p.header(0); p.silence() }, fault.ProtocolError},
		"rubbish":                {sends(0x42, 1, 2, 3), fault.ProtocolError},
		"OK of 1 byte":           {sends(packetOK), fault.ProtocolError},
		"OK cut short":           {sends(packetOK, 0xfe, 1, 2), fault.ProtocolError},
		"error of 1 byte":        {sends(packetError), fault.ProtocolError},
		"error of 3 bytes":       {sends(packetError, 0x15, 0x04), fault.ProtocolError},
		"error of 5 bytes":       {sends(packetError, 0x15, 0x04, '#', 'H'), fault.ProtocolError},
		"wrong sequence":         {func(p *peer) { p.sequence = 77; p.send(acknowledgement...); p.silence() }, fault.ProtocolError},
		"refusal":                {func(p *peer) { p.fail(1045) }, fault.CredentialsRejected},
		"refusal of a decoy":     {func(p *peer) { switchTo(pluginSHA256, 20)(p); p.receive(); p.fail(1045) }, fault.CredentialsRejected},
		"key for a decoy":        {func(p *peer) { switchTo(pluginSHA256, 20)(p); p.receive(); p.send([]byte(key)...) }, fault.ProtocolError},
		"end":                    {func(*peer) {}, fault.Unreachable},
		"setting refused":        {func(p *peer) { p.send(acknowledgement...); p.receive(); p.fail(1193) }, fault.ServerUnsupported},
		"password has expired":   {func(p *peer) { p.send(acknowledgement...); p.receive(); p.fail(1820) }, fault.CredentialsRejected},
		"facts of another shape": {func(p *peer) { ready(p); p.table([]string{"9.9.9"}) }, fault.ProtocolError},
		"facts twice":            {func(p *peer) { ready(p); p.table(rogueFacts, rogueFacts) }, fault.ProtocolError},
		"writes allowed":         {func(p *peer) { ready(p); p.table(changed(factReadOnly, "0")) }, fault.NotReadOnly},
		"another sql_mode":       {func(p *peer) { ready(p); p.table(changed(factModes, "ANSI_QUOTES")) }, fault.ServerUnsupported},
		"another zone":           {func(p *peer) { ready(p); p.table(changed(factZone, "SYSTEM")) }, fault.ServerUnsupported},
		"another charset":        {func(p *peer) { ready(p); p.table(changed(factClientCharset, "gbk")) }, fault.ServerUnsupported},
		"an old version":         {func(p *peer) { ready(p); p.table(changed(factVersion, "5.7.44")) }, fault.ServerUnsupported},
		"no version":             {func(p *peer) { ready(p); p.table(changed(factVersion, "\x1b[2J")) }, fault.ServerUnsupported},
	} {
		creds, seen := rogue(t, func(p *peer) { p.secure(); p.receive(); c.play(p) })
		var err error
		if used := allocated(func() { err = visit(t.Context(), t, creds) }); used > 2<<20 {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
		if !fault.Is(err, c.want) {
			t.Errorf("%s: %v (%v), want %s", name, err, fault.Cause(err), c.want)
		}
		if seen.saw(roguePassword) || strings.Contains(fmt.Sprint(err, fault.Cause(err)), "canary") {
			t.Errorf("%s: the password was sent, or the server's text kept", name)
		}
	}
}

// ready plays the login and the settings up to the question.
func ready(p *peer) {
	p.send(acknowledgement...)
	p.receive()
	p.send(acknowledgement...)
	p.receive()
}

func changed(column int, value string) []string {
	cells := append([]string(nil), rogueFacts...)
	cells[column] = value
	return cells
}

// repeat goes on until the client leaves.
func repeat(p *peer, play func()) {
	for range 100_000 {
		play()
	}
}

// TestFullAuthentication: the whole password goes to an accepted peer only.
func TestFullAuthentication(t *testing.T) {
	full := func(p *peer) { p.secure(); p.receive(); p.send(packetMore, 4); p.receive(); p.fail(1045) }
	creds, seen := rogue(t, full)
	wantFault(t, visit(t.Context(), t, creds), fault.CredentialsRejected)
	if !seen.saw(roguePassword) {
		t.Error("the rogue did not get the password; the next part proves nothing")
	}
	creds, seen = rogue(t, full)
	creds.TLS = egress.TLSOptions{Mode: egress.Require, Host: creds.Host, Pins: []egress.Pin{{1}}}
	wantFault(t, visit(t.Context(), t, creds), fault.ServerIdentity)
	if seen.saw(roguePassword) || seen.saw("someone") {
		t.Error("user or password went to a key that is not pinned")
	}
}

// TestLocalFile: a server that answers every statement with a request for a
// file gets nothing at all.
func TestLocalFile(t *testing.T) {
	noLeaks(t)
	request := append([]byte{packetLocalFile}, "/etc/passwd"...)
	var size atomic.Int64
	early, seen := rogue(t, func(p *peer) {
		p.login()
		p.receive()
		size.Store(int64(p.seen.bytes()))
		p.send(request...)
		p.silence()
	})
	wantFault(t, visit(t.Context(), t, early), fault.ProtocolError)
	if seen.bytes() > int(size.Load()) {
		t.Error("bytes were sent after a request in answer to the settings")
	}
	late, seen := rogue(t, func(p *peer) {
		p.serve(func(command byte, _ string) {
			if command == comStmtPrepare {
				p.prepared(1, 0)
				return
			}
			size.Store(int64(p.seen.bytes()))
			p.send(request...)
			p.silence()
		})
	})
	wantFault(t, visit(t.Context(), t, late), fault.ProtocolError)
	if seen.bytes() > int(size.Load()) {
		t.Error("bytes were sent after a request in answer to a statement")
	}
}

// TestResults: results that are not what they should be are ordinary errors,
// and cost no more memory than a statement may.
func TestResults(t *testing.T) {
	noLeaks(t)
	count := func(n uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0xfe}, n) }
	type script struct {
		prepare, execute func(p *peer)
		want             fault.Code
		memory           uint64
	}
	sends := func(bodies ...[]byte) func(*peer) {
		return func(p *peer) {
			for _, body := range bodies {
				p.send(body...)
			}
		}
	}
	one := func(p *peer) { p.prepared(1, 0) }
	row := func(cells ...byte) []byte { return append([]byte{0, 0}, cells...) }
	whole, long := definition(8), append(definition(8), make([]byte, 5<<10)...)
	for name, c := range map[string]script{
		"good":                      {one, sends([]byte{1}, whole, row(1, 0, 0, 0, 0, 0, 0, 0), end), "", 0},
		"prepare of 5 bytes":        {sends([]byte{0, 1, 0, 0, 0}), nil, fault.ProtocolError, 0},
		"prepare of 65,535 columns": {sends([]byte{0, 1, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0}), nil, fault.ProtocolError, 0},
		"prepare of 65,535 slots":   {sends([]byte{0, 1, 0, 0, 0, 1, 0, 255, 255, 0, 0, 0}), nil, fault.DatabaseTimeout, 0},
		"another number of slots":   {func(p *peer) { p.prepared(1, 1) }, nil, fault.SchemaDrift, 0},
		"prepare refused":           {func(p *peer) { p.fail(1146) }, nil, fault.SchemaDrift, 0},
		"error of 2 bytes":          {one, sends([]byte{255, 1}), fault.ProtocolError, 0},
		"no columns":                {one, sends(acknowledgement), fault.SchemaDrift, 0},
		"2 columns":                 {one, sends([]byte{2}, whole, whole, end), fault.SchemaDrift, 0},
		"another type":              {one, sends([]byte{1}, definition(253), row(1, 'x'), end), fault.SchemaDrift, 0},
		"a type of its own":         {one, sends([]byte{1}, definition(99), row(1), end), fault.ProtocolError, 0},
		"65,535 columns":            {one, sends([]byte{0xfc, 255, 255}), fault.ProtocolError, 0},
		"2 billion columns":         {one, sends(count(1 << 31)), fault.ProtocolError, 0},
		"2^63 columns":              {one, sends(count(1 << 63)), fault.ProtocolError, 0},
		"columns and more":          {one, sends([]byte{1, 2}), fault.ProtocolError, 0},
		"definition cut short":      {one, sends([]byte{1}, whole[:9], end), fault.ProtocolError, 0},
		"endless name":              {one, sends([]byte{1}, append(definition(8), make([]byte, 8<<10)...), row(1, 0, 0, 0, 0, 0, 0, 0), end), fault.ProtocolError, 0},
		"empty definition":          {one, func(p *peer) { p.send(1); p.header(0); p.silence() }, fault.ProtocolError, 0},
		"row cut short":             {one, sends([]byte{1}, whole, row(1, 0), end), fault.ProtocolError, 0},
		"row without values":        {one, sends([]byte{1}, whole, []byte{0}, end), fault.ProtocolError, 0},
		"end cut short":             {one, sends([]byte{1}, whole, []byte{packetEOF}), fault.ProtocolError, 0},
		"more results":              {one, sends([]byte{1}, whole, []byte{packetEOF, 0, 0, 8, 0, 0, 0}), fault.ProtocolError, 0},
		"more results at once":      {one, sends([]byte{packetOK, 0, 0, 8, 0, 0, 0}), fault.ProtocolError, 0},
		"16 MiB row":                {one, func(p *peer) { sends([]byte{1}, whole)(p); p.header(1<<24 - 1); p.silence() }, fault.ProtocolError, 0},
		"8 MiB row, announced":      {one, func(p *peer) { sends([]byte{1}, whole)(p); p.header(8 << 20); p.silence() }, fault.DatabaseTimeout, 12 << 20},
		"a million rows": {one, func(p *peer) {
			sends([]byte{1}, whole)(p)
			repeat(p, func() { p.send(row(1, 0, 0, 0, 0, 0, 0, 0)...) })
		}, "", 12 << 20},
		"rows in large packets": {one, func(p *peer) { sends([]byte{1}, whole)(p); repeat(p, func() { p.send(make([]byte, 1<<20)...) }) }, "", 24 << 20},
		"definitions without end": {one, func(p *peer) {
			p.send(0xfc, 0, 0x10)
			repeat(p, func() { p.send(long...) })
		}, fault.ProtocolError, 24 << 20},
		"an unasked packet":     {one, sends([]byte{1}, whole, row(1, 0, 0, 0, 0, 0, 0, 0), end, acknowledgement), fault.ProtocolError, 0},
		"killed":                {one, func(p *peer) { p.fail(3169) }, fault.ConnectionLost, 0},
		"end of the connection": {one, func(p *peer) { p.Close() }, fault.ConnectionLost, 0},
	} {
		creds, _ := rogue(t, func(p *peer) {
			p.serve(func(command byte, _ string) {
				switch command {
				case comStmtPrepare:
					c.prepare(p)
				case comStmtExecute:
					c.execute(p)
				}
			})
		})
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		var err error
		used := allocated(func() { err = visit(ctx, t, creds) })
		cancel()
		if fault.CodeOf(err) != c.want && !(c.want == "" && fault.Is(err, fault.ConnectionLost)) {
			t.Errorf("%s: %v (%v), want %q", name, err, fault.Cause(err), c.want)
		}
		if used > max(c.memory, 3<<20) {
			t.Errorf("%s: %d bytes were allocated", name, used)
		}
	}
}

// TestSilence: a server that stops answering at any stage holds nobody for
// longer than the budget.
func TestSilence(t *testing.T) {
	noLeaks(t)
	const budget = 150 * time.Millisecond
	for name, play := range map[string]func(p *peer){
		"at once":             func(p *peer) { p.silence() },
		"inside the greeting": func(p *peer) { p.raw(80, 0, 0, 0, 10); p.silence() },
		"after the greeting":  func(p *peer) { p.send(hello(serverCapabilities, pluginSHA2)...); p.silence() },
		"after TLS":           func(p *peer) { p.secure(); p.silence() },
		"inside the login":    func(p *peer) { p.secure(); p.receive(); p.raw(7, 0, 0); p.silence() },
		"before the facts":    func(p *peer) { p.login(); p.receive(); p.send(acknowledgement...); p.silence() },
		"after the prepare":   func(p *peer) { p.serve(func(byte, string) { p.silence() }) },
		"inside the columns":  func(p *peer) { p.serve(answerThen(p, func() { p.send(1) })) },
		"inside a row": func(p *peer) {
			p.serve(answerThen(p, func() { p.send(1); p.send(definition(8)...); p.header(9); p.raw(0) }))
		},
		"before the end": func(p *peer) { p.serve(answerThen(p, func() { p.send(1); p.send(definition(8)...) })) },
	} {
		creds, _ := rogue(t, play)
		ctx, cancel := context.WithTimeout(t.Context(), budget)
		begun := time.Now()
		s, err := Driver{}.Open(ctx, targettest.Guard(t), creds, target.ForReads)
		if err == nil {
			err = s.Run(ctx, read("SELECT 1", nil, []column{integer}, 1), nil, targettest.Discard{})
		}
		if took := time.Since(begun); took > budget+200*time.Millisecond {
			t.Errorf("%s: held for %v", name, took)
		}
		cancel()
		if !fault.Is(err, fault.DatabaseTimeout) && !fault.Is(err, fault.Unreachable) {
			t.Errorf("%s: %v (%v)", name, err, fault.Cause(err))
		}
		if s == nil {
			continue
		}
		begun = time.Now()
		s.Close()
		if took := time.Since(begun); took > time.Second+200*time.Millisecond {
			t.Errorf("%s: Close took %v", name, took)
		}
	}
}

func answerThen(p *peer, play func()) func(byte, string) {
	return func(command byte, _ string) {
		if command == comStmtPrepare {
			p.prepared(1, 0)
			return
		}
		play()
		p.silence()
	}
}

// TestMutations flips, drops, repeats and invents bytes of a good server's,
// inside TLS, from a seed that the failure names.
func TestMutations(t *testing.T) {
	noLeaks(t)
	var seed atomic.Uint64
	creds, seen := rogue(t, func(p *peer) {
		random := rand.New(rand.NewPCG(seed.Load(), 1))
		p.secure()
		p.receive()
		left := random.IntN(12)
		p.spoil = func(b []byte) []byte {
			if left--; left != 0 {
				return b
			}
			return mutate(random, b)
		}
		p.send(acknowledgement...)
		for {
			switch body := p.receive(); {
			case body[0] == comStmtPrepare:
				p.prepared(1, 0)
			case body[0] == comStmtExecute:
				p.send(1)
				p.send(definition(8)...)
				p.send(0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
				p.send(end...)
			case strings.HasPrefix(string(body[1:]), "SELECT VERSION()"):
				p.table(rogueFacts)
			default:
				p.send(acknowledgement...)
			}
		}
	})
	var base runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&base)
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := visit(ctx, t, creds); err != nil {
			if _, ok := fault.As(err); !ok {
				t.Errorf("seed %d: %v is not a fault", seed.Load(), err)
			}
		}
		cancel()
		seed.Add(1)
	}
	if seen.saw(roguePassword) {
		t.Error("a mutation drew the password")
	}
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	if now.HeapAlloc > base.HeapAlloc+64<<20 {
		t.Errorf("the heap grew by %d bytes", now.HeapAlloc-base.HeapAlloc)
	}
}

func mutate(random *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	at := random.IntN(len(b))
	switch random.IntN(5) {
	case 0:
		b[at] ^= 1 << random.IntN(8)
	case 1:
		b[at] = byte(random.IntN(256))
	case 2:
		b = b[:at]
	case 3:
		b = append(b, b[:at]...)
	default:
		for i := range b[at:] {
			b[at+i] = byte(random.IntN(256))
		}
	}
	return b
}

// TestCuts cuts a good server's connection after byte N, for many N.
func TestCuts(t *testing.T) {
	db := dbtest.MariaDB(t)
	creds := targettest.Credentials(t, db.Server, db.Name, db.User(t, "SELECT"))
	noLeaks(t)
	failures := 0
	for n := 1; ; n += 17 {
		chaos := egresstest.Chaos{CutReadAfter: n}
		err := visit(t.Context(), t, creds, egress.Wrap(chaos.Wrap))
		if err == nil {
			break
		}
		failures++
		if _, ok := fault.As(err); !ok {
			t.Errorf("after %d bytes: %v is not a fault", n, err)
		}
	}
	if failures < 50 {
		t.Errorf("%d cuts were noticed; the test proves little", failures)
	}
	slow := egresstest.Chaos{ReadSlice: 1}
	must(t, visit(t.Context(), t, creds, egress.Wrap(slow.Wrap)))
}
