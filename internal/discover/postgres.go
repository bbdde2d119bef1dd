package discover

import (
	_ "embed"
	"slices"

	"flowyte/internal/schema"
)

//go:embed postgres/visible.sql
var pgVisible string

//go:embed postgres/objects.sql
var pgObjects string

//go:embed postgres/types.sql
var pgTypes string

//go:embed postgres/columns.sql
var pgColumns string

//go:embed postgres/derived.sql
var pgDerived string

//go:embed postgres/indexes.sql
var pgIndexes string

//go:embed postgres/foreign_keys.sql
var pgForeignKeys string

//go:embed postgres/inherits.sql
var pgInherits string

//go:embed postgres/views.sql
var pgViews string

//go:embed postgres/sources.sql
var pgSources string

//go:embed postgres/database.sql
var pgDatabase string

// pgDiscovery gathers what the stages read, by oid.
type pgDiscovery struct {
	db      *schema.Database
	objects map[uint32]*pgObject
	order   []*pgObject
	types   map[uint32]*pgType
	views   map[uint32]*pgView
	pending []schema.Field // of the object whose columns are being read
	current *pgObject
}

// pgObject is an object with what is only needed until discovery ends.
type pgObject struct {
	schema.Object
	byNumber  []string // names of the visible columns by attribute number
	keyParts  []int
	estimate  float64
	partition bool
}

func newPostgres(db *schema.Database) *pgDiscovery {
	return &pgDiscovery{
		db: db, objects: map[uint32]*pgObject{}, types: map[uint32]*pgType{}, views: map[uint32]*pgView{},
	}
}

func discoverPostgres(r *reader, db *schema.Database, wanted []schema.ColumnRef) error {
	d := newPostgres(db)
	of := pgWanted(wanted)
	stages := []stage{
		{"database", pgDatabase, nil, d.database},
		{"objects", pgVisible + pgObjects, of, d.object},
		{"types", pgTypes, nil, d.typ},
		{"columns", pgVisible + pgColumns, of, d.column},
		{"indexes", pgVisible + pgIndexes, of, d.index},
	}
	if wanted == nil {
		stages = append(stages,
			stage{"generated columns", pgVisible + pgDerived, of, d.derived},
			stage{"foreign keys", pgVisible + pgForeignKeys, of, d.foreignKey},
			stage{"partitions", pgInherits, nil, d.inherit},
			stage{"views", pgViews, nil, d.view},
			stage{"view sources", pgSources, nil, d.source},
		)
	}
	if err := r.run(stages); err != nil {
		return err
	}
	d.closeColumns()
	d.partitions()
	d.viewSources()
	db.Objects = make([]schema.Object, 0, len(d.order))
	for _, o := range d.order {
		db.Objects = append(db.Objects, o.Object)
	}
	return nil
}

func (d *pgDiscovery) database(c *cells) error {
	d.db.Name = c.text(0)
	d.db.DefaultSchema = "public"
	return nil
}

// pgWanted are the arguments of pgVisible.
func pgWanted(wanted []schema.ColumnRef) []any {
	schemas, names := []string{}, []string{}
	for _, w := range wanted {
		schemas, names = append(schemas, w.Schema), append(names, w.Object)
	}
	return []any{wanted == nil, schemas, names}
}

var pgObjectTypes = map[string]schema.ObjectType{
	"r": schema.Table, "p": schema.PartitionedTable, "v": schema.View, "m": schema.MaterializedView, "f": schema.ForeignTable,
}

func (d *pgDiscovery) object(c *cells) error {
	o := &pgObject{
		Object: schema.Object{
			ID: uint32(c.number(0)), Schema: c.shared(1), Name: c.text(2), Type: pgObjectTypes[c.text(3)],
			EstimatedRows: max(0, int64(c.number(4))), Comment: c.comment(5), Supported: true, Transactional: true,
			RowSecurity: c.flag(6), HasTriggers: c.flag(7), HasRules: c.flag(8), CanInsert: c.flag(9), CanUpdate: c.flag(10),
		},
		partition: c.flag(11),
		keyParts:  c.numbers(12),
		estimate:  float64(c.number(4)),
	}
	if o.Type == "" {
		c.bad()
	}
	d.objects[o.ID] = o
	d.order = append(d.order, o)
	return nil
}

// maxAttribute is the highest number that a column can have; dropped columns
// keep theirs.
const maxAttribute = 1600

func (d *pgDiscovery) column(c *cells) error {
	o := d.objects[uint32(c.number(0))]
	if o == nil { // made since the objects were read
		return nil
	}
	if o != d.current {
		d.closeColumns()
		d.current = o
	}
	f := schema.Field{
		Number: int(c.number(1)), Name: c.shared(2), NativeType: c.shared(5),
		Nullable: !c.flag(6), HasDefault: c.flag(7), Identity: c.flag(8), Generated: c.flag(9),
		Collation: c.shared(10), Inexact: c.flag(11), Comment: c.comment(12), CanInsert: c.flag(13), CanUpdate: c.flag(14),
	}
	if f.Generated {
		f.HasDefault = false
	}
	d.describeType(&f, uint32(c.number(3)), int(c.number(4)))
	if f.Number < 1 || f.Number > maxAttribute {
		c.bad()
		return nil
	}
	for len(o.byNumber) <= f.Number {
		o.byNumber = append(o.byNumber, "")
	}
	o.byNumber[f.Number] = f.Name
	d.pending = append(d.pending, f)
	return nil
}

// closeColumns gives the columns read so far to their object, at their exact
// size: a large database has a hundred thousand of them.
func (d *pgDiscovery) closeColumns() {
	if d.current != nil {
		d.current.Fields = slices.Clone(d.pending)
	}
	d.pending, d.current = d.pending[:0], nil
}

func (d *pgDiscovery) derived(c *cells) error {
	d.closeColumns()
	o := d.objects[uint32(c.number(0))]
	if o == nil {
		return nil
	}
	if f := o.Field(c.text(1)); f != nil {
		f.DerivedFrom = append(f.DerivedFrom, c.shared(2))
	}
	return nil
}

func (d *pgDiscovery) foreignKey(c *cells) error {
	from, to := d.objects[uint32(c.number(0))], d.objects[uint32(c.number(3))]
	if from == nil || to == nil {
		return nil
	}
	columns, complete := from.named(c.numbers(2))
	targets, completeToo := to.named(c.numbers(4))
	if !complete || !completeToo || len(columns) != len(targets) {
		return nil // over a column that the role may not select
	}
	from.ForeignKeys = append(from.ForeignKeys, schema.ForeignKey{
		Name: c.text(1), Columns: columns, TargetSchema: to.Schema, TargetObject: to.Name, TargetColumns: targets,
	})
	return nil
}

// named maps attribute numbers to the names of visible columns, "" for others;
// complete tells whether every one is visible.
func (o *pgObject) named(numbers []int) (names []string, complete bool) {
	complete = true
	names = make([]string, len(numbers))
	for i, n := range numbers {
		names[i] = o.column(n)
		complete = complete && names[i] != ""
	}
	return names, complete
}

// column is the name of a visible column, "" for any other number.
func (o *pgObject) column(number int) string {
	if number < 0 || number >= len(o.byNumber) {
		return ""
	}
	return o.byNumber[number]
}
