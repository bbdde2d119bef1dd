package compile

import (
	"cmp"
	"fmt"
	"slices"

	"flowyte/internal/binding"
	"flowyte/internal/plan"
	"flowyte/internal/schema"
)

// transactionID is what every write on PostgreSQL returns after its results.
const transactionID = "CAST(pg_catalog.pg_current_xact_id() AS pg_catalog.text)"

// value is one column of a write and where its value comes from.
type value struct {
	field *schema.Field
	slot  plan.Slot
}

// insert compiles INSERT INTO … VALUES of one row.
func (c *compiler) insert() {
	if !c.writable(c.object.CanInsert, func(f *schema.Field) bool { return f.CanInsert }) {
		return
	}
	values := c.values()
	c.complete(values)
	if len(c.object.PrimaryKey) == 0 {
		c.add(binding.Found(binding.KeyNotReturned, "operation"))
	}
	if binding.Rejected(c.findings) || len(values) == 0 {
		return
	}
	s := &statement{dialect: c.dialect, kind: c.db.Kind}
	s.write("INSERT INTO ", c.dialect.Qualify(c.object.Schema, c.object.Name), " (")
	for i, v := range values {
		if i > 0 {
			s.write(", ")
		}
		s.write(c.dialect.Quote(v.field.Name))
	}
	s.write(") VALUES (")
	for i, v := range values {
		if i > 0 {
			s.write(", ")
		}
		s.write(s.placeholder(v.slot))
	}
	s.write(")")
	c.returning(s, values)
	c.plan.Statement, c.plan.Slots = s.text.String(), s.slots
}

// returning makes the primary key the answer of an insert. PostgreSQL returns
// it; on the MySQL family it is the insert id or a value that was sent.
func (c *compiler) returning(s *statement, values []value) {
	if s.kind == schema.Postgres {
		s.write(" RETURNING ")
	}
	known, hidden := len(c.object.PrimaryKey) > 0, false
	for _, name := range c.object.PrimaryKey {
		f := c.object.Field(name)
		if f == nil || !f.Type.Scalar() || !c.dialect.LegalName(name) {
			known = false
			continue
		}
		slot := slices.IndexFunc(values, func(v value) bool { return v.field == f })
		if s.kind == schema.MySQL && slot < 0 && !f.Identity {
			// Made by a default or a trigger, and told to nobody.
			known, hidden = false, true
			continue
		}
		c.use(c.object, name)
		c.plan.Results = append(c.plan.Results, plan.Result{
			Leaf: f.Name, Type: c.valueType(f), Key: true, Slot: slot + 1,
			From: schema.ColumnRef{Schema: c.object.Schema, Object: c.object.Name, Column: f.Name},
		})
		if s.kind == schema.Postgres {
			s.write(c.dialect.Quote(name), ", ")
		}
	}
	if hidden {
		c.add(binding.Found(binding.KeyNotReturned, "operation"))
	}
	switch {
	case s.kind == schema.Postgres:
		s.write(transactionID)
	case known:
		c.checkInsert(values)
	}
}

// checkInsert finds the row again by its whole primary key, which is what
// Results has. While its transaction is undecided the shared lock is not given;
// unlike the other one it takes no right to update.
func (c *compiler) checkInsert(values []value) {
	check := c.check(values)
	slots := make([]int, 0, len(c.plan.Results))
	for i, r := range c.plan.Results {
		check.write([]string{" WHERE ", " AND "}[min(i, 1)])
		check.equal(base, equality{field: c.object.Field(r.Leaf)})
		slots = append(slots, r.Slot)
	}
	check.write(checkLimit, " LOCK IN SHARE MODE")
	c.plan.Check = &plan.Check{Statement: check.text.String(), Slots: slots}
}

// checkLimit: two rows are enough to tell that they are too many.
const checkLimit = " LIMIT 2"

// check begins the text that reads the written columns.
func (c *compiler) check(values []value) *statement {
	s := &statement{dialect: c.dialect, kind: c.db.Kind}
	s.write("SELECT ")
	for i, v := range values {
		if i > 0 {
			s.write(", ")
		}
		s.write(s.column(base, v.field))
	}
	s.write(" FROM ", c.dialect.Qualify(c.object.Schema, c.object.Name), " AS ", base)
	return s
}

