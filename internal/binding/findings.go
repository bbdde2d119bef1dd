package binding

import "fmt"

//go:generate go run ./internal/findingsdoc -o ../../docs/findings.md

// Code names one kind of finding. Codes are part of the wire contract: they
// are added, never renamed.
type Code string

// The codes of findings about the request alone, before any database is looked at.
const (
	OperationMalformed   Code = "operation_malformed"
	FilterMissing        Code = "filter_missing"
	FilterNotSingle      Code = "filter_not_single"
	FilterDisagrees      Code = "filter_disagrees"
	FilterOptional       Code = "filter_optional"
	ParamInvalid         Code = "param_invalid"
	ParamTwice           Code = "param_twice"
	FormatUnknown        Code = "format_unknown"
	CallerOnlyUnknown    Code = "caller_only_unknown"
	MaxRowsOutOfRange    Code = "max_rows_out_of_range"
	DirectionUnknown     Code = "direction_unknown"
	OwnedByIncomplete    Code = "owned_by_incomplete"
	ProjectionMissing    Code = "projection_missing"
	ProjectionTooLong    Code = "projection_too_long"
	PathMalformed        Code = "path_malformed"
	LeafInvalid          Code = "leaf_invalid"
	LeafTwice            Code = "leaf_twice"
	ReadPartsOnWrite     Code = "read_parts_on_write"
	WritePartsOnRead     Code = "write_parts_on_read"
	WriteNotMarked       Code = "write_not_marked"
	ReadMarkedAsWrite    Code = "read_marked_as_write"
	AssignmentsMissing   Code = "assignments_missing"
	AssignmentSource     Code = "assignment_source"
	AssignmentTwice      Code = "assignment_twice"
	SystemValueUnknown   Code = "system_value_unknown"
	KeyMissing           Code = "key_missing"
	KeyOnInsert          Code = "key_on_insert"
	OptionalInUpdate     Code = "optional_in_update"
	ColumnNameMissing    Code = "column_name_missing"
	ConstantNotScalar    Code = "constant_not_scalar"
	AssignmentsTooMany   Code = "assignments_too_many"
	DescriptionPointless Code = "description_pointless"
)

// The codes of findings against a database.
const (
	BlockedByScoping     Code = "blocked_by_scoping"
	ObjectUnknown        Code = "object_unknown"
	ObjectUnsupported    Code = "object_unsupported"
	ColumnUnknown        Code = "column_unknown"
	NameNotUsable        Code = "name_not_usable"
	FilterNotIndexed     Code = "filter_not_indexed"
	FilterType           Code = "filter_type_unsupported"
	FormatNotApplicable  Code = "format_not_applicable"
	OrderNotSortable     Code = "order_not_sortable"
	OwnedByType          Code = "owned_by_type_unsupported"
	LeafNotScalar        Code = "leaf_not_scalar"
	RelationshipUnknown  Code = "relationship_unknown"
	RelationshipInferred Code = "relationship_inferred"
	RelationshipUnusable Code = "relationship_unusable"
	AmbiguousPath        Code = "ambiguous_path"
	TooManyRelationships Code = "too_many_relationships"

	WriteNotPossible   Code = "write_not_possible"
	NotTransactional   Code = "not_transactional"
	ColumnNotWritable  Code = "column_not_writable"
	PIIClassRefused    Code = "pii_class_refused"
	ValueMissing       Code = "value_missing"
	ConstantInvalid    Code = "constant_invalid"
	SystemValueType    Code = "system_value_type"
	OptionalNotNull    Code = "optional_not_nullable"
	KeyNotUnique       Code = "key_not_unique"
	KeyNullable        Code = "key_nullable"
	KeyPartitioned     Code = "key_partitioned"
	KeyAssigned        Code = "key_assigned"
	OwnerAssigned      Code = "owner_assigned"
	WriteTypeForbidden Code = "write_type_unsupported"
)

// The codes of warnings: the binding compiles, and somebody should know.
const (
	OrderUndefined   Code = "order_undefined"
	PartitionScan    Code = "partition_scan"
	LowSelectivity   Code = "low_selectivity"
	IndexNotProven   Code = "index_not_proven"
	VolatileView     Code = "volatile_view"
	RowSecurity      Code = "row_security"
	HasTriggers      Code = "has_triggers"
	HasRules         Code = "has_rules"
	PrivilegeMissing Code = "privilege_missing"
	KeyNotReturned   Code = "key_not_returned"
	// NotVerifiedLive is found when the live server cannot be asked.
	NotVerifiedLive Code = "not_verified_live"
)

// Def is one row of the catalogue.
type Def struct {
	Code     Code
	Severity string
	// Message says what is wrong. It may have one %s, for names out of the
	// catalogue of the database; what was submitted is never repeated.
	Message string
	Fix     string
	// Why explains the rule to somebody who meets it for the first time.
	Why string
	// Before and After are a part of a request that has the finding, and the
	// same part without it; a warning may need none.
	Before, After string
}

// Lookup is the row of a code.
func Lookup(code Code) (d Def, ok bool) {
	i, ok := byCode[code]
	if !ok {
		return Def{}, false
	}
	return catalogue[i], true
}

// Catalogue is every row, in the order of the documentation.
func Catalogue() []Def { return append([]Def(nil), catalogue...) }

// Found makes the finding of a code at a path of the request. names fill the
// message and are names of the database's catalogue, which the reader may see.
func Found(code Code, path string, names ...any) Finding {
	d, ok := Lookup(code)
	if !ok {
		panic("binding: code missing from the catalogue: " + string(code))
	}
	return Finding{Code: string(code), Severity: d.Severity, Path: path, Message: fmt.Sprintf(d.Message, names...), Fix: d.Fix}
}

// Offering adds what could be meant, nearest first.
func (f Finding) Offering(candidates []string) Finding {
	f.Candidates = candidates
	return f
}

// Advising replaces the fix of the table where a better one is known. The text
// must be a fixed phrase, but for names of the database's catalogue.
func (f Finding) Advising(format string, names ...any) Finding {
	f.Fix = fmt.Sprintf(format, names...)
	return f
}

// Prove settles, with what the live server said of the statement, whether an
// index serves the filter of a view: the warning goes, or becomes an error.
func Prove(findings []Finding, usesIndex bool) []Finding {
	out := make([]Finding, 0, len(findings))
	for _, f := range findings {
		switch {
		case Code(f.Code) != IndexNotProven:
			out = append(out, f)
		case !usesIndex:
			out = append(out, Found(FilterNotIndexed, f.Path).Advising("Bind the table that the view reads, or create an index that its filter can use and run discover."))
		}
	}
	return out
}

var catalogue = append(append(append([]Def{}, requestFindings...), databaseFindings...), warnings...)

var byCode = func() map[Code]int {
	m := make(map[Code]int, len(catalogue))
	for i, d := range catalogue {
		if _, twice := m[d.Code]; twice {
			panic("binding: code twice in the catalogue: " + string(d.Code))
		}
		m[d.Code] = i
	}
	return m
}()
