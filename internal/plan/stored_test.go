package plan_test

import (
	"strings"
	"testing"

	"flowyte/internal/plan"
	"flowyte/internal/schema"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func phoneParam(stored ...string) *plan.Param {
	return &plan.Param{Name: "caller_phone", Type: plan.ValueType{Type: schema.String, BaseType: "text"}, Format: plan.Phone, Stored: stored}
}

func TestFormsOfAColumn(t *testing.T) {
	for _, c := range []struct {
		name    string
		stored  []string
		text    string
		country string
		want    [plan.Variants]string
	}{
		{"international with spaces", []string{"+9 999 999 9999"}, "+14155550100", "US", [4]string{"+14155550100", "+1 415 555 0100", "4155550100", "14155550100"}},
		{"parentheses", []string{"(999) 999-9999"}, "+14155550100", "US", [4]string{"+14155550100", "(415) 555-0100", "4155550100", "14155550100"}},
		{"dots", []string{"999.999.9999"}, "+14155550100", "US", [4]string{"+14155550100", "415.555.0100", "4155550100", "14155550100"}},
		{"bare digits", []string{"9999999999"}, "+14155550100", "US", [4]string{"+14155550100", "4155550100", "14155550100", "(415) 555-0100"}},
		{"with the country code and no plus", []string{"9-999-999-9999"}, "+14155550100", "US", [4]string{"+14155550100", "1-415-555-0100", "4155550100", "14155550100"}},
		{"00 and groups", []string{"0099 99 9999999"}, "+493012345678", "DE", [4]string{"+493012345678", "0049 30 12345678", "03012345678", "493012345678"}},
		{"00 and nothing else", []string{"00999999999999"}, "+493012345678", "DE", [4]string{"+493012345678", "00493012345678", "03012345678", "493012345678"}},
		{"trunk prefix and slash", []string{"099/9999999"}, "+493012345678", "DE", [4]string{"+493012345678", "030/12345678", "03012345678", "493012345678"}},
		{"the area of another length comes later", []string{"0999/999999", "099/9999999"}, "+493012345678", "DE", [4]string{"+493012345678", "030/12345678", "0301/2345678", "03012345678"}},
		{"mixed", []string{"(999) 999-9999", "999-999-9999", "+9-999-999-9999", "999.999.9999"}, "+14155550100", "US", [4]string{"+14155550100", "(415) 555-0100", "415-555-0100", "+1-415-555-0100"}},
		{"E.164 alone", []string{"+99999999999"}, "+14155550100", "US", [4]string{"+14155550100", "4155550100", "14155550100", "(415) 555-0100"}},
		{"a foreign number has no national form", []string{"(999) 999-9999", "099 9999999"}, "+447911123456", "US", [4]string{"+447911123456", "00447911123456", "447911123456", "+44 7911 123456"}},
		{"another country's groups", []string{"+9 999 999 9999"}, "+447911123456", "US", [4]string{"+447911123456", "00447911123456", "447911123456", "+44 7911 123456"}},
		{"local numbers without an area", []string{"999-9999"}, "+14155550100", "US", [4]string{"+14155550100", "4155550100", "14155550100", "(415) 555-0100"}},
		{"in no numbering plan", []string{"999-9999"}, "+15550100", "US", [4]string{"+15550100", "15550100", "15550100", "15550100"}},
		{"not known", nil, "+14155550100", "US", [4]string{"+14155550100", "4155550100", "14155550100", "(415) 555-0100"}},
	} {
		got, ok := phoneParam(c.stored...).Forms(c.text, c.country)
		if !ok {
			t.Errorf("%s: refused", c.name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestStoredForms(t *testing.T) {
	for _, c := range []struct {
		name    string
		counted []plan.CountedShape
		want    []string
	}{
		{"by frequency", []plan.CountedShape{{"(999) 999-9999", 3}, {"9999999999", 40}}, []string{"9999999999", "(999) 999-9999"}},
		{"equal ones by their text", []plan.CountedShape{{"999.999.9999", 3}, {"(999) 999-9999", 3}}, []string{"(999) 999-9999", "999.999.9999"}},
		{"last groups of any length are one family", []plan.CountedShape{{"099 999999", 30}, {"099 9999999", 31}, {"0999 999999", 40}}, []string{"099 9999999", "0999 999999"}},
		{"without a prefix the length counts", []plan.CountedShape{{"9999999999", 5}, {"99999999999", 4}}, []string{"9999999999", "99999999999"}},
		{"an extension is no caller's number", []plan.CountedShape{{"(999) 999-9999 x999", 900}, {"(999) 999-9999", 20}}, []string{"(999) 999-9999"}},
		{"neither is what is too short or too long", []plan.CountedShape{{"999", 900}, {"999999999999999999", 50}, {"", 10}}, []string{}},
		{"the eight most frequent", []plan.CountedShape{
			{"999 999 0000", 1}, {"999-999-9999", 2}, {"999.999.9999", 3}, {"999/999/9999", 4}, {"999 999 9999", 5}, {"9999999999", 6}, {"(999) 999-9999", 7},
			{"+99999999999", 8}, {"9 999 999 9999", 9},
		}, []string{"9 999 999 9999", "+99999999999", "(999) 999-9999", "9999999999", "999 999 9999", "999/999/9999", "999.999.9999", "999-999-9999"}},
	} {
		if diff := cmp.Diff(c.want, plan.StoredForms(c.counted)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// Whatever shapes a column has, every form holds the number's own digits and no
// others, and E.164 is the first.
func TestFormsOfAnyColumn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		country := rapid.SampledFrom([]string{"US", "DE", "NL", "GB", "FR", "IT", ""}).Draw(t, "country")
		number := rapid.SampledFrom([]string{"+14155550100", "+493012345678", "+4917612345678", "+31612345678", "+442079460000", "+33142685300", "+390612345678"}).Draw(t, "number")
		shapes := rapid.SliceOfN(rapid.StringMatching(`[+(]?0{0,2}9{0,4}[)]?([-/. ]?9{1,5}){1,4}`), 1, 8).Draw(t, "shapes")
		got, ok := phoneParam(shapes...).Forms(number, country)
		if !ok || got[0] != number {
			t.Fatalf("%v of %s", got, number)
		}
		for i, f := range got {
			digits := strings.TrimLeft(strings.Map(func(r rune) rune {
				if r < '0' || r > '9' {
					return -1
				}
				return r
			}, f), "0")
			if len(digits) < 8 || !strings.HasSuffix(number, digits) {
				t.Fatalf("form %d of %s in %q is %q", i, number, shapes, f)
			}
		}
	})
}

func TestTelephoneURI(t *testing.T) {
	for text, want := range map[string]string{
		"tel:+12065550142":                       "+12065550142",
		"TEL:+1-206-555-0142":                    "+12065550142",
		"tel:+12065550142;verstat=TN-Validation": "+12065550142",
		"tel:2065550142;phone-context=+1":        "+12065550142",
		"tel:206-555-0142":                       "+12065550142",
		"tel:+12065550142;ext=12":                "",
		"tel:":                                   "",
		"tel:;phone-context=+1":                  "",
		"tel:anna":                               "",
		"sip:+12065550142":                       "",
	} {
		got, _, ok := plan.JudgeText(phoneParam(), text, "US", nil)
		if got != want || ok != (want != "") {
			t.Errorf("%s is %q", text, got)
		}
	}
}
