package metering

import (
	"encoding/binary"
	"math"
	"slices"
)

// WindowList is what a day sum knows of the windows that it counts: enough to
// correct one, to take one back or to place one between them without looking at the
// observations again. It is bytes, as a store keeps it, since there are many: some 7
// a window. Of very many, and where their description changes, only the latest are
// listed: then those that begin when the first one does, or earlier, are not known. Of
// a list without any, nil, none is known.
//
//	list    length of the first window (negative: there were more), and behind it the
//	        windows in the order of (From, To)
//	window  head, then what the head does not say is usual, then lag, then quantity
//
// All numbers are varints. Spans of time are twice as many seconds, or where these are
// not whole twice as many nanoseconds and one. A window begins usually where those
// before it end, the first one with the day.
type WindowList []byte

// What the head of a window says.
const (
	windowCorrects = 1 << iota // another observation has the same key: which one, the observations say
	windowApart                // begins elsewhere: a span behind, signed
	windowLength               // is of another length than the first one
	windowWhole                // the quantity is in whole units, not in millionths
	windowHigh                 // the quantity has high 64 bits, which come first
	windowHeadEnd
)

// maxWindowList bounds the bytes of a list, more than a window each five minutes takes:
// of a day that changes, there is one in memory.
const maxWindowList = 2560

// maxListedWindow is more than any window takes.
const maxListedWindow = 64

// heldWindow is a window as a list has it.
type heldWindow struct {
	From, To Instant
	// Since is when it was observed, within a second: at this instant or less than a
	// second later.
	Since    Instant
	Quantity Amount
	Corrects bool
}

func holdWindow(w *Window) heldWindow {
	return heldWindow{From: w.From, To: w.To, Since: w.To + wholeSeconds(w.At-w.To), Quantity: w.Quantity}
}

func wholeSeconds(i Instant) Instant { return Instant(floorDiv(int64(i), int64(Second))) * Second }

// compare is the order of a list.
func (h *heldWindow) compare(from, to Instant) int {
	switch {
	case h.From != from:
		if h.From < from {
			return -1
		}
		return 1
	case h.To < to:
		return -1
	case h.To > to:
		return 1
	}
	return 0
}

// append adds a window behind all others, which end at reach, to a list that has begun.
// It writes behind the list's end only, so that one with the same memory stays as it
// is. nil: it would be too long, and cannot be cut.
func (l WindowList) append(day Day, reach Instant, h *heldWindow) WindowList {
	if len(l) > maxWindowList {
		if l = l.latest(day); l == nil {
			return nil
		}
	}
	r := windowReader{rest: l}
	usual, length := r.length(), h.To-h.From
	head, at := byte(0), len(l)
	l = append(l, 0)
	if h.Corrects {
		head |= windowCorrects
	}
	if h.From != reach {
		head |= windowApart
		l = appendDuration(l, h.From-reach)
	}
	if length != usual {
		head |= windowLength
		l = appendDuration(l, length)
	}
	l = binary.AppendVarint(l, int64((h.Since-h.To)/Second))
	low := h.Quantity.Lo
	switch {
	case h.Quantity.Hi != 0:
		head |= windowHigh
		l = binary.AppendUvarint(l, h.Quantity.Hi)
	case low%millionths == 0:
		head |= windowWhole
		low /= millionths
	}
	l = binary.AppendUvarint(l, low)
	l[at] = head
	return l
}

// latest returns the later half of a list; nil where a window of the earlier half ends
// last of all, which the list would not show.
func (l WindowList) latest(day Day) WindowList {
	all, _, _ := l.windows(day, nil)
	half := len(all) / 2
	if half == 0 || ends(all[:half]) > ends(all[half:]) {
		return nil
	}
	return listWindows(day, all[half:], true)
}

const millionths = 1_000_000

func appendDuration(l WindowList, span Instant) WindowList {
	if span%Second == 0 {
		return binary.AppendVarint(l, 2*int64(span/Second))
	}
	return binary.AppendVarint(l, 2*int64(span)+1)
}

// windows returns the windows in order, in the memory of buf; ok is false when they
// are not known. partly says that those are not known that begin when the first one
// does, or earlier.
func (l WindowList) windows(day Day, buf []heldWindow) (all []heldWindow, partly, ok bool) {
	all = buf[:0]
	r := l.reader(day)
	for h := (heldWindow{}); r.next(&h); {
		all = append(all, h)
	}
	return all, r.partly, !r.failed
}

// Valid reports whether the list can be read. One that cannot is as good as none.
func (l WindowList) Valid(day Day) bool {
	r := l.reader(day)
	for h := (heldWindow{}); r.next(&h); {
		continue
	}
	return !r.failed
}

