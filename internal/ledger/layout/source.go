package layout

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// SourcePart says what of an event source lies at a key: what changes with each
// commit is little, and kept apart from what does not.
type SourcePart byte

// The parts of an event source.
const (
	SourceNow     SourcePart = 'n' // when it was heard, the hour and the day in hand
	SourcePast    SourcePart = 'p' // the hours and days before
	SourceSamples SourcePart = 's' // events that were refused
)

// AppendSourceKey appends the key of a part of an event source.
func AppendSourceKey(dst []byte, k report.SourceKey, part SourcePart) []byte {
	dst = appendText(append(dst, EventSources), string(k.Client))
	rest := byte(0)
	if k.Rest {
		rest = 1
	}
	return append(appendText(append(dst, rest), k.Source), byte(part))
}

// DecodeSourceKey reads the key of a part of an event source.
func DecodeSourceKey(key []byte) (k report.SourceKey, part SourcePart, err error) {
	r := reader{b: key}
	if r.byte() != EventSources {
		r.fail()
	}
	k.Client = report.ClientID(r.text())
	rest := r.byte()
	k.Rest, k.Source = rest == 1, r.text()
	part = SourcePart(r.byte())
	known := part == SourceNow || part == SourcePast || part == SourceSamples
	if r.failed() || len(r.b) > 0 || rest > 1 || !known || k.Rest && k.Source != "" {
		return k, part, fmt.Errorf("key %x of an event source: %w", key, errDamaged)
	}
	return k, part, nil
}

// AppendSourceNow appends the value of [SourceNow].
func AppendSourceNow(dst []byte, s *report.Source, hour *report.SourceHour, day *report.SourceDay) []byte {
	for _, at := range [...]metering.Instant{s.Since, s.Heard, s.Received, s.LastEvent, s.LastLag} {
		dst = binary.AppendVarint(dst, int64(at))
	}
	return appendSourceDay(appendSourceHour(dst, hour), day)
}

// DecodeSourceNow reads the value of [SourceNow] into a source.
func DecodeSourceNow(value []byte, s *report.Source) (hour report.SourceHour, day report.SourceDay, err error) {
	r := reader{b: value}
	for _, at := range [...]*metering.Instant{&s.Since, &s.Heard, &s.Received, &s.LastEvent, &s.LastLag} {
		*at = metering.Instant(r.varint())
	}
	hour, day = r.sourceHour(), r.sourceDay()
	return hour, day, r.ended("event source")
}

// AppendSourcePast appends the value of [SourcePast].
func AppendSourcePast(dst []byte, s *report.Source) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.Hours)))
	for i := range s.Hours {
		dst = appendSourceHour(dst, &s.Hours[i])
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.Days)))
	for i := range s.Days {
		dst = appendSourceDay(dst, &s.Days[i])
	}
	return dst
}

// DecodeSourcePast reads the value of [SourcePast] into a source.
func DecodeSourcePast(value []byte, s *report.Source) error {
	r := reader{b: value}
	for n := r.uvarint(); n > 0 && !r.failed(); n-- {
		s.Hours = append(s.Hours, r.sourceHour())
	}
	for n := r.uvarint(); n > 0 && !r.failed(); n-- {
		s.Days = append(s.Days, r.sourceDay())
	}
	return r.ended("past of an event source")
}

// AppendSourceSamples appends the value of [SourceSamples].
func AppendSourceSamples(dst []byte, s *report.Source) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s.Samples)))
	for i := range s.Samples {
		e := &s.Samples[i]
		dst = append(binary.AppendVarint(dst, int64(e.At)), byte(e.Code))
		dst = appendText(appendText(appendText(dst, e.ID), e.Field), e.Message)
	}
	return dst
}

// DecodeSourceSamples reads the value of [SourceSamples] into a source.
func DecodeSourceSamples(value []byte, s *report.Source) error {
	r := reader{b: value}
	for n := r.uvarint(); n > 0 && !r.failed(); n-- {
		e := report.RejectionSample{At: metering.Instant(r.varint()), Code: r.rejectCode()}
		e.ID, e.Field, e.Message = r.text(), r.text(), r.text()
		s.Samples = append(s.Samples, e)
	}
	return r.ended("samples of an event source")
}

