package assist_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/assist"
	"flowyte/internal/schema"
)

// corpora is the folder of public question sets, which is not part of this
// project. FLOWYTE_CORPORA names another place.
func corpora(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("FLOWYTE_CORPORA")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	if _, err := os.Stat(filepath.Join(folder, "text2sql-advising", "advising.json")); err != nil {
		t.Skipf("the public question sets are not at %s; set FLOWYTE_CORPORA to measure on them", folder)
	}
	return folder
}

// indexEverything gives every column an index, so that an index never gives an
// answer away.
func indexEverything(db *schema.Database) {
	for i := range db.Objects {
		o := &db.Objects[i]
		o.Supported, o.Transactional, o.CanInsert, o.CanUpdate, o.Type = true, true, true, true, schema.Table
		for j := range o.Fields {
			f := &o.Fields[j]
			f.Number, f.CanInsert, f.CanUpdate = j+1, true, true
			o.Indexes = append(o.Indexes, schema.Index{
				Name: o.Name + "_" + f.Name, Columns: []string{f.Name}, Usable: true, Immediate: true, NullsDistinct: true,
				Unique: len(o.PrimaryKey) == 1 && o.PrimaryKey[0] == f.Name, Primary: len(o.PrimaryKey) == 1 && o.PrimaryKey[0] == f.Name,
			})
		}
	}
	slices.SortFunc(db.Objects, func(a, b schema.Object) int { return strings.Compare(a.Name, b.Name) })
	schema.Relate(db)
}

func columnType(native string) (schema.Type, string) {
	native = strings.ToLower(native)
	for _, c := range []struct {
		begins string
		t      schema.Type
		base   string
	}{
		{"int", schema.Integer, "int4"}, {"bigint", schema.Integer, "int8"}, {"serial", schema.Integer, "int4"}, {"varchar", schema.String, "varchar"},
		{"text", schema.String, "text"}, {"numeric", schema.Number, "numeric"}, {"float", schema.Number, "float8"}, {"real", schema.Number, "float4"},
		{"date", schema.Date, "date"}, {"timestamp", schema.DateTime, "timestamp"}, {"time", schema.Time, "time"}, {"boolean", schema.Boolean, "bool"},
	} {
		if strings.HasPrefix(native, c.begins) {
			return c.t, c.base
		}
	}
	return schema.Unsupported, native
}

// advisingSchema reads the CSV of the advising database. It declares no keys
// between tables: columns called like another table's key are taken for them.
func advisingSchema(t *testing.T, folder string) *schema.Database {
	t.Helper()
	file, err := os.Open(filepath.Join(folder, "text2sql-advising", "advising-schema.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := csv.NewReader(file)
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	db := &schema.Database{Kind: schema.Postgres, Name: "advising", DefaultSchema: "public"}
	byName := map[string]int{}
	for _, row := range rows[1:] {
		if row[0] == "-" {
			continue
		}
		i, known := byName[row[0]]
		if !known {
			i = len(db.Objects)
			byName[row[0]] = i
			db.Objects = append(db.Objects, schema.Object{Schema: "public", Name: row[0]})
		}
		o := &db.Objects[i]
		f := schema.Field{Name: strings.ToUpper(row[1]), Nullable: strings.TrimSpace(row[3]) == "YES"}
		f.Type, f.BaseType = columnType(strings.TrimSpace(row[2]))
		f.NativeType = strings.TrimSpace(row[2])
		o.Fields = append(o.Fields, f)
		if strings.TrimSpace(row[4]) == "PRI" {
			o.PrimaryKey = append(o.PrimaryKey, f.Name)
		}
	}
	declareByName(db)
	indexEverything(db)
	return db
}

// declareByName declares a key for each column that is called like the
// one-column key of another table.
func declareByName(db *schema.Database) {
	for i := range db.Objects {
		o := &db.Objects[i]
		for _, f := range o.Fields {
			for j := range db.Objects {
				target := &db.Objects[j]
				if i != j && len(target.PrimaryKey) == 1 && target.PrimaryKey[0] == f.Name && !slices.Equal(o.PrimaryKey, target.PrimaryKey) {
					o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{
						Name: o.Name + "_" + f.Name, Columns: []string{f.Name}, TargetSchema: "public", TargetObject: target.Name, TargetColumns: []string{f.Name},
					})
				}
			}
		}
	}
}

// defogSchema reads the CREATE TABLE statements of one of the defog databases.
func defogSchema(t *testing.T, folder, name string) *schema.Database {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "defog", name+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	db := &schema.Database{Kind: schema.Postgres, Name: name, DefaultSchema: "public"}
	references := regexp.MustCompile(`REFERENCES (\w+)\((\w+)\)`)
	for _, m := range regexp.MustCompile(`(?s)CREATE TABLE (?:public\.)?(\w+) \((.*?)\n\);`).FindAllStringSubmatch(string(data), -1) {
		o := schema.Object{Schema: "public", Name: m[1]}
		for line := range strings.Lines(m[2]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "--")
			name, native, ok := strings.Cut(strings.TrimSpace(line), " ")
			if !ok {
				continue
			}
			f := schema.Field{Name: name, NativeType: native, Nullable: !strings.Contains(native, "NOT NULL"), HasDefault: strings.Contains(native, "DEFAULT")}
			f.Type, f.BaseType = columnType(native)
			if strings.Contains(native, "PRIMARY KEY") {
				o.PrimaryKey, f.Nullable, f.Identity = []string{name}, false, true
			}
			if ref := references.FindStringSubmatch(native); ref != nil {
				o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{
					Name: o.Name + "_" + name, Columns: []string{name}, TargetSchema: "public", TargetObject: ref[1], TargetColumns: []string{ref[2]},
				})
			}
			o.Fields = append(o.Fields, f)
		}
		db.Objects = append(db.Objects, o)
	}
	indexEverything(db)
	return db
}