// update compiles UPDATE … SET … WHERE the key, and the owner where one is
// asked for.
func (c *compiler) update() {
	if !c.writable(c.object.CanUpdate, func(f *schema.Field) bool { return f.CanUpdate }) {
		return
	}
	k := c.binding.Key
	if k == nil {
		c.values()
		return
	}
	key, found := c.key(k)
	owner := c.owner(k.OwnedBy, "sqlWrite.ownedBy.column")
	values := c.values()
	for i, v := range values {
		switch {
		case found && v.field == key.field:
			c.add(binding.Found(binding.KeyAssigned, fmt.Sprintf("inputObjectMap[%d].field", i)))
		case owner != nil && v.field == owner.field:
			c.add(binding.Found(binding.OwnerAssigned, fmt.Sprintf("inputObjectMap[%d].field", i)))
		}
	}
	if binding.Rejected(c.findings) || !found || len(values) == 0 {
		return
	}
	s := &statement{dialect: c.dialect, kind: c.db.Kind}
	s.write("UPDATE ", c.dialect.Qualify(c.object.Schema, c.object.Name), " AS ", base, " SET ")
	for i, v := range values {
		if i > 0 {
			s.write(", ")
		}
		column := c.dialect.Quote(v.field.Name)
		if s.kind == schema.MySQL {
			column = base + "." + column
		}
		s.write(column, " = ", s.placeholder(v.slot))
	}
	s.keyed(key, owner)
	c.plan.OwnedBy = owner != nil
	if s.kind == schema.Postgres {
		s.write(" RETURNING ", transactionID)
	} else {
		c.checkUpdate(values, key, owner)
	}
	c.plan.Statement, c.plan.Slots = s.text.String(), s.slots
}

// checkUpdate finds the row by the very condition of the update, whose
// placeholders follow those of the values. It locks the row, so that what was
// there before the update is what the update meets.
func (c *compiler) checkUpdate(values []value, key equality, owner *equality) {
	check := c.check(values)
	check.keyed(key, owner)
	check.write(checkLimit, " FOR UPDATE")
	slots := make([]int, len(check.slots))
	for i := range slots {
		slots[i] = len(values) + i + 1
	}
	c.plan.Check = &plan.Check{Statement: check.text.String(), Slots: slots}
}

// keyed is the condition of an update.
func (s *statement) keyed(key equality, owner *equality) {
	s.write(" WHERE ")
	s.equal(base, key)
	if owner != nil {
		s.write(" AND ")
		s.equal(base, *owner)
	}
}

// writable tells whether rows of the object can be written and undone at all.
// What the role lacks is a warning: writes may use another role.
func (c *compiler) writable(table bool, column func(*schema.Field) bool) bool {
	o := c.object
	switch {
	case o.Type != schema.Table && o.Type != schema.PartitionedTable:
		c.add(binding.Found(binding.WriteNotPossible, "operation", "it is not a table"))
		return false
	case !o.Transactional:
		c.add(binding.Found(binding.NotTransactional, "operation"))
		return false
	}
	if o.HasTriggers {
		c.add(binding.Found(binding.HasTriggers, "operation"))
	}
	if o.HasRules {
		c.add(binding.Found(binding.HasRules, "operation"))
	}
	if o.RowSecurity {
		c.add(binding.Found(binding.RowSecurity, "operation"))
	}
	if table {
		return true
	}
	lacking := map[string]bool{}
	for _, a := range c.binding.Set {
		if f := c.field(o, a.Field); f != nil && !column(f) && !lacking[f.Name] && !c.scope.Blocked(o.Schema, o.Name, f.Name) {
			lacking[f.Name] = true
			c.add(binding.Found(binding.PrivilegeMissing, "operation", "column "+f.Name))
		}
	}
	return true
}

// key judges the column that finds the row of an update.
func (c *compiler) key(k *binding.Key) (equality, bool) {
	const path = "sqlWrite.keyColumn"
	f := c.column(c.object, k.Column, path)
	if f == nil {
		return equality{}, false
	}
	o := c.object
	keys := func() []string {
		return nearest(f.Name, fieldNames(o, func(f *schema.Field) bool { return !f.Nullable && Equatable(f) && o.UniqueColumn(f.Name) }))
	}
	ok := true
	reject := func(finding binding.Finding) {
		c.add(finding)
		ok = false
	}
	switch {
	case !Equatable(f):
		reject(binding.Found(binding.FilterType, path))
	case !o.UniqueColumn(f.Name):
		reject(binding.Found(binding.KeyNotUnique, path).Offering(keys()))
	case f.Nullable:
		reject(binding.Found(binding.KeyNullable, path).Offering(keys()))
	case c.inherited():
		reject(binding.Found(binding.KeyPartitioned, path))
	}
	format, _ := c.format(f, "", k.Param)
	c.plan.Params = append(c.plan.Params, plan.Param{Name: k.Param, Type: c.valueType(f), Format: format, Required: true, Stored: storedForms(f, format)})
	return equality{
		field: f, forms: format != plan.Plain, fold: format == plan.Email, exact: mustBeExact(f, format),
		slot: plan.Slot{Source: plan.FromParam, Name: k.Param, Type: c.valueType(f)},
	}, ok
}

