package discover

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"flowyte/internal/schema"
)

//go:embed mysql/database.sql
var myDatabase string

//go:embed mysql/engines.sql
var myEngines string

//go:embed mysql/objects.sql
var myObjects string

//go:embed mysql/columns.sql
var myColumns string

//go:embed mysql/indexes_mysql.sql
var myIndexes string

//go:embed mysql/indexes_mariadb.sql
var mariaIndexes string

//go:embed mysql/partitions.sql
var myPartitions string

//go:embed mysql/views.sql
var myViews string

//go:embed mysql/triggers.sql
var myTriggers string

//go:embed mysql/foreign_keys.sql
var myForeignKeys string

// myDiscovery gathers what the stages read, by schema and name. The server
// gives rows in no promised order.
type myDiscovery struct {
	db            *schema.Database
	mariadb       bool
	transactional map[string]bool // by engine
	objects       map[objectName]*myObject
	// partitioned is whether some object may be: the argument of the query for
	// partitions. MariaDB opens every table there is for it, but tells of all
	// partitioned ones before; MySQL is silent about those parted BY KEY ().
	partitioned []any
	order       []*myObject
	last        objectName // most rows belong to the object of the row before
	lastObject  *myObject
	pending     []schema.Field // of the object whose columns are being read
	current     *myObject
}

type objectName struct{ schema, name string }

type myObject struct {
	schema.Object
	parts []myPart    // of its indexes
	keys  []myKeyPart // of its foreign keys

	byKey      bool // its partitions are made by the primary key, which their catalogue does not repeat
	view       *viewText
	viewClosed bool
}

func newMySQL(db *schema.Database) *myDiscovery {
	return &myDiscovery{
		db: db, mariadb: db.Server.Flavor == schema.FlavorMariaDB,
		transactional: map[string]bool{}, objects: map[objectName]*myObject{}, partitioned: []any{db.Server.Flavor != schema.FlavorMariaDB},
	}
}

func discoverMySQL(r *reader, db *schema.Database, wanted []schema.ColumnRef) error {
	d := newMySQL(db)
	indexes := myIndexes
	if d.mariadb {
		indexes = mariaIndexes
	}
	of := myWanted(wanted)
	stages := []stage{
		{"database", myDatabase, nil, d.database},
		{"engines", myEngines, nil, d.engine},
		{"objects", myObjects, of, d.object},
		{"columns", myColumns, of, d.column},
		{"indexes", indexes, of, d.indexPart},
	}
	if wanted == nil {
		stages = append(stages,
			stage{"foreign keys", myForeignKeys, nil, d.keyPart},
			stage{"triggers", myTriggers, nil, d.trigger},
			stage{"partitions", myPartitions, d.partitioned, d.partitions},
			stage{"views", myViews, nil, d.view},
		)
	}
	if err := r.run(stages); err != nil {
		return err
	}
	d.closeColumns()
	db.Objects = make([]schema.Object, 0, len(d.order))
	for _, o := range d.order {
		if len(o.Fields) == 0 {
			continue // nothing of it may be selected, or it is a view over what is gone
		}
		d.close(o)
		db.Objects = append(db.Objects, o.Object)
	}
	return nil
}

