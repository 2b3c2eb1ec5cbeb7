package metering

// Behind returns the traces behind one term of a line, in their order: those that
// led to it or repeat it, those that they supersede or correct, and those
// retracted in their place. Of a segment, the state that ends it is one of them,
// for without it there would be more minutes. A term that the account has not
// gives none, and so does a day of a closed month.
func (a *Account) Behind(line, term int) []Trace {
	if line < 0 || term < 0 || line >= len(a.Lines) {
		return nil
	}
	if l := &a.Lines[line]; term < len(l.Segments) {
		return a.behindSegment(line, term, l.Segments[term].To)
	} else if term < len(l.Windows) {
		return a.behindWindow(&l.Windows[term])
	}
	return nil
}

// behindSegment takes what lies between the first state that led to the segment
// and the one that ends it.
//
//	states   a   b  (c)  b   d        (c: retracted, the second b: repeated)
//	segment      [  b        )
//	behind       b  (c)  b   d
func (a *Account) behindSegment(line, term int, end Minute) (behind []Trace) {
	leading := map[*Received]bool{}
	for i := range a.Traces {
		if t := &a.Traces[i]; t.Line == line && t.Term == term {
			leading[t.Received] = true
		}
	}
	begun := false
	for i := range a.Traces {
		t := &a.Traces[i]
		if t.Fate == FateCounted && FirstMinute(t.Time) == end {
			return append(behind, *t)
		}
		begun = begun || leading[t.Received]
		if leading[t.Received] || t.Fate == FateSuperseded && leading[t.By] || t.Fate == FateRetracted && begun {
			behind = append(behind, *t)
		}
	}
	return behind
}

// behindWindow takes all that was told of a window.
func (a *Account) behindWindow(w *Window) (behind []Trace) {
	for i := range a.Traces {
		t := &a.Traces[i]
		if t.Kind == QuantityObserved && t.From == w.From && t.To == w.To && t.Meter == w.Meter {
			behind = append(behind, *t)
		}
	}
	return behind
}

// CountFates counts what became of the observations.
func (a *Account) CountFates() map[Fate]int {
	counts := map[Fate]int{}
	for i := range a.Traces {
		counts[a.Traces[i].Fate]++
	}
	return counts
}
