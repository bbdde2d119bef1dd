package discover

import (
	"context"

	"flowyte/internal/schema"
)

// WriteRights replaces what db says of inserting and updating by what the user
// of q may do: writes may have a user of their own, and no user can be asked
// about another's rights on every kind of server. Objects that this user may
// not select from cannot be written. It costs two queries.
func WriteRights(ctx context.Context, q Querier, db *schema.Database) error {
	writer := &schema.Database{Kind: db.Kind, Server: db.Server}
	r := newReader(ctx, q, Options{})
	read := postgresRights
	if db.Kind == schema.MySQL {
		read = mySQLRights
	}
	rights, err := read(r, writer)
	if err != nil {
		return err
	}
	for i := range db.Objects {
		o := &db.Objects[i]
		held := rights(o.Schema, o.Name)
		o.CanInsert, o.CanUpdate = held != nil && held.CanInsert, held != nil && held.CanUpdate
		for j := range o.Fields {
			f := &o.Fields[j]
			f.CanInsert, f.CanUpdate = false, false
			if held != nil {
				if h := held.Field(f.Name); h != nil {
					f.CanInsert, f.CanUpdate = h.CanInsert, h.CanUpdate
				}
			}
		}
	}
	return nil
}

// holder finds an object as the writing user sees it, nil when it does not.
type holder func(schemaName, name string) *schema.Object

func postgresRights(r *reader, db *schema.Database) (holder, error) {
	d := newPostgres(db)
	err := r.run([]stage{
		{"objects", pgVisible + pgObjects, pgWanted(nil), d.object},
		{"columns", pgVisible + pgColumns, pgWanted(nil), d.column},
	})
	d.closeColumns()
	byName := make(map[objectName]*schema.Object, len(d.order))
	for _, o := range d.order {
		byName[objectName{o.Schema, o.Name}] = &o.Object
	}
	return func(schemaName, name string) *schema.Object { return byName[objectName{schemaName, name}] }, err
}

func mySQLRights(r *reader, db *schema.Database) (holder, error) {
	d := newMySQL(db)
	err := r.run([]stage{
		{"objects", myObjects, myWanted(nil), d.object},
		{"columns", myColumns, myWanted(nil), d.column},
	})
	d.closeColumns()
	return func(schemaName, name string) *schema.Object {
		if o := d.objects[d.name(schemaName, name)]; o != nil {
			return &o.Object
		}
		return nil
	}, err
}