// listWindows makes the list of a day's windows, which are in order; partly says that
// there are more before them, which end no later.
func listWindows(day Day, all []heldWindow, partly bool) WindowList {
	length := all[0].To - all[0].From
	if partly {
		length = -length
	}
	l, reach := appendDuration(make(WindowList, 0, 16+8*len(all)), length), day.Start()
	return l.appendAll(day, reach, all)
}

// appendAll is append for windows in order; nil: they cannot be listed.
func (l WindowList) appendAll(day Day, reach Instant, all []heldWindow) WindowList {
	for i := range all {
		if l = l.append(day, reach, &all[i]); l == nil {
			return nil
		}
		reach = max(reach, all[i].To)
	}
	return l
}

// windowReader reads a list.
type windowReader struct {
	begin, end Instant // of the day
	rest       []byte
	usual      Instant // length of the first window
	partly     bool    // there were more before it
	reach      Instant // what the windows so far reach
	last       heldWindow
	failed     bool // the rest cannot be read
}

func (l WindowList) reader(day Day) windowReader {
	r := windowReader{begin: day.Start(), end: (day + 1).Start(), rest: l, last: heldWindow{From: math.MinInt64}}
	r.reach = r.begin
	r.usual = r.length()
	r.failed = r.failed || r.usual == 0 || len(r.rest) == 0 || len(l) > maxWindowList+maxListedWindow
	return r
}

// next reads a window; false at the end, or when there is none.
func (r *windowReader) next(h *heldWindow) bool {
	if r.failed || len(r.rest) == 0 {
		return false
	}
	head := r.rest[0]
	r.rest = r.rest[1:]
	*h = heldWindow{From: r.reach, Corrects: head&windowCorrects != 0}
	if head&windowApart != 0 {
		h.From += r.duration()
	}
	length := r.usual
	if head&windowLength != 0 {
		length = r.duration()
	}
	h.To = h.From + length
	lag := Instant(r.varint())
	h.Since = h.To + lag*Second
	if head&windowHigh != 0 {
		h.Quantity.Hi = r.uvarint()
	}
	h.Quantity.Lo = r.uvarint()
	whole := head&windowWhole != 0
	r.failed = r.failed || head >= windowHeadEnd || length <= 0 || length > MaxQuantityWindow || h.From < r.begin || h.From >= r.end ||
		max(lag, -lag) > maxLag || (lag < 0) != (h.Since < h.To) || h.Quantity.Hi >= windowHighEnd || whole && h.Quantity.Lo > math.MaxUint64/millionths || r.last.compare(h.From, h.To) >= 0
	if whole {
		h.Quantity.Lo *= millionths
	}
	r.reach, r.last = max(r.reach, h.To), *h
	return !r.failed
}

// maxLag bounds the seconds from a window's end until it was observed: more, and an
// Instant could not hold them.
const maxLag = 9_000_000_000

// windowHighEnd bounds the high 64 bits of a quantity, which is below 2^83
// millionths.
const windowHighEnd = 1 << 19

// length reads that of the first window.
func (r *windowReader) length() Instant {
	length := r.duration()
	r.partly = length < 0
	return max(length, -length)
}

func (r *windowReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *windowReader) duration() Instant {
	v := r.varint()
	if v&1 == 0 {
		return Instant(v/2) * Second
	}
	return Instant((v - 1) / 2)
}

func (r *windowReader) varint() int64 {
	v := r.uvarint() // zigzag, as binary.AppendVarint writes it
	return int64(v>>1) ^ -int64(v&1)
}

// usualWindows is how many windows of a day are gone through without memory of
// their own.
const usualWindows = 32

// splitWindows is what a sum knows of its windows, on both sides of one.
type splitWindows struct {
	before WindowList   // up to the last one that comes before it, with the list's own memory
	reach  Instant      // what these reach
	others []heldWindow // those of its key or behind it
	partly bool         // there were more before
	known  bool         // the list is this sum's
}

// split splits the windows at (from, to); what lies behind is in the memory of buf. ok
// is false when they are not known, or not those that begin at from.
func (s *DaySum) split(from, to Instant, buf []heldWindow) (at splitWindows, ok bool) {
	r := s.Windows.reader(s.Day)
	at = splitWindows{reach: r.begin, others: buf[:0], partly: r.partly}
	sum, first := Amount{}, Instant(math.MaxInt64)
	for h := (heldWindow{}); r.next(&h); {
		sum, first = sum.Add(h.Quantity), min(first, h.From)
		if h.compare(from, to) < 0 {
			at.before, at.reach = s.Windows[:len(s.Windows)-len(r.rest)], r.reach
		} else {
			at.others = append(at.others, h)
		}
	}
	more := sum.Compare(s.Sum)
	at.known = !r.failed && r.reach == s.Last && (more == 0 || more < 0 && r.partly)
	return at, at.known && (!r.partly || first < from)
}

