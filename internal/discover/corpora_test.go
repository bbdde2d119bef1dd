package discover_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowyte/internal/dbtest"
	"flowyte/internal/schema"
)

// corpus reads a sample database that lies beside the source tree, or skips.
func corpus(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "corpora", path))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the sample databases are not beside the source tree: %s is missing", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// schemaOnly keeps what makes the schema, in our own database: no rows, no
// client commands, no owners, no settings that servers have dropped since.
func schemaOnly(script string) string {
	var kept []string
	for line := range strings.SplitSeq(script, "\n") {
		upper := strings.ToUpper(strings.TrimSpace(line))
		skip := strings.HasPrefix(upper, `\`)
		for _, prefix := range []string{"DROP DATABASE", "CREATE DATABASE", "DROP SCHEMA", "CREATE SCHEMA", "USE ", "SET DEFAULT_WITH_OIDS", "CREATE PROCEDURAL LANGUAGE", "ALTER PROCEDURAL LANGUAGE"} {
			skip = skip || strings.HasPrefix(upper, prefix)
		}
		if !skip && !strings.Contains(upper, "OWNER TO ") && !strings.HasPrefix(upper, "REVOKE ") && !strings.HasPrefix(upper, "GRANT ") {
			kept = append(kept, line)
		}
	}
	text := strings.Join(kept, "\n")
	if rows := strings.Index(text, "\nINSERT INTO"); rows >= 0 {
		text = text[:rows]
	}
	return text
}

// statements splits a script as the mysql client does.
func statements(script string) []string {
	var list []string
	var b strings.Builder
	delimiter := ";"
	for line := range strings.SplitSeq(script, "\n") {
		trimmed := strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(strings.ToUpper(trimmed), "DELIMITER "); ok {
			delimiter = strings.TrimSpace(rest)
			continue
		}
		if strings.HasPrefix(trimmed, "--") || trimmed == "" {
			continue
		}
		b.WriteString(line + "\n")
		if strings.HasSuffix(trimmed, delimiter) {
			list = append(list, strings.TrimSuffix(strings.TrimSpace(b.String()), delimiter))
			b.Reset()
		}
	}
	return list
}

func TestCorporaOnPostgres(t *testing.T) {
	for name, path := range map[string]string{"chinook": "chinook/Chinook_PostgreSql.sql", "pagila": "pagila-0.10.1/pagila-schema.sql"} {
		t.Run(name, func(t *testing.T) {
			script := schemaOnly(corpus(t, path))
			db := dbtest.Postgres(t)
			db.Exec(t, script)
			found := find(t, db, db.User(t, "SELECT"))
			compare(t, "objects", objectRows(found), db.Query(t, `
				SELECT table_name, CASE table_type WHEN 'VIEW' THEN 'view' ELSE 'table' END FROM information_schema.tables WHERE table_schema = 'public'
				UNION ALL SELECT matviewname, 'materialized_view' FROM pg_matviews WHERE schemaname = 'public'`))
			compare(t, "columns", columnRows(found, func(f *schema.Field) []string {
				return []string{fmt.Sprint(f.Number), f.Name, yes(f.Nullable), yes(f.HasDefault), f.TypeName + "/" + f.BaseType, fmt.Sprint(number(f.MaxLength)), fmt.Sprint(number(f.Scale))}
			}), db.Query(t, `
				SELECT table_name, ordinal_position, column_name, CASE WHEN is_nullable = 'YES' AND COALESCE(t.typnotnull, false) = false THEN 'yes' ELSE 'no' END,
				       CASE WHEN column_default IS NOT NULL THEN 'yes' ELSE 'no' END,
				       COALESCE(domain_name, CASE WHEN data_type = 'USER-DEFINED' THEN udt_name END, '') || '/' || CASE data_type WHEN 'ARRAY' THEN 'array' ELSE udt_name END,
				       COALESCE(character_maximum_length, -1), CASE WHEN numeric_precision_radix = 10 THEN COALESCE(numeric_scale, -1) ELSE -1 END
				FROM information_schema.columns LEFT JOIN pg_type t ON t.typname = domain_name WHERE table_schema = 'public'`))
			compare(t, "indexes", indexRows(found), db.Query(t, `
				SELECT c.relname, i.relname, pg_get_indexdef(i.oid, k, true), k, CASE WHEN x.indisunique THEN 'yes' ELSE 'no' END, CASE WHEN x.indisprimary THEN 'yes' ELSE 'no' END, a.amname
				FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_am a ON a.oid = i.relam, generate_series(1, x.indnkeyatts) k
				WHERE c.relnamespace = 'public'::regnamespace`))
			compare(t, "foreign keys", keyRows(found), db.Query(t, `
				SELECT k.table_name, k.constraint_name, k.ordinal_position, k.column_name, u.table_name, u.column_name
				FROM information_schema.referential_constraints r
				JOIN information_schema.key_column_usage k ON k.constraint_name = r.constraint_name AND k.constraint_schema = r.constraint_schema
				JOIN information_schema.key_column_usage u ON u.constraint_name = r.unique_constraint_name AND u.ordinal_position = k.position_in_unique_constraint`))
		})
	}
}

func TestCorporaOnMySQL(t *testing.T) {
	for name, path := range map[string]string{"chinook": "chinook/Chinook_MySql.sql", "sakila": "sakila-mysql/sakila-mv-schema.sql"} {
		t.Run(name, func(t *testing.T) {
			// Its views name the database that the script would have made.
			script := strings.ReplaceAll(schemaOnly(corpus(t, path)), "sakila.", "")
			eachMySQL(t, func(t *testing.T, db *dbtest.Database) {
				db.Exec(t, strings.Join(statements(script), ";\n"))
				found := find(t, db, db.User(t, "SELECT", "EXECUTE"))
				compare(t, "objects", objectRows(found), rename(db.Query(t, "SHOW FULL TABLES"), map[string]string{"BASE TABLE": "table", "VIEW": "view"}))
				var columns, indexes [][]string
				for i := range found.Objects {
					o := &found.Objects[i]
					for n, row := range db.Query(t, "SHOW FULL COLUMNS FROM `"+o.Name+"`") { // Field Type Collation Null Key Default Extra
						columns = append(columns, []string{o.Name, fmt.Sprint(n + 1), row[0], yes(row[3] == "YES"), row[1], strings.TrimSuffix(row[2], "NULL"), yes(row[6] == "auto_increment")})
					}
					if o.Type == schema.View {
						continue
					}
					for _, row := range db.Query(t, "SHOW INDEX FROM `"+o.Name+"`") { // Table Non_unique Key_name Seq_in_index Column_name … Index_type
						indexes = append(indexes, []string{o.Name, row[2], row[4], row[3], yes(row[1] == "0"), yes(row[2] == "PRIMARY"), strings.ToLower(row[10])})
					}
				}
				compare(t, "columns", columnRows(found, func(f *schema.Field) []string {
					return []string{fmt.Sprint(f.Number), f.Name, yes(f.Nullable), f.NativeType, f.Collation, yes(f.Identity)}
				}), columns)
				compare(t, "indexes", indexRows(found), indexes)
				compare(t, "foreign keys", keyRows(found), db.Query(t, `
					SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME
					FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME, TABLE_NAME)
					WHERE r.CONSTRAINT_SCHEMA = DATABASE()`))
			})
		})
	}
}

// compare holds the rows of discovery against those of an independent query,
// in any order.
func compare(t *testing.T, what string, got, want [][]string) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: the independent query found nothing", what)
	}
	joined := func(rows [][]string) []string {
		var lines []string
		for _, row := range rows {
			lines = append(lines, strings.Join(row, " | "))
		}
		slices.Sort(lines)
		return lines
	}
	same(t, what, joined(want), joined(got))
}

func objectRows(db *schema.Database) (rows [][]string) {
	for i := range db.Objects {
		rows = append(rows, []string{db.Objects[i].Name, string(db.Objects[i].Type)})
	}
	return rows
}

func columnRows(db *schema.Database, describe func(f *schema.Field) []string) (rows [][]string) {
	for i := range db.Objects {
		for j := range db.Objects[i].Fields {
			rows = append(rows, append([]string{db.Objects[i].Name}, describe(&db.Objects[i].Fields[j])...))
		}
	}
	return rows
}

func indexRows(db *schema.Database) (rows [][]string) {
	for i := range db.Objects {
		o := &db.Objects[i]
		for _, ix := range o.Indexes {
			for k, column := range ix.Columns {
				rows = append(rows, []string{o.Name, ix.Name, column, fmt.Sprint(k + 1), yes(ix.Unique), yes(ix.Primary), ix.Method})
			}
			if ix.Primary {
				same := slices.Equal(ix.Columns, o.PrimaryKey)
				rows[len(rows)-1][5] = yes(same)
			}
		}
	}
	return rows
}

func keyRows(db *schema.Database) (rows [][]string) {
	for i := range db.Objects {
		o := &db.Objects[i]
		for _, fk := range o.ForeignKeys {
			for k := range fk.Columns {
				if !fk.Inferred {
					rows = append(rows, []string{o.Name, fk.Name, fmt.Sprint(k + 1), fk.Columns[k], fk.TargetObject, fk.TargetColumns[k]})
				}
			}
		}
	}
	return rows
}

func rename(rows [][]string, names map[string]string) [][]string {
	for _, row := range rows {
		for i, cell := range row {
			if name, ok := names[cell]; ok {
				row[i] = name
			}
		}
	}
	return rows
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func number(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}
