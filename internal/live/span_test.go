package live

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

// ends tells how a span has ended, or "" while it has not.
func ends(s *span) string {
	select {
	case <-s.Done():
		return s.Err().Error()
	default:
		return ""
	}
}

func TestSpanEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		defer w.close()
		parent, gone := context.WithCancel(t.Context())
		long, short, left := w.begin(t.Context(), time.Second), w.begin(t.Context(), 100*time.Millisecond), w.begin(parent, time.Second)
		defer long.finish()
		defer short.finish()
		defer left.finish()
		child, cancel := context.WithCancel(short)
		defer cancel()
		called := make(chan error, 1)
		context.AfterFunc(short, func() { called <- short.Err() })
		taken := context.AfterFunc(short, func() { t.Error("called although it was taken back") })
		if !taken() || taken() {
			t.Error("a function is not taken back once")
		}
		gone()
		begun := time.Now()
		<-short.Done()
		if took := time.Since(begun); took < 100*time.Millisecond || took > 100*time.Millisecond+watchEvery {
			t.Errorf("100 ms took %v", took)
		}
		synctest.Wait()
		if <-called != context.DeadlineExceeded || child.Err() != context.DeadlineExceeded || context.Cause(child) != context.DeadlineExceeded {
			t.Error("those who wait are not told that the time is up")
		}
		if ends(left) != context.Canceled.Error() || ends(long) != "" {
			t.Errorf("whose caller has gone: %q; the other: %q", ends(left), ends(long))
		}
		late := make(chan bool)
		context.AfterFunc(short, func() { close(late) })
		<-late
	})
}

// A caller that asks is told at once, before the next look.
func TestSpanKnowsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		defer w.close()
		s := w.begin(t.Context(), 101*time.Millisecond)
		defer s.finish()
		time.Sleep(101 * time.Millisecond)
		if s.Err() != context.DeadlineExceeded || ends(s) == "" {
			t.Error("the time is up, and nobody says so")
		}
	})
}

func TestSpanOfALesserParent(t *testing.T) {
	parent, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, 7), time.Minute)
	defer cancel()
	w := newWatch()
	defer w.close()
	s := w.begin(parent, time.Hour)
	want, _ := parent.Deadline()
	if got, ok := s.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("ends at %v, its parent at %v", got, want)
	}
	if s.Value(key{}) != 7 {
		t.Error("the parent's values are lost")
	}
	done := s.Done()
	if s.finish(); s.Err() != context.Canceled {
		t.Errorf("after the call it ended with %v", s.Err())
	}
	<-done
	if stop := s.AfterFunc(func() {}); stop() {
		t.Error("what is called already was taken back")
	}
}

type key struct{}

// Calls overlap all day long. Who still has the context of one, as a driver does
// for an idle session, must not have those of all that followed.
func TestSpanDoesNotHoldOthers(t *testing.T) {
	w := newWatch()
	defer w.close()
	kept := w.begin(t.Context(), time.Minute)
	last := w.begin(t.Context(), time.Minute)
	kept.finish()
	later := weak.Make(last)
	for range 3 {
		next := w.begin(t.Context(), time.Minute)
		last.finish()
		last = next
	}
	last.finish()
	if runtime.GC(); later.Value() != nil {
		t.Error("a call that is over is held by one that was over before")
	}
	runtime.KeepAlive(kept)
}

// Nothing runs while there is nothing to watch, and what comes later is watched.
func TestWatchRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		awake := func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.awake }
		w.begin(t.Context(), time.Second).finish()
		if !awake() {
			t.Fatal("rests at once, so that every call of a single caller would start it anew")
		}
		time.Sleep(2 * restAfter * watchEvery)
		if awake() {
			t.Error("watches nothing for ever")
		}
		for range 2 {
			s := w.begin(t.Context(), 50*time.Millisecond)
			<-s.Done()
			s.finish()
			w.close()
			synctest.Wait()
			if awake() {
				t.Error("goes on after close")
			}
		}
	})
}
