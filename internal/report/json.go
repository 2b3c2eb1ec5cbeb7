package report

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
)

// MaxInvalidFields bounds how many invalid fields one answer lists, so that a
// small hostile body cannot ask for a huge answer.
const MaxInvalidFields = 1000

// bodyReader reads a JSON body token by token and collects everything that is
// wrong with its members. A body that is not JSON at all ends it: syntax holds
// the first such error, and from then on every read gives zero values.
//
// Each read of a value consumes exactly one value, right or wrong, so the
// reader never gets out of step with the body.
type bodyReader struct {
	decoder *jsontext.Decoder
	syntax  error
	fields  metering.FieldErrors
	cut     bool // more than MaxInvalidFields were found
}

func newBodyReader(body []byte) *bodyReader {
	// Duplicates are found by object, which reports them like any other invalid
	// field; the decoder would stop at the first one.
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	return &bodyReader{decoder: decoder, fields: metering.FieldErrors{}}
}

// fail notes what is wrong with the value that was read last.
func (r *bodyReader) fail(message string) {
	if r.syntax == nil {
		r.note(dotted(r.decoder.StackPointer(), ""), message)
	}
}

// failMember notes what is wrong with a member of the object that was read last.
func (r *bodyReader) failMember(name, message string) {
	if r.syntax == nil {
		r.note(dotted(r.decoder.StackPointer(), name), message)
	}
}

func (r *bodyReader) note(path, message string) {
	messages, known := r.fields[path]
	switch {
	case slices.Contains(messages, message):
	case !known && len(r.fields) == MaxInvalidFields:
		r.cut = true
	default:
		r.fields[path] = append(messages, message)
	}
}

// dotted turns /tags/conditions/0 and a member of it into tags.conditions.0.key.
func dotted(p jsontext.Pointer, member string) string {
	parts := slices.Collect(p.Tokens())
	if member != "" {
		parts = append(parts, member)
	}
	return strings.Join(parts, ".")
}

// next reads one token.
func (r *bodyReader) next() jsontext.Token {
	if r.syntax != nil {
		return jsontext.Null
	}
	token, err := r.decoder.ReadToken()
	if err != nil {
		r.syntax = err
		return jsontext.Null
	}
	return token
}

// skip reads one whole value.
func (r *bodyReader) skip() {
	if r.syntax == nil {
		r.syntax = r.decoder.SkipValue()
	}
}

// is reports whether the next value is of the kind; if not it skips the value
// and notes the message.
func (r *bodyReader) is(kind jsontext.Kind, message string) bool {
	if r.syntax == nil && r.decoder.PeekKind() == kind {
		return true
	}
	r.skip()
	r.fail(message)
	return false
}

// within reports whether the list or object being read has more in it.
func (r *bodyReader) within(end jsontext.Kind) bool {
	return r.syntax == nil && r.decoder.PeekKind() != end
}

// null reads a null if the next value is one.
func (r *bodyReader) null() bool {
	if r.syntax != nil || r.decoder.PeekKind() != 'n' {
		return false
	}
	r.next()
	return true
}

// text reads a string.
func (r *bodyReader) text() (string, bool) {
	if !r.is('"', "Input should be a valid string") {
		return "", false
	}
	s := r.next().String()
	return s, r.syntax == nil
}

// boolean reads true or false.
func (r *bodyReader) boolean() (value, ok bool) {
	if r.syntax == nil && r.decoder.PeekKind() == 't' {
		r.next()
		return true, r.syntax == nil
	}
	ok = r.is('f', "Input should be a valid boolean")
	if ok {
		r.next()
	}
	return false, ok && r.syntax == nil
}

// integer reads a JSON integer within 64 bits: no fraction, no exponent.
func (r *bodyReader) integer() (int64, bool) {
	const invalid = "Input should be a valid integer"
	if !r.is('0', invalid) {
		return 0, false
	}
	raw := r.next().String()
	if r.syntax != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(raw, 10, 64)
	switch {
	case err == nil:
		return n, true
	case strings.ContainsAny(raw, ".eE"):
		r.fail(invalid + ", written without a fraction or an exponent")
	default:
		r.fail("Input should be an integer from " + strconv.Itoa(math.MinInt64) + " to " + strconv.Itoa(math.MaxInt64))
	}
	return 0, false
}

// list reads a list; item must read one value each time. It returns the number
// of items.
func (r *bodyReader) list(item func()) (length int, ok bool) {
	if !r.is('[', "Input should be a valid list") {
		return 0, false
	}
	r.next()
	for r.within(']') {
		item()
		length++
	}
	r.next()
	return length, r.syntax == nil
}

// object reads an object. member must read the value of the member of that
// name, or return false without reading when there is no such member. When
// object returns, failMember speaks of the members of this object.
func (r *bodyReader) object(required []string, member func(name string) bool) bool {
	if !r.is('{', "Input should be an object") {
		return false
	}
	var seen []string
	r.next()
	for r.within('}') {
		name := r.next().String()
		switch {
		case r.syntax != nil:
		case slices.Contains(seen, name):
			r.skip()
			r.fail("Field given more than once")
		case member(name):
			seen = append(seen, name)
		default:
			r.skip()
			r.fail("Extra inputs are not permitted")
		}
	}
	r.next()
	for _, name := range required {
		if !slices.Contains(seen, name) {
			r.failMember(name, "Field required")
		}
	}
	return r.syntax == nil
}

// syntaxError says where and why the body is not JSON.
func syntaxError(body []byte, err error) *metering.Error {
	offset, reason := len(body), err.Error()
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		offset, reason = int(syntactic.ByteOffset), syntactic.Err.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		reason = "the body ends too early"
	}
	return metering.Errorf(metering.KindInvalid, "Request body is not valid JSON at %s: %s", position(body, offset), reason)
}

// position names a place in the body as an editor shows it; lines and columns
// count from 1, columns in bytes.
func position(body []byte, offset int) string {
	before := body[:min(offset, len(body))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	return "line " + strconv.Itoa(line) + ", column " + strconv.Itoa(column)
}

// oneOf lists what is allowed: 'a', 'b' or 'c'.
func oneOf(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "'" + name + "'"
	}
	last := len(quoted) - 1
	if last == 0 {
		return "Input should be " + quoted[0]
	}
	return "Input should be " + strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
