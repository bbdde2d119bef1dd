package discover

import (
	"strings"

	"flowyte/internal/schema"
)

var myTypes = map[string]schema.Type{
	"tinyint": schema.Integer, "smallint": schema.Integer, "mediumint": schema.Integer, "int": schema.Integer, "bigint": schema.Integer,
	"year": schema.Integer, "decimal": schema.Number, "float": schema.Number, "double": schema.Number,
	"char": schema.String, "varchar": schema.String, "tinytext": schema.String, "text": schema.String, "mediumtext": schema.String,
	"longtext": schema.String, "inet4": schema.String, "inet6": schema.String, "set": schema.String,
	"date": schema.Date, "time": schema.Time, "datetime": schema.DateTime, "timestamp": schema.DateTime,
	"uuid": schema.UUID, "enum": schema.Enum, "json": schema.JSON,
	"binary": schema.Bytes, "varbinary": schema.Bytes, "tinyblob": schema.Bytes, "blob": schema.Bytes, "mediumblob": schema.Bytes, "longblob": schema.Bytes,
}

// myDescribeType fills in what a row of COLUMNS says of the type. BIT, vectors
// and geometry have no written form and are unsupported.
func myDescribeType(f *schema.Field, c *cells) {
	f.BaseType = strings.ToLower(c.shared(4))
	native := strings.ToLower(f.NativeType)
	f.Type = schema.Unsupported
	if t, ok := myTypes[f.BaseType]; ok {
		f.Type = t
	}
	f.Unsigned = strings.Contains(native, " unsigned")
	switch f.BaseType {
	case "tinyint":
		if strings.HasPrefix(native, "tinyint(1)") && !f.Unsigned {
			f.Type = schema.Boolean
		}
	case "char", "varchar":
		f.MaxLength = c.optional(11)
	case "decimal":
		f.Precision, f.Scale = c.optional(12), c.optional(13)
	case "time", "datetime":
		f.Precision = c.optional(14)
	case "timestamp":
		f.Precision, f.Zoned = c.optional(14), true
	case "enum", "set":
		f.EnumValues = enumLabels(f.NativeType)
	}
	if f.Collation != "" && f.Type != schema.JSON {
		f.Inexact = !exactCollation(f.Collation)
	}
}

// exactCollation tells whether two texts are equal in the collation only when
// they are identical. Most binary collations still ignore trailing spaces.
func exactCollation(name string) bool {
	return name == "binary" || strings.HasSuffix(name, "_nopad_bin") || strings.HasSuffix(name, "_0900_bin")
}

// enumLabels are the labels of enum('a', 'b') or of a set.
func enumLabels(native string) []string {
	var labels []string
	for s := newScanner(native); s.next(); {
		if s.kind == stringLiteral {
			labels = append(labels, s.text)
		}
	}
	return labels
}
