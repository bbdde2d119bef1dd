package discover

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// quoted writes a label as the servers write it in a column's type.
func quoted(label string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", "''", "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(label) + "'"
}

func TestEnumLabelsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		label := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune{'\'', '\\', ',', '(', ')', '`', '"', 'n', '0', ' '}), 0, 6, -1))
		labels := rapid.SliceOfN(label, 1, 5).Draw(rt, "labels")
		var written []string
		for _, l := range labels {
			written = append(written, quoted(l))
		}
		for _, kind := range []string{"enum", "set"} {
			if got := enumLabels(kind + "(" + strings.Join(written, ",") + ")"); !slices.Equal(got, labels) {
				rt.Fatalf("%s labels %q became %q", kind, labels, got)
			}
		}
	})
}

func TestQuotedNames(t *testing.T) {
	for sql, want := range map[string][]string{
		"": nil, "(`a` + `b` * `a`)": {"a", "b"}, "concat('`x`',`a``b`,\"`y`\")": {"a`b"}, "'it''s `x` \\' `y`' + `z`": {"z"},
		"`never closed": {"never closed"}, "'never closed `a`": nil, "_utf8mb4'x'": nil, "json_extract(`doc`,'$.a')": {"doc"},
	} {
		if diff := cmp.Diff(want, quotedNames(sql)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
	if got := unescaped("a\\'b\\\\c\\n`d`\\"); got != "a'b\\c\n`d`\\" {
		t.Errorf("unescaped gave %q", got)
	}
}

func TestReadViewIsCautious(t *testing.T) {
	for _, definition := range []string{
		"", "select 1", "select `t`.`a` AS `a` from `t`", "select `f`(`s`.`t`.`a`) AS `x` from `s`.`t`", "select `s`.`f`(1) AS `x`",
		"select load_file('/x') AS `x`", "select `a`.`b`.`c` AS `c` from `x`.`a`.`b`", "select `a` from (`s`.`t`", "select `a` from `s`.`t`)", "select `a`. from `s`.`t`",
		"select `a` AS `a` from `s`.`t", "select `a` AS `a` from `s`.`t` where `b` = 'x",
	} {
		if !readView(definition).unclear {
			t.Errorf("%q is taken for clear", definition)
		}
	}
	text := readView("select `x`.`a` AS `a` from (`s`.`t` `x` join (`r`.`u` `y` left join `r`.`v` on(`y`.`i` = `v`.`i`)) on(`x`.`i` = `y`.`i`)), `q`.`w` where `x`.`b` in (select `z`.`k` from `p`.`z`)")
	if diff := cmp.Diff([]objectName{{"s", "t"}, {"r", "u"}, {"r", "v"}, {"q", "w"}, {"p", "z"}}, text.tables, cmp.AllowUnexported(objectName{})); diff != "" || text.unclear {
		t.Errorf("unclear %t, tables (-want +got):\n%s", text.unclear, diff)
	}
	if diff := cmp.Diff([]string{"a", "i", "b", "k"}, withoutAliases(text.columns)); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

// withoutAliases drops the names of tables, which the reader takes for columns.
func withoutAliases(columns []string) []string {
	return slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return slices.Contains([]string{"x", "y"}, c) })
}

func FuzzReadView(f *testing.F) {
	f.Add("with `c` as (select `s`.`t`.`a` AS `a` from `s`.`t`) select `c`.`a` AS `a` from `c`")
	f.Add("select trim(leading 'x' from `s`.`t`.`a`) AS `x` from `s`.`t` where (`a` = 'it\\'s')")
	f.Fuzz(func(t *testing.T, definition string) {
		text := readView(definition)
		if text.unclear {
			return
		}
		if len(text.columns) == 0 {
			t.Errorf("%q is clear and reads nothing", definition)
		}
		for _, table := range text.tables {
			if !strings.Contains(definition, "`") || table.name == "" && !strings.Contains(definition, "``") {
				t.Errorf("%q reads a table that it does not name", definition)
			}
		}
	})
}
