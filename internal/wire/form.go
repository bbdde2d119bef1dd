package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// kind is how a value of a type is read.
type kind uint8

const (
	kindText kind = iota
	kindBool
	kindWhole
	kindRaw
	kindCustom
	kindObject
	kindList
	kindMap
	kindPointer
)

// DefaultMax is how many bytes a string may have unless its tag says more.
const DefaultMax = 4096

// form is a Go type as a reader sees it.
type form struct {
	kind   kind
	wanted string // completes "must be"
	fields []field
	names  map[string]int // json name to index in fields
	elem   *form
	typ    reflect.Type
}

type field struct {
	name     string
	index    int
	required bool
	null     bool // null is taken
	rules    rules
	form     *form
}

// rules are about strings.
type rules struct {
	max       int
	multiline bool
}

var defaultRules = rules{max: DefaultMax}

var (
	forms  sync.Map // reflect.Type to *form
	rawT   = reflect.TypeFor[json.RawMessage]()
	unmarT = reflect.TypeFor[json.Unmarshaler]()
)

// Check reports why values of a type cannot be read, so that a program finds
// out when it starts.
func Check(t reflect.Type) error {
	_, err := formOf(t)
	return err
}

func formOf(t reflect.Type) (*form, error) {
	if f, ok := forms.Load(t); ok {
		return f.(*form), nil
	}
	f, err := buildForm(t, nil)
	if err != nil {
		return nil, err
	}
	known, _ := forms.LoadOrStore(t, f)
	return known.(*form), nil
}

func buildForm(t reflect.Type, within []reflect.Type) (*form, error) {
	for _, outer := range within {
		if outer == t && t.Kind() == reflect.Struct {
			return nil, fmt.Errorf("wire: %v contains itself", t)
		}
	}
	f := &form{typ: t}
	var err error
	switch {
	case t == rawT:
		f.kind, f.wanted = kindRaw, "a JSON value"
	case t.Kind() == reflect.Pointer:
		f.kind = kindPointer
		if f.elem, err = buildForm(t.Elem(), within); err == nil {
			f.wanted = f.elem.wanted
		}
	case reflect.PointerTo(t).Implements(unmarT):
		f.kind, f.wanted = kindCustom, "of the form that the OpenAPI document shows"
		if w, ok := reflect.Zero(t).Interface().(interface{ Wanted() string }); ok {
			f.wanted = w.Wanted()
		}
	case t.Kind() == reflect.Struct:
		f.kind, f.wanted = kindObject, "an object"
		err = f.addFields(append(within, t))
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		f.kind, f.wanted = kindList, "a list"
		f.elem, err = buildForm(t.Elem(), within)
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		f.kind, f.wanted = kindMap, "an object"
		f.elem, err = buildForm(t.Elem(), within)
	case t.Kind() == reflect.String && t != reflect.TypeFor[json.Number]():
		f.kind, f.wanted = kindText, "a string"
	case t.Kind() == reflect.Bool:
		f.kind, f.wanted = kindBool, "true or false"
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64:
		f.kind, f.wanted = kindWhole, "a whole number"
	default:
		err = fmt.Errorf("wire: %v cannot be read", t)
	}
	return f, err
}

func (f *form) addFields(within []reflect.Type) error {
	f.names = map[string]int{}
	for i := range f.typ.NumField() {
		sf := f.typ.Field(i)
		tag := sf.Tag.Get("json")
		if !sf.IsExported() || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" || sf.Anonymous {
			return fmt.Errorf("wire: %v.%s needs a name of its own in a json tag", f.typ, sf.Name)
		}
		form, err := buildForm(sf.Type, within)
		if err != nil {
			return fmt.Errorf("%w, in %v.%s", err, f.typ, sf.Name)
		}
		r, err := rulesOf(sf)
		if err != nil {
			return err
		}
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		f.names[name] = len(f.fields)
		f.fields = append(f.fields, field{
			name: name, index: i, form: form, rules: r,
			required: !optional && form.kind != kindPointer,
			null:     form.kind == kindRaw || form.kind == kindPointer && !optional,
		})
	}
	return nil
}

func rulesOf(sf reflect.StructField) (rules, error) {
	r := defaultRules
	if max, ok := sf.Tag.Lookup("max"); ok {
		n, err := strconv.Atoi(max)
		if err != nil || n < 1 {
			return r, fmt.Errorf("wire: the max tag of %s must be a number of bytes", sf.Name)
		}
		r.max = n
	}
	if text, ok := sf.Tag.Lookup("text"); ok {
		if text != "multiline" {
			return r, fmt.Errorf("wire: the text tag of %s must be multiline", sf.Name)
		}
		r.multiline = true
	}
	return r, nil
}
