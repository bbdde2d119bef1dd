package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"flowyte/internal/fault"
)

// maxErrors is how many wrong fields are told: what a person can use, and a
// bound for an answer to a hostile body.
const maxErrors = 32

// Decode reads one JSON document into the value that into points to. The
// error is a *fault.Error: invalid_json when the bytes are not one strict
// value, invalid_request with all fields that have the wrong form. After an
// error the value is in no particular state.
func Decode(data []byte, into any) error { return DecodeAt("", data, into) }

// DecodeAt is Decode for a value that stood at a path inside a document, such
// as a json.RawMessage that Decode kept. Errors name their fields from there.
func DecodeAt(at string, data []byte, into any) error {
	v := reflect.ValueOf(into)
	f, err := formOf(v.Type().Elem())
	if err != nil {
		return err
	}
	d := decoder{scanner: scanner{data: data}}
	if at != "" {
		d.path = path{at}
	}
	if err := d.document(f, v.Elem()); err != nil {
		return fault.New(fault.InvalidJSON).WithField(d.path.String(), "%s", err.Error())
	}
	if len(d.wrong) == 0 {
		return nil
	}
	e := fault.New(fault.InvalidRequest)
	e.Fields = d.wrong
	return e
}

type decoder struct {
	scanner
	wrong []fault.Field
}

func (d *decoder) document(f *form, v reflect.Value) error {
	if !utf8.Valid(d.data) || bytes.HasPrefix(d.data, []byte("\uFEFF")) {
		return errNotUTF8
	}
	d.space()
	if err := d.value(f, defaultRules, f.kind == kindRaw, v); err != nil {
		return err
	}
	return d.end()
}

// note records what is wrong with the field at the present path.
func (d *decoder) note(format string, args ...any) {
	if len(d.wrong) < maxErrors {
		d.wrong = append(d.wrong, fault.Field{Field: d.path.String(), Message: fmt.Sprintf(format, args...)})
	}
}

// mismatch notes what was wanted and steps over what came.
func (d *decoder) mismatch(wanted string) error {
	d.note("must be %s", wanted)
	return d.skip(nil)
}

// value reads one value. Its error means that the document is malformed; a
// value of the wrong form is noted, and reading goes on behind it.
func (d *decoder) value(f *form, r rules, null bool, v reflect.Value) error {
	c := d.peek()
	if c == 'n' && f.kind != kindRaw {
		if !null {
			d.note("must be %s, not null; leave the field out when there is nothing to say", f.wanted)
		}
		v.SetZero()
		return d.literal("null")
	}
	switch f.kind {
	case kindPointer:
		v.Set(reflect.New(f.elem.typ))
		return d.value(f.elem, r, false, v.Elem())
	case kindRaw:
		raw, err := d.raw(r)
		v.SetBytes(raw)
		return err
	case kindCustom:
		return d.custom(f, r, v)
	case kindObject:
		if c == '{' {
			return d.fields(f, v)
		}
	case kindMap:
		if c == '{' {
			return d.entries(f, r, v)
		}
	case kindList:
		if c == '[' {
			return d.elements(f, r, v)
		}
	case kindText:
		if c == '"' {
			text, err := d.text()
			d.judge(r, text)
			v.SetString(text)
			return err
		}
	case kindBool:
		if c == 't' || c == 'f' {
			v.SetBool(c == 't')
			return d.skip(nil)
		}
	case kindWhole:
		if c == '-' || c >= '0' && c <= '9' {
			return d.whole(f, v)
		}
	}
	return d.mismatch(f.wanted)
}

func (d *decoder) fields(f *form, v reflect.Value) error {
	present := make([]bool, len(f.fields))
	err := d.object(func(name string) error {
		i, known := f.names[name]
		if !known {
			d.unknown(f, name)
			return d.skip(nil)
		}
		present[i] = true
		field := &f.fields[i]
		return d.value(field.form, field.rules, field.null, v.Field(field.index))
	})
	if err != nil {
		return err
	}
	for i := range f.fields {
		if f.fields[i].required && !present[i] {
			d.path.name(f.fields[i].name)
			d.note("is required")
			d.path.pop()
		}
	}
	return nil
}

// unknown notes a name that the type does not have.
func (d *decoder) unknown(f *form, name string) {
	for i := range f.fields {
		if strings.EqualFold(f.fields[i].name, name) {
			d.note("is not a field; upper and lower case count, and the field is called %s", f.fields[i].name)
			return
		}
	}
	d.note("is not a field of this request")
}

func (d *decoder) entries(f *form, r rules, v reflect.Value) error {
	m := reflect.MakeMap(f.typ)
	err := d.object(func(name string) error {
		d.judge(rules{max: DefaultMax}, name)
		elem := reflect.New(f.elem.typ).Elem()
		if err := d.value(f.elem, r, f.elem.kind == kindRaw, elem); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(name).Convert(f.typ.Key()), elem)
		return nil
	})
	v.Set(m)
	return err
}

func (d *decoder) elements(f *form, r rules, v reflect.Value) error {
	list := reflect.MakeSlice(f.typ, 0, 0)
	err := d.array(func(int) error {
		elem := reflect.New(f.elem.typ).Elem()
		if err := d.value(f.elem, r, f.elem.kind == kindRaw, elem); err != nil {
			return err
		}
		list = reflect.Append(list, elem)
		return nil
	})
	v.Set(list)
	return err
}

// raw is a value as it stands in the document, its strings judged.
func (d *decoder) raw(r rules) (json.RawMessage, error) {
	start := d.pos
	if err := d.skip(func(text string) { d.judge(r, text) }); err != nil {
		return nil, err
	}
	return bytes.Clone(d.data[start:d.pos]), nil
}

func (d *decoder) custom(f *form, r rules, v reflect.Value) error {
	before := len(d.wrong)
	raw, err := d.raw(r)
	if err != nil || len(d.wrong) > before {
		return err
	}
	if err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(raw); err != nil {
		d.note("must be %s", f.wanted)
	}
	return nil
}

func (d *decoder) whole(f *form, v reflect.Value) error {
	text, err := d.number()
	if err != nil {
		return err
	}
	if v.CanInt() {
		n, bad := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		err = bad
	} else {
		n, bad := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(n)
		err = bad
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.note("is too large or too small")
	case err != nil:
		d.note("must be %s, without a point or exponent", f.wanted)
	}
	return nil
}

// judge notes what is wrong with a string.
func (d *decoder) judge(r rules, text string) {
	if len(text) > r.max {
		d.note("must have at most %d bytes", r.max)
		return
	}
	for _, c := range text {
		if !unicode.IsControl(c) || r.multiline && (c == '\n' || c == '\r' || c == '\t') {
			continue
		}
		if r.multiline {
			d.note("must not contain control characters other than line breaks and tabs")
		} else {
			d.note("must not contain control characters")
		}
		return
	}
}
