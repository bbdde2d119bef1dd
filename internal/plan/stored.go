package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Forms are the stored forms that a value of the parameter is looked for in, as
// the function of that name has them; where the column's own forms are known,
// those come first. E.164 is always among them, because it is what this service
// itself writes.
func (p *Param) Forms(text, country string) (forms [Variants]string, ok bool) {
	if p.Format != Phone || len(p.Stored) == 0 {
		return Forms(p.Format, text, country)
	}
	number, ok := parsePhone(text, country)
	if !ok {
		return forms, false
	}
	return number.stored(p.Stored), true
}

// stored writes the number in the shapes that fit it, those first whose first
// group of digits is as long as in the number's usual form.
func (p phone) stored(shapes []string) [Variants]string {
	defaults := p.forms()
	if p.parsed == nil {
		return defaults
	}
	given := []string{p.e164}
	var doubtful []string
	n := p.numerals()
	for _, text := range shapes {
		s := readShape(text)
		form, usual, ok := s.fill(&n)
		switch {
		case !ok:
		case usual:
			given = appendNew(given, form)
		default:
			doubtful = append(doubtful, form)
		}
	}
	for _, form := range append(doubtful, defaults[:]...) {
		given = appendNew(given, form)
	}
	return pad(given[:min(len(given), Variants)]...)
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// numerals are the digits of one number in the ways people write them.
type numerals struct {
	code     string // of the country, without +
	national string // without the trunk prefix
	trunk    string // with it; "" for a foreign number, which nobody here dials so
	area     int    // the length of the first group of the usual national form
}

func (p phone) numerals() numerals {
	n := numerals{code: onlyDigits(phonenumbers.Format(p.parsed, phonenumbers.E164))}
	n.national = phonenumbers.GetNationalSignificantNumber(p.parsed)
	n.code = strings.TrimSuffix(n.code, n.national)
	if p.domestic {
		usual := phonenumbers.Format(p.parsed, phonenumbers.NATIONAL)
		n.trunk = onlyDigits(usual)
		n.area = groupsOf(usual)[0]
	}
	return n
}

// shape is how a column writes numbers: "+99 99 9999999", "(999) 999-9999".
type shape struct {
	text   string
	prefix string // "+", "00", "0" or ""
	groups []int  // how many digits each group has, those of the prefix included
}

func readShape(text string) shape {
	s := shape{text: text, groups: groupsOf(text)}
	bare := strings.TrimPrefix(text, "(")
	switch {
	case strings.HasPrefix(bare, "+"):
		s.prefix = "+"
	case strings.HasPrefix(bare, "00"):
		s.prefix = "00"
	case strings.HasPrefix(bare, "0"):
		s.prefix = "0"
	}
	return s
}

// groupsOf counts the digits of each group.
func groupsOf(text string) []int {
	var groups []int
	within := false
	for i := range len(text) {
		switch digit := isDigit(text[i]); {
		case digit && within:
			groups[len(groups)-1]++
		case digit:
			groups = append(groups, 1)
		}
		within = isDigit(text[i])
	}
	return groups
}

func (s *shape) digits() int {
	total := 0
	for _, g := range s.groups {
		total += g
	}
	return total
}

// fill writes a number in the shape. usual is false where the groups do not
// fall as they do in the number's usual form. ok is false where the shape
// cannot hold the number: nobody would have written it so.
func (s *shape) fill(n *numerals) (form string, usual, ok bool) {
	if len(s.groups) == 0 {
		return "", false, false
	}
	digits := ""
	switch s.prefix {
	case "+", "00":
		digits = strings.TrimPrefix(s.prefix, "+") + n.code + n.national
		usual = len(s.groups) == 1 || s.groups[0] == len(digits)-len(n.national)
		if first := s.groups[0] - len(strings.TrimPrefix(s.prefix, "+")); len(s.groups) > 1 && first <= maxCode && !usual {
			return "", false, false // another country's numbers
		}
	case "0":
		digits = n.trunk
		usual = len(s.groups) == 1 || s.groups[0] == n.area
		if !strings.HasPrefix(digits, "0") {
			return "", false, false
		}
	default:
		return s.bare(n)
	}
	form, ok = s.write(digits)
	return form, usual, ok
}

// maxCode is the length of the longest country code.
const maxCode = 3

// bare fills a shape without any prefix, whose number of digits alone tells
// what they are.
func (s *shape) bare(n *numerals) (form string, usual, ok bool) {
	digits := []string{n.code + n.national}
	if n.trunk != "" {
		digits = []string{n.trunk, n.national, n.code + n.national}
	}
	total := s.digits()
	for _, d := range digits {
		if len(d) == total && d[0] != '0' {
			form, ok = s.write(d)
			return form, true, ok
		}
	}
	return "", false, false
}

// leeway is by how many digits numbers of one numbering plan may differ from
// the shape: local numbers are not all of the same length.
const leeway = 2

// write puts the digits into the groups, and into the last one those that are
// left.
func (s *shape) write(digits string) (string, bool) {
	last := len(s.groups) - 1
	before := 0
	for _, g := range s.groups[:last] {
		before += g
	}
	left := len(digits) - before
	if left < 1 || last > 0 && (left < s.groups[last]-leeway || left > s.groups[last]+leeway) {
		return "", false
	}
	var b strings.Builder
	group := -1
	within := false
	for i := range len(s.text) {
		c := s.text[i]
		switch {
		case !isDigit(c):
			b.WriteByte(c)
		case !within:
			group++
			take := left
			if group < last {
				take = s.groups[group]
			}
			b.WriteString(digits[:take])
			digits = digits[take:]
		}
		within = isDigit(c)
	}
	return b.String(), true
}

// CountedShape is a shape and in how many rows a server saw it.
type CountedShape struct {
	Shape string
	Rows  int64
}

// mostStored is how many shapes of a column are worth keeping.
const mostStored = 8

// StoredForms orders the shapes that a server counted in a phone column, as
// schema.Field.PhoneForms keeps them: those that differ only in the length of
// their last group count as one, and shapes that no caller's number can have
// are left out.
func StoredForms(counted []CountedShape) []string {
	rows := map[string]int64{}        // of all alike
	best := map[string]CountedShape{} // the most frequent of them
	for _, c := range counted {
		s := readShape(c.Shape)
		if !s.plausible() {
			continue
		}
		family := s.family()
		rows[family] += c.Rows
		if b, seen := best[family]; !seen || c.Rows > b.Rows || c.Rows == b.Rows && c.Shape < b.Shape {
			best[family] = c
		}
	}
	families := slices.SortedFunc(maps.Keys(rows), func(a, b string) int {
		return cmp.Or(cmp.Compare(rows[b], rows[a]), strings.Compare(a, b))
	})
	forms := make([]string, 0, mostStored)
	for _, f := range families[:min(len(families), mostStored)] {
		forms = append(forms, best[f].Shape)
	}
	return forms
}

// family is what shapes have in common that write every number alike. Without a
// prefix the number of digits tells what they are, so that each is its own.
func (s *shape) family() string {
	if s.prefix == "" {
		return s.text
	}
	return s.prefix + strings.TrimRight(s.text, "09")
}

// plausible tells whether a caller's number can look like this. An extension is
// no part of one.
func (s *shape) plausible() bool {
	const fewest, most = 6, 17
	total := s.digits()
	return total >= fewest && total <= most && phoneCharacters(s.text)
}