// list puts the two sides together.
func (at *splitWindows) list(day Day) WindowList {
	if len(at.before) == 0 {
		return listWindows(day, at.others, at.partly)
	}
	l := append(make(WindowList, 0, len(at.before)+8*len(at.others)+maxListedWindow), at.before...)
	return l.appendAll(day, at.reach, at.others)
}

// place adds a window that begins before others end, or corrects one: false where
// only the observations say what counts then. It changes the sum, but no memory that
// it shares.
func (s *DaySum) place(w *Window) bool {
	var buf [usualWindows]heldWindow
	at, ok := s.split(w.From, w.To, buf[:])
	switch {
	case !ok && w.To <= s.First: // before all others, so that the latest ones stay
		if s.Sum, s.First = s.Sum.Add(w.Quantity), w.From; !at.known {
			s.Windows = nil
		}
		return true
	case !ok:
		return false
	}
	alike, h := s.alike(w), holdWindow(w)
	switch {
	case len(at.others) == 0 || at.others[0].compare(w.From, w.To) > 0:
		if len(at.others) == 0 {
			s.Attributes = w.Attributes
		}
		at.others = slices.Insert(at.others, 0, h)
		s.Sum, s.First, s.Last = s.Sum.Add(w.Quantity), min(s.First, w.From), max(s.Last, w.To)
	case !alike || !at.others[0].correct(s, w):
		return false
	}
	if s.Windows = nil; alike {
		s.Windows = at.list(s.Day)
	}
	return true
}

// correct takes a window of the same key into the one that a sum counts; false where
// it is not known which one is the later.
func (h *heldWindow) correct(s *DaySum, w *Window) bool {
	switch {
	case w.At >= h.Since+Second:
		s.Sum = s.Sum.less(h.Quantity).Add(w.Quantity)
		*h = holdWindow(w)
	case w.At >= h.Since:
		return false
	}
	h.Corrects = true
	return true
}

// TakeBackWindow returns a day's sums without the one window that begins at an
// instant, whatever its meter, without looking at the observations again. ok is false
// when they do not say what is left: several windows begin there, another
// observation told of the same one, or the windows are not known. The given sums are
// not changed.
func TakeBackWindow(sums []DaySum, from Instant) (rest []DaySum, ok bool) {
	var buf [usualWindows]heldWindow
	of := -1
	for i := range sums {
		at, ok := sums[i].split(from, math.MinInt64, buf[:])
		begins := ok && len(at.others) > 0 && at.others[0].From == from
		switch {
		case !ok, begins && (of >= 0 || at.others[0].Corrects || len(at.others) > 1 && at.others[1].From == from):
			return sums, false
		case begins:
			of = i
		}
	}
	if of < 0 {
		return sums, false
	}
	rest = slices.Clone(sums)
	at, _ := rest[of].split(from, math.MinInt64, buf[:])
	left, ok := rest[of].takeBack(&at)
	switch {
	case !ok:
		return sums, false
	case !left:
		rest = slices.Delete(rest, of, of+1)
	}
	return rest, true
}

// takeBack removes the first window behind a split, and returns whether any is left; ok
// is false when what ends last then is not known.
func (s *DaySum) takeBack(at *splitWindows) (left, ok bool) {
	gone := at.others[0]
	at.others = at.others[1:]
	last := ends(at.others)
	if len(at.before) > 0 {
		last = max(last, at.reach)
	}
	if at.partly && last < s.Last {
		return true, false
	}
	if s.Sum = s.Sum.less(gone.Quantity); len(at.before)+len(at.others) == 0 {
		return false, true
	}
	if s.Windows, s.Last = at.list(s.Day), last; len(at.before) == 0 {
		s.First = at.others[0].From
	}
	return true, true
}

// ends returns when the last one of windows ends.
func ends(all []heldWindow) Instant {
	end := Instant(math.MinInt64)
	for i := range all {
		end = max(end, all[i].To)
	}
	return end
}

// Agrees reports whether a sum knows of its windows what another one of the same
// observations does, as far as both know them. It may take more of them for told of
// several times: that only costs looking at the observations.
func (s *DaySum) Agrees(o *DaySum) bool {
	mine, partly, ok := s.Windows.windows(s.Day, nil)
	others, also, too := o.Windows.windows(o.Day, nil)
	if !ok || !too {
		return true
	}
	since := Instant(math.MinInt64)
	if partly {
		since = mine[0].From
	}
	if also {
		since = max(since, others[0].From)
	}
	known := func(h heldWindow) bool { return h.From > since }
	return slices.EqualFunc(mine[countUntil(mine, known):], others[countUntil(others, known):], func(a, b heldWindow) bool {
		b.Corrects = b.Corrects || a.Corrects
		return a == b
	})
}

// countUntil counts those before the first one of a kind.
func countUntil(all []heldWindow, kind func(heldWindow) bool) int {
	if i := slices.IndexFunc(all, kind); i >= 0 {
		return i
	}
	return len(all)
}
