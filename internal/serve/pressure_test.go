package serve

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestMemoryRunsOut is F18: from too much on requests are shed, until there is
// clearly less, and each turn is told once.
func TestMemoryRunsOut(t *testing.T) {
	const limit = 1000
	var log bytes.Buffer
	held, freed := 0.0, 0
	p := &pressure{limit: limit, held: func() float64 { return held }, free: func() { freed++ }, log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, step := range []struct {
		held float64
		shed bool
	}{{100, false}, {850, false}, {851, true}, {900, true}, {800, true}, {750, true}, {749, false}, {800, false}, {2000, true}, {1, false}} {
		held = step.held
		p.weigh()
		if p.tells() != step.shed {
			t.Errorf("with %v of %v held, requests are shed: %v", held, limit, p.tells())
		}
	}
	if n := strings.Count(log.String(), "shed"); n != 2 || freed != 5 {
		t.Errorf("told %d times; collected %d times:\n%s", n, freed, log.String())
	}
	var none *pressure
	if none.watch(t.Context()); none.tells() {
		t.Error("without a limit requests are shed")
	}
}

func TestLimitOfTheContainer(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	absent := filepath.Join(dir, "absent")
	for _, tt := range []struct {
		files []string
		want  int64
	}{
		{[]string{absent}, 0}, {[]string{file("max", "max\n")}, 0}, {[]string{file("huge", "9223372036854771712\n")}, 0}, {[]string{file("text", "lots")}, 0},
		{[]string{absent, file("some", "1000000000\n")}, 900_000_000},
	} {
		if got := containerLimit(tt.files); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.files, got, tt.want)
		}
	}
}

// TestMemoryIsMeasured: what is held is counted, and what was let go is not.
func TestMemoryIsMeasured(t *testing.T) {
	const size = 64 << 20
	p := &pressure{limit: 1, held: heldMemory, free: func() {}, log: slog.New(slog.DiscardHandler)}
	collect := runtime.GC
	collect()
	before := p.held()
	ballast := make([]byte, size)
	collect()
	if grown := p.held() - before; grown < 0.9*size || grown > 1.5*size {
		t.Errorf("%d bytes are measured as %.0f", size, grown)
	}
	ballast[0] = 1
	collect()
	if grown := p.held() - before; grown > size/2 {
		t.Errorf("after letting go %.0f are held", grown)
	}
}

func TestDescriptorsAreShared(t *testing.T) {
	for _, tt := range []struct {
		limit                 uint64
		connections, sessions int
		told                  bool
	}{{1 << 20, 4096, 500, false}, {8192, 4096, 500, false}, {1024, 512, 256, true}, {64, 32, 16, true}} {
		var log bytes.Buffer
		o := Options{}
		o.MaxConnections = 4096
		fitDescriptors(&o, tt.limit, slog.New(slog.NewTextHandler(&log, nil)))
		if o.MaxConnections != tt.connections || o.Fleet.Total != tt.sessions || (log.Len() > 0) != tt.told {
			t.Errorf("of %d files: %d connections, %d sessions, %s", tt.limit, o.MaxConnections, o.Fleet.Total, log.String())
		}
	}
}
