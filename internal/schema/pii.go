package schema

import (
	"slices"
	"strings"
	"unicode"
)

// The PII classes. The first seven are refused in writes; the others are
// marked only.
const (
	ClassGovernmentID = "government_id"
	ClassPaymentCard  = "payment_card"
	ClassBankAccount  = "bank_account"
	ClassCredential   = "credential"
	ClassDateOfBirth  = "date_of_birth"
	ClassHealth       = "health"
	ClassBiometric    = "biometric"
	ClassName         = "name"
	ClassContact      = "contact"
	ClassAddress      = "address"

	// ClassNone is how an override says that a column has no class.
	ClassNone = "none"
)

// Classes lists the classes, the refused ones first.
func Classes() []string {
	return []string{
		ClassGovernmentID, ClassPaymentCard, ClassBankAccount, ClassCredential, ClassDateOfBirth,
		ClassHealth, ClassBiometric, ClassName, ClassContact, ClassAddress,
	}
}

// KnownClass tells whether a class is one of Classes.
func KnownClass(class string) bool { return slices.Contains(Classes(), class) }

// RefusedInWrites tells whether a column of the class may not be written.
func RefusedInWrites(class string) bool {
	switch class {
	case ClassGovernmentID, ClassPaymentCard, ClassBankAccount, ClassCredential, ClassDateOfBirth, ClassHealth, ClassBiometric:
		return true
	}
	return false
}

// PIIClass is the class of a field by its name, type and comment, "" for none;
// docs/pii-classes.md has the table. A name counts by its head: phone_number is
// a phone, phone_model is not. A comment counts when its first clause is little
// more than the term. Overrides are Scope.Class's business.
func PIIClass(f *Field, o *Object) string {
	words := nameWords(f.Name)
	if len(words) == 0 {
		return ""
	}
	for i := range piiRules {
		if r := &piiRules[i]; r.allows(f.Type) && r.matchName(words, o) {
			return r.class
		}
	}
	clause := firstClause(f.Comment)
	if len(clause) == 0 {
		return ""
	}
	for i := range piiRules {
		if r := &piiRules[i]; r.allows(f.Type) && r.matchComment(clause, words) {
			return r.class
		}
	}
	return ""
}

// piiRule is one class with the terms that speak of it.
type piiRule struct {
	class string
	// terms are words in a row that the name must end in, neutral words apart.
	terms [][]string
	// unless are terms that look alike and mean something else; a word of
	// theirs that ends in * matches its beginnings.
	unless [][]string
	// suffixes are further words that may follow a term of this class.
	suffixes []string
	// weak are terms that count only in company: the column's or the object's
	// name must hold one of the words of near, or another column one of beside.
	weak   [][]string
	near   []string
	beside []string
	// types that a column of this class can have; none means any but boolean.
	types []Type
}

// neutral are words that may follow a term without changing what it is.
var neutral = wordSet(`number numbers no nr num nbr value values text str string raw plain clear
	hash hashed digest encrypted enc cipher ciphertext masked mask normalized normalised formatted e 164
	first last digit digits four six 1 2 3 4 5 6 primary secondary main alt alternate alternative other
	home work office private business personal old new current previous full short`)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

func (r *piiRule) allows(t Type) bool {
	if r.types == nil {
		return t != Boolean
	}
	return slices.Contains(r.types, t)
}

func (r *piiRule) matchName(words []string, o *Object) bool {
	if containsTerm(words, r.unless) {
		return false
	}
	if r.headed(words, r.terms) {
		return true
	}
	return r.headed(words, r.weak) && o != nil && r.inCompany(words, o)
}

// headed tells whether the words end in one of the terms, neutral words and
// the class's own suffixes apart.
func (r *piiRule) headed(words []string, terms [][]string) bool {
	for _, term := range terms {
		for from := 0; from+len(term) <= len(words); from++ {
			if !slices.Equal(words[from:from+len(term)], term) {
				continue
			}
			rest := words[from+len(term):]
			if !slices.ContainsFunc(rest, func(w string) bool { return !neutral[w] && !slices.Contains(r.suffixes, w) }) {
				return true
			}
		}
		// Written without any separator: dateofbirth, cust_cardnumber.
		if joined := strings.Join(term, ""); len(term) > 1 && words[len(words)-1] == joined {
			return true
		}
	}
	return false
}

// inCompany looks for the words that give a weak term its meaning.
func (r *piiRule) inCompany(self []string, o *Object) bool {
	anyOf := func(words, wanted []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(wanted, w) })
	}
	if anyOf(self, r.near) || anyOf(nameWords(o.Name), r.near) {
		return true
	}
	for i := range o.Fields {
		if words := nameWords(o.Fields[i].Name); !slices.Equal(words, self) && anyOf(words, r.beside) {
			return true
		}
	}
	return false
}

// freeText are names of columns that hold whatever people write: health is
// never read into them.
var freeText = wordSet("note notes reason reasons remark remarks comment comments description memo message text")

func (r *piiRule) matchComment(clause, name []string) bool {
	if r.class == ClassHealth && freeText[name[len(name)-1]] {
		return false
	}
	// Names, contacts and addresses are mentioned in many comments that are
	// about something else.
	if !RefusedInWrites(r.class) || containsTerm(clause, r.unless) {
		return false
	}
	return containsTerm(clause, r.terms)
}

func containsTerm(words []string, terms [][]string) bool {
	for _, term := range terms {
		for from := 0; from+len(term) <= len(words); from++ {
			if matchesTerm(words[from:from+len(term)], term) {
				return true
			}
		}
	}
	return false
}

func matchesTerm(words, term []string) bool {
	for i, t := range term {
		if prefix, open := strings.CutSuffix(t, "*"); words[i] != t && (!open || !strings.HasPrefix(words[i], prefix)) {
			return false
		}
	}
	return true
}

// nameWords are the words of an identifier, each in the singular.
func nameWords(name string) []string {
	words := Words(name)
	for i, w := range words {
		words[i] = Singular(w)
	}
	return words
}

// aside are words that show a comment to be about something else than its
// column's own value.
var aside = wordSet(`not no non never without when whenever once whether if flag count reset changed sent verified
	see unless except type kind expires expired last_changed since instead`)

// maxClause is the most words of a first clause that still names a value.
const maxClause = 9

// firstClause is the first clause of a comment as words, none when it is long
// or about something else.
func firstClause(comment string) []string {
	if comment == "" {
		return nil
	}
	end := strings.IndexFunc(comment, func(r rune) bool { return strings.ContainsRune(".,;:(\n", r) })
	if end >= 0 {
		comment = comment[:end]
	}
	if strings.ContainsFunc(comment, unicode.IsControl) {
		return nil
	}
	words := nameWords(comment)
	if len(words) > maxClause || slices.ContainsFunc(words, func(w string) bool { return aside[w] }) {
		return nil
	}
	return words
}
