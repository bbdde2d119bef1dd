package search

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"order_items", []string{"order", "items"}},
		{"SSNLast4", []string{"ssn", "last", "4"}},
		{"Änderungs-Datum", []string{"anderungs", "datum"}},
		{"What's the pet's name?", []string{"what", "s", "the", "pet", "s", "name"}},
		{"", nil},
	} {
		if diff := cmp.Diff(c.want, split(c.text)); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
	}
}

func TestHeadKeepsCharactersWhole(t *testing.T) {
	for n, want := range []string{"", "a", "a", "aé", "aéb", "aéb"} {
		if got := head("aéb", n); got != want {
			t.Errorf("head of %d bytes is %q, want %q", n, got, want)
		}
	}
}

func TestShortens(t *testing.T) {
	for _, c := range []struct {
		short, long string
		want        bool
	}{
		{"crtd", "created", true}, {"mgr", "manager", true}, {"nbr", "number", true}, {"dlvry", "delivery", true},
		{"cat", "category", false}, {"mgr", "mg", false}, {"created", "crtd", false}, {"xgr", "manager", false}, {"mgrs", "manager", false},
	} {
		if got := shortens(c.short, c.long); got != c.want {
			t.Errorf("shortens(%q, %q) is %v", c.short, c.long, got)
		}
	}
}

func TestThesaurusLaws(t *testing.T) {
	for i, line := range strings.Split(thesaurusText, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		entries := strings.Fields(strings.Replace(line, "|", " ", 1))
		if len(entries) < 2 && !strings.Contains(line, "-") {
			t.Errorf("line %d, %q, says nothing", i+1, line)
		}
		for j, e := range entries {
			if strings.IndexFunc(e, func(r rune) bool { return r != '-' && !unicode.IsLower(r) }) >= 0 {
				t.Errorf("line %d: %q is not written in lower-case letters and dashes", i+1, e)
			}
			if slices.Contains(entries[:j], e) {
				t.Errorf("line %d has %q twice", i+1, e)
			}
			if noise[e] && e != "no" {
				t.Errorf("line %d: %q is noise and never looked up", i+1, e)
			}
		}
	}
}

func TestReadThesaurus(t *testing.T) {
	got := readThesaurus("# a comment\n\nfirst-name fname firstname | given-name forename\nbirthdate dob date-of-birth\nforename fname\n")
	want := map[string]map[string]kinship{
		"first name": {"fname": same, "firstnam": same, "given name": said, "forenam": said},
		"fname":      {"first name": same, "firstnam": same, "given name": said, "forenam": same},
		"dob":        {"birthdat": same, "date birth": same},
		"given name": {"first name": said, "fname": said, "firstnam": said, "forenam": sibling},
	}
	for key, relatives := range want {
		have := map[string]kinship{}
		for _, r := range got.relatives[key] {
			have[r.key] = r.kin
		}
		if !maps.Equal(have, relatives) {
			t.Errorf("relatives of %q are %v, want %v", key, have, relatives)
		}
	}
	if diff := cmp.Diff(map[string][]string{"firstname": {"first", "name"}}, got.together); diff != "" {
		t.Error(diff)
	}
	words := []string{"the", "date", "of", "birth", "first", "name"}
	stems := make([]string, len(words))
	for i, w := range words {
		stems[i] = stem(w)
	}
	if diff := cmp.Diff([]phrase{{"date birth", 1, 3}, {"first name", 4, 5}}, got.phrases(words, stems), cmp.AllowUnexported(phrase{})); diff != "" {
		t.Error(diff)
	}
}

func TestTopKeepsTheBest(t *testing.T) {
	kept := top{most: 3}
	for i, score := range []float32{2, 5, 1, 5, 4, 3} {
		kept.offer(scored{uint32(i), score})
	}
	if diff := cmp.Diff([]scored{{1, 5}, {3, 5}, {4, 4}}, kept.sorted(), cmp.AllowUnexported(scored{})); diff != "" {
		t.Error(diff)
	}
}

func TestIsNoise(t *testing.T) {
	for _, c := range []struct {
		words string
		want  bool
	}{{"the", true}, {"order no", false}, {"no", true}, {"that have no", true}, {"status", false}} {
		words := strings.Fields(c.words)
		if got := isNoise(words, len(words)-1); got != c.want {
			t.Errorf("the last word of %q is noise: %v", c.words, got)
		}
	}
}

func TestCounts(t *testing.T) {
	for text, want := range map[string]bool{"number of pets": true, "ordered by name": true, "order status": false, "number": false, "number by": false} {
		if got := counts(strings.Fields(text), 0); got != want {
			t.Errorf("the first word of %q only counts: %v", text, got)
		}
	}
}

func TestWeights(t *testing.T) {
	for word, want := range map[string]float32{"pet": 1, "average": weakWord, "2024": digitWord} {
		if got := weightOf(word); got != want {
			t.Errorf("%q weighs %v, want %v", word, got, want)
		}
	}
}

// TestSynonymsDoNotAddUp: what a term was heard for counts once.
func TestSynonymsDoNotAddUp(t *testing.T) {
	s := newScratch(&Index{})
	for _, c := range []struct {
		term         uint32
		weight, news float32
	}{{1, 0.5, 0.5}, {1, 0.25, 0}, {1, 1, 0.5}, {2, 0.25, 0.25}} {
		if got := s.news(c.term, c.weight); got != c.news {
			t.Errorf("term %d of weight %v brings %v, want %v", c.term, c.weight, got, c.news)
		}
	}
}

// TestSynonymsAreNoRarer: a rare synonym of a common word is as common.
func TestSynonymsAreNoRarer(t *testing.T) {
	ix := Build(practice(), allOf)
	id, species := ix.byWord["id"], ix.byWord["species"]
	u := unit{alternatives: []alternative{{id, 1, asWritten}, {species, saidFor, meaning}}}
	if fields, _ := u.rarity(ix); fields != ix.inFields.rarity[id] || fields >= ix.inFields.rarity[species] {
		t.Errorf("rarity is %v, that of id is %v", fields, ix.inFields.rarity[id])
	}
}