func appendSourceCounts(dst []byte, c *report.SourceCounts) []byte {
	for _, n := range [...]uint64{c.Accepted, c.Duplicates, c.Rejected} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func (r *reader) sourceCounts() report.SourceCounts {
	return report.SourceCounts{Accepted: r.uvarint(), Duplicates: r.uvarint(), Rejected: r.uvarint()}
}

func appendSourceHour(dst []byte, h *report.SourceHour) []byte {
	dst = appendSourceCounts(binary.AppendVarint(dst, int64(h.Hour)), &h.SourceCounts)
	dst = binary.AppendVarint(dst, int64(h.Greatest))
	for _, n := range h.Lags {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func (r *reader) sourceHour() (h report.SourceHour) {
	h.Hour, h.SourceCounts, h.Greatest = report.Hour(r.varint()), r.sourceCounts(), metering.Instant(r.varint())
	for i := range h.Lags {
		n := r.uvarint()
		if n > math.MaxUint32 {
			r.fail()
		}
		h.Lags[i] = uint32(n)
	}
	return h
}

func appendSourceDay(dst []byte, d *report.SourceDay) []byte {
	dst = appendSourceCounts(binary.AppendVarint(dst, int64(d.Day)), &d.SourceCounts)
	dst = binary.AppendUvarint(dst, uint64(len(d.ByCode)))
	for _, c := range d.ByCode {
		dst = binary.AppendUvarint(append(dst, byte(c.Code)), c.Count)
	}
	return dst
}

func (r *reader) sourceDay() (d report.SourceDay) {
	day := r.varint()
	if d.Day = metering.Day(day); int64(d.Day) != day {
		r.fail()
	}
	d.SourceCounts = r.sourceCounts()
	for n := r.uvarint(); n > 0 && !r.failed(); n-- {
		d.ByCode = append(d.ByCode, report.CodeCount{Code: r.rejectCode(), Count: r.uvarint()})
	}
	return d
}

func (r *reader) rejectCode() metering.RejectCode {
	code := metering.RejectCode(r.byte())
	if code < metering.Malformed || code > metering.IDReused {
		r.fail()
	}
	return code
}

// ended says what is wrong with a value that was read to its end.
func (r *reader) ended(what string) error {
	if r.failed() || len(r.b) > 0 {
		return fmt.Errorf("%s: %w", what, errDamaged)
	}
	return nil
}

// AppendReusedKey appends the key of an id that was sent again with other
// content: the place among those of a client.
func AppendReusedKey(dst []byte, client report.ClientID, place uint16) []byte {
	return binary.BigEndian.AppendUint16(appendText(append(dst, ReusedIDs), string(client)), place)
}

// DecodeReusedKey reads such a key.
func DecodeReusedKey(key []byte) (client report.ClientID, place uint16, err error) {
	r := reader{b: key}
	if r.byte() != ReusedIDs {
		r.fail()
	}
	client = report.ClientID(r.text())
	if b := r.bytes(2); b != nil {
		place = binary.BigEndian.Uint16(b)
	}
	if place >= report.MaxReusedIDs {
		r.fail()
	}
	return client, place, r.ended(fmt.Sprintf("key %x of an id that was reused", key))
}

// AppendReused appends the value of an id that was sent again.
func AppendReused(dst []byte, u *report.ReusedID) []byte {
	dst = appendText(appendText(appendResource(dst, u.Resource), u.Name.Source), u.Name.ID)
	for _, at := range [...]metering.Instant{u.First, u.Last} {
		dst = binary.AppendVarint(dst, int64(at))
	}
	return binary.AppendUvarint(dst, u.Times)
}

// DecodeReused reads the value of an id that was sent again.
func DecodeReused(value []byte) (*report.ReusedID, error) {
	r := reader{b: value}
	u := &report.ReusedID{Resource: r.resource()}
	u.Name = metering.ObservationName{Project: u.Resource.Project, Source: r.text(), ID: r.text()}
	u.First, u.Last, u.Times = metering.Instant(r.varint()), metering.Instant(r.varint()), r.uvarint()
	return u, r.ended("id that was reused")
}
