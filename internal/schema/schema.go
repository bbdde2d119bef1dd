// Package schema describes a customer's database as data: what discovery
// found, before scoping takes anything away. It does no I/O.
package schema

import (
	"strings"
	"time"
)

// Kind is the wire name of a family of databases.
type Kind string

// The kinds that can be connected.
const (
	Postgres Kind = "postgres"
	MySQL    Kind = "mysql" // MySQL and MariaDB
)

// ParseKind knows the two kinds by their wire names.
func ParseKind(s string) (Kind, bool) {
	switch k := Kind(s); k {
	case Postgres, MySQL:
		return k, true
	}
	return "", false
}

// Flavor tells servers of one kind apart where their behaviour differs.
type Flavor string

// The flavours.
const (
	FlavorPostgres Flavor = "postgres"
	FlavorMySQL    Flavor = "mysql"
	FlavorMariaDB  Flavor = "mariadb"
)

// Server is what a server says of itself, cleaned and capped by the adapter
// that asked. Nothing in it is trusted for a decision about safety.
type Server struct {
	Product string `json:"product"` // "PostgreSQL", "MySQL", "MariaDB"
	Version string `json:"version"` // "15.18"
	Flavor  Flavor `json:"flavor"`
	Replica bool   `json:"replica"`
	// Identity is stable for one database on one server and differs after a
	// reconnect elsewhere: a hash over what the server calls itself (system
	// identifier or server id where readable, host and database name).
	Identity string `json:"identity"`
	// CaseInsensitiveNames is true where the server folds table names
	// (MySQL lower_case_table_names 1 and 2).
	CaseInsensitiveNames bool `json:"caseInsensitiveNames,omitempty"`
}

// Database is one discovered database. Objects are sorted by schema and name,
// fields by position, so that equal databases have equal bytes.
type Database struct {
	Kind          Kind      `json:"kind"`
	Server        Server    `json:"server"`
	Name          string    `json:"name"`
	DefaultSchema string    `json:"defaultSchema"` // "public"; the database's name on the MySQL family
	DiscoveredAt  time.Time `json:"discoveredAt"`
	Objects       []Object  `json:"objects"`
	// Inherits are the edges between partitions (or inheriting tables) and
	// their parents, including relations that the role may not select from.
	Inherits []Inheritance `json:"inherits,omitempty"`
}

// Inheritance says that selecting from Parent also returns rows of Child.
type Inheritance struct {
	Child  Source `json:"child"`
	Parent Source `json:"parent"`
}

// ObjectType is the kind of relation.
type ObjectType string

// The object types.
const (
	Table            ObjectType = "table"
	View             ObjectType = "view"
	MaterializedView ObjectType = "materialized_view"
	ForeignTable     ObjectType = "foreign_table"
	PartitionedTable ObjectType = "partitioned_table"
)

// Object is a relation that the role may select from, wholly or in part.
type Object struct {
	Schema        string     `json:"schema"`
	Name          string     `json:"name"`
	ID            uint32     `json:"id,omitempty"` // PostgreSQL oid: keeps a block over a rename
	Type          ObjectType `json:"type"`
	Comment       string     `json:"comment,omitempty"`
	EstimatedRows int64      `json:"estimatedRows"`
	Supported     bool       `json:"supported"`
	Reason        string     `json:"reason,omitempty"` // why not supported
	Engine        string     `json:"engine,omitempty"`
	// Transactional is false for MySQL engines that cannot roll back.
	Transactional bool `json:"transactional"`
	RowSecurity   bool `json:"rowSecurity,omitempty"`
	HasTriggers   bool `json:"hasTriggers,omitempty"`
	HasRules      bool `json:"hasRules,omitempty"`
	CanInsert     bool `json:"canInsert,omitempty"` // what this role holds
	CanUpdate     bool `json:"canUpdate,omitempty"`

	Fields      []Field      `json:"fields"`
	PrimaryKey  []string     `json:"primaryKey,omitempty"`
	Indexes     []Index      `json:"indexes,omitempty"`
	ForeignKeys []ForeignKey `json:"foreignKeys,omitempty"`

	// PartitionOf is the qualified name of the parent, for a partition.
	PartitionOf string `json:"partitionOf,omitempty"`
	// PartitionKey are the columns that rows are distributed by, "" for an
	// expression; Partitions is how many tables hold them, children of
	// children included.
	PartitionKey []string `json:"partitionKey,omitempty"`
	Partitions   int      `json:"partitions,omitempty"`
	// Sources are the columns a view reads, through other views down to the
	// tables, as far as the server tells.
	Sources []Source `json:"sources,omitempty"`
	// SourcesUnknown is true for a view whose sources cannot be proven.
	SourcesUnknown bool `json:"sourcesUnknown,omitempty"`
	// CallsVolatile is true for a view that calls a function with side effects
	// or changing answers, as far as the server tells.
	CallsVolatile bool `json:"callsVolatile,omitempty"`
}

