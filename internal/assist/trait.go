package assist

import (
	"slices"

	"flowyte/internal/schema"
)

// trait is what a column is for, as far as its name and type tell.
type trait int

const (
	plain   trait = iota
	opaque        // an id that nobody says
	sayable       // a number, code or reference that a caller can read out
	phone
	email
	personName
	title // the name of a thing
	status
	moment  // when something is to happen, or happened
	stamp   // when the row was made or changed
	money   //
	counted // an amount of something else
	flag    // yes or no
	place
	text // a description or remark
	secret
)

// stemSet makes a set of stems.
func stemSet(list ...string) map[string]bool {
	set := map[string]bool{}
	add(set, list, stem)
	return set
}

var (
	phoneWords  = stemSet("phone", "telephone", "mobile", "cell", "cellphone", "msisdn", "landline", "fax")
	emailWords  = stemSet("email", "mail")
	namingWords = stemSet("name")
	givenWords  = stemSet("first", "last", "middle", "given", "family", "full", "maiden", "display")
	titleWords  = stemSet("title", "label", "subject", "headline", "caption", "kind", "type", "category", "service", "device", "medication", "product", "model", "make", "topic", "book")
	codeWords   = stemSet("number", "code", "reference", "confirmation", "plate", "vin", "iccid", "imei", "serial", "sku", "isbn", "barcode", "postcode", "zip", "postal", "tracking", "slug", "uniqname", "rx")
	statusWords = stemSet("status", "state", "stage", "condition", "phase", "progress")
	madeWords   = stemSet("created", "updated", "modified", "inserted", "changed", "deleted", "added", "recorded", "logged", "crtd", "stamp", "requested", "reported", "placed", "opened", "issued", "left", "synced", "registered")
	moneyWords  = stemSet("amount", "total", "price", "balance", "fee", "cost", "due", "paid", "premium", "deductible", "charge", "payment", "salary", "deposit", "owed", "rate", "tax", "discount", "claimed", "revenue", "subtotal", "value", "refund", "credit")
	placeWords  = stemSet("address", "street", "city", "town", "location", "room", "area", "region", "country", "state", "county", "postcode", "building", "floor", "place", "site", "district")
	remarkWords = stemSet("description", "note", "notes", "comment", "comments", "remark", "remarks", "message", "summary", "detail", "details", "text", "reason", "request", "requests", "introduction", "problem", "instructions", "body", "content", "bio")
)

// traitOf judges a column by the words of its name, the last telling one
// before the others, and by its type.
func (c *Catalog) traitOf(o *object, col *column) trait {
	has := func(set map[string]bool) bool {
		for _, w := range col.words {
			if set[c.stems[w.id]] {
				return true
			}
		}
		return false
	}
	if schema.RefusedInWrites(col.class) && col.class != schema.ClassDateOfBirth {
		return secret
	}
	switch col.Type {
	case schema.Boolean:
		return flag
	case schema.Date, schema.DateTime, schema.Time:
		if has(madeWords) {
			return stamp
		}
		return moment
	case schema.UUID:
		return opaque
	case schema.Enum:
		if has(titleWords) {
			return title
		}
		return status
	case schema.Number:
		if has(moneyWords) || col.Scale != nil && *col.Scale == 2 {
			return money
		}
		return counted
	case schema.Integer:
		return c.wholeTrait(o, col, has)
	case schema.String:
		return c.textTrait(o, col, has)
	}
	return plain
}

func (c *Catalog) wholeTrait(o *object, col *column, has func(map[string]bool) bool) trait {
	last := c.stems[col.words[len(col.words)-1].id]
	switch {
	case last == "id" || last == "key" || col.key && !has(codeWords):
		return opaque
	case has(phoneWords):
		return phone
	case has(codeWords):
		return sayable
	case has(statusWords):
		return status
	}
	return counted
}

func (c *Catalog) textTrait(o *object, col *column, has func(map[string]bool) bool) trait {
	last := c.stems[col.words[len(col.words)-1].id]
	switch {
	case !slices.ContainsFunc(col.words, func(w nameWord) bool { return !w.self }):
		if o.person {
			return personName
		}
		return title // the destination of destinations
	case has(emailWords):
		return email
	case has(phoneWords) && !has(stemSet("model", "type", "brand", "country")):
		return phone
	case has(namingWords) || last == "last" || last == "first":
		if o.person || has(givenWords) || c.aboutPeople(col) {
			return personName
		}
		return title
	case has(statusWords) && !has(stemSet("country", "city", "zip")) && !o.hasField(c, "city"):
		return status
	case last == "id":
		if o.UniqueColumn(col.Name) && !col.key {
			return sayable
		}
		return opaque
	case has(codeWords):
		return sayable
	case has(placeWords):
		return place
	case has(remarkWords) || col.MaxLength == nil || *col.MaxLength > 250:
		return text
	case has(titleWords):
		return title
	}
	return plain
}

func (c *Catalog) aboutPeople(col *column) bool {
	for _, w := range col.words {
		if w.person || c.namesPeople([]nameWord{w}) {
			return true
		}
	}
	return false
}

// hasField tells whether a column of the object is called by one word.
func (o *object) hasField(c *Catalog, word string) bool {
	for i := range o.Fields {
		if list := schema.Words(o.Fields[i].Name); len(list) == 1 && list[0] == word {
			return true
		}
	}
	return false
}
