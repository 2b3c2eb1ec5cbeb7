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
	tags   metering.Tags // room to sort them

	scanner // over the event's text
	event
	unknown string             // the first name in data that no schema has
	worst   metering.Rejection // the lowest reason to refuse the event; Code 0 if none
}

// meterKey identifies a meter with the type's own metric and unit.
type meterKey struct {
	resourceType metering.ResourceType
	dimension    string
}

// event is what was read of one event, before its values are looked at. It
// points to nothing, so that forgetting it is cheap.
type event struct {
	contexts [contextCount]span // raw values; zero when absent
	base64   bool               // data_base64 is there
	data     span               // of its first byte at least; zero when absent
	given    memberSet          // members of data that are not absent
	values   [members]span      // raw JSON of those given

	kind     metering.ObservationKind // 0 when not known
	resource metering.ResourceType    // 0 when not given or not known
	now      metering.Instant         // when it was looked at
}

func newDecoder(r *rules) *decoder {
	d := &decoder{rules: r, meters: map[meterKey]metering.Meter{}}
	d.texts.seed = maphash.MakeSeed()
	return d
}

// decode adds one event in structured form to the chunk.
func (d *decoder) decode(c *chunk, index int, text []byte) {
	d.begin(text)
	err := d.checkText()
	if err != nil {
		d.refuse(metering.Malformed, "", "not JSON as RFC 7493 wants it: %s", syntaxText(err))
		// What only repeats a name or has bad UTF-8 can still be told by its id.
		err = d.checkText(lenient()...)
	}
	if err == nil {
		d.walk()
	}
	d.finish(c, index)
}

// decodeBatch adds all events of an array. It fails when the body is no JSON
// array; an event that merely repeats a name or has bad UTF-8 is refused alone.
// rest is called behind each.
func (d *decoder) decodeBatch(c *chunk, body []byte, rest func(index int)) error {
	err := splitArray(body, func(index int, element []byte) {
		d.begin(element)
		d.walk()
		d.finish(c, index)
		rest(index)
	})
	if err == nil {
		return nil
	}
	*c = chunk{} // one of them is wrong: look for it, checking each by itself
	err = splitArray(body, func(index int, element []byte) {
		d.decode(c, index, element)
		rest(index)
	}, lenient()...)
	if err != nil {
		return &metering.Error{Kind: metering.KindInvalid, Message: "the body must be a JSON array of events: " + syntaxText(err), Cause: err}
	}
	return nil
}

// lenient takes what has the grammar of JSON, though names repeat or its UTF-8
// is bad.
func lenient() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
}

// splitArray calls each with the elements of a JSON array, which are valid
// under the options.
func splitArray(body []byte, each func(index int, element []byte), options ...jsontext.Options) error {
	array := jsontext.NewDecoder(bytes.NewBuffer(body), options...)
	if first, err := array.ReadToken(); err != nil {
		return err
	} else if first.Kind() != '[' {
		return errors.New("it is another kind of value")
	}
	for index := 0; array.PeekKind() != ']'; index++ {
		element, err := array.ReadValue()
		if err != nil {
			return err
		}
		end := int(array.InputOffset())
		each(index, body[end-len(element):end])
	}
	if _, err := array.ReadToken(); err != nil {
		return err
	}
	return checkEnd(array)
}

func checkEnd(j *jsontext.Decoder) error {
	switch _, err := j.ReadToken(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("more than one JSON value")
	default:
		return err
	}
}

// checkText checks that the event's text is one JSON value.
func (d *decoder) checkText(options ...jsontext.Options) error {
	d.buffer = *bytes.NewBuffer(d.text)
	d.json.Reset(&d.buffer, options...)
	if _, err := d.json.ReadValue(); err != nil {
		return err
	}
	return checkEnd(&d.json)
}

// begin forgets the previous event.
func (d *decoder) begin(text []byte) {
	d.scanner = scanner{text: text}
	d.event = event{now: d.clock()}
	d.worst = metering.Rejection{}
	d.unknown = ""
}