// Source names a column that something depends on, Column "" meaning the whole
// object. ID and Number are PostgreSQL's oid and attribute number, which keep
// a block over a rename even of a relation that the role cannot see; they are 0
// elsewhere.
type Source struct {
	ColumnRef
	ID     uint32 `json:"id,omitempty"`
	Number int    `json:"number,omitempty"`
}

// ColumnRef names a column; Column "" means the whole object.
type ColumnRef struct {
	Schema string `json:"schema"`
	Object string `json:"object"`
	Column string `json:"column,omitempty"`
}

// Type is the normalised type of a field, the same for both kinds.
type Type string

// The normalised types.
const (
	String      Type = "string"
	Integer     Type = "integer"
	Number      Type = "number" // decimals and floats
	Boolean     Type = "boolean"
	Date        Type = "date"
	Time        Type = "time"
	DateTime    Type = "datetime"
	UUID        Type = "uuid"
	Enum        Type = "enum"
	JSON        Type = "json"
	Bytes       Type = "bytes"
	Array       Type = "array"
	Unsupported Type = "unsupported"
)

// Scalar tells whether a value of the type can be a leaf of a result.
func (t Type) Scalar() bool {
	switch t {
	case JSON, Bytes, Array, Unsupported, "":
		return false
	}
	return true
}

// FirstUserOID is the first oid that PostgreSQL gives to a type that is not its
// own. From there on an oid tells which type it was that was made, not what it
// is like: the same type made again, or restored, has another one.
const FirstUserOID = 16384

// Field is a column that the role may select.
type Field struct {
	Name   string `json:"name"`
	Number int    `json:"number"` // attribute number or ordinal position, from 1
	Type   Type   `json:"type"`
	// NativeType is the type as the server writes it: "character varying(40)",
	// "bigint unsigned".
	NativeType string `json:"nativeType"`
	// BaseType is the bare lower-case name after domains are resolved, without
	// length or sign: "varchar", "int8", "bigint", "timestamptz".
	BaseType string `json:"baseType"`
	// TypeOID is the PostgreSQL oid of the base type, 0 elsewhere. See FirstUserOID.
	TypeOID uint32 `json:"typeOid,omitempty"`
	// TypeSchema and TypeName name a user-defined PostgreSQL type (an enum or a domain).
	TypeSchema string `json:"typeSchema,omitempty"`
	TypeName   string `json:"typeName,omitempty"`

	Unsigned   bool `json:"unsigned,omitempty"`
	Zoned      bool `json:"zoned,omitempty"` // datetime with time zone
	Nullable   bool `json:"nullable"`
	HasDefault bool `json:"hasDefault,omitempty"`
	Generated  bool `json:"generated,omitempty"` // computed by the server
	Identity   bool `json:"identity,omitempty"`  // identity always/by default, auto_increment
	Invisible  bool `json:"invisible,omitempty"`
	// DerivedFrom are the columns of the same object that a generated column is
	// computed from: it shows what they hold.
	DerivedFrom []string `json:"derivedFrom,omitempty"`
	EnumValues  []string `json:"enumValues,omitempty"`
	MaxLength   *int     `json:"maxLength,omitempty"` // characters
	Precision   *int     `json:"precision,omitempty"`
	Scale       *int     `json:"scale,omitempty"`
	Comment     string   `json:"comment,omitempty"`
	// Collation as the server names it; Inexact is true where equality in it
	// matches more than identical text (case, accents, trailing spaces).
	Collation string `json:"collation,omitempty"`
	Inexact   bool   `json:"inexact,omitempty"`

	CanInsert bool `json:"canInsert,omitempty"`
	CanUpdate bool `json:"canUpdate,omitempty"`

	// PhoneForms are the shapes in which a column keeps telephone numbers, the
	// most frequent first: every digit is a 9, but for zeros at the beginning,
	// as in "(999) 999-9999" and "0099 99 9999999". They are learnt when a skill
	// is bound; nil when they are not known.
	PhoneForms []string `json:"phoneForms,omitempty"`
}

