// Package binding is what a person wrote: which operation, which columns in
// and out, under which names. It knows no database; compile judges it against
// one.
package binding

// Binding is the canonical form. The wire form is api.BindingRequest.
type Binding struct {
	ToolName    string `json:"toolName"`
	Description string `json:"description,omitempty"`
	Operation   string `json:"operation"`
	IsWrite     bool   `json:"isWrite,omitempty"`

	// Filter is a read's one condition.
	Filter *Filter `json:"filter,omitempty"`
	// Projection is what a read returns.
	Projection []Projection `json:"projection,omitempty"`
	// Set is a write's column map; Key an update's key.
	Set []Assignment `json:"set,omitempty"`
	Key *Key         `json:"key,omitempty"`

	Enabled   bool `json:"enabled,omitempty"`
	TimeoutMs int  `json:"timeoutMs,omitempty"`
}

// Filter is the equality on one indexed column.
type Filter struct {
	Column      string   `json:"column"`
	Param       string   `json:"param"`
	Description string   `json:"description,omitempty"`
	Format      string   `json:"format,omitempty"`
	CallerOnly  bool     `json:"callerOnly,omitempty"`
	MaxRows     int      `json:"maxRows"`
	OrderBy     *OrderBy `json:"orderBy,omitempty"`
	OwnedBy     *OwnedBy `json:"ownedBy,omitempty"`
	// Path is where in the request the filter stood, for findings; it is not
	// kept.
	Path string `json:"-"`
}

// OrderBy is the one column that orders a read's rows.
type OrderBy struct {
	Column    string `json:"column"`
	Direction string `json:"direction"` // "asc" or "desc"
}

// OwnedBy ties the row to the verified caller.
type OwnedBy struct {
	Column  string `json:"column"`
	Subject string `json:"subject"`
}

// Projection is one column of the answer and the name it gets.
type Projection struct {
	Path []string `json:"path"`
	Leaf string   `json:"leaf"`
}

// Assignment gives one column of a write its value: exactly one of Param,
// Const and System is set.
type Assignment struct {
	Field       string  `json:"field"`
	Param       string  `json:"param,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Description string  `json:"description,omitempty"`
	Format      string  `json:"format,omitempty"`
	Const       *string `json:"const,omitempty"` // JSON text of the constant
	System      string  `json:"system,omitempty"`
}

// Key is the unique key of an update.
type Key struct {
	Column  string   `json:"column"`
	Param   string   `json:"param"`
	OwnedBy *OwnedBy `json:"ownedBy,omitempty"`
}

// Finding is one thing that is wrong, or worth knowing, about a binding. All
// findings of a binding are reported together.
type Finding struct {
	Code       string   `json:"code"`
	Severity   string   `json:"severity"` // "error" or "warning"
	Path       string   `json:"path"`     // where in the request: "projection[1].path"
	Message    string   `json:"message"`
	Fix        string   `json:"fix"`
	Candidates []string `json:"candidates,omitempty"`
}

// The severities.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

// Rejected tells whether any finding is an error.
func Rejected(findings []Finding) bool {
	for i := range findings {
		if findings[i].Severity == SeverityError {
			return true
		}
	}
	return false
}
