package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// rules are what events are judged by; they never change.
type rules struct {
	schema    *schema
	clock     func() metering.Instant
	directory report.Directory
	strict    bool
}

// decoder turns the texts of events into observations, one at a time. What it
// allocates for an event is what the observation keeps.
type decoder struct {
	*rules
	permission Permission

	json   jsontext.Decoder
	buffer bytes.Buffer
	texts  interner
	meters map[meterKey]metering.Meter

	event
}

// meterKey identifies a meter with the type's own metric and unit.
type meterKey struct {
	resourceType metering.ResourceType
	dimension    string
}

// event is what was read of one event, before its values are looked at. The
// slices are parts of raw.
type event struct {
	raw      []byte                   // text of the event; in binary mode of its data
	contexts [contextCount][]byte     // unquoted; nil when absent
	base64   bool                     // data_base64 is there
	noData   string                   // what stands in place of the data object, "" if that is there
	given    memberSet                // members of data that are not absent
	values   [members][]byte          // raw JSON of those given, but for tags
	unknown  string                   // the first name in data that no schema has
	tags     []rawTag                 // at most MaxTags of them
	tagCount int                      // all of them
	worst    metering.Rejection       // the lowest reason to refuse the event; Code 0 if none
	now      metering.Instant         // when it was looked at
	resource metering.ResourceType    // 0 when not given or not known
	kind     metering.ObservationKind // 0 when not known
}

// rawTag is a member of the tags object, as raw JSON; the key without quotes.
type rawTag struct{ key, value []byte }

func newDecoder(r *rules) *decoder {
	d := &decoder{rules: r, meters: map[meterKey]metering.Meter{}}
	d.texts.seed = maphash.MakeSeed()
	return d
}

// decode adds one event in structured form to the chunk.
func (d *decoder) decode(c *chunk, index int, text []byte) {
	d.begin(text)
	if err := d.parse(); err != nil {
		d.refuseSyntax(err)
	}
	d.finish(c, index)
}

// decodeBatch adds all events of an array. It fails when the body is no JSON
// array; an event that is merely wrong, or repeats a name, is refused alone.
func (d *decoder) decodeBatch(c *chunk, body []byte) error {
	notArray := func(err error) error {
		return &metering.Error{Kind: metering.KindInvalid, Message: "the body must be a JSON array of events: " + syntaxText(err), Cause: err}
	}
	array := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if array.PeekKind() != '[' {
		_, err := array.ReadValue()
		return notArray(err)
	}
	if _, err := array.ReadToken(); err != nil {
		return notArray(err)
	}
	for index := 0; array.PeekKind() != ']'; index++ {
		element, err := array.ReadValue()
		if err != nil {
			return notArray(err)
		}
		end := int(array.InputOffset())
		d.decode(c, index, body[end-len(element):end])
	}
	if _, err := array.ReadToken(); err != nil {
		return notArray(err)
	}
	if _, err := array.ReadToken(); err != io.EOF {
		return notArray(err)
	}
	return nil
}

// begin forgets the previous event.
func (d *decoder) begin(text []byte) {
	d.event = event{raw: text, tags: d.tags[:0], now: d.clock()}
	d.buffer = *bytes.NewBuffer(text)
	d.json.Reset(&d.buffer)
}

// finish judges what was read and adds it to the chunk.
func (d *decoder) finish(c *chunk, index int) {
	c.bytes += len(d.raw)
	if o := d.observation(); o != nil {
		c.add(index, report.Submission{Observation: o, Client: d.permission.Client, AnyClient: d.permission.AnyClient})
		return
	}
	why := d.worst
	name := eventName{source: string(d.contexts[contextSource]), id: string(d.contexts[contextID])}
	c.refuse(refusal{index: index, name: name, why: &why})
}

// parse reads the event in one pass over its text. Its errors are those of the
// JSON grammar.
func (d *decoder) parse() error {
	if k := d.json.PeekKind(); k != '{' {
		if _, err := d.value(); err != nil {
			return err
		}
		d.refuse(metering.Malformed, "", "an event must be a JSON object, got %s", echo(d.raw))
		return d.parseEnd()
	}
	d.noData = "nothing"
	if err := d.object(d.parseContext); err != nil {
		return err
	}
	return d.parseEnd()
}

func (d *decoder) parseEnd() error {
	_, err := d.json.ReadToken()
	if err == nil {
		return errors.New("more than one JSON value")
	}
	if err == io.EOF {
		return nil
	}
	return err
}

// object reads an object and calls read with each name, before its value.
func (d *decoder) object(read func(name []byte) error) error {
	if _, err := d.json.ReadToken(); err != nil {
		return err
	}
	for d.json.PeekKind() != '}' {
		name, err := d.value()
		if err != nil {
			return err
		}
		if err := read(unquote(name)); err != nil {
			return err
		}
	}
	_, err := d.json.ReadToken()
	return err
}