// myWanted are the arguments of the texts that can ask for some objects only:
// whether all are wanted, and a JSON list of "schema/name". Two objects may
// share an entry, since both parts may hold a slash; one too many does no harm.
func myWanted(wanted []schema.ColumnRef) []any {
	list := make([]string, len(wanted))
	for i, w := range wanted {
		list[i] = w.Schema + "/" + w.Object
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // as the server quotes
	if err := encoder.Encode(list); err != nil {
		panic("discover: " + err.Error()) // a list of strings
	}
	return []any{wanted == nil, text.String()}
}

func (d *myDiscovery) database(c *cells) error {
	d.db.Name = c.text(0)
	d.db.DefaultSchema = d.db.Name
	return nil
}

func (d *myDiscovery) engine(c *cells) error {
	d.transactional[strings.ToLower(c.text(0))] = c.flag(1)
	return nil
}

// remoteEngines keep their rows on another server or in files outside.
var remoteEngines = map[string]bool{"federated": true, "connect": true, "spider": true}

func (d *myDiscovery) object(c *cells) error {
	o := &myObject{Object: schema.Object{
		Schema: c.shared(0), Name: c.text(1), Engine: c.shared(3), EstimatedRows: max(0, c.number(4)), Comment: c.comment(6),
		Supported: true, Type: schema.Table,
	}}
	switch kind := c.text(2); {
	case kind == "VIEW":
		// Its comment is the word VIEW, or what is wrong with it.
		o.Type, o.Comment, o.SourcesUnknown, o.Transactional = schema.View, "", true, true
	case remoteEngines[strings.ToLower(o.Engine)]:
		o.Type = schema.ForeignTable
	case strings.EqualFold(o.Engine, "MRG_MyISAM"):
		o.SourcesUnknown = true // it shows the rows of other tables
	case c.flag(5):
		o.Type, d.partitioned[0] = schema.PartitionedTable, true
	}
	if o.Type != schema.View {
		o.Transactional = d.transactional[strings.ToLower(o.Engine)]
	}
	d.objects[d.name(o.Schema, o.Name)] = o
	d.order = append(d.order, o)
	return nil
}

// name is the key of an object: folded where the server folds.
func (d *myDiscovery) name(schemaName, name string) objectName {
	if d.db.Server.CaseInsensitiveNames {
		return objectName{strings.ToLower(schemaName), strings.ToLower(name)}
	}
	return objectName{schemaName, name}
}

// at finds the object that a row speaks of, nil when it was made since.
func (d *myDiscovery) at(c *cells) *myObject {
	n := objectName{c.text(0), c.text(1)}
	if n != d.last || d.lastObject == nil {
		d.last, d.lastObject = n, d.objects[d.name(n.schema, n.name)]
	}
	return d.lastObject
}

func (d *myDiscovery) column(c *cells) error {
	o := d.at(c)
	privileges := c.text(16)
	if o == nil || !holds(privileges, "select") {
		return nil
	}
	extra := strings.ToLower(c.text(9))
	f := schema.Field{
		Number: int(c.number(2)), Name: c.shared(3), NativeType: c.shared(5), Nullable: c.flag(6),
		Identity:  strings.Contains(extra, "auto_increment"),
		Generated: strings.Contains(extra, "virtual generated") || strings.Contains(extra, "stored generated"),
		Invisible: strings.Contains(extra, "invisible"),
		Collation: c.shared(10), Comment: c.comment(15),
	}
	if o.Type != schema.View {
		// MariaDB writes the default of a nullable column as the word NULL,
		// and a text of that spelling in quotes.
		f.HasDefault = c.flag(7) && !(d.mariadb && c.text(8) == "NULL") && !f.Generated
		f.CanInsert, f.CanUpdate = holds(privileges, "insert"), holds(privileges, "update")
		o.CanInsert, o.CanUpdate = o.CanInsert || f.CanInsert, o.CanUpdate || f.CanUpdate
	}
	if f.Generated {
		f.DerivedFrom = quotedNames(d.expression(c.text(17)))
	}
	myDescribeType(&f, c)
	if o != d.current {
		d.closeColumns()
		d.current = o
	}
	d.pending = append(d.pending, f)
	return nil
}

// closeColumns gives the columns read so far to their object, at their exact
// size: a large database has a hundred thousand of them.
func (d *myDiscovery) closeColumns() {
	if d.current != nil {
		d.current.Fields = slices.Concat(d.current.Fields, d.pending)
	}
	d.pending, d.current = d.pending[:0], nil
}

// expression is the text of a catalogue's expression as SQL.
func (d *myDiscovery) expression(text string) string {
	if d.mariadb {
		return text
	}
	return unescaped(text)
}

// quotedNames are the names between backticks, in which the server writes every
// column, each once.
func quotedNames(expression string) []string {
	var names []string
	for s := newScanner(expression); s.next(); {
		if s.kind == quotedName && !slices.Contains(names, s.text) {
			names = append(names, s.text)
		}
	}
	return names
}

func (d *myDiscovery) trigger(c *cells) error {
	if o := d.at(c); o != nil {
		o.HasTriggers = true
	}
	return nil
}

// partitions tells a table how many parts a read may have to ask, and by which
// columns it is parted.
func (d *myDiscovery) partitions(c *cells) error {
	o := d.at(c)
	if o == nil {
		return nil
	}
	method, expression := c.text(3), d.expression(c.text(4))
	o.Partitions, o.PartitionKey = int(c.number(2)), quotedNames(expression)
	o.byKey = len(o.PartitionKey) == 0 && strings.Contains(method, "KEY")
	return nil
}

// holds finds a privilege in a list apart by commas.
func holds(privileges, wanted string) bool {
	for p := range strings.SplitSeq(privileges, ",") {
		if strings.EqualFold(strings.TrimSpace(p), wanted) {
			return true
		}
	}
	return false
}

// close puts an object together, in a fixed order.
func (d *myDiscovery) close(o *myObject) {
	slices.SortFunc(o.Fields, func(a, b schema.Field) int { return cmp.Compare(a.Number, b.Number) })
	for i := range o.Fields {
		f := &o.Fields[i]
		f.DerivedFrom = slices.DeleteFunc(f.DerivedFrom, func(name string) bool { return name == f.Name })
	}
	o.closeIndexes()
	if o.byKey {
		o.PartitionKey = slices.Clone(o.PrimaryKey)
	}
	if slices.ContainsFunc(o.PartitionKey, func(name string) bool { return o.Field(name) == nil }) {
		o.PartitionKey = nil // a column that may not be read, or that the server keeps for itself
	}
	d.closeKeys(o)
	d.closeView(o)
}
