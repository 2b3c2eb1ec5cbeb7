package cli

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestSizesAreReadAndPrinted(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"0": "0", "1": "1B", "1B": "1B", "1000": "1000B", "1024": "1KiB", "64MiB": "64MiB", "67108864": "64MiB", "1536KiB": "1536KiB", "4GiB": "4GiB", "2TiB": "2TiB",
	} {
		var s sizeFlag
		if err := s.Set(given); err != nil || s.String() != want {
			t.Errorf("%q became %q, error %v, want %q", given, s.String(), err, want)
		}
	}
	for _, wrong := range []string{"", "-1", "1.5GiB", "4GB", "4 GiB", "GiB", "9999999999TiB", "9223372036854775808"} {
		var s sizeFlag
		if err := s.Set(wrong); err == nil {
			t.Errorf("%q was taken as %s", wrong, s.String())
		}
	}
}

func TestMemoryFollowsFlagsThenGosOwnVariables(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variables map[string]string
		args      []string
		gc        int
		limit     func(int64) bool
	}{
		"default":      {nil, nil, gcPercentDefault, func(n int64) bool { return n > 1<<20 }},
		"flags":        {nil, []string{"--gc-percent=70", "--memory-limit=2GiB"}, 70, func(n int64) bool { return n == 2<<30 }},
		"rarely":       {nil, []string{"--gc-percent=900"}, 900, func(n int64) bool { return n > 1<<20 }},
		"off":          {nil, []string{"--memory-limit=off"}, gcPercentDefault, func(n int64) bool { return n == math.MaxInt64 }},
		"off over go":  {map[string]string{"GOMEMLIMIT": "1GiB"}, []string{"--memory-limit=off"}, gcPercentDefault, func(n int64) bool { return n == math.MaxInt64 }},
		"off by name":  {map[string]string{"GOMEMLIMIT": "1GiB", "METERBOOK_MEMORY_LIMIT": "off"}, nil, gcPercentDefault, func(n int64) bool { return n == math.MaxInt64 }},
		"variables":    {map[string]string{"METERBOOK_MEMORY_LIMIT": "3GiB"}, nil, gcPercentDefault, func(n int64) bool { return n == 3<<30 }},
		"gos own":      {map[string]string{"GOGC": "100", "GOMEMLIMIT": "1GiB"}, nil, -1, func(n int64) bool { return n == -1 }},
		"flag over go": {map[string]string{"GOGC": "100", "GOMEMLIMIT": "1GiB"}, []string{"--gc-percent=50", "--memory-limit=1GiB"}, 50, func(n int64) bool { return n == 1<<30 }},
	} {
		var percents []int
		var stdout, stderr syncBuffer
		Run(t.Context(), Env{
			Args: append([]string{"serve", "--listen", "127.0.0.1:0", "--data", "unused"}, c.args...), Stdout: &stdout, Stderr: &stderr,
			LookupEnv: func(name string) (string, bool) { v, ok := c.variables[name]; return v, ok },
			Now:       testNow.Time,
			openStore: func(context.Context, storeOptions) (*store, error) { return nil, errors.New("not needed") },
			SetMemory: func(gcPercent int, limitBytes int64) {
				percents = append(percents, gcPercent)
				if !c.limit(limitBytes) {
					t.Errorf("%s: limit %d", name, limitBytes)
				}
			},
		})
		want := []int{max(c.gc, loadingGCPercent), c.gc} // while the store is loaded, and then
		if c.gc < 0 {
			want = []int{c.gc}
		}
		if !slices.Equal(percents, want) {
			t.Errorf("%s: the collector was set to %d %%, want %d: %s", name, percents, want, stderr.String())
		}
	}
}

// TestMemoryIsGivenBackOnceALoadIsOver allocates between rests.
func TestMemoryIsGivenBackOnceALoadIsOver(t *testing.T) {
	t.Parallel()
	times, total := 0, uint64(0)
	rest := freeing(func() { times++ }, func() uint64 { return total })
	for i, step := range []struct {
		allocate uint64
		want     int
	}{{worthFreeing, 1}, {0, 1}, {worthFreeing - 1, 1}, {1, 2}, {1, 2}} {
		total += step.allocate
		if rest(); times != step.want {
			t.Errorf("step %d: memory was given back %d times, want %d", i, times, step.want)
		}
	}
	if (&Env{}).onRest() != nil {
		t.Error("something is called at rest that gives nothing back")
	}
	called := 0
	kept := make([]byte, worthFreeing) // Go's own count grows by it
	if (&Env{FreeMemory: func() { called++ }}).onRest()(); called != 1 || len(kept) != worthFreeing {
		t.Errorf("after %d bytes memory was given back %d times", len(kept), called)
	}
}
