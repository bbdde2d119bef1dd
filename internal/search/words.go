package search

import (
	"strings"
	"unicode"

	"github.com/kljensen/snowball/english"
)

// split takes an identifier or a sentence apart: snake_case, camelCase,
// kebab-case, digits from letters, punctuation.
func split(s string) []string {
	var words []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			words = append(words, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case unicode.IsUpper(r):
			// A new word starts at aB, and at the last capital of ABc.
			if i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
				flush()
			}
			word = append(word, r)
		case unicode.IsLetter(r):
			if i > 0 && unicode.IsDigit(runes[i-1]) {
				flush()
			}
			word = append(word, r)
		case unicode.IsDigit(r):
			if i > 0 && unicode.IsLetter(runes[i-1]) {
				flush()
			}
			word = append(word, r)
		default:
			flush()
		}
	}
	flush()
	return words
}

// noise are words of a question that say nothing about a schema.
var noise = map[string]bool{
	"a": true, "an": true, "and": true, "are": true, "as": true, "at": true, "be": true, "by": true, "can": true, "do": true,
	"does": true, "for": true, "from": true, "get": true, "has": true, "have": true, "how": true, "i": true, "in": true,
	"is": true, "it": true, "me": true, "my": true, "of": true, "on": true, "or": true, "show": true, "the": true,
	"their": true, "to": true, "was": true, "what": true, "when": true, "where": true, "which": true, "who": true,
	"with": true, "you": true, "your": true,
}

// stem folds inflections of English words together.
func stem(word string) string {
	return english.Stem(word, true)
}

// terms are the stemmed words of a text, noise left out.
func terms(s string) []string {
	var out []string
	for _, w := range split(s) {
		if !noise[w] {
			out = append(out, stem(w))
		}
	}
	return out
}

// groups are words that stand for one another in a business's tables; the
// first is the plainest.
var groups = [][]string{
	{"appointment", "appt", "booking", "reservation", "visit"},
	{"customer", "cust", "client", "patient", "guest", "member"},
	{"phone", "telephone", "tel", "mobile", "cell", "msisdn", "fone"},
	{"email", "mail", "e"},
	{"birthdate", "dob", "birthday", "birth"},
	{"address", "addr", "street"},
	{"number", "no", "num", "nr", "nbr"},
	{"reference", "ref"},
	{"amount", "amt", "sum", "total", "balance"},
	{"quantity", "qty", "count"},
	{"description", "descr", "desc", "detail"},
	{"status", "state", "stage"},
	{"start", "begin"},
	{"time", "hour"},
	{"date", "day", "dt"},
	{"account", "acct", "acc"},
	{"invoice", "inv", "bill"},
	{"order", "ord", "purchase"},
	{"product", "prod", "item", "article"},
	{"price", "cost", "fee", "rate", "charge"},
	{"payment", "pay", "paid"},
	{"provider", "doctor", "staff", "employee", "technician", "agent"},
	{"service", "treatment"},
	{"request", "ticket", "inquiry", "enquiry", "case"},
	{"message", "msg", "note", "remark", "comment"},
	{"department", "dept"},
	{"zip", "postcode", "postal"},
	{"vehicle", "car", "auto"},
	{"delivery", "shipment", "shipping"},
	{"first", "given", "fname"},
	{"last", "family", "surname", "lname"},
}

// synonyms maps a stem to the stems that may stand for it.
var synonyms = func() map[string][]string {
	m := map[string][]string{}
	for _, g := range groups {
		for _, a := range g {
			for _, b := range g {
				if a != b {
					m[stem(a)] = append(m[stem(a)], stem(b))
				}
			}
		}
	}
	return m
}()

// near tells whether two words differ by one typing error: one letter changed,
// added, left out, or two neighbours swapped. Short words must match exactly.
func near(a, b string) bool {
	if len(a) < 4 || len(b) < 4 || a[0] != b[0] {
		return false
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	switch len(b) - len(a) {
	case 0:
		i := 0
		for i < len(a) && a[i] == b[i] {
			i++
		}
		if i == len(a) {
			return true
		}
		return a[i+1:] == b[i+1:] || i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	case 1:
		i := 0
		for i < len(a) && a[i] == b[i] {
			i++
		}
		return a[i:] == b[i+1:]
	}
	return false
}
