package secret

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const canary = "canary-7f3a-hunter2"

// holder has the secret where a formatter may and may not call methods.
type holder struct {
	Shown  Text
	hidden Text
	Ptr    *Text
	List   []Text
	Map    map[string]Text
	Any    any
}

// named has a name, as XML wants.
type named struct{ Secret Text }

func newHolder() holder {
	t := New(canary)
	return holder{Shown: t, hidden: t, Ptr: &t, List: []Text{t}, Map: map[string]Text{"k": t}, Any: t}
}

func mustHide(t *testing.T, what, got string) {
	t.Helper()
	// %x and %X of a leaked string would be its hexadecimal form.
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprint([]byte(canary))} {
		if strings.Contains(got, form) {
			t.Errorf("%s shows the secret: %s", what, got)
		}
	}
}

func TestTextIsNotPrinted(t *testing.T) {
	text := New(canary)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T %v", "%10.3s", "%t", "%c", "%U", "%p"} {
		args := []any{text}
		if verb == "%T %v" {
			args = []any{text, text}
		}
		got := fmt.Sprintf(verb, args...)
		mustHide(t, verb, got)
		if !strings.HasPrefix(verb, "%T") && verb != "%p" && got != Redacted {
			t.Errorf("%s prints %q, want %q", verb, got, Redacted)
		}
		mustHide(t, verb+" of a holder", fmt.Sprintf(verb, repeat(newHolder(), len(args))...))
		mustHide(t, verb+" of a pointer", fmt.Sprintf(verb, repeat(&text, len(args))...))
	}
	if text.String() != Redacted || text.GoString() != Redacted {
		t.Error("String and GoString must be redacted")
	}
}

func repeat(v any, n int) []any {
	args := make([]any, n)
	for i := range args {
		args[i] = v
	}
	return args
}

func TestTextIsNotMarshalled(t *testing.T) {
	h := newHolder()
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	mustHide(t, "JSON", string(b))
	if !bytes.Contains(b, []byte(`"Shown":"[redacted]"`)) {
		t.Errorf("JSON is %s", b)
	}

	x, err := xml.Marshal(named{New(canary)})
	if err != nil {
		t.Fatal(err)
	}
	mustHide(t, "XML", string(x))

	var g bytes.Buffer
	if err := gob.NewEncoder(&g).Encode(struct{ Secret Text }{New(canary)}); err != nil {
		t.Fatal(err)
	}
	mustHide(t, "gob", g.String())

	for _, encode := range []func() ([]byte, error){New(canary).MarshalText, New(canary).MarshalBinary, New(canary).GobEncode} {
		if b, err := encode(); err != nil || string(b) != Redacted {
			t.Errorf("encoded as %q, %v", b, err)
		}
	}
	if v, err := New(canary).Value(); v != nil || err == nil {
		t.Errorf("a driver was given %v, %v", v, err)
	}
}

func TestTextIsNotLogged(t *testing.T) {
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		l := slog.New(h)
		l.Info("connect", "password", New(canary), "holder", newHolder(), slog.Group("g", "p", New(canary)))
		l.Info("failed", "err", fmt.Errorf("password %v: %w", New(canary), errors.New("no")))
	}
	mustHide(t, "slog", out.String())
	if !strings.Contains(out.String(), Redacted) {
		t.Errorf("slog wrote %s", out.String())
	}
	mustHide(t, "panic", func() (text string) {
		defer func() { text = fmt.Sprint(recover()) }()
		panic(newHolder())
	}())
}

func TestTextValue(t *testing.T) {
	var zero Text
	if !zero.Empty() || zero.Reveal() != "" || !New("").Empty() || New(canary).Empty() {
		t.Error("the zero value is the empty secret, and only it is empty")
	}
	if New(canary).Reveal() != canary {
		t.Error("Reveal must yield the value")
	}
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(zero) || !zero.Equal(New("")) {
		t.Error("Equal compares values")
	}
	mustHide(t, "cmp.Diff", cmp.Diff(struct{ T Text }{New(canary)}, struct{ T Text }{New("x")}))
}
