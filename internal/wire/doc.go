// Package wire reads JSON from strangers into the types of package api.
//
// encoding/json takes ENABLED for enabled, the last of two duplicates, null
// for anything, half a surrogate pair, and stops at its first complaint. Here
// a document is one strict value, names match to the letter, a field is
// required unless it says otherwise, and everything that is wrong with the
// form is reported together, with the field's path and never with its value.
//
// What a type asks for follows from its fields:
//
//   - a field is required unless its json tag has omitempty or omitzero, or it
//     is a pointer;
//   - null is taken by json.RawMessage, which keeps it, and by a pointer whose
//     tag has neither omitempty nor omitzero, which becomes nil; elsewhere the
//     field is to be left out;
//   - a string has at most 4 KiB, or as many bytes as its `max` tag says;
//   - a string has no control characters; one tagged `text:"multiline"` may
//     have line breaks and tabs. The two tags hold for the elements of a list
//     or map and inside a json.RawMessage as well;
//   - a number is a whole number, or stays text in a json.RawMessage: there is
//     no float64 to round it;
//   - a type with UnmarshalJSON reads itself and may say what it wants with
//     Wanted() string, a phrase that completes "must be".
package wire
