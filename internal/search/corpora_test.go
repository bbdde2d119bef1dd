package search

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/schema"
)

// corpora is where the public sample data lies, beside the module.
var corpora = filepath.Join("..", "..", "..", "shared", "corpora")

// needCorpora skips a test, with a reason, where the sample data is not there.
func needCorpora(t testing.TB) {
	t.Helper()
	for _, name := range []string{"sql-eval", "defog", "text2sql-advising", "chinook", "sakila-mysql"} {
		if _, err := os.Stat(filepath.Join(corpora, name)); errors.Is(err, fs.ErrNotExist) {
			t.Skipf("the sample questions are not there: ../shared/corpora/%s, beside the module, is missing", name)
		}
	}
}

func readCorpus(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{corpora}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// question is a text that people asked of a database, and what answers it.
type question struct {
	text string
	gold gold
}

// questionSet is a database and the questions asked of it.
type questionSet struct {
	name      string
	db        *schema.Database
	questions []question
}

// dealershipAndRestaurants are the questions of sql-eval over the databases of
// defog, whose column comments are the descriptions that come with them.
func dealershipAndRestaurants(t testing.TB) []questionSet {
	t.Helper()
	sets := []questionSet{{name: "car_dealership"}, {name: "restaurants"}}
	for i := range sets {
		sets[i].db = defog(t, sets[i].name)
	}
	for _, file := range []string{"questions_gen", "instruct_basic", "instruct_advanced"} {
		rows, err := csv.NewReader(strings.NewReader(readCorpus(t, "sql-eval", file+"_postgres.csv"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for i, heading := range rows[0] {
			at[heading] = i
		}
		for _, row := range rows[1:] {
			s := &sets[slices.IndexFunc(sets, func(s questionSet) bool { return s.name == row[at["db_name"]] })]
			// Of several right answers the first counts.
			sql, _, _ := strings.Cut(row[at["query"]], ";")
			s.questions = append(s.questions, question{row[at["question"]], goldOf(s.db, sql)})
		}
	}
	return sets
}

var (
	createTable = regexp.MustCompile(`(?i)^CREATE TABLE (?:public\.)?(\w+)`)
	references  = regexp.MustCompile(`(?i)\b(\w+) \w+.*REFERENCES (\w+)\((\w+)\)`)
)

func defog(t testing.TB, name string) *schema.Database {
	t.Helper()
	var file struct {
		Tables map[string][]struct {
			Type    string `json:"data_type"`
			Name    string `json:"column_name"`
			Comment string `json:"column_description"`
		} `json:"table_metadata"`
	}
	if err := json.Unmarshal([]byte(readCorpus(t, "defog", name+".json")), &file); err != nil {
		t.Fatal(err)
	}
	db := &schema.Database{Kind: schema.Postgres, DefaultSchema: "public"}
	var o *schema.Object
	for line := range strings.SplitSeq(readCorpus(t, "defog", name+".sql"), "\n") {
		if m := createTable.FindStringSubmatch(line); m != nil {
			db.Objects = append(db.Objects, schema.Object{Schema: "public", Name: m[1], Type: schema.Table, Supported: true})
			o = &db.Objects[len(db.Objects)-1]
			for _, c := range file.Tables[m[1]] {
				o.Fields = append(o.Fields, schema.Field{Name: c.Name, Type: typeOf(c.Type), Comment: c.Comment})
				if strings.EqualFold(c.Type, "serial") {
					o.PrimaryKey = []string{c.Name}
				}
			}
		}
		if m := references.FindStringSubmatch(line); m != nil {
			o.ForeignKeys = append(o.ForeignKeys, schema.ForeignKey{
				Columns: []string{m[1]}, TargetSchema: "public", TargetObject: m[2], TargetColumns: []string{m[3]},
			})
		}
	}
	return sorted(db)
}

// sorted brings a database into the order that discovery gives it, with the
// relationships that discovery would infer.
func sorted(db *schema.Database) *schema.Database {
	slices.SortFunc(db.Objects, func(a, b schema.Object) int { return cmp.Compare(a.Name, b.Name) })
	schema.Relate(db)
	return db
}

func typeOf(native string) schema.Type {
	native = strings.ToLower(native)
	for _, known := range []struct {
		prefix string
		is     schema.Type
	}{
		{"serial", schema.Integer}, {"bigint", schema.Integer}, {"int", schema.Integer}, {"timestamp", schema.DateTime}, {"date", schema.Date},
		{"time", schema.Time}, {"bool", schema.Boolean}, {"num", schema.Number}, {"float", schema.Number}, {"real", schema.Number},
	} {
		if strings.HasPrefix(native, known.prefix) {
			return known.is
		}
	}
	return schema.String
}

// advising are the questions of text2sql over a university's database, which has
// neither comments nor declared keys. In its texts the values that people asked
// for are replaced by names such as number0; filled puts the values back.
func advising(t testing.TB, filled bool) questionSet {
	t.Helper()
	s := questionSet{name: "advising", db: advisingSchema(t)}
	if filled {
		s.name = "advising, with values"
	}
	var file []struct {
		SQL       []string
		Sentences []struct {
			Text      string
			Variables map[string]string
		}
	}
	if err := json.Unmarshal([]byte(readCorpus(t, "text2sql-advising", "advising.json")), &file); err != nil {
		t.Fatal(err)
	}
	for _, asked := range file {
		g := goldOf(s.db, asked.SQL[0])
		for _, sentence := range asked.Sentences {
			text := sentence.Text
			if filled {
				for name, value := range sentence.Variables {
					text = strings.ReplaceAll(text, name, value)
				}
			}
			s.questions = append(s.questions, question{text, g})
		}
	}
	return s
}

func advisingSchema(t testing.TB) *schema.Database {
	t.Helper()
	db := &schema.Database{Kind: schema.MySQL, DefaultSchema: "advising"}
	for line := range strings.SplitSeq(readCorpus(t, "text2sql-advising", "advising-schema.csv"), "\n") {
		cells := strings.Split(line, ",")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) < 5 || cells[0] == "Table Name" || cells[0] == "-" {
			continue
		}
		if n := len(db.Objects); n == 0 || db.Objects[n-1].Name != cells[0] {
			db.Objects = append(db.Objects, schema.Object{Schema: "advising", Name: cells[0], Type: schema.Table, Supported: true})
		}
		o := &db.Objects[len(db.Objects)-1]
		o.Fields = append(o.Fields, schema.Field{Name: cells[1], Type: typeOf(cells[2])})
		if cells[4] == "PRI" {
			o.PrimaryKey = append(o.PrimaryKey, cells[1])
		}
	}
	return sorted(db)
}
