package layout

import (
	"cmp"
	"encoding/binary"
	"math/bits"

	"github.com/meterbook/meterbook/internal/metering"
)

// The first byte of each key.
const (
	States      = 's'
	Quantities  = 'q'
	Retractions = 'x'
	IDs         = 'i'
	Journal     = 'j'
	Sources     = 'n'
	Projects    = 'p'
	Regions     = 'r'
	Meta        = 'm'
	Records     = 'a'

	ClosedStates     = 'c'
	ClosedQuantities = 'd'

	EventSources = 'e'
	ReusedIDs    = 'u'
)

// retracted ends the key that marks an observation as retracted.
const retracted = 'R'

// Seq is the number of an observation in the order in which the store took
// them, from 1.
type Seq uint64

// SourceNumber stands for a source's text; the store gives them out from 1.
type SourceNumber uint32

// AppendUint appends a number such that keys sort as numbers do.
func AppendUint(dst []byte, v uint64) []byte {
	n := (bits.Len64(v) + 7) / 8
	dst = append(dst, byte(n))
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, byte(v>>(8*i)))
	}
	return dst
}

func appendInstant(dst []byte, i metering.Instant) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(i)^1<<63)
}

func appendResource(dst []byte, k metering.ResourceKey) []byte {
	dst = AppendUint(dst, uint64(k.Project))
	dst = AppendUint(dst, uint64(k.Region))
	dst = append(dst, byte(k.Type))
	return append(dst, k.ID[:]...)
}

// Month numbers the months since January 1970.
func Month(d metering.Day) uint16 { return uint16(metering.MonthOf(d)) }

// AppendStates appends what the keys of all states of a resource begin with.
func AppendStates(dst []byte, k metering.ResourceKey) []byte {
	return appendResource(append(dst, States), k)
}

// AppendMonth appends what the keys of all quantities in the month of a day
// begin with.
func AppendMonth(dst []byte, d metering.Day) []byte {
	return binary.BigEndian.AppendUint16(append(dst, Quantities), Month(d))
}

// AppendQuantitiesOf appends what the keys of all quantities of a project in the
// month of a day begin with.
func AppendQuantitiesOf(dst []byte, p metering.ProjectID, d metering.Day) []byte {
	return AppendUint(AppendMonth(dst, d), uint64(p))
}

// AppendQuantities appends what the keys of all quantities of a resource in the
// month of a day begin with; behind it comes the instant of From.
func AppendQuantities(dst []byte, k metering.ResourceKey, d metering.Day) []byte {
	return appendResource(AppendMonth(dst, d), k)
}

// Unit is what is folded anew as a whole: a resource with all its states, or
// one day of a counted resource. The Day of a resource with states is 0.
type Unit struct {
	Resource metering.ResourceKey
	Day      metering.Day
}

// UnitOf returns the unit that a state or quantity belongs to.
func UnitOf(o *metering.Observation) Unit {
	if o.Kind == metering.QuantityObserved {
		return Unit{o.Resource, o.From.Day()}
	}
	return Unit{Resource: o.Resource}
}

// Compare is the order of the keys of the units' observations.
func (u Unit) Compare(v Unit) int {
	counted, other := u.Resource.Type.Measure() == metering.Counted, v.Resource.Type.Measure() == metering.Counted
	switch {
	case counted && other:
		return cmp.Or(cmp.Compare(Month(u.Day), Month(v.Day)), u.Resource.Compare(v.Resource), cmp.Compare(u.Day, v.Day))
	case counted: // q comes before s
		return -1
	case other:
		return 1
	}
	return u.Resource.Compare(v.Resource)
}

// Bounds returns the half-open range of keys that holds the unit's
// observations.
func (u Unit) Bounds() (from, to []byte) {
	if u.Resource.Type.Measure() == metering.Counted {
		prefix := AppendQuantities(nil, u.Resource, u.Day)
		from = appendInstant(append([]byte(nil), prefix...), u.Day.Start())
		return from, appendInstant(prefix, (u.Day + 1).Start())
	}
	from = AppendStates(nil, u.Resource)
	return from, PrefixEnd(from)
}

// Beginning returns the half-open range of keys that holds those quantities of a
// unit that begin at an instant.
func (u Unit) Beginning(at metering.Instant) (from, to []byte) {
	from = appendInstant(AppendQuantities(nil, u.Resource, u.Day), at)
	return from, PrefixEnd(from)
}

// PrefixEnd returns the smallest key that is greater than all that begin with
// the prefix.
func PrefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// AppendKey appends the key of a state, quantity or retraction.
func AppendKey(dst []byte, o *metering.Observation, seq Seq) []byte {
	switch o.Kind {
	case metering.StateObserved:
		dst = appendInstant(AppendStates(dst, o.Resource), o.Time)
	case metering.QuantityObserved:
		dst = appendInstant(AppendQuantities(dst, o.Resource, o.From.Day()), o.From)
	default:
		dst = AppendUint(append(dst, Retractions), uint64(o.Name.Project))
	}
	return AppendUint(dst, uint64(seq))
}

// AppendID appends the key of the id entry. UUIDs in lower case are packed.
func AppendID(dst []byte, project metering.ProjectID, source SourceNumber, id string) []byte {
	dst = AppendUint(append(dst, IDs), uint64(project))
	dst = AppendUint(dst, uint64(source))
	return appendIDText(dst, id)
}

func appendIDText(dst []byte, id string) []byte {
	if u, ok := metering.ParseUUID(id); ok && isLower(id) {
		return append(append(dst, 1), u[:]...)
	}
	return append(append(dst, 0), id...)
}

func isLower(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return false
		}
	}
	return true
}

// MarkKey returns the key that marks the observation at key as retracted.
func MarkKey(key []byte) []byte { return append(append([]byte(nil), key...), retracted) }

// IsMarkOf reports whether key marks the observation at the other key.
func IsMarkOf(key, observation []byte) bool {
	n := len(observation)
	return len(key) == n+1 && key[n] == retracted && string(key[:n]) == string(observation)
}

// IsMark reports whether a key of a state or quantity is a mark: it is one byte
// longer than its own numbers say.
func IsMark(key []byte) bool {
	d := reader{b: key}
	d.stateOrQuantityKey()
	return !d.failed() && len(d.b) == 1 && d.b[0] == retracted
}
