package plan

import (
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Forms are the stored forms that a value of the format is looked for in, the
// canonical one first; fewer than Variants are padded by repeating the last,
// so that a statement always has the same slots filled. The text may be in any
// accepted form. ok is false when it is not a value of the format at all.
//
// A phone number is looked for as E.164 (+12065550142) and as its digits
// (12065550142). Only when it belongs to the agent's own country are its
// national forms added, 2065550142 and (206) 555-0142: the national digits of a
// foreign number may well be somebody else's number at home. A foreign one is
// looked for with the international prefix 00 and as it is written
// internationally instead.
//
// An e-mail address is looked for as given and in lower case.
func Forms(format ParamFormat, text, country string) (forms [Variants]string, ok bool) {
	switch format {
	case Phone:
		p, ok := parsePhone(text, country)
		if !ok {
			return forms, false
		}
		return p.forms(), true
	case Email:
		canonical, ok := canonicalEmail(text)
		return pad(canonical, strings.ToLower(canonical)), ok
	}
	return pad(text), visible(text)
}

// pad repeats the last form; forms that are equal are kept once.
func pad(given ...string) (forms [Variants]string) {
	n := 0
	for _, f := range given {
		if n == 0 || f != forms[n-1] {
			forms[n] = f
			n++
		}
	}
	for i := n; i < Variants; i++ {
		forms[i] = forms[n-1]
	}
	return forms
}

// phone is a number that was read. parsed is nil for one that is not in the
// numbering plans but stood in E.164 form: it is taken as it stands.
type phone struct {
	e164     string
	parsed   *phonenumbers.PhoneNumber
	domestic bool
}

// maxPhone is the longest text that is tried as a phone number.
const maxPhone = 40

func parsePhone(text, country string) (phone, bool) {
	text, ok := bareNumber(strings.TrimSpace(text))
	if !ok || len(text) > maxPhone || !phoneCharacters(text) {
		return phone{}, false
	}
	country = strings.ToUpper(country)
	if n, ok := splitE164(text); ok {
		return phone{e164: text, parsed: n, domestic: sameCountry(n, country)}, true
	}
	if n, e164, ok := possiblePhone(text, country); ok && stable(text, e164, country) {
		return phone{e164: e164, parsed: n, domestic: sameCountry(n, country)}, true
	}
	if isE164(text) {
		return phone{e164: text}, true
	}
	return phone{}, false
}

// bareNumber takes a tel: URI apart, which is how telephone systems hand numbers
// on: tel:+12065550142;verstat=passed. Where the number is local, its
// phone-context says which country code goes before it.
func bareNumber(text string) (string, bool) {
	const scheme = "tel:"
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		return text, true
	}
	number, parameters, _ := strings.Cut(text[len(scheme):], ";")
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToLower(name) {
		case "ext", "isub":
			return "", false // a line behind the number, which no column holds
		case "phone-context":
			if strings.HasPrefix(value, "+") && !strings.HasPrefix(number, "+") {
				number = value + number
			}
		}
	}
	return number, true
}

func sameCountry(n *phonenumbers.PhoneNumber, country string) bool {
	home := phonenumbers.GetCountryCodeForRegion(country)
	return home != 0 && home == int(n.GetCountryCode())
}

// splitE164 reads a number in canonical form, which is what telephone networks
// and Judge itself deliver, at a tenth of the cost of the general reader. It
// leaves to that one what might hold a trunk prefix.
func splitE164(text string) (*phonenumbers.PhoneNumber, bool) {
	if !isE164(text) {
		return nil, false
	}
	for digits := 1; digits <= 3; digits++ {
		code, _ := strconv.ParseInt(text[1:1+digits], 10, 32)
		if !callingCodes[int(code)] {
			continue
		}
		national := text[1+digits:]
		if national[0] == '0' {
			return nil, false
		}
		number, _ := strconv.ParseUint(national, 10, 64)
		country := int32(code)
		n := &phonenumbers.PhoneNumber{CountryCode: &country, NationalNumber: &number}
		return n, phonenumbers.IsPossibleNumberWithReason(n) == phonenumbers.IS_POSSIBLE
	}
	return nil, false
}

// callingCodes is filled once: the library makes a new map at each call. No
// code is the beginning of another.
var callingCodes = phonenumbers.GetSupportedCallingCodes()

// possiblePhone reads a number whose length is possible in its country. More is
// not asked: numbering plans grow faster than tables of them.
func possiblePhone(text, country string) (n *phonenumbers.PhoneNumber, e164 string, ok bool) {
	n, err := phonenumbers.Parse(text, country)
	if err != nil || phonenumbers.IsPossibleNumberWithReason(n) != phonenumbers.IS_POSSIBLE {
		return nil, "", false
	}
	return n, phonenumbers.Format(n, phonenumbers.E164), true
}

// stable tells whether reading the canonical form again yields it again. It
// does not where zeros at the start are taken for a trunk prefix each time.
func stable(text, e164, country string) bool {
	if text == e164 {
		return true
	}
	_, again, ok := possiblePhone(e164, country)
	return ok && again == e164
}

func (p phone) forms() [Variants]string {
	digits := p.e164[1:]
	if p.parsed == nil {
		return pad(p.e164, digits)
	}
	if p.domestic {
		national := phonenumbers.Format(p.parsed, phonenumbers.NATIONAL)
		return pad(p.e164, onlyDigits(national), digits, national)
	}
	return pad(p.e164, "00"+digits, digits, phonenumbers.Format(p.parsed, phonenumbers.INTERNATIONAL))
}

// isE164 knows the form +, then 7 to 15 digits of which the first is not 0.
func isE164(s string) bool {
	return len(s) >= 8 && len(s) <= 16 && s[0] == '+' && s[1] != '0' && allDigits(s[1:])
}

// phoneCharacters keeps letters (vanity numbers), other scripts' digits and
// extensions from being interpreted.
func phoneCharacters(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) && strings.IndexByte("+-./() ", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// maxEmail is the longest address that can be delivered to.
const maxEmail = 254

// canonicalEmail trims. It asks for one @ between two parts without spaces; a
// finer reading would refuse addresses that exist.
func canonicalEmail(text string) (string, bool) {
	text = strings.TrimSpace(text)
	local, domain, found := strings.Cut(text, "@")
	ok := found && local != "" && domain != "" && len(text) <= maxEmail &&
		!strings.ContainsAny(text, " \t\r\n,;<>\"()") && !strings.Contains(domain, "@") && visible(text)
	return text, ok
}
