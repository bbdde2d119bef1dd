package discover

import (
	"strings"

	"flowyte/internal/schema"
)

// pgType is a row of pg_type.
type pgType struct {
	oid          uint32
	schema, name string
	kind         string // typtype: b, d, e, r, m
	category     string
	base         uint32 // of a domain
	modifier     int
	notNull      bool
	hasDefault   bool
	labels       []string
}

func (d *pgDiscovery) typ(c *cells) error {
	t := &pgType{
		oid: uint32(c.number(0)), schema: c.shared(1), name: c.text(2), kind: c.shared(3), category: c.shared(4),
		base: uint32(c.number(5)), modifier: int(c.number(6)), notNull: c.flag(7), hasDefault: c.flag(8), labels: c.list(9),
	}
	d.types[t.oid] = t
	return nil
}

// maxDomains bounds the walk from a domain to its base: a server that lies
// could make a circle.
const maxDomains = 64

// describeType fills in what the type of a column says, through domains down to
// the base. The nearest modifier counts, as on the server.
func (d *pgDiscovery) describeType(f *schema.Field, oid uint32, modifier int) {
	t := d.types[oid]
	for range maxDomains {
		if t == nil || t.kind != "d" {
			break
		}
		if f.TypeName == "" {
			f.TypeSchema, f.TypeName = t.schema, t.name
		}
		f.Nullable = f.Nullable && !t.notNull
		f.HasDefault = f.HasDefault || t.hasDefault && !f.Generated
		oid = t.base
		if modifier < 0 {
			modifier = t.modifier
		}
		if t.category == "A" && d.types[oid] == nil {
			f.Type, f.BaseType, f.TypeOID = schema.Array, "array", oid
			return
		}
		t = d.types[oid]
	}
	f.TypeOID = oid
	switch {
	case t == nil && strings.HasSuffix(f.NativeType, "[]"):
		f.Type, f.BaseType = schema.Array, "array"
	case t == nil:
		f.Type, f.BaseType = schema.Unsupported, "composite"
	case t.kind == "e":
		f.Type, f.BaseType, f.EnumValues = schema.Enum, t.name, t.labels
		f.TypeSchema, f.TypeName = t.schema, t.name
	case t.schema == "pg_catalog":
		f.BaseType = t.name
		pgBuiltin(f, modifier)
	case t.name == "citext" && t.category == "S":
		// The extension may live in any schema.
		f.Type, f.BaseType, f.Inexact = schema.String, "citext", true
		f.TypeSchema, f.TypeName = t.schema, t.name
	default:
		f.Type, f.BaseType = schema.Unsupported, t.name
		f.TypeSchema, f.TypeName = t.schema, t.name
	}
}

var pgBuiltins = map[string]schema.Type{
	"bool": schema.Boolean,
	"int2": schema.Integer, "int4": schema.Integer, "int8": schema.Integer, "oid": schema.Integer,
	"numeric": schema.Number, "float4": schema.Number, "float8": schema.Number,
	"text": schema.String, "varchar": schema.String, "bpchar": schema.String, "name": schema.String, "char": schema.String,
	"inet": schema.String, "cidr": schema.String, "macaddr": schema.String, "macaddr8": schema.String,
	"date": schema.Date, "time": schema.Time, "timestamp": schema.DateTime, "timestamptz": schema.DateTime,
	"uuid": schema.UUID, "json": schema.JSON, "jsonb": schema.JSON, "bytea": schema.Bytes,
}

// pgBuiltin normalises a type that comes with the server. Types that have no
// one written form that a caller could say or hear, such as money (it depends
// on the server's locale), intervals, ranges and geometry, are unsupported.
func pgBuiltin(f *schema.Field, modifier int) {
	f.Type = schema.Unsupported
	if t, ok := pgBuiltins[f.BaseType]; ok {
		f.Type = t
	}
	switch f.BaseType {
	case "timestamptz":
		f.Zoned = true
	}
	if modifier < 0 {
		return
	}
	switch f.BaseType {
	case "varchar", "bpchar":
		f.MaxLength = pointer(modifier - 4)
	case "numeric":
		f.Precision = pointer((modifier - 4) >> 16 & 0xffff)
		// Eleven bits, signed since PostgreSQL 15.
		f.Scale = pointer((modifier-4)&0x7ff ^ 1024 - 1024)
	case "time", "timestamp", "timestamptz":
		f.Precision = pointer(modifier)
	}
}

func pointer(n int) *int { return &n }
