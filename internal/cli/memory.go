package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/bits"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// sizeFlag is a flag that takes a number of bytes: "64MiB".
type sizeFlag int64

// String implements pflag.Value.
func (s *sizeFlag) String() string {
	if *s == 0 {
		return "0"
	}
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	power := min(bits.TrailingZeros64(uint64(*s))/10, len(units)-1)
	return strconv.FormatInt(int64(*s)>>(10*power), 10) + units[power]
}

// Type implements pflag.Value.
func (s *sizeFlag) Type() string { return "size" }

// Set implements pflag.Value.
func (s *sizeFlag) Set(text string) error {
	number, shift := text, 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if rest, ok := strings.CutSuffix(text, unit); ok {
			number, shift = rest, 10*(i+1)
		}
	}
	if shift == 0 {
		number = strings.TrimSuffix(number, "B")
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return errors.New("must be a number of bytes, such as 67108864, 64MiB or 2GiB")
	}
	*s = sizeFlag(n << shift)
	return nil
}

// Words that --memory-limit takes beside a size.
const (
	memoryAuto = "auto"
	memoryOff  = "off"
)

// memoryFlags say how the garbage collector works. A store holds most of its
// memory for long, so that Go's own default, to let the heap double, would
// waste as much again.
type memoryFlags struct {
	gcPercent int
	limit     string
}

const gcPercentDefault = 60

func (m *memoryFlags) flags(f *pflag.FlagSet) {
	f.IntVar(&m.gcPercent, "gc-percent", gcPercentDefault, "growth of the heap, in percent, at which garbage is collected; without the flag $GOGC holds where it is set")
	f.StringVar(&m.limit, "memory-limit", memoryAuto, "memory, such as 4GiB, near which garbage is collected sooner; auto is 90 % of what the container or the machine has, off is none; without the flag $GOMEMLIMIT holds where it is set")
}

// autoPercent is the share of the memory at hand that auto takes.
const autoPercent = 90

// loadingGCPercent is the least gcPercent while a store is loaded. The heap is
// small then and most of what is allocated stays: collecting at 40 % took a fifth
// of the processor time of a start.
const loadingGCPercent = 400

// apply tells the garbage collector how to work, until loaded is called as for a
// store that is being loaded.
func (m *memoryFlags) apply(cmd *cobra.Command, env *Env, logger *slog.Logger) (loaded func(), err error) {
	own := sizeFlag(0)
	switch {
	case m.gcPercent < 1:
		return nil, &usageError{cmd.CommandPath(), fmt.Sprintf("--gc-percent must be at least 1, got %d", m.gcPercent)}
	case m.limit == memoryAuto || m.limit == memoryOff:
	case own.Set(m.limit) != nil || own == 0:
		return nil, &usageError{cmd.CommandPath(), fmt.Sprintf("--memory-limit must be auto, off or a size such as 4GiB, got %q", m.limit)}
	}
	if env.SetMemory == nil {
		return func() {}, nil
	}
	gcPercent, limitBytes := m.gcPercent, int64(own)
	if m.limit == memoryOff {
		limitBytes = math.MaxInt64 // none, whatever $GOMEMLIMIT says
	}
	if m.limit == memoryAuto {
		limitBytes = automaticLimit()
	}
	if goVariable(cmd, env, "gc-percent", "GOGC") {
		gcPercent = -1
	}
	if goVariable(cmd, env, "memory-limit", "GOMEMLIMIT") {
		limitBytes = -1
	}
	logger.Debug("memory", "gc_percent", gcPercent, "limit_bytes", limitBytes)
	if gcPercent < 0 {
		env.SetMemory(gcPercent, limitBytes)
		return func() {}, nil
	}
	env.SetMemory(max(gcPercent, loadingGCPercent), limitBytes)
	return func() { env.SetMemory(gcPercent, limitBytes) }, nil
}

// worthFreeing is how much must have been allocated before it is worth a collection
// to give back to the system what is garbage of it.
const worthFreeing = 256 << 20

// onRest returns what a store calls that has nothing to do any more: after a load,
// half of the heap is garbage, or room for more of it. Nil: nothing.
func (e *Env) onRest() func() {
	if e.FreeMemory == nil {
		return nil
	}
	return freeing(e.FreeMemory, allocated)
}

// freeing calls free where enough was allocated since the last time, and is not busy
// with that.
func freeing(free func(), allocated func() uint64) func() {
	var busy sync.Mutex
	freed := uint64(0) // of what was allocated then
	return func() {
		if !busy.TryLock() {
			return
		}
		defer busy.Unlock()
		if allocated() >= freed+worthFreeing {
			free()
			freed = allocated()
		}
	}
}

// allocated returns how many bytes this process has ever allocated.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// goVariable reports whether Go's own variable decides, because it is set and
// our flag is not.
func goVariable(cmd *cobra.Command, env *Env, flag, variable string) bool {
	_, found := env.LookupEnv(variable)
	return found && !cmd.Flags().Changed(flag)
}

// automaticLimit is a share of the memory that the container allows, or that the
// machine has; -1 (no limit) where neither is known.
func automaticLimit() int64 {
	limit := int64(-1)
	for _, provider := range []memlimit.Provider{memlimit.FromCgroup, memlimit.FromSystem} {
		n, err := provider()
		if err != nil || n > math.MaxInt64 {
			continue // there is no limit of this sort
		}
		if share := int64(n) / 100 * autoPercent; limit < 0 || share < limit {
			limit = share
		}
	}
	return limit
}
