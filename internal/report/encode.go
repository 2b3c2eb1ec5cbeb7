package report

import (
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
)

// writeSize is how many bytes WriteJSON gathers before it writes: enough that
// the cost of a write does not show, little enough to hold for every report.
const writeSize = 64 << 10

// WriteJSON streams the report: {"count":..., "resources":[...], "totals":[...]}.
// Its memory does not grow with the page. When a write fails it asks for no
// further line and returns the error. It does not close the report.
func WriteJSON(w io.Writer, r *Report) error {
	s := sink{w: w, buf: make([]byte, 0, writeSize+writeSize/8)}
	s.buf = append(s.buf, `{"count":`...)
	s.buf = strconv.AppendInt(s.buf, int64(r.Count), 10)
	s.buf = append(s.buf, `,"resources":[`...)
	first := true
	for line := range r.Lines {
		s.separate(&first)
		s.buf = AppendLine(s.buf, line)
		if !s.flush(writeSize) {
			break
		}
	}
	s.buf = append(s.buf, `],"totals":[`...)
	first = true
	for i := range r.Totals {
		s.separate(&first)
		s.buf = AppendTotal(s.buf, &r.Totals[i])
		if !s.flush(writeSize) {
			break
		}
	}
	s.buf = append(s.buf, "]}"...)
	s.flush(0)
	return s.err
}

// sink gathers bytes and writes them in large pieces. After the first error it
// writes nothing more.
type sink struct {
	w   io.Writer
	buf []byte
	err error
}

func (s *sink) separate(first *bool) {
	if !*first {
		s.buf = append(s.buf, ',')
	}
	*first = false
}

// flush writes what is gathered if it is at least so much, and reports whether
// all is well.
func (s *sink) flush(atLeast int) bool {
	if s.err == nil && len(s.buf) >= atLeast {
		if _, err := s.w.Write(s.buf); err != nil {
			s.err = fmt.Errorf("write report: %w", err)
		}
		s.buf = s.buf[:0]
	}
	return s.err == nil
}

// AppendLine appends the line as a JSON object of exactly the members of its
// type, null for what has no value (spec 1-usage-report, "Response").
func AppendLine(dst []byte, l *Line) []byte {
	for i := range lineLayouts[l.Resource.Type] {
		m := &lineLayouts[l.Resource.Type][i]
		dst = append(dst, m.literal...)
		switch m.value {
		case nothing:
		case metricValue:
			dst = appendText(dst, l.Meter.Metric)
		case amountValue:
			dst = l.Value.AppendDecimal(dst, m.scale)
		case unitValue:
			dst = appendText(dst, l.Meter.Unit)
		case firstSeenValue:
			dst = appendSeconds(dst, l.First)
		case lastSeenValue:
			dst = appendSeconds(dst, l.Last)
		case projectValue:
			dst = strconv.AppendInt(dst, int64(l.Resource.Project), 10)
		case regionValue:
			dst = strconv.AppendInt(dst, int64(l.Resource.Region), 10)
		case idValue:
			dst = append(l.Resource.ID.Append(append(dst, '"')), '"')
		case sizeValue:
			dst = strconv.AppendUint(dst, l.Resource.Type.LastSize(l.SizeBytes), 10)
		case tagsValue:
			dst = appendTags(dst, l.Attributes.Tags)
		case attributeValue:
			dst = appendText(dst, l.Attributes.Texts[m.attribute])
		}
	}
	return dst
}

// AppendTotal appends the total as a JSON object of exactly the members of its
// type's totals.
func AppendTotal(dst []byte, t *Total) []byte {
	for i := range totalLayouts[t.Meter.Type] {
		m := &totalLayouts[t.Meter.Type][i]
		dst = append(dst, m.literal...)
		switch m.value {
		case metricValue:
			dst = appendText(dst, t.Meter.Metric)
		case amountValue:
			dst = t.Value.AppendDecimal(dst, m.scale)
		case unitValue:
			dst = appendText(dst, t.Meter.Unit)
		case regionValue:
			dst = strconv.AppendInt(dst, int64(t.Region), 10)
		case attributeValue: // the dimension is the only one that totals have
			dst = appendText(dst, t.Meter.Dimension)
		}
	}
	return dst
}

// appendText appends a JSON string, or null for no text.
func appendText(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	return appendString(dst, text)
}

func appendString(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			// The error tells of bytes that are not UTF-8, which have become
			// U+FFFD: better one odd letter than no report.
			dst, _ = jsontext.AppendQuote(dst, text)
			return dst
		}
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

func appendTags(dst []byte, tags metering.Tags) []byte {
	if len(tags) == 0 {
		return append(dst, "null"...)
	}
	separator := byte('[')
	for i := range tags {
		dst = append(dst, separator, '{')
		dst = appendString(dst, tags[i].Key)
		dst = append(dst, ':')
		dst = appendString(dst, tags[i].Value)
		dst = append(dst, '}')
		separator = ','
	}
	return append(dst, ']')
}

// appendSeconds appends the instant cut to whole seconds.
func appendSeconds(dst []byte, i metering.Instant) []byte {
	dst = append(dst, '"')
	dst = time.Unix(wholeSeconds(i), 0).UTC().AppendFormat(dst, time.RFC3339)
	return append(dst, '"')
}
