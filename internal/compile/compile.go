// Package compile turns what a person wrote into the one statement that a call
// may send, or into everything that is wrong with it.
//
// It is a function: no I/O, clock, randomness, logger or context; the same
// input gives the same bytes. The text it makes is the product's security
// boundary. It is one statement; every name in it comes from the catalogue, is
// qualified and quoted; every value is a parameter; every operator on
// PostgreSQL is named with its schema, so that nothing a role may create can
// take its place.
package compile

import (
	"slices"
	"strings"

	"flowyte/internal/binding"
	"flowyte/internal/dialect"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// defaultTimeoutMs is the budget of a call whose binding names none.
const defaultTimeoutMs = 1000

// Compile judges a binding against a database as it was discovered, before
// scoping, and the scope. It reports all findings at once; the plan is nil when
// one of them is an error, and otherwise the findings are warnings.
//
// A binding that binding.FromRequest rejected is judged as far as it goes, so
// that one answer can list the findings of both; the plan is worth nothing then.
//
// The block list is consulted before existence, and everything else is looked
// up in the scoped database, so that no finding tells whether a blocked thing
// exists. What is blocked along with something on the list, such as a view, or
// under another name than the list has, is for the same reason not there.
func Compile(b binding.Binding, db *schema.Database, scope schema.Scope) (*plan.Plan, []binding.Finding) {
	listed := scope
	listed.Resolved = nil
	c := &compiler{
		binding: &b, raw: db, db: schema.Apply(db, scope), scope: &listed,
		dialect: dialect.For(db.Kind), uses: map[schema.ColumnRef][]string{},
	}
	c.plan = plan.Plan{
		Format: plan.Format, Kind: db.Kind, Operation: b.Operation, Identity: db.Server.Identity,
		TimeoutMs: defaultTimeoutMs, Params: []plan.Param{}, Results: []plan.Result{},
	}
	if b.TimeoutMs > 0 {
		c.plan.TimeoutMs = b.TimeoutMs
	}
	object, action, ok := binding.SplitOperation(b.Operation)
	if !ok {
		return nil, nil
	}
	c.plan.Action = plan.Action(action)
	if c.object = c.resolveObject(object, "operation"); c.object != nil {
		c.plan.Object = schema.ColumnRef{Schema: c.object.Schema, Object: c.object.Name}
		c.use(c.object)
		switch c.plan.Action {
		case plan.Read:
			c.read()
		case plan.Insert:
			c.insert()
		case plan.Update:
			c.update()
		}
	}
	if binding.Rejected(c.findings) || c.plan.Statement == "" {
		return nil, c.findings
	}
	c.plan.Uses = c.usesWithDigests()
	return &c.plan, c.findings
}

// compiler is one run of Compile.
type compiler struct {
	binding *binding.Binding
	raw     *schema.Database // as discovered; for digests only
	db      *schema.Database // after scoping
	scope   *schema.Scope
	dialect dialect.Dialect

	object   *schema.Object
	uses     map[schema.ColumnRef][]string // columns by object
	plan     plan.Plan
	findings []binding.Finding
}

func (c *compiler) add(f binding.Finding) { c.findings = append(c.findings, f) }

// resolveObject finds an object by its public name.
func (c *compiler) resolveObject(name, path string) *schema.Object {
	if c.scope.BlockedName(c.db.DefaultSchema, name, "") {
		c.add(binding.Found(binding.BlockedByScoping, path))
		return nil
	}
	o := c.db.Find(name)
	if o == nil {
		c.add(binding.Found(binding.ObjectUnknown, path).Offering(nearest(name, c.objectNames())))
		return nil
	}
	if !c.usable(o, path) {
		return nil
	}
	return o
}

// usable tells whether an object can be bound at all, apart from its columns.
func (c *compiler) usable(o *schema.Object, path string) bool {
	if !o.Supported {
		c.add(binding.Found(binding.ObjectUnsupported, path, o.Reason))
		return false
	}
	if !c.dialect.LegalName(o.Schema) || !c.dialect.LegalName(o.Name) {
		c.add(binding.Found(binding.NameNotUsable, path))
		return false
	}
	return true
}

func (c *compiler) objectNames() []string {
	names := make([]string, 0, len(c.db.Objects))
	for i := range c.db.Objects {
		if o := &c.db.Objects[i]; o.Supported {
			names = append(names, c.db.PublicName(o))
		}
	}
	return names
}

// column finds a column of an object, by the server's own rule for case, and
// notes that the statement depends on it. A name that is empty has its finding.
func (c *compiler) column(o *schema.Object, name, path string) *schema.Field {
	if name == "" {
		return nil
	}
	if c.scope.Blocked(o.Schema, o.Name, name) {
		c.add(binding.Found(binding.BlockedByScoping, path))
		return nil
	}
	f := c.field(o, name)
	if f == nil {
		c.add(binding.Found(binding.ColumnUnknown, path).Offering(nearest(name, fieldNames(o, func(*schema.Field) bool { return true }))))
		return nil
	}
	if !c.dialect.LegalName(f.Name) {
		c.add(binding.Found(binding.NameNotUsable, path))
		return nil
	}
	c.use(o, f.Name)
	return f
}

func (c *compiler) field(o *schema.Object, name string) *schema.Field {
	if f := o.Field(name); f != nil || !c.dialect.FoldsColumns() {
		return f
	}
	for i := range o.Fields {
		if strings.EqualFold(o.Fields[i].Name, name) {
			return &o.Fields[i]
		}
	}
	return nil
}

// fieldNames are the columns that fit, in the object's order.
func fieldNames(o *schema.Object, fit func(*schema.Field) bool) []string {
	var names []string
	for i := range o.Fields {
		if fit(&o.Fields[i]) {
			names = append(names, o.Fields[i].Name)
		}
	}
	return names
}

// use notes columns that the statement depends on.
func (c *compiler) use(o *schema.Object, columns ...string) {
	ref := schema.ColumnRef{Schema: o.Schema, Object: o.Name}
	c.uses[ref] = append(c.uses[ref], columns...)
}

// usesWithDigests sorts what was noted. The digests are those of the unscoped
// objects, so that scoping something else does not look like a change.
func (c *compiler) usesWithDigests() []plan.Use {
	uses := make([]plan.Use, 0, len(c.uses))
	for ref, columns := range c.uses {
		slices.Sort(columns)
		columns = slices.Compact(columns)
		digest := schema.ObjectDigest(c.raw.Lookup(ref.Schema, ref.Object), columns)
		uses = append(uses, plan.Use{Schema: ref.Schema, Object: ref.Object, Columns: columns, Digest: digest})
	}
	slices.SortFunc(uses, func(a, b plan.Use) int {
		if d := strings.Compare(a.Schema, b.Schema); d != 0 {
			return d
		}
		return strings.Compare(a.Object, b.Object)
	})
	return uses
}

// valueType is the type that values of a column are judged against and bound
// as. On the MySQL family the character set begins a collation's name.
func (c *compiler) valueType(f *schema.Field) plan.ValueType {
	t := plan.TypeOf(f)
	if c.db.Kind == schema.MySQL && f.Type == schema.String {
		charset, _, _ := strings.Cut(f.Collation, "_")
		if charset != "utf8mb4" {
			t.Charset = charset
		}
	}
	return t
}

// warnRelation adds what a person should know about a relation that is read.
func (c *compiler) warnRelation(o *schema.Object, path string) {
	if o.RowSecurity {
		c.add(binding.Found(binding.RowSecurity, path))
	}
	if o.CallsVolatile {
		c.add(binding.Found(binding.VolatileView, path))
	}
}
