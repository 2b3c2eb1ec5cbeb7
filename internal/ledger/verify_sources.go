package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/report"
)

// eventSources checks that what is remembered of event sources can be read and
// fits together. How much was sent once cannot be derived from the observations:
// duplicates and refused events left none.
func (v *verifier) eventSources() error {
	var last *sourceRecord
	accepted := uint64(0)
	err := scan(v.r, []byte{layout.EventSources}, func(key, value []byte) error {
		k, part, err := layout.DecodeSourceKey(key)
		if err == nil {
			if last == nil || last.Key != k {
				v.heard(last)
				last = &sourceRecord{}
				last.Key = k
			}
			err = last.read(part, value)
		}
		if err == nil && !bytes.Equal(last.written(part), value) {
			err = errors.New("a form that this program does not write")
		}
		if err != nil {
			v.differ(checkHeard, fmt.Sprintf("key %x", key), err.Error(), "what is remembered of an event source")
		}
		if err == nil && part == layout.SourceNow {
			last.touched, accepted = true, accepted+last.hour.Accepted
		}
		return nil
	})
	v.heard(last)
	if accepted > uint64(v.last) {
		v.differ(checkHeard, "all event sources", fmt.Sprintf("%d accepted events", accepted), fmt.Sprintf("at most %d, the last number given out", v.last))
	}
	return errors.Join(err, v.reusedIDs())
}

// written is a part as this program writes it.
func (r *sourceRecord) written(part layout.SourcePart) []byte {
	switch part {
	case layout.SourceNow:
		return layout.AppendSourceNow(nil, &r.Source, &r.hour, &r.day)
	case layout.SourcePast:
		return layout.AppendSourcePast(nil, &r.Source)
	}
	return layout.AppendSourceSamples(nil, &r.Source)
}

// heard checks one source as a whole.
func (v *verifier) heard(r *sourceRecord) {
	if r == nil {
		return
	}
	s, of := r.whole(), fmt.Sprintf("event source %q of client %q", r.Key.Source, r.Key.Client)
	if !r.touched {
		v.differ(checkHeard, of, "no record of the hour in hand", "one: it is written with every commit")
	}
	for i := 1; i < len(s.Hours); i++ {
		if s.Hours[i-1].Hour == s.Hours[i].Hour {
			v.differ(checkHeard, of, fmt.Sprintf("the hour from %s twice", s.Hours[i].Hour.Start()), "once")
		}
	}
	for i := 1; i < len(s.Days); i++ {
		if s.Days[i-1].Day == s.Days[i].Day {
			v.differ(checkHeard, of, fmt.Sprintf("%s twice", s.Days[i].Day), "once")
		}
	}
	for i := range s.Days {
		d, rejected := &s.Days[i], uint64(0)
		for _, c := range d.ByCode {
			rejected += c.Count
		}
		if rejected != d.Rejected || !slices.IsSortedFunc(d.ByCode, func(a, b report.CodeCount) int { return cmp.Compare(a.Code, b.Code) }) {
			v.differ(checkHeard, of, fmt.Sprintf("%d rejections on %s, by code %v", d.Rejected, d.Day, d.ByCode), "the same number")
		}
	}
	for i := range s.Hours {
		h, counted := &s.Hours[i], uint64(0)
		for _, n := range h.Lags {
			counted += uint64(n)
		}
		if counted != h.Accepted {
			v.differ(checkHeard, of, fmt.Sprintf("%d accepted events in the hour from %s, and %d lags", h.Accepted, h.Hour.Start(), counted), "a lag for each")
		}
	}
}

// reusedIDs checks that what stands under each id is there.
func (v *verifier) reusedIDs() error {
	return scan(v.r, []byte{layout.ReusedIDs}, func(key, value []byte) error {
		_, _, err := layout.DecodeReusedKey(key)
		if err == nil {
			var u *report.ReusedID
			if u, err = layout.DecodeReused(value); err == nil {
				v.reusedID(u)
			}
		}
		if err != nil {
			v.differ(checkHeard, fmt.Sprintf("key %x", key), err.Error(), "an id that was sent again with other content")
		}
		return nil
	})
}

func (v *verifier) reusedID(u *report.ReusedID) {
	source, known := v.sources.numbers[u.Name.Source]
	if known {
		_, found, err := get(v.r, layout.AppendID(nil, u.Name.Project, source, u.Name.ID))
		known = found && err == nil
	}
	if !known || u.Times == 0 || u.First > u.Last {
		v.differ(checkHeard, fmt.Sprintf("id %q of source %q in project %d", u.Name.ID, u.Name.Source, u.Name.Project),
			fmt.Sprintf("sent again with other content %d times from %s to %s", u.Times, u.First, u.Last), "an id that is known, refused at least once")
	}
}
