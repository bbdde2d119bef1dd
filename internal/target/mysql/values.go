package mysql

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"

	"flowyte/internal/fault"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
	"flowyte/internal/target"
)

var errBind = errors.New("mysql: a value that is not of its slot's type")

// encode lays out the arguments in the order of the slots, each bound as the
// type of its column: a number bound to a text column would match other rows,
// and so would a text bound to a number. The result is valid until the next call.
func (m *memory) encode(slots []plan.Slot, args []target.Value) ([]driver.NamedValue, error) {
	m.values = m.values[:0]
	for i := range args {
		if slots[i].Variant == plan.AllVariants {
			return nil, fault.Wrap(fault.Internal, errors.New("mysql: a slot that takes an array"))
		}
		value, err := bind(&slots[i].Type, &args[i])
		if err != nil {
			return nil, err
		}
		m.values = append(m.values, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return m.values, nil
}

func bind(t *plan.ValueType, v *target.Value) (driver.Value, error) {
	if v.Null {
		return nil, nil
	}
	switch t.Type {
	case schema.Boolean:
		if v.Text != "true" && v.Text != "false" {
			return nil, fault.Wrap(fault.Internal, errBind)
		}
		if v.Text == "true" {
			return int64(1), nil
		}
		return int64(0), nil
	case schema.Integer:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(v.Text, 10, 64); err == nil {
			return n, nil
		}
		return nil, fault.Wrap(fault.Internal, errBind)
	case schema.DateTime:
		// The session is in UTC, which is what a trailing Z says.
		return strings.Replace(strings.TrimSuffix(v.Text, "Z"), "T", " ", 1), nil
	}
	return v.Text, nil
}

// class is what a server calls the type of a result's column, as far as it
// makes a difference.
type class uint8

const (
	classOther class = iota
	classInteger
	classYear
	classDecimal
	classFloat
	classText
	classBinary
	classDate
	classTime
	classDateTime
	classTimestamp
	classJSON
)

// classes are the driver's names of types.
var classes = map[string]class{
	"TINYINT": classInteger, "SMALLINT": classInteger, "MEDIUMINT": classInteger, "INT": classInteger, "BIGINT": classInteger,
	"UNSIGNED TINYINT": classInteger, "UNSIGNED SMALLINT": classInteger, "UNSIGNED MEDIUMINT": classInteger,
	"UNSIGNED INT": classInteger, "UNSIGNED BIGINT": classInteger,
	"YEAR": classYear, "DECIMAL": classDecimal, "FLOAT": classFloat, "DOUBLE": classFloat,
	"CHAR": classText, "VARCHAR": classText, "TINYTEXT": classText, "TEXT": classText, "MEDIUMTEXT": classText, "LONGTEXT": classText,
	"ENUM": classText, "SET": classText,
	"BINARY": classBinary, "VARBINARY": classBinary, "TINYBLOB": classBinary, "BLOB": classBinary, "MEDIUMBLOB": classBinary, "LONGBLOB": classBinary,
	"DATE": classDate, "TIME": classTime, "DATETIME": classDateTime, "TIMESTAMP": classTimestamp, "JSON": classJSON,
}

// expected are the classes in which a column of a base type may arrive. A type
// that is not listed is not compared.
var expected = map[string][]class{
	"tinyint": {classInteger}, "smallint": {classInteger}, "mediumint": {classInteger}, "int": {classInteger},
	"integer": {classInteger}, "bigint": {classInteger}, "bool": {classInteger}, "boolean": {classInteger},
	"year": {classYear}, "decimal": {classDecimal}, "numeric": {classDecimal},
	"float": {classFloat}, "double": {classFloat}, "real": {classFloat},
	"char": {classText}, "varchar": {classText}, "tinytext": {classText}, "text": {classText}, "mediumtext": {classText},
	"longtext": {classText, classJSON}, "enum": {classText}, "set": {classText}, "json": {classJSON, classText},
	"uuid": {classText, classBinary}, "inet4": {classText, classBinary}, "inet6": {classText, classBinary},
	"date": {classDate}, "time": {classTime}, "datetime": {classDateTime}, "timestamp": {classTimestamp},
	"binary": {classBinary}, "varbinary": {classBinary}, "tinyblob": {classBinary}, "blob": {classBinary},
	"mediumblob": {classBinary}, "longblob": {classBinary},
}

// conversion says how a column's value becomes canonical text.
type conversion struct {
	class class
	want  *plan.ValueType
	name  string // of the type, in the driver's words
}

// compare compares the columns of a result with the plan's and readies their
// conversion. It is done for every result: a server may go on with a prepared
// statement after the type of a column has changed. The error is the fault
// schema_drift; the memory is ready for the result also then.
func (m *memory) compare(found driver.Rows, st *statement, p *plan.Plan) error {
	n := len(found.Columns())
	if cap(m.raw) < n {
		m.raw, m.cells = make([]driver.Value, n), make([][]byte, n)
	}
	m.raw, m.cells, m.columns = m.raw[:n], m.cells[:n], nil
	if n != len(p.Results) {
		return drift("%d columns instead of %d", n, len(p.Results))
	}
	types := found.(driver.RowsColumnTypeDatabaseTypeName)
	if !st.same(p, types) {
		columns := make([]conversion, n)
		for i := range columns {
			name := types.ColumnTypeDatabaseTypeName(i)
			columns[i] = conversion{classes[name], &p.Results[i].Type, name}
			if !matches(columns[i].want.BaseType, columns[i].class) {
				return drift("another type in column %d", i)
			}
		}
		st.compared, st.columns = p, columns
	}
	m.columns = st.columns
	return nil
}

// same tells whether the columns are those that were last compared with the
// plan.
func (st *statement) same(p *plan.Plan, types driver.RowsColumnTypeDatabaseTypeName) bool {
	if st.compared != p {
		return false
	}
	for i := range st.columns {
		if types.ColumnTypeDatabaseTypeName(i) != st.columns[i].name {
			return false
		}
	}
	return true
}

func matches(base string, have class) bool {
	allowed, known := expected[base]
	if !known {
		return true
	}
	for _, c := range allowed {
		if c == have {
			return true
		}
	}
	return false
}

// convert gives the cells of the present row in canonical text. They are valid
// until the next call of the driver or of convert.
func (m *memory) convert() ([][]byte, error) {
	m.text = m.text[:0]
	for i := range m.columns {
		start := len(m.text)
		cell, made, err := m.columns[i].apply(m.text, m.raw[i])
		if err != nil {
			return nil, err
		}
		if made {
			// Earlier cells keep what they point to when text moves.
			m.text = cell
			cell = cell[start:len(cell):len(cell)]
		}
		m.cells[i] = cell
	}
	return m.cells, nil
}

// apply gives a value's canonical text, nil for NULL. made is true when the
// text was appended to dst, and false when it is the driver's own bytes.
func (c *conversion) apply(dst []byte, raw driver.Value) (cell []byte, made bool, err error) {
	switch v := raw.(type) {
	case nil:
		return nil, false, nil
	case int64:
		if c.want.Type == schema.Boolean {
			return strconv.AppendBool(dst, v != 0), true, nil
		}
		return strconv.AppendInt(dst, v, 10), true, nil
	case float32:
		return appendFloat(dst, float64(v), 32), true, nil
	case float64:
		return appendFloat(dst, v, 64), true, nil
	case []byte:
		return c.applyBytes(dst, v)
	}
	return nil, false, fault.Wrap(fault.ProtocolError, errCell)
}

func (c *conversion) applyBytes(dst, v []byte) (cell []byte, made bool, err error) {
	switch c.class {
	case classDate:
		if zeroDate(v) {
			return nil, false, nil
		}
	case classTime:
		return trimFraction(v), false, nil
	case classDateTime, classTimestamp:
		if zeroDate(v) {
			return nil, false, nil
		}
		return appendDateTime(dst, v, c.want.Zoned)
	}
	return v, false, nil
}

// zeroDate recognises dates without a month or a day, which these servers may
// keep and no calendar has. They are given as NULL.
func zeroDate(v []byte) bool {
	return len(v) >= len("2006-01-02") && (string(v[5:7]) == "00" || string(v[8:10]) == "00")
}

func appendDateTime(dst, v []byte, zoned bool) ([]byte, bool, error) {
	date, clock, ok := bytes.Cut(v, []byte(" "))
	if !ok {
		return nil, false, fault.Wrap(fault.ProtocolError, errCell)
	}
	dst = append(dst, date...)
	dst = append(dst, 'T')
	dst = append(dst, trimFraction(clock)...)
	if zoned {
		dst = append(dst, 'Z')
	}
	return dst, true, nil
}

// trimFraction takes zeros off the end of a fraction of a second.
func trimFraction(v []byte) []byte {
	if bytes.IndexByte(v, '.') < 0 {
		return v
	}
	return bytes.TrimSuffix(bytes.TrimRight(v, "0"), []byte("."))
}

// appendFloat writes the shortest text that is exact, with an exponent only
// where digits alone would be long.
func appendFloat(dst []byte, f float64, bits int) []byte {
	format := byte('f')
	if size := max(f, -f); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}