// finish judges what was read and adds it to the chunk.
func (d *decoder) finish(c *chunk, index int) {
	c.bytes += len(d.text)
	if o := d.observation(); o != nil {
		c.add(index, report.Submission{Observation: o, Client: d.permission.Client, AnyClient: d.permission.AnyClient})
		return
	}
	why := d.worst
	name := eventName{source: string(d.context(contextSource)), id: string(d.context(contextID))}
	c.refuse(refusal{index: index, name: name, why: &why})
}

// walk notes where the event's members are; its text is valid JSON.
func (d *decoder) walk() {
	if d.next() != '{' {
		d.refuse(metering.Malformed, "", "an event must be a JSON object, got %s", echo(d.text))
		return
	}
	d.object(d.walkContext)
}

// walkContext notes one member of the event itself. Unknown names are
// extensions, which are ignored.
func (d *decoder) walkContext(name []byte) {
	if string(name) == "data" && d.next() == '{' {
		d.data = span{d.at, d.at + 1}
		d.object(d.walkData)
		return
	}
	value := d.value()
	raw := d.text[value.from:value.to]
	if a, known := d.schema.contexts[string(name)]; known && !isAbsent(raw) {
		d.contexts[a] = value
		if raw[0] != '"' {
			code := metering.Malformed
			if a == contextSequence { // an extension: CloudEvents itself would allow a number
				code = metering.InvalidValue
			}
			d.refuse(code, contextNames[a], "%s must be a string, got %s", contextNames[a], echo(raw))
		}
		return
	}
	switch string(name) {
	case "data":
		d.data = value
	case "data_base64":
		d.base64 = !isAbsent(raw)
	}
}

// walkData notes one member of data.
func (d *decoder) walkData(name []byte) {
	value := d.value()
	m, known := d.schema.members[string(name)]
	if !known {
		if d.unknown == "" || string(name) < d.unknown {
			d.unknown = string(name)
		}
		if len(name) == 0 {
			d.refuse(metering.UnknownField, dataPath, "data has a member without a name")
		}
		return
	}
	raw := d.text[value.from:value.to]
	if !isAbsent(raw) && !(m == memberTags && isEmptyObject(raw)) {
		d.given |= setOf(m)
		d.values[m] = value
	}
}

// context returns the text of an attribute; nothing when it is absent or not a
// string.
func (d *decoder) context(a contextAttribute) []byte {
	s := d.contexts[a]
	if s.isZero() || d.text[s.from] != '"' {
		return nil
	}
	return unquote(d.text[s.from:s.to])
}

// raw returns a member of data as JSON; nothing when it is absent.
func (d *decoder) raw(m member) []byte {
	s := d.values[m]
	return d.text[s.from:s.to]
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

// syntaxText says what is wrong with a JSON text.
func syntaxText(err error) string {
	if err == io.EOF {
		return "it is empty"
	}
	return cut(strings.TrimPrefix(err.Error(), "jsontext: "), maxSyntaxTextBytes)
}

// maxSyntaxTextBytes bounds what a message cites of the JSON library, which
// names paths of any length.
const maxSyntaxTextBytes = 256

// isAbsent reports whether a member counts as not given: null, or an empty text
// (spec 2-metering, "Limits").
func isAbsent(raw []byte) bool { return string(raw) == "null" || string(raw) == `""` }

func isEmptyObject(raw []byte) bool {
	return raw[0] == '{' && len(bytes.Trim(raw[1:len(raw)-1], jsonSpace)) == 0
}

// unquote returns the text of a JSON string.
func unquote(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil { // bad UTF-8: the event is refused, this is for its receipt
		return bytes.ToValidUTF8(inner, []byte("\uFFFD"))
	}
	return text
}

const echoBytes = 64

// echo cites a raw JSON value in a message.
func echo(v []byte) string { return cut(string(v[:min(len(v), echoBytes+4)]), echoBytes) }

// quoted cites a text in a message.
func quoted(s string) string { return fmt.Sprintf("%q", cut(s, echoBytes)) }
