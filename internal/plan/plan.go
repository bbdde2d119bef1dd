// Package plan is the frozen statement: everything a live call needs to know,
// and nothing it does not. A plan is made by compile, published, and never
// changed; its digest says so.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"flowyte/internal/schema"
)

// Format is the number of the present serialisation. Older formats are read by
// newer releases; see Decode.
const Format = 1

// Action is what a statement does.
type Action string

// The actions.
const (
	Read   Action = "read"
	Insert Action = "insert"
	Update Action = "update"
)

// Plan is one frozen, parameterised statement. Treat it as immutable.
type Plan struct {
	Format    int         `json:"format"`
	Kind      schema.Kind `json:"kind"`
	Operation string      `json:"operation"` // "appointments.read"
	Action    Action      `json:"action"`
	// Object is what the statement reads or writes.
	Object schema.ColumnRef `json:"object"`

	// Statement is the only SQL this plan ever sends. Placeholders are $1… on
	// PostgreSQL and ? on the MySQL family; Slots fills them in order. On
	// PostgreSQL a write returns one column after those of Results: the
	// transaction's id as text, by which a lost COMMIT can be resolved.
	Statement string `json:"statement"`
	Slots     []Slot `json:"slots"`

	// Check finds the row of a write on the MySQL family, where a lost COMMIT
	// can be resolved by nothing but the row itself. It is nil elsewhere, and
	// where an insert's key is made by the server and cannot be learnt.
	Check *Check `json:"check,omitempty"`

	// Params are what the caller of the tool supplies, in order of appearance.
	Params  []Param  `json:"params"`
	Results []Result `json:"results"`

	// MaxRows is the most rows a read returns. The statement's LIMIT is one
	// more, so that a truncated answer can say so.
	MaxRows   int `json:"maxRows"`
	TimeoutMs int `json:"timeoutMs"`

	// OwnedBy names the subject check, when the binding has one.
	OwnedBy bool `json:"ownedBy,omitempty"`

	// Uses are the objects and columns the statement depends on, with the
	// digest that each had when it was compiled.
	Uses []Use `json:"uses"`
	// Identity is schema.Server.Identity of the database it was compiled for.
	Identity string `json:"identity"`
}

// SlotSource says where the value of a placeholder comes from.
type SlotSource string

// The sources.
const (
	FromParam   SlotSource = "param"
	FromConst   SlotSource = "const"
	FromSystem  SlotSource = "system"  // now, uuid, conversation_id, caller_phone
	FromSubject SlotSource = "subject" // what the caller's verification yielded
)

// AllVariants marks a slot that takes every form of the value as one array.
const AllVariants = -1

// Slot is one placeholder of the statement.
type Slot struct {
	Source SlotSource `json:"source"`
	Name   string     `json:"name,omitempty"`  // parameter or system value
	Const  string     `json:"const,omitempty"` // canonical text of a constant
	// Variant picks one of the forms of the parameter's value (0…3), or
	// AllVariants for a PostgreSQL array of them. Values without forms use 0.
	Variant int `json:"variant,omitempty"`
	// Column of Plan.Object that a write gives this value; "" for a value that
	// is only compared.
	Column string    `json:"column,omitempty"`
	Type   ValueType `json:"type"`
}

// Check selects the written columns of a write's row by its key, inside the
// transaction and again when its COMMIT was lost.
type Check struct {
	Statement string `json:"statement"`
	// Slots are the places in the plan's slots, counted from 1, whose values
	// fill the placeholders; 0 is the id that the server gave an insert.
	Slots []int `json:"slots"`
}

// ValueType is what a value is judged against and bound as: the column's type.
type ValueType struct {
	Type       schema.Type `json:"type"`
	BaseType   string      `json:"baseType"`
	TypeOID    uint32      `json:"typeOid,omitempty"`
	Unsigned   bool        `json:"unsigned,omitempty"`
	Zoned      bool        `json:"zoned,omitempty"`
	MaxLength  *int        `json:"maxLength,omitempty"`
	Precision  *int        `json:"precision,omitempty"`
	Scale      *int        `json:"scale,omitempty"`
	EnumValues []string    `json:"enumValues,omitempty"`
	// Charset is the character set of a text column on the MySQL family; ""
	// means that it holds every character.
	Charset string `json:"charset,omitempty"`
}

// TypeOf is the value type of a field.
func TypeOf(f *schema.Field) ValueType {
	return ValueType{
		Type: f.Type, BaseType: f.BaseType, TypeOID: f.TypeOID, Unsigned: f.Unsigned, Zoned: f.Zoned,
		MaxLength: f.MaxLength, Precision: f.Precision, Scale: f.Scale, EnumValues: f.EnumValues,
	}
}

// Canonical names the parameters whose value the conversation itself may know.
type Canonical string

// The canonical parameters.
const (
	CallerPhone    Canonical = "caller_phone"
	CallerName     Canonical = "caller_name"
	CallerEmail    Canonical = "caller_email"
	ServiceAddress Canonical = "service_address"
)

// IsCanonical tells whether a parameter name is one of the four.
func IsCanonical(name string) bool {
	switch Canonical(name) {
	case CallerPhone, CallerName, CallerEmail, ServiceAddress:
		return true
	}
	return false
}

// ParamFormat is how a value is read before it meets the column's type.
type ParamFormat string

// The formats. Phone and Email are matched in up to four stored forms.
const (
	Plain ParamFormat = ""
	Phone ParamFormat = "phone"
	Email ParamFormat = "email"
)

// Variants is the number of slots that phones and e-mail addresses take; unused
// ones repeat the last form, so the text and the plan never change.
const Variants = 4

// Param is one parameter of the tool.
type Param struct {
	Name        string      `json:"name"`
	Type        ValueType   `json:"type"`
	Format      ParamFormat `json:"format,omitempty"`
	Required    bool        `json:"required"`
	Description string      `json:"description,omitempty"`
	CallerOnly  bool        `json:"callerOnly,omitempty"`
	// Stored are the forms in which the column keeps telephone numbers, the
	// most frequent first, as schema.Field.PhoneForms has them; nil when they
	// are not known.
	Stored []string `json:"stored,omitempty"`
}

// Result is one leaf of a row, in the order of the statement's columns.
type Result struct {
	Leaf string    `json:"leaf"`
	Type ValueType `json:"type"`
	// From is the column it is read from, for the egress map and scoping.
	From schema.ColumnRef `json:"from"`
	// Key marks a primary-key leaf that an insert returns.
	Key bool `json:"key,omitempty"`
	// Slot is the place of the slot, counted from 1, whose value an insert
	// gives this column; 0 when the server makes it.
	Slot int `json:"slot,omitempty"`
}

// Use is something the statement depends on.
type Use struct {
	Schema  string   `json:"schema"`
	Object  string   `json:"object"`
	Columns []string `json:"columns"`
	Digest  string   `json:"digest"` // of the object's used columns and keys
}

// Digest is the SHA-256 of the plan's canonical JSON, in hex. It is what an
// operator reviews and what publishing keeps.
func (p *Plan) Digest() string {
	b, err := json.Marshal(p)
	if err != nil { // every member is plain data
		panic("plan: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Decode reads a plan that was kept as JSON. A plan of a format that this
// release does not know is an error: its statement must not run half understood.
func Decode(data []byte) (*Plan, error) {
	var p Plan
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("plan: decode: %w", err)
	}
	if p.Format != Format {
		return nil, fmt.Errorf("plan: format %d is not known to this release", p.Format)
	}
	return &p, nil
}
