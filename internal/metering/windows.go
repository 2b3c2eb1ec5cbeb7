package metering

import (
	"encoding/binary"
	"math"
	"slices"
)

// WindowList is what a day sum knows of the windows that it counts: enough to
// correct one, to take one back or to place one between them without looking at the
// observations again. It is bytes, as a store keeps it, since there are many: some 7
// a window. nil means that they are not known, because they are described in
// different ways; any other list has one window at least. Of very many, only the
// latest are listed: then windows that begin when the first one does, or earlier, are
// not known.
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

// latest returns the later half of a list. It has no others than the ones that end
// last: nil where one of the earlier half does.
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
	day    Day
	rest   []byte
	usual  Instant // length of the first window
	partly bool    // there were more before it
	reach  Instant // what the windows so far reach
	last   heldWindow
	failed bool // the rest cannot be read
}

func (l WindowList) reader(day Day) windowReader {
	r := windowReader{day: day, rest: l, reach: day.Start(), last: heldWindow{From: math.MinInt64}}
	r.usual = r.length()
	r.failed = r.failed || r.usual == 0 || len(r.rest) == 0
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
	r.failed = r.failed || lag > (math.MaxInt64-max(h.To, 0))/Second || lag < (math.MinInt64-min(h.To, 0))/Second
	h.Since = h.To + lag*Second
	if head&windowHigh != 0 {
		h.Quantity.Hi = r.uvarint()
	}
	h.Quantity.Lo = r.uvarint()
	whole := head&windowWhole != 0
	r.failed = r.failed || head >= windowHeadEnd || length <= 0 || length > MaxQuantityWindow || h.From.Day() != r.day ||
		h.Quantity.Hi >= windowHighEnd || whole && h.Quantity.Lo > math.MaxUint64/millionths || r.last.compare(h.From, h.To) >= 0
	if whole {
		h.Quantity.Lo *= millionths
	}
	r.reach, r.last = max(r.reach, h.To), *h
	return !r.failed
}

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
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// usualWindows is how many windows of a day are gone through without memory of
// their own.
const usualWindows = 32

// held returns the windows that the sum counts, in the memory of buf; false when they
// are not known, or not those that begin at an instant.
func (s *DaySum) held(at Instant, buf []heldWindow) (all []heldWindow, partly, ok bool) {
	if all, partly, ok = s.Windows.windows(s.Day, buf); !ok || partly && at <= all[0].From {
		return nil, false, false
	}
	var sum Amount
	for i := range all {
		sum = sum.Add(all[i].Quantity)
	}
	more := sum.Compare(s.Sum)
	return all, partly, ends(all) == s.Last && (more == 0 || partly && more < 0) // others would not be this sum's
}

// place adds a window that begins before others end, or corrects one: false where
// only the observations say what counts then. It changes the sum, but no memory that
// it shares.
func (s *DaySum) place(w *Window) bool {
	var buf [usualWindows]heldWindow
	all, partly, ok := s.held(w.From, buf[:])
	switch {
	case !ok && w.To <= s.First:
		s.Sum, s.First = s.Sum.Add(w.Quantity), w.From
		return true
	case !ok:
		return false
	}
	alike, h := s.alike(w), holdWindow(w)
	i, found := slices.BinarySearchFunc(all, &h, func(a heldWindow, h *heldWindow) int { return a.compare(h.From, h.To) })
	switch {
	case found && !(alike && all[i].correct(s, w)):
		return false
	case !found:
		if i == len(all) {
			s.Attributes = w.Attributes
		}
		all = slices.Insert(all, i, h)
		s.Sum, s.First, s.Last = s.Sum.Add(w.Quantity), min(s.First, w.From), max(s.Last, w.To)
	}
	if s.Windows = nil; alike {
		s.Windows = listWindows(s.Day, all, partly)
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
	of, count := 0, 0
	for i := range sums {
		var buf [usualWindows]heldWindow
		all, _, ok := sums[i].held(from, buf[:])
		if !ok {
			return sums, false
		}
		for j := range all {
			if all[j].From == from {
				of, count = i, count+1
			}
		}
	}
	if count != 1 {
		return sums, false
	}
	rest = slices.Clone(sums)
	left, ok := rest[of].takeBack(from)
	switch {
	case !ok:
		return sums, false
	case left == 0:
		rest = slices.Delete(rest, of, of+1)
	}
	return rest, true
}

// takeBack removes the window that begins at an instant, and returns how many are
// left; false when another observation tells of it, too, or what ends last then is not
// known.
func (s *DaySum) takeBack(from Instant) (left int, ok bool) {
	var buf [usualWindows]heldWindow
	all, partly, _ := s.held(from, buf[:])
	at := slices.IndexFunc(all, func(h heldWindow) bool { return h.From == from })
	gone := all[at]
	if all = slices.Delete(all, at, at+1); gone.Corrects || partly && ends(all) < s.Last {
		return 0, false
	}
	if s.Sum = s.Sum.less(gone.Quantity); len(all) == 0 {
		return 0, true
	}
	if s.Windows, s.Last = listWindows(s.Day, all, partly), ends(all); !partly {
		s.First = all[0].From
	}
	return len(all), true
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