type advisingEntry struct {
	SQL       []string
	Sentences []struct {
		Text      string
		Variables map[string]string
	}
	Variables []struct{ Name, Location string }
}

// query is a SELECT of one condition, taken apart.
type query struct {
	tables     []string
	conditions []condition
	selected   []string
}

type condition struct{ table, column, value string }

var (
	complicated = regexp.MustCompile(`(?i)\b(COUNT|MAX|MIN|AVG|SUM) *\(|\b(GROUP BY|LIMIT|NOT|OR|IN)\b|<|>|SELECT.*SELECT`)
	shape       = regexp.MustCompile(`(?is)^SELECT (?:DISTINCT )?(.*?) FROM (.*?) WHERE (.*?)(?:ORDER BY .*)?;?\s*$`)
	equality    = regexp.MustCompile(`^\s*(\w+)\.(\w+) (?:=|LIKE) "?%?([^"%]+?)%?"?\s*$`)
	likeness    = regexp.MustCompile(`\bLIKE\b`)
	joining     = regexp.MustCompile(`^\s*\w+alias\d+\.\w+ = \w+alias\d+\.\w+\s*$`)
)

// parseQuery takes a gold query of the advising set apart; ok is false for one
// that is not a plain SELECT over equalities.
func parseQuery(sql string) (q query, ok bool) {
	if complicated.MatchString(sql) || likeness.MatchString(sql) {
		return q, false
	}
	m := shape.FindStringSubmatch(sql)
	if m == nil {
		return q, false
	}
	where := m[3]
	for table := range strings.SplitSeq(strings.ReplaceAll(strings.ReplaceAll(m[2], " INNER JOIN ", ","), " ON ", ",ON "), ",") {
		table = strings.TrimSpace(table)
		if on, is := strings.CutPrefix(table, "ON "); is {
			where += " AND " + on
			continue
		}
		name, _, _ := strings.Cut(table, " ")
		q.tables = append(q.tables, name)
	}
	for c := range strings.SplitSeq(where, " AND ") {
		if joining.MatchString(c) {
			continue
		}
		e := equality.FindStringSubmatch(c)
		if e == nil {
			return q, false
		}
		table, _, _ := strings.Cut(e[1], "alias")
		q.conditions = append(q.conditions, condition{table, e[2], strings.TrimSpace(e[3])})
	}
	for c := range strings.SplitSeq(m[1], ",") {
		table, column, _ := strings.Cut(strings.TrimSpace(c), ".")
		name, _, _ := strings.Cut(table, "alias")
		q.selected = append(q.selected, name+"."+column)
	}
	return q, true
}

