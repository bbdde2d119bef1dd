package plan

import (
	"testing"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"

	"flowyte/internal/schema"
)

// The short way to read a canonical number must agree with the general reader
// wherever that one takes the number for what it says.
func TestSplitE164AgreesWithTheLibrary(t *testing.T) {
	split := 0
	rapid.Check(t, func(t *rapid.T) {
		text := "+" + rapid.SampledFrom([]string{"1", "7", "31", "39", "44", "49", "54", "351", "800", "999", ""}).Draw(t, "code") +
			rapid.StringMatching(`[0-9]{6,12}`).Draw(t, "national")
		mine, ok := splitE164(text)
		if !ok {
			return
		}
		split++
		n, err := phonenumbers.Parse(text, "")
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if phonenumbers.Format(n, phonenumbers.E164) != text {
			return // the library took a trunk prefix off
		}
		for _, f := range []phonenumbers.PhoneNumberFormat{phonenumbers.E164, phonenumbers.NATIONAL, phonenumbers.INTERNATIONAL} {
			if a, b := phonenumbers.Format(mine, f), phonenumbers.Format(n, f); a != b {
				t.Fatalf("%s: %q is not %q", text, a, b)
			}
		}
	})
	if split == 0 {
		t.Error("nothing was read the short way")
	}
}

func BenchmarkPhone(b *testing.B) {
	p := &Param{Type: ValueType{Type: schema.String}, Format: Phone}
	raw := []byte(`"+12065550142"`)
	b.ReportAllocs()
	for b.Loop() {
		text, _, _ := Judge(p, raw, "US", nil)
		Forms(Phone, text, "US")
	}
}

func BenchmarkPhoneAsSpoken(b *testing.B) {
	p := &Param{Type: ValueType{Type: schema.String}, Format: Phone}
	raw := []byte(`"206-555-0142"`)
	b.ReportAllocs()
	for b.Loop() {
		text, _, _ := Judge(p, raw, "US", nil)
		Forms(Phone, text, "US")
	}
}
