package plan

import (
	"encoding/json"
	"strings"

	"flowyte/internal/schema"
)

// object and property are the part of JSON Schema that describes a tool's
// parameters. Properties keep the order of the plan.
type object struct {
	Type                 string     `json:"type"`
	Properties           properties `json:"properties"`
	Required             []string   `json:"required"`
	AdditionalProperties bool       `json:"additionalProperties"`
}

type property struct {
	Type        string   `json:"type"`
	Description string   `json:"description"`
	Format      string   `json:"format,omitempty"`
	Pattern     string   `json:"pattern,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	MinLength   int      `json:"minLength,omitempty"`
	MaxLength   int      `json:"maxLength,omitempty"`
}

type namedProperty struct {
	name string
	property
}

type properties []namedProperty

// MarshalJSON writes the properties in their own order.
func (ps properties) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range ps {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.property)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, name...), ':'), value...)
	}
	return append(b, '}'), nil
}

// ParametersSchema is the JSON Schema object of the tool's parameters, the same
// bytes for the same plan. A parameter whose value the conversation knows is
// not required; known may be nil. One that only the caller may supply is not
// in it at all.
func (p *Plan) ParametersSchema(known func(name string) bool) json.RawMessage {
	o := object{Type: "object", Properties: properties{}, Required: []string{}}
	for i := range p.Params {
		param := &p.Params[i]
		if param.CallerOnly {
			continue
		}
		o.Properties = append(o.Properties, namedProperty{param.Name, propertyOf(param)})
		if param.Required && (known == nil || !known(param.Name)) {
			o.Required = append(o.Required, param.Name)
		}
	}
	b, err := json.Marshal(o)
	if err != nil { // every member is plain data
		panic("plan: " + err.Error())
	}
	return b
}

// RequiredParams names what a conversation that knows nothing must supply.
func (p *Plan) RequiredParams() []string {
	names := []string{}
	for i := range p.Params {
		if p.Params[i].Required && !p.Params[i].CallerOnly {
			names = append(names, p.Params[i].Name)
		}
	}
	return names
}

func propertyOf(p *Param) property {
	out := property{Type: "string", Description: p.Description}
	if out.Description == "" {
		want := Wanted(p)
		out.Description = strings.ToUpper(want[:1]) + want[1:] + "."
	}
	switch p.Type.Type {
	case schema.Integer:
		out.Type = "integer"
	case schema.Number:
		out.Type = "number"
	case schema.Boolean:
		out.Type = "boolean"
	case schema.Date:
		out.Format = "date"
	case schema.Time:
		out.Pattern = `^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$`
	case schema.DateTime:
		if p.Type.Zoned {
			out.Format = "date-time"
		} else {
			out.Pattern = `^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$`
		}
	case schema.UUID:
		out.Format = "uuid"
	case schema.Enum:
		out.Enum = p.Type.EnumValues
	case schema.String:
		describeText(&out, p)
	}
	return out
}

// describeText gives no length to a phone number: it is judged in its canonical
// form, which may be shorter or longer than what is said.
func describeText(out *property, p *Param) {
	out.MinLength = 1
	switch p.Format {
	case Phone:
		return
	case Email:
		out.Format = "email"
	}
	out.MaxLength = MaxValueBytes
	if n := p.Type.MaxLength; n != nil && *n < out.MaxLength {
		out.MaxLength = *n
	}
}
