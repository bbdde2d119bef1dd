package assist

import (
	"strings"
)

// filterReasons say how a filter was found, after the column's name.
var filterReasons = map[reason]string{
	byWords:  "because the goal says that it is what is given",
	byPhrase: "because the goal names the place or group to look in",
	byCaller: "because callers ask for what is theirs",
	byHabit:  "because it is what such a record is usually found by",
	byKey:    "because it is the key and nothing better was named",
}

// rationale says in plain words what a draft takes and why. It names objects
// and columns of the scoped catalogue alone.
func (c *Catalog) rationale(d *draft) string {
	var parts []string
	object := d.object.public
	if d.filter != nil {
		why := filterReasons[d.reason]
		if why == "" {
			why = "because it is indexed"
		}
		parts = append(parts, "Finds "+object+" by "+d.filter.Name+" "+why+".")
	} else {
		parts = append(parts, "Creates one row of "+object+".")
	}
	if names := projected(d); len(names) > 0 {
		parts = append(parts, "Answers with "+strings.Join(names, ", ")+", which the words of the goal come nearest to.")
	}
	if names := assigned(d); len(names) > 0 {
		parts = append(parts, "Writes "+strings.Join(names, ", ")+".")
	}
	return strings.Join(parts, " ")
}

func projected(d *draft) (names []string) {
	for _, p := range d.request.Projection {
		names = append(names, strings.Join(p.Path, "."))
	}
	return names
}

func assigned(d *draft) (names []string) {
	for _, a := range d.sets {
		names = append(names, a.column.Name)
	}
	return names
}
