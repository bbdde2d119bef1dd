package control

import (
	"flowyte/api"
	"flowyte/internal/compile"
	"flowyte/internal/schema"
)

// viewSchema renders a database, already scoped, as its organisation sees it.
func viewSchema(db *schema.Database, digest string, classes classifier) api.Schema {
	s := api.Schema{
		Kind: string(db.Kind), Server: viewServer(db.Server), DiscoveredAt: db.DiscoveredAt, SchemaDigest: digest,
		Objects: make([]api.Object, 0, len(db.Objects)),
	}
	for i := range db.Objects {
		s.Objects = append(s.Objects, viewObject(db, &db.Objects[i], classes))
	}
	return s
}

// classifier tells the PII class of a column, "" for none.
type classifier func(o *schema.Object, f *schema.Field) string

func viewServer(s schema.Server) api.Server {
	return api.Server{Product: s.Product, Version: s.Version, Replica: s.Replica}
}

func viewObject(db *schema.Database, o *schema.Object, classes classifier) api.Object {
	v := api.Object{
		Name: db.PublicName(o), Schema: o.Schema, Type: string(o.Type), Comment: o.Comment, EstimatedRows: o.EstimatedRows,
		Supported: o.Supported, Reason: o.Reason, PrimaryKey: orEmpty(o.PrimaryKey), UniqueKeys: [][]string{},
		Fields: make([]api.SchemaField, 0, len(o.Fields)), Indexes: []api.SchemaIndex{}, Relationships: []api.Relationship{},
		Capabilities: capabilities(o), Operations: operations(db, o),
	}
	for i := range o.Fields {
		f := &o.Fields[i]
		v.Fields = append(v.Fields, api.SchemaField{
			Name: f.Name, Type: string(f.Type), NativeType: f.NativeType, Zoned: f.Zoned, Nullable: f.Nullable,
			HasDefault: f.HasDefault, Generated: f.Generated || f.Identity, EnumValues: orEmpty(f.EnumValues), MaxLength: f.MaxLength,
			Precision: f.Precision, Scale: f.Scale, Comment: f.Comment, PIIClass: classes(o, f),
			Searchable: o.Searchable(f.Name), Unique: o.UniqueColumn(f.Name),
			PhoneForms: orEmpty(f.PhoneForms),
		})
	}
	for _, ix := range o.Indexes {
		v.Indexes = append(v.Indexes, api.SchemaIndex{Name: ix.Name, Columns: orEmpty(ix.Columns), Unique: ix.Unique, Usable: ix.Usable, Reason: ix.Reason})
		if ix.Unique && !ix.Primary && ix.Immediate && ix.Usable {
			v.UniqueKeys = append(v.UniqueKeys, ix.Columns)
		}
	}
	for i := range o.ForeignKeys {
		v.Relationships = append(v.Relationships, viewRelationship(db, o, &o.ForeignKeys[i]))
	}
	return v
}

func viewRelationship(db *schema.Database, o *schema.Object, fk *schema.ForeignKey) api.Relationship {
	return api.Relationship{
		Name: fk.Relationship, Fields: fk.Columns, Target: db.PublicNameOf(fk.TargetSchema, fk.TargetObject),
		TargetFields: fk.TargetColumns, Cardinality: o.Cardinality(fk), Inferred: fk.Inferred, Reason: fk.Reason,
	}
}

func capabilities(o *schema.Object) []string {
	c := []string{}
	if !o.Supported {
		return c
	}
	c = append(c, string(readOp))
	if o.Type != schema.Table && o.Type != schema.PartitionedTable {
		return c
	}
	if o.CanInsert && o.Transactional {
		c = append(c, string(insertOp))
	}
	if o.CanUpdate && o.Transactional && len(updateKeys(o)) > 0 {
		c = append(c, string(updateOp))
	}
	return c
}

type opType string

const (
	readOp   opType = "read"
	insertOp opType = "insert"
	updateOp opType = "update"
)

func operations(db *schema.Database, o *schema.Object) []api.Operation {
	ops := []api.Operation{}
	for _, c := range capabilities(o) {
		op := api.Operation{Name: db.PublicName(o) + "." + c, Type: c, Arguments: []api.Argument{}}
		switch opType(c) {
		case readOp:
			for i := range o.Fields {
				if f := &o.Fields[i]; o.Searchable(f.Name) && compile.Equatable(f) {
					op.Arguments = append(op.Arguments, api.Argument{Name: f.Name, Type: string(f.Type)})
				}
			}
		case insertOp:
			for i := range o.Fields {
				if f := &o.Fields[i]; !f.Generated && !f.Identity && f.CanInsert {
					op.Arguments = append(op.Arguments, api.Argument{Name: f.Name, Type: string(f.Type), Required: !f.Nullable && !f.HasDefault})
				}
			}
		case updateOp:
			for _, k := range updateKeys(o) {
				op.Arguments = append(op.Arguments, api.Argument{Name: k.Name, Type: string(k.Type), Required: true})
			}
		}
		ops = append(ops, op)
	}
	return ops
}

// updateKeys are the columns that alone identify a row, cannot be null and can
// be compared with a value.
func updateKeys(o *schema.Object) []*schema.Field {
	var keys []*schema.Field
	for i := range o.Fields {
		if f := &o.Fields[i]; !f.Nullable && o.UniqueColumn(f.Name) && compile.Equatable(f) {
			keys = append(keys, f)
		}
	}
	return keys
}

func viewSummary(db *schema.Database, o *schema.Object) api.ObjectSummary {
	s := api.ObjectSummary{
		Name: db.PublicName(o), Schema: o.Schema, Type: string(o.Type), Comment: o.Comment, EstimatedRows: o.EstimatedRows,
		Supported: o.Supported, FieldCount: len(o.Fields), RelationshipCount: len(o.ForeignKeys), Capabilities: capabilities(o),
	}
	for i := range o.Fields {
		if o.Searchable(o.Fields[i].Name) {
			s.SearchableCount++
		}
	}
	return s
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
