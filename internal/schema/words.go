package schema

import (
	"strings"
	"unicode"
)

// Words splits an identifier into lower-case words at underscores, dashes,
// dots, spaces, changes of case and changes between letters and digits:
// "customerID", "CUSTOMER_ID" and "customer-id" are all [customer id];
// "SSNLast4" is [ssn last 4].
func Words(identifier string) []string {
	var words []string
	runes := []rune(identifier)
	start := -1
	cut := func(end int) {
		if start >= 0 {
			words = append(words, strings.ToLower(string(runes[start:end])))
			start = -1
		}
	}
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			cut(i)
			continue
		}
		if start >= 0 && boundary(runes, i) {
			cut(i)
		}
		if start < 0 {
			start = i
		}
	}
	cut(len(runes))
	return words
}

// boundary tells whether a word begins at i, which follows a letter or digit.
func boundary(runes []rune, i int) bool {
	before, r := runes[i-1], runes[i]
	switch {
	case unicode.IsDigit(before) != unicode.IsDigit(r):
		return true
	case unicode.IsLower(before) && unicode.IsUpper(r):
		return true
	case unicode.IsUpper(before) && unicode.IsUpper(r):
		// The last capital of a run begins a word: "HTTPServer". Not so before
		// the s of a plural: "IDs".
		return i+1 < len(runes) && unicode.IsLower(runes[i+1]) && !pluralEnds(runes[i+1:])
	}
	return false
}

// pluralEnds tells whether what follows a run of capitals is a lone s.
func pluralEnds(rest []rune) bool {
	return rest[0] == 's' && (len(rest) == 1 || !unicode.IsLower(rest[1]))
}

// Singular is the likeliest singular of an English plural; a word that is no
// plural is returned as it is.
func Singular(word string) string { return Singulars(word)[0] }

// Singulars are the words that an English plural may be the plural of, the
// likeliest first: "statuses" may come of "status" and of "statuse", "movies" of
// "movy" and of "movie". The word itself is the only answer when it is no plural.
func Singulars(word string) []string {
	lower := strings.ToLower(word)
	cut := func(n int) string { return word[:len(word)-n] }
	switch {
	case len(lower) > 3 && strings.HasSuffix(lower, "ies"):
		y := "y"
		if strings.HasSuffix(word, "IES") {
			y = "Y"
		}
		return []string{cut(3) + y, cut(1)}
	case len(lower) > 4 && hasAnySuffix(lower, "ouses", "auses"):
		return []string{cut(1), cut(2)}
	case len(lower) > 4 && hasAnySuffix(lower, "sses", "uses", "xes", "ches", "shes"):
		return []string{cut(2), cut(1)}
	case len(lower) > 4 && strings.HasSuffix(lower, "ses"):
		return []string{cut(1), cut(2)}
	case len(lower) > 2 && strings.HasSuffix(lower, "s") && !hasAnySuffix(lower, "ss", "us", "is"):
		return []string{cut(1)}
	}
	return []string{word}
}

func hasAnySuffix(s string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	return false
}

// fold maps a name to one form for all names that strings.EqualFold calls
// equal, so that such names can be keys of a map.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