// advisingGoals are the questions whose gold query is one equality with at most
// one join. strict counts every condition of the query; otherwise a condition
// on a variable that the question does not mention, such as a department that
// goes without saying, is no part of the goal.
func advisingGoals(t *testing.T, folder string, strict bool) []goalCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "text2sql-advising", "advising.json"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []advisingEntry
	if err := json.Unmarshal(data, &entries); err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\b([a-z]+)\d\b`)
	var list []goalCase
	for _, e := range entries {
		q, ok := parseQuery(e.SQL[0])
		if !ok || len(q.tables) > 2 {
			continue
		}
		for _, s := range e.Sentences {
			var said []condition
			for _, c := range q.conditions {
				if !variable.MatchString(c.value) || strings.Contains(s.Text, c.value) || strict {
					said = append(said, c)
				}
			}
			if len(said) != 1 {
				continue
			}
			text := variable.ReplaceAllString(strings.NewReplacer(" ?", "?", " .", ".", " 's", "'s", " ,", ",", " n't", "n't").Replace(s.Text), "a given $1")
			g := gold{object: said[0].table, action: "read", filters: []string{said[0].column}}
			for _, c := range q.selected {
				table, column, _ := strings.Cut(c, ".")
				if table == said[0].table {
					table = ""
				}
				g.columns = append(g.columns, goldColumn{object: table, column: column})
			}
			list = append(list, goalCase{schema: "advising", text: text, where: "advising", golds: []gold{g}})
		}
	}
	return list
}

// sqlEvalGoals are the questions of sql-eval on one database: those whose gold
// query is one condition of equality or likeness with at most one join, and all
// the others, which no single operation serves.
func sqlEvalGoals(t *testing.T, folder, database string) (served, refused []goalCase) {
	t.Helper()
	seen := map[string]bool{}
	one := regexp.MustCompile(`(?i)^SELECT (?:DISTINCT )?([\w., ]+) FROM (\w+) WHERE (?:LOWER\()*(?:\w+\.)?(\w+)\)* (?:=|I?LIKE) (?:LOWER\()?'[^']*'\)?;?$`)
	paths, err := filepath.Glob(filepath.Join(folder, "sql-eval", "*.csv"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("sql-eval: %v, %v", paths, err)
	}
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(file).ReadAll()
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for i, name := range rows[0] {
			at[name] = i
		}
		for _, row := range rows[1:] {
			question := row[at["question"]]
			if row[at["db_name"]] != database || seen[question] {
				continue
			}
			seen[question] = true
			c := goalCase{schema: database, text: question, where: "sql-eval/" + database}
			if m := one.FindStringSubmatch(row[at["query"]]); m != nil {
				g := gold{object: m[2], action: "read", filters: []string{m[3]}}
				for col := range strings.SplitSeq(m[1], ",") {
					col = strings.TrimSpace(col)
					g.columns = append(g.columns, goldColumn{column: col[strings.LastIndexByte(col, '.')+1:]})
				}
				c.golds = []gold{g}
				served = append(served, c)
				continue
			}
			c.refuse = []string{"any"}
			refused = append(refused, c)
		}
	}
	return served, refused
}

// TestCorpora measures on questions that other people wrote for other ends:
// students' questions to an advisor, and analysts' to two databases. Those whose
// gold query is one equality are to get a proposal of its object; what is
// refused counts as wrong. The analysts' other questions are to be refused.
func TestCorpora(t *testing.T) {
	folder := corpora(t)
	judge := func(db *schema.Database, cases []goalCase) *tally {
		var s tally
		cat := assist.NewCatalog(db, schema.Scope{})
		for _, c := range cases {
			s.judge(t, c, db, cat)
		}
		return &s
	}
	advising := advisingSchema(t, folder)
	for _, strict := range []bool{true, false} {
		set := map[bool]string{true: "advising, every condition of the query counted:", false: "advising, conditions as the question says them:"}[strict]
		s := judge(advising, advisingGoals(t, folder, strict))
		t.Log(set, s)
		if got := share(s.object1, s.goals); got < 0.9 || s.goals < 40 {
			t.Errorf("%s the proposal's object is right in %.3f of %d, want at least 0.90 of 40", set, got, s.goals)
		}
	}
	abstained, unserveable := 0, 0
	for _, name := range []string{"car_dealership", "restaurants"} {
		served, refused := sqlEvalGoals(t, folder, name)
		s := judge(defogSchema(t, folder, name), append(served, refused...))
		t.Log("sql-eval,", name+":", s)
		if s.object1 != s.goals {
			t.Errorf("sql-eval, %s: the proposal's object is right in %d of %d", name, s.object1, s.goals)
		}
		abstained, unserveable = abstained+s.abstained, unserveable+s.unserveable
	}
	if got := share(abstained, unserveable); got < 0.9 || unserveable < 50 {
		t.Errorf("sql-eval: abstained from %.3f of %d questions, want at least 0.90 of 50", got, unserveable)
	}
}