// Reasons why an index cannot serve an equality on its leading column.
const (
	ReasonPartial       = "partial"
	ReasonExpression    = "expression"
	ReasonInvalid       = "invalid"
	ReasonInvisible     = "invisible"
	ReasonPrefix        = "prefix"
	ReasonMethod        = "method"
	ReasonOperatorClass = "operator_class"
	ReasonCollation     = "collation"
)

// Reasons why an object is not supported.
const (
	ReasonForeignTable = "foreign_table" // another server's data, unbounded in time
	ReasonNoColumns    = "no_columns"
	ReasonBrokenView   = "broken_view" // it refers to something that is gone
)

// Index is one index of an object.
type Index struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"` // in index order; "" for an expression or a column the role may not select
	// Touches are further columns it depends on: in expressions, in the
	// predicate of a partial index, or included.
	Touches []string `json:"touches,omitempty"`
	Unique  bool     `json:"unique,omitempty"`
	Primary bool     `json:"primary,omitempty"`
	// Immediate is false for deferrable unique constraints.
	Immediate bool `json:"immediate"`
	// Usable: an equality on the leading column can use the index. Reason says
	// why not: "partial", "expression", "invalid", "invisible", "prefix",
	// "method", "operator_class", "collation".
	Usable bool   `json:"usable"`
	Reason string `json:"reason,omitempty"`
	// EqualityOnly is true for indexes that cannot give rows in the column's
	// own order: hash, and operator classes that compare text by bytes.
	EqualityOnly bool   `json:"equalityOnly,omitempty"`
	Method       string `json:"method,omitempty"` // "btree", "hash", …
	// NullsDistinct is false for UNIQUE NULLS NOT DISTINCT.
	NullsDistinct bool `json:"nullsDistinct,omitempty"`
}

// ForeignKey is an outgoing reference. Columns pair with TargetColumns.
type ForeignKey struct {
	Name          string   `json:"name"` // the constraint
	Columns       []string `json:"columns"`
	TargetSchema  string   `json:"targetSchema"`
	TargetObject  string   `json:"targetObject"`
	TargetColumns []string `json:"targetColumns"`
	// Inferred is true when no constraint declares it; such a relationship is
	// for browsing and search and cannot be bound.
	Inferred bool   `json:"inferred,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Relationship is the name by which a projection walks it.
	Relationship string `json:"relationship"`
}

// QualifiedName is "schema.name", always.
func (o *Object) QualifiedName() string { return o.Schema + "." + o.Name }

// PublicName is how the API names an object: its table, or schema.table
// outside the default schema.
func (d *Database) PublicName(o *Object) string { return d.PublicNameOf(o.Schema, o.Name) }

// PublicNameOf is PublicName for a pair of names.
func (d *Database) PublicNameOf(schema, name string) string {
	if schema == d.DefaultSchema {
		return name
	}
	return schema + "." + name
}

// Find looks an object up by its public name, compared with catalogue names
// and never parsed, since both parts may contain dots.
func (d *Database) Find(publicName string) *Object {
	for i := range d.Objects {
		if d.PublicName(&d.Objects[i]) == publicName {
			return &d.Objects[i]
		}
	}
	if d.Server.CaseInsensitiveNames {
		for i := range d.Objects {
			if strings.EqualFold(d.PublicName(&d.Objects[i]), publicName) {
				return &d.Objects[i]
			}
		}
	}
	return nil
}

// Lookup finds an object by schema and name.
func (d *Database) Lookup(schema, name string) *Object {
	for i := range d.Objects {
		if d.Objects[i].Schema == schema && d.Objects[i].Name == name {
			return &d.Objects[i]
		}
	}
	return nil
}

// Field finds a field by its exact name.
func (o *Object) Field(name string) *Field {
	for i := range o.Fields {
		if o.Fields[i].Name == name {
			return &o.Fields[i]
		}
	}
	return nil
}

// Searchable tells whether an equality on the column can use an index that
// leads with it.
func (o *Object) Searchable(column string) bool {
	for i := range o.Indexes {
		ix := &o.Indexes[i]
		if ix.Usable && len(ix.Columns) > 0 && ix.Columns[0] == column {
			return true
		}
	}
	return false
}

// UniqueColumn tells whether the column alone identifies a row: a usable,
// immediate, unique index over just this column.
func (o *Object) UniqueColumn(column string) bool {
	for i := range o.Indexes {
		ix := &o.Indexes[i]
		if ix.Unique && ix.Immediate && ix.Usable && len(ix.Columns) == 1 && ix.Columns[0] == column {
			return true
		}
	}
	return false
}
