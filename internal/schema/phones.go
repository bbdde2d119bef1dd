package schema

// KeepPhoneForms takes over what was learnt of phone columns that a new
// discovery found unchanged.
func KeepPhoneForms(before, now *Database) {
	if before == nil || before.Server.Identity != now.Server.Identity {
		return
	}
	old := objectsByName(before)
	for i := range now.Objects {
		o := &now.Objects[i]
		was := old[now.PublicName(o)]
		if was == nil {
			continue
		}
		for j := range o.Fields {
			f := &o.Fields[j]
			if w := was.Field(f.Name); w != nil && w.PhoneForms != nil && sameShape(w, f) {
				f.PhoneForms = w.PhoneForms
			}
		}
	}
}

func sameShape(a, b *Field) bool {
	var x, y record
	x.shape(a)
	y.shape(b)
	return string(x) == string(y)
}

// WithPhoneForms is a copy of the database in which a column keeps its telephone
// numbers in these forms. The original is not changed.
func (d *Database) WithPhoneForms(column ColumnRef, forms []string) *Database {
	next := *d
	next.Objects = append([]Object(nil), d.Objects...)
	for i := range next.Objects {
		o := &next.Objects[i]
		if o.Schema != column.Schema || o.Name != column.Object {
			continue
		}
		o.Fields = append([]Field(nil), o.Fields...)
		if f := o.Field(column.Column); f != nil {
			f.PhoneForms = forms
		}
	}
	return &next
}
