package compile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"flowyte/internal/binding"
	"flowyte/internal/schema"
)

// self names the object itself in a path, whatever it is called.
const self = "$self"

// maxJoins bounds how many relationships one read walks.
const maxJoins = 8

// leaf is one column of the answer.
type leaf struct {
	name   string
	object *schema.Object
	field  *schema.Field
	join   *join // nil for the object itself
}

func (l leaf) alias() string {
	if l.join == nil {
		return base
	}
	return "j" + strconv.Itoa(l.join.number)
}

// join is one relationship that the statement walks.
type join struct {
	number   int // from 1, in the order of first use
	key      *schema.ForeignKey
	object   *schema.Object
	from, to []*schema.Field // pairs: from the base, to the joined object
}

// leaves resolves the projection.
func (c *compiler) leaves() []leaf {
	var leaves []leaf
	joins := map[string]*join{}
	for i, p := range c.binding.Projection {
		path := fmt.Sprintf("projection[%d].path", i)
		if len(p.Path) == 0 || len(p.Path) > 2 {
			continue
		}
		l := leaf{name: p.Leaf, object: c.object}
		if len(p.Path) == 2 {
			var ok bool
			if l.join, ok = c.step(p.Path[0], path, joins); !ok {
				continue
			}
			if l.join != nil {
				l.object = l.join.object
			}
		}
		l.field = c.column(l.object, p.Path[len(p.Path)-1], path)
		if l.field == nil {
			continue
		}
		if !l.field.Type.Scalar() {
			c.add(binding.Found(binding.LeafNotScalar, path))
			continue
		}
		leaves = append(leaves, l)
	}
	if len(joins) > maxJoins {
		c.add(binding.Found(binding.TooManyRelationships, "projection"))
	}
	return number(leaves)
}

// number counts the joins in the order in which the answer first needs them.
func number(leaves []leaf) []leaf {
	n := 0
	for _, l := range leaves {
		if l.join != nil && l.join.number == 0 {
			n++
			l.join.number = n
		}
	}
	return leaves
}

// step resolves the first of two names: nil for the object itself, or the join
// along a declared relationship. A relationship is named as the schema names
// it, or by its constraint, or by its target where only one leads there.
func (c *compiler) step(name, path string, joins map[string]*join) (*join, bool) {
	if name == self {
		return nil, true
	}
	itself := c.names(c.object, name)
	keys := c.relationships(func(fk *schema.ForeignKey) bool { return c.same(fk.Relationship, name) })
	if itself && len(keys) > 0 {
		c.add(binding.Found(binding.AmbiguousPath, path).Offering([]string{self, keys[0].Name}))
		return nil, false
	}
	if itself {
		return nil, true
	}
	if len(keys) == 0 {
		keys = c.relationships(func(fk *schema.ForeignKey) bool { return fk.Name != "" && c.same(fk.Name, name) })
	}
	if len(keys) == 0 {
		keys = c.relationships(func(fk *schema.ForeignKey) bool {
			target := c.db.Lookup(fk.TargetSchema, fk.TargetObject)
			return !fk.Inferred && target != nil && c.names(target, name)
		})
	}
	switch len(keys) {
	case 0:
		c.add(c.noSuchStep(name, path))
		return nil, false
	case 1:
		return c.walk(keys[0], path, joins)
	}
	c.add(binding.Found(binding.AmbiguousPath, path).Offering(nearest(name, relationshipNames(keys))))
	return nil, false
}

// noSuchStep consults the block list for the name, and for a blocked table that
// is called so in the plural.
func (c *compiler) noSuchStep(name, path string) binding.Finding {
	blocked := c.scope.BlockedName(c.db.DefaultSchema, name, "") || c.scope.Blocked(c.object.Schema, name, "") ||
		slices.ContainsFunc(c.scope.BlockedTables, func(entry string) bool {
			return strings.EqualFold(singular(entry[strings.LastIndexByte(entry, '.')+1:]), name)
		})
	if blocked {
		return binding.Found(binding.BlockedByScoping, path)
	}
	declared := c.relationships(func(fk *schema.ForeignKey) bool { return !fk.Inferred })
	return binding.Found(binding.RelationshipUnknown, path).
		Offering(nearest(name, append(relationshipNames(declared), singular(c.object.Name), self)))
}

