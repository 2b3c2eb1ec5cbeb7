package ingest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
)

// eventHeader precedes the name of an attribute in binary mode.
const eventHeader = "ce-"

func hasEventHeaders(h http.Header) bool {
	for name := range h {
		if _, ok := attributeOf(name); ok {
			return true
		}
	}
	return false
}

func attributeOf(header string) (string, bool) {
	header = strings.ToLower(header)
	return strings.CutPrefix(header, eventHeader)
}

// decodeBinary decodes an event whose attributes are in the headers and whose
// data is the body: it puts them together to the same event in structured form.
func (d *decoder) decodeBinary(c *chunk, h http.Header, body []byte) {
	d.begin(body)
	if err := d.checkText(); err != nil { // else the body could end data and add attributes
		d.refuse(metering.Malformed, "", "the body is not JSON as RFC 7493 wants it: %s", syntaxText(err))
		body = []byte("null")
	}
	text, refused := []byte(`{"data":`), d.worst
	text = append(text, body...)
	for header, values := range h {
		name, ok := attributeOf(header)
		if _, known := d.schema.contexts[name]; !ok || !known || name == contextNames[contextDataContentType] {
			continue // an extension; the data's type is the header Content-Type
		}
		value, ok := decodeHeader(values[0])
		if len(values) != 1 || !ok {
			r := metering.Rejection{Code: metering.Malformed, Field: name,
				Message: fmt.Sprintf("header ce-%s must be given once, as percent-encoded UTF-8, got %s", name, quoted(strings.Join(values, ", ")))}
			if refused.Code == 0 || r.Before(refused) {
				refused = r
			}
			continue
		}
		text = append(text, ',', '"')
		text = append(text, name...)
		text = append(text, '"', ':')
		text = appendQuoted(text, value)
	}
	d.begin(append(text, '}'))
	d.worst = refused
	d.walk()
	d.finish(c, 0)
}

func appendQuoted(dst []byte, s string) []byte {
	dst, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		metering.Bug("quote %q, which is valid UTF-8: %v", s, err)
	}
	return dst
}

// decodeHeader undoes the quotes of RFC 7230 and then the percent-encoding, as
// the HTTP binding of CloudEvents says (section 3.1.3.2).
func decodeHeader(value string) (string, bool) {
	if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
		value = unescapeQuoted(value[1 : n-1])
	}
	if !strings.Contains(value, "%") {
		return value, utf8.ValidString(value)
	}
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			out = append(out, value[i])
			continue
		}
		if i+2 >= len(value) {
			return "", false
		}
		hi, lo := strings.IndexByte(hexDigits, lower(value[i+1])), strings.IndexByte(hexDigits, lower(value[i+2]))
		if hi < 0 || lo < 0 {
			return "", false
		}
		out = append(out, byte(hi<<4|lo))
		i += 2
	}
	return string(out), utf8.Valid(out)
}

const hexDigits = "0123456789abcdef"

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func unescapeQuoted(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := []byte(s)
	for i := 0; i < len(b)-1; i++ {
		if b[i] == '\\' {
			b = slices.Delete(b, i, i+1)
		}
	}
	return string(b)
}
