package cli

import (
	"strings"
	"testing"
)

func TestProgressWithoutATerminalIsALineForEachTenth(t *testing.T) {
	t.Parallel()
	var out syncBuffer
	p := newProgress(&Env{Stderr: &out}, "load", 100, false)
	for _, n := range []int64{5, 5, 1, 29, 0, 40} {
		if err := p.add(n); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(true); err != nil {
		t.Fatal(err)
	}
	if want := "load: 10 %\nload: 40 %\nload: 80 %\nload: 100 %\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestProgressOfATaskThatFailsDoesNotSayThatAllIsDone(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		var out syncBuffer
		p := newProgress(&Env{Stderr: &out, terminal: terminal}, "load", 100, true)
		if err := p.add(50); err != nil {
			t.Fatal(err)
		}
		if err := p.end(false); err != nil || strings.Contains(out.String(), "100") && !strings.Contains(out.String(), "/100") {
			t.Errorf("printed %q, error %v", out.String(), err)
		}
	}
}

func TestProgressBearsAnEstimateThatWasTooLow(t *testing.T) {
	t.Parallel()
	for _, terminal := range []bool{false, true} {
		for _, total := range []int64{0, 10} {
			var out syncBuffer
			p := newProgress(&Env{Stderr: &out, terminal: terminal}, "load", total, false)
			for range 3 {
				if err := p.add(7); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.end(true); err != nil {
				t.Errorf("terminal %t, total %d: %v", terminal, total, err)
			}
			if shown := strings.Contains(out.String(), "100"); total > 0 && !shown {
				t.Errorf("terminal %t: printed %q", terminal, out.String())
			}
		}
	}
}