// value reads one value as raw JSON, which is a part of the event's text.
func (d *decoder) value() ([]byte, error) {
	v, err := d.json.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.json.InputOffset())
	return d.raw[end-len(v) : end : end], nil
}

// parseContext reads one member of the event itself. Unknown names are
// extensions, which are ignored.
func (d *decoder) parseContext(name []byte) error {
	if a, known := d.schema.contexts[string(name)]; known {
		v, err := d.value()
		if err != nil || isAbsent(v) {
			return err
		}
		if v[0] == '"' {
			d.contexts[a] = unquote(v)
			return nil
		}
		code := metering.Malformed
		if a == contextSequence { // an extension: CloudEvents itself would allow a number
			code = metering.InvalidValue
		}
		d.refuse(code, contextNames[a], "%s must be a string, got %s", contextNames[a], echo(v))
		return nil
	}
	switch string(name) {
	case "data":
		return d.parseDataValue()
	case "data_base64":
		v, err := d.value()
		d.base64 = err == nil && !isAbsent(v)
		return err
	}
	return d.json.SkipValue()
}

// parseData reads the data of an event in binary mode.
func (d *decoder) parseData() error {
	if len(d.raw) == 0 {
		d.noData = "nothing"
		return nil
	}
	if err := d.parseDataValue(); err != nil {
		return err
	}
	return d.parseEnd()
}

func (d *decoder) parseDataValue() error {
	if d.json.PeekKind() == '{' {
		d.noData = ""
		return d.object(d.parseMember)
	}
	v, err := d.value()
	if err == nil && string(v) != "null" {
		d.noData = echo(v)
	}
	return err
}

// parseMember reads one member of data.
func (d *decoder) parseMember(name []byte) error {
	m, known := d.schema.members[string(name)]
	switch {
	case !known:
		if d.unknown == "" || string(name) < d.unknown {
			d.unknown = cut(string(name), metering.MaxTextLength)
		}
		if len(name) == 0 {
			d.refuse(metering.UnknownField, dataPath, "data has a member without a name")
		}
		return d.json.SkipValue()
	case m == memberTags && d.json.PeekKind() == '{':
		if err := d.object(d.parseTag); err != nil {
			return err
		}
		if d.tagCount > 0 {
			d.given |= setOf(m)
		}
		return nil
	}
	v, err := d.value()
	if err == nil && !isAbsent(v) {
		d.given |= setOf(m)
		d.values[m] = v
	}
	return err
}

func (d *decoder) parseTag(key []byte) error {
	v, err := d.value()
	if err != nil {
		return err
	}
	if d.tagCount++; d.tagCount <= metering.MaxTags {
		d.tags = append(d.tags, rawTag{key, v})
	}
	return nil
}

// refuse notes a reason to refuse the event if it is the lowest so far.
func (d *decoder) refuse(code metering.RejectCode, field, format string, args ...any) {
	r := metering.Rejection{Code: code, Field: field}
	if d.worst.Code == 0 || r.Before(d.worst) {
		r.Message = fmt.Sprintf(format, args...)
		d.worst = r
	}
}

// refused reports whether the event is refused for this code or a lower one, so
// that higher ones do not matter.
func (d *decoder) refused(code metering.RejectCode) bool {
	return d.worst.Code != 0 && d.worst.Code <= code
}

func (d *decoder) refuseSyntax(err error) {
	d.refuse(metering.Malformed, "", "not a JSON object as RFC 7493 wants it: %s", syntaxText(err))
}

// syntaxText says what is wrong with a JSON text.
func syntaxText(err error) string {
	if err == nil {
		return "another kind of value"
	}
	return cut(strings.TrimPrefix(err.Error(), "jsontext: "), maxSyntaxTextBytes)
}

// maxSyntaxTextBytes bounds what a message cites of the JSON library, which
// names paths of any length.
const maxSyntaxTextBytes = 256

// isAbsent reports whether a member counts as not given: null, or an empty text
// (spec 2-metering, "Limits").
func isAbsent(v []byte) bool { return string(v) == "null" || string(v) == `""` }

// unquote returns the text of a valid JSON string.
func unquote(v []byte) []byte {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		metering.Bug("unquote %q, which was read as valid: %v", v, err)
	}
	return text
}

const echoBytes = 64

// echo cites a raw JSON value in a message.
func echo(v []byte) string { return cut(string(v[:min(len(v), echoBytes+4)]), echoBytes) }

// quoted cites a text in a message.
func quoted(s string) string { return fmt.Sprintf("%q", cut(s, echoBytes)) }
