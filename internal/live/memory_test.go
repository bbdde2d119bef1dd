package live

import (
	"strings"
	"testing"

	"flowyte/internal/fault"
)

// big answers with a result of about 2 KiB.
var big = rows(
	[]string{strings.Repeat("a", 499), strings.Repeat("b", 499)},
	[]string{strings.Repeat("c", 499), strings.Repeat("d", 499)},
)

func TestOldestAnswersAreForgotten(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	for i := range maxKept + 3 {
		k.ask(c, with(phoneOf(i), phoneOf(1)))
	}
	for i, kept := range map[int]bool{0: false, 2: false, 3: true, maxKept + 2: true} {
		_, err := k.Late(t.Context(), c, phoneOf(i))
		if kept != (err == nil) || !kept && !fault.Is(err, fault.NotFound) {
			t.Errorf("answer %d: %v, want kept %v", i, err, kept)
		}
	}
	if len(c.memory.byID) != maxKept {
		t.Errorf("%d ids are held", len(c.memory.byID))
	}
	// A read that was forgotten runs again.
	if a := k.ask(c, with(phoneOf(0), phoneOf(1))); a.Replayed || a.Outcome != OK {
		t.Errorf("got %+v", a)
	}
}

func TestBytesOfAnswersAreBounded(t *testing.T) {
	k := newKit(t, big)
	c := k.ring()
	for i := range maxKept {
		k.ask(c, with(phoneOf(i), phoneOf(1)))
		if c.memory.bytes > maxKeptBytes || int64(c.memory.bytes) != k.answers.used.Load() {
			t.Fatalf("after %d calls %d bytes are kept and %d counted", i+1, c.memory.bytes, k.answers.used.Load())
		}
	}
	if len(c.memory.kept) == maxKept {
		t.Fatal("the answers are too small for this test")
	}
}

// TestAllAnswersTogetherAreBounded: beyond the budget a conversation keeps only
// its latest answer.
func TestAllAnswersTogetherAreBounded(t *testing.T) {
	k := newKit(t, big)
	one, two := k.ring(), k.ring()
	k.ask(one, with("0", phoneOf(1)))
	k.answers.max = 3 * k.answers.used.Load()
	for _, id := range []string{"1", "2", "3"} {
		k.ask(one, with(id, phoneOf(1)))
	}
	k.ask(two, with("1", phoneOf(1)))
	k.ask(two, with("2", phoneOf(1)))
	if a, b := len(one.memory.kept), len(two.memory.kept); a != 1 || b != 2 {
		t.Errorf("%d and %d answers are kept", a, b)
	}
	if _, err := k.Late(t.Context(), one, "3"); err != nil {
		t.Errorf("the latest answer is gone: %v", err)
	}
}

// TestAnswerAfterTheConversationIsForgotten leaves nothing behind.
func TestAnswerAfterTheConversationIsForgotten(t *testing.T) {
	k := newKit(t, oneRow)
	c := k.ring()
	x, _, err := c.memory.claim(&k.answers, "1", k.version.Tools[0], ptr(""))
	if err != nil {
		t.Fatal(err)
	}
	c.memory.clear()
	c.memory.settle(x, &Answer{Outcome: OK, Result: []byte("{}")})
	if len(c.memory.byID) != 0 || k.answers.used.Load() != 0 {
		t.Errorf("%d ids, %d bytes", len(c.memory.byID), k.answers.used.Load())
	}
}
