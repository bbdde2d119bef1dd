package dialect_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"flowyte/internal/dialect"
	"flowyte/internal/schema"
)

func TestQuote(t *testing.T) {
	for _, c := range []struct {
		kind schema.Kind
		name string
		want string
	}{
		{schema.Postgres, `a`, `"a"`}, {schema.Postgres, `a"b`, `"a""b"`}, {schema.Postgres, "a`b", "\"a`b\""}, {schema.Postgres, `a\b`, `"a\b"`},
		{schema.MySQL, `a`, "`a`"}, {schema.MySQL, "a`b", "`a``b`"}, {schema.MySQL, `a"b`, "`a\"b`"}, {schema.MySQL, `a\b`, "`a\\b`"},
	} {
		if got := dialect.For(c.kind).Quote(c.name); got != c.want {
			t.Errorf("%s on %s is %s", c.name, c.kind, got)
		}
	}
	if got := dialect.For(schema.Postgres).Qualify("a.b", `c"d`); got != `"a.b"."c""d"` {
		t.Errorf("qualified: %s", got)
	}
}

func TestLegalName(t *testing.T) {
	for _, c := range []struct {
		name            string
		postgres, mysql bool
	}{
		{"a", true, true}, {"", false, false}, {"a\x00b", false, false}, {"a\xffb", false, false},
		{strings.Repeat("a", 63), true, true}, {strings.Repeat("a", 64), false, true}, {strings.Repeat("a", 65), false, false},
		{strings.Repeat("é", 31), true, true}, {strings.Repeat("é", 32), false, true}, {strings.Repeat("é", 64), false, true},
		{"😀", true, false}, {"a ", true, false}, {" a", true, true}, {"a\nb", true, true},
	} {
		if got := dialect.For(schema.Postgres).LegalName(c.name); got != c.postgres {
			t.Errorf("%q on PostgreSQL: %v", c.name, got)
		}
		if got := dialect.For(schema.MySQL).LegalName(c.name); got != c.mysql {
			t.Errorf("%q on MySQL: %v", c.name, got)
		}
	}
}

func TestQuoteRefusesWhatIsNotLegal(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a name with NUL was quoted")
		}
	}()
	dialect.For(schema.Postgres).Quote("a\x00")
}

// A quoted name ends where it should and reads back as itself.
func TestQuoteReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]schema.Kind{schema.Postgres, schema.MySQL}).Draw(t, "kind")
		d := dialect.For(kind)
		name := rapid.String().Draw(t, "name")
		if !d.LegalName(name) {
			return
		}
		quoted := d.Quote(name)
		q := quoted[:1]
		if inner := quoted[1 : len(quoted)-1]; strings.ReplaceAll(inner, q+q, q) != name || strings.Contains(strings.ReplaceAll(inner, q+q, ""), q) || !strings.HasSuffix(quoted, q) {
			t.Fatalf("%q became %s", name, quoted)
		}
	})
}

func TestPlaceholder(t *testing.T) {
	if got := dialect.For(schema.Postgres).Placeholder(12) + dialect.For(schema.MySQL).Placeholder(12); got != "$12?" {
		t.Error(got)
	}
}