func (c *compiler) relationships(fit func(*schema.ForeignKey) bool) []*schema.ForeignKey {
	var keys []*schema.ForeignKey
	for i := range c.object.ForeignKeys {
		if fk := &c.object.ForeignKeys[i]; fit(fk) {
			keys = append(keys, fk)
		}
	}
	return keys
}

func relationshipNames(keys []*schema.ForeignKey) []string {
	names := make([]string, 0, len(keys))
	for _, fk := range keys {
		names = append(names, fk.Relationship)
	}
	return names
}

// walk makes the join along a relationship, once however often it is named.
func (c *compiler) walk(fk *schema.ForeignKey, path string, joins map[string]*join) (*join, bool) {
	if j := joins[fk.Relationship]; j != nil {
		return j, true
	}
	if fk.Inferred {
		c.add(binding.Found(binding.RelationshipInferred, path))
		return nil, false
	}
	target := c.db.Lookup(fk.TargetSchema, fk.TargetObject)
	if target == nil {
		c.add(binding.Found(binding.RelationshipUnusable, path, "the role may not read the other object"))
		return nil, false
	}
	if !c.usable(target, path) {
		return nil, false
	}
	j := &join{key: fk, object: target}
	for i := range fk.Columns {
		from, to := c.object.Field(fk.Columns[i]), target.Field(fk.TargetColumns[i])
		if from == nil || to == nil {
			c.add(binding.Found(binding.RelationshipUnusable, path, "the role may not read the columns of the key"))
			return nil, false
		}
		if !c.dialect.LegalName(from.Name) || !c.dialect.LegalName(to.Name) {
			c.add(binding.Found(binding.NameNotUsable, path))
			return nil, false
		}
		j.from, j.to = append(j.from, from), append(j.to, to)
	}
	if !uniqueOver(target, fk.TargetColumns) {
		c.add(binding.Found(binding.RelationshipUnusable, path, "the columns it leads to are not unique"))
		return nil, false
	}
	c.use(c.object, fk.Columns...)
	c.use(target, fk.TargetColumns...)
	c.warnRelation(target, path)
	joins[fk.Relationship] = j
	return j, true
}

// uniqueOver tells whether at most one row has given values in the columns.
func uniqueOver(o *schema.Object, columns []string) bool {
	return slices.ContainsFunc(o.UniqueKeys(), func(key []string) bool {
		return !slices.ContainsFunc(key, func(c string) bool { return !slices.Contains(columns, c) })
	})
}

// names tells whether a name means the object: its public name, its own name,
// or the singular of that.
func (c *compiler) names(o *schema.Object, name string) bool {
	return c.same(c.db.PublicName(o), name) || c.same(o.Name, name) || c.same(singular(o.Name), name)
}

// same compares two names as the server does.
func (c *compiler) same(a, b string) bool {
	return a == b || c.db.Server.CaseInsensitiveNames && strings.EqualFold(a, b)
}

// singular drops the plural ending: ies becomes y, es goes after s, x, ch and
// sh, any other s goes.
func singular(name string) string {
	lower := strings.ToLower(name)
	cut := func(n int) string { return name[:len(name)-n] }
	switch {
	case strings.HasSuffix(lower, "ies") && len(name) > 3:
		return cut(3) + "y"
	case strings.HasSuffix(lower, "ses"), strings.HasSuffix(lower, "xes"), strings.HasSuffix(lower, "ches"), strings.HasSuffix(lower, "shes"):
		return cut(2)
	case strings.HasSuffix(lower, "s") && !strings.HasSuffix(lower, "ss"):
		return cut(1)
	}
	return name
}