// inherited tells whether the table answers for rows of other tables that its
// own unique indexes do not cover.
func (c *compiler) inherited() bool {
	o := c.object
	return o.Type == schema.Table && slices.ContainsFunc(c.raw.Inherits, func(edge schema.Inheritance) bool {
		return edge.Parent.Schema == o.Schema && edge.Parent.Object == o.Name
	})
}

// values judges the column map. Columns that cannot be written leave a finding
// and no value.
func (c *compiler) values() []value {
	var values []value
	assigned := map[*schema.Field]bool{}
	for i := range c.binding.Set {
		a, at := &c.binding.Set[i], fmt.Sprintf("inputObjectMap[%d]", i)
		f := c.column(c.object, a.Field, at+".field")
		if f == nil {
			continue
		}
		if assigned[f] {
			// Two spellings of one column, where the server ignores case.
			c.add(binding.Found(binding.AssignmentTwice, at+".field"))
			continue
		}
		assigned[f] = true
		if !c.assignable(f, at+".field") {
			continue
		}
		if slot, ok := c.source(f, a, at); ok {
			slot.Column = f.Name
			values = append(values, value{f, slot})
		}
	}
	return values
}

// assignable tells whether a call may give the column a value.
func (c *compiler) assignable(f *schema.Field, path string) bool {
	class := c.scope.Class(c.object, f)
	switch {
	case f.Generated:
		c.add(binding.Found(binding.ColumnNotWritable, path, "generated"))
	case f.Identity:
		c.add(binding.Found(binding.ColumnNotWritable, path, "identity"))
	case f.Invisible:
		c.add(binding.Found(binding.ColumnNotWritable, path, "invisible"))
	case schema.RefusedInWrites(class):
		c.add(binding.Found(binding.PIIClassRefused, path, class))
	case !f.Type.Scalar() || cutsShort(f) || f.BaseType == "set":
		c.add(binding.Found(binding.WriteTypeForbidden, path))
	default:
		return true
	}
	return false
}

// source makes the slot of an assignment.
func (c *compiler) source(f *schema.Field, a *binding.Assignment, at string) (plan.Slot, bool) {
	t := c.valueType(f)
	switch {
	case a.Const != nil:
		text, want, ok := plan.Judge(&plan.Param{Type: t}, []byte(*a.Const), "", nil)
		if !ok {
			c.add(binding.Found(binding.ConstantInvalid, at+".const", want))
			return plan.Slot{}, false
		}
		return plan.Slot{Source: plan.FromConst, Const: text, Type: t}, true
	case a.System != "":
		if !fitsSystem(f, a.System) {
			c.add(binding.Found(binding.SystemValueType, at+".system"))
			return plan.Slot{}, false
		}
		return plan.Slot{Source: plan.FromSystem, Name: a.System, Type: t}, true
	case a.Param == "":
		return plan.Slot{}, false
	}
	format, ok := c.format(f, a.Format, a.Param)
	if !ok {
		c.add(notText(at, a.Format, a.Param))
		return plan.Slot{}, false
	}
	if !a.Required && !f.Nullable {
		c.add(binding.Found(binding.OptionalNotNull, at+".required"))
		return plan.Slot{}, false
	}
	c.plan.Params = append(c.plan.Params, plan.Param{
		Name: a.Param, Type: t, Format: format, Required: a.Required, Description: a.Description,
	})
	return plan.Slot{Source: plan.FromParam, Name: a.Param, Type: t}, true
}

// The lengths of system values as text.
const (
	uuidLength         = 36
	conversationLength = 40
	phoneLength        = 16
)

// fitsSystem tells whether a column keeps a system value as it is.
func fitsSystem(f *schema.Field, system string) bool {
	text := func(length int) bool {
		return f.Type == schema.String && (f.MaxLength == nil || *f.MaxLength >= length)
	}
	switch system {
	case "now":
		return f.Type == schema.Date || f.Type == schema.DateTime
	case "uuid":
		return f.Type == schema.UUID || text(uuidLength)
	case "conversation_id":
		return text(conversationLength)
	}
	return text(phoneLength)
}

// complete reports the columns that need a value and get none.
func (c *compiler) complete(values []value) {
	given := func(f *schema.Field) bool {
		return slices.ContainsFunc(c.binding.Set, func(a binding.Assignment) bool { return c.field(c.object, a.Field) == f }) ||
			slices.ContainsFunc(values, func(v value) bool { return v.field == f })
	}
	missing := []*schema.Field{}
	for i := range c.object.Fields {
		f := &c.object.Fields[i]
		if !f.Nullable && !f.HasDefault && !f.Generated && !f.Identity && !given(f) {
			missing = append(missing, f)
		}
	}
	slices.SortFunc(missing, func(a, b *schema.Field) int { return cmp.Compare(a.Number, b.Number) })
	for _, f := range missing {
		c.add(binding.Found(binding.ValueMissing, "inputObjectMap", f.Name))
	}
}
