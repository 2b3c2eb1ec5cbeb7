package httpapi

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// members are those of a JSON object that an administrator sent. Reading them
// collects everything that is wrong, so that it is reported at once.
type members struct {
	values map[string]jsontext.Value
	fields metering.FieldErrors
}

// members reads the request's body; it may have the given members only.
func (x *exchange) members(allowed ...string) (*members, error) {
	body, err := x.jsonBody()
	if err != nil {
		return nil, err
	}
	m := &members{values: map[string]jsontext.Value{}, fields: metering.FieldErrors{}}
	// Duplicates are reported like any other wrong member.
	d := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '{' {
		if err := d.SkipValue(); err != nil {
			return nil, badJSON(err)
		}
		return nil, metering.Errorf(metering.KindInvalid, "Request body should be a JSON object")
	}
	if err := m.read(d, allowed); err != nil {
		return nil, badJSON(err)
	}
	if rest := bytes.TrimLeft(body[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, metering.Errorf(metering.KindInvalid, "Request body should be one JSON object, but more follows it")
	}
	return m, nil
}

func badJSON(err error) error {
	return metering.Errorf(metering.KindInvalid, "Request body is not valid JSON: %w", err)
}

func (m *members) read(d *jsontext.Decoder, allowed []string) error {
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return err
		}
		switch _, seen := m.values[name]; {
		case !slices.Contains(allowed, name):
			m.note(name, "Extra inputs are not permitted")
		case seen:
			m.note(name, "Field given more than once")
		default:
			m.values[name] = value.Clone()
		}
	}
	_, err := d.ReadToken()
	return err
}

// note notes what is wrong with one of the names or items of which a body may have
// very many: once, and of one more than an answer lists.
func (m *members) note(path, message string) {
	messages, known := m.fields[path]
	if !slices.Contains(messages, message) && (known || len(m.fields) <= report.MaxInvalidFields) {
		m.fields[path] = append(messages, message)
	}
}

// require notes members that are missing.
func (m *members) require(names ...string) {
	for _, name := range names {
		if m.values[name] == nil {
			m.fields.Add(name, "Field required")
		}
	}
}

// err is KindInvalid if anything was wrong. It lists so much of it that a small
// hostile request does not get a huge answer.
func (m *members) err() error {
	if len(m.fields) == 0 {
		return nil
	}
	message := "Request is not valid; invalid_fields says where"
	if names := slices.Sorted(maps.Keys(m.fields)); len(names) > report.MaxInvalidFields {
		for _, name := range names[report.MaxInvalidFields:] {
			delete(m.fields, name)
		}
		message += fmt.Sprintf(" (%d invalid fields are listed, there are more)", report.MaxInvalidFields)
	}
	return &metering.Error{Kind: metering.KindInvalid, Message: message, Fields: m.fields}
}

// null reports whether the member is there and null.
func (m *members) null(name string) bool {
	v := m.values[name]
	return v != nil && v.Kind() == 'n'
}

// text reads a string, nil when the member is not there or wrong.
func (m *members) text(name string) *string {
	v := m.values[name]
	if v == nil {
		return nil
	}
	s, ok := textOf(v)
	if !ok {
		m.fields.Add(name, "Input should be a valid string")
		return nil
	}
	return &s
}

func textOf(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	s, err := jsontext.AppendUnquote(nil, v)
	return string(s), err == nil
}

// integer reads an integer within [least, most], nil when it is not there or
// wrong.
func (m *members) integer(name string, least, most int64) *int64 {
	v := m.values[name]
	if v == nil {
		return nil
	}
	n, ok := integerOf(v)
	switch {
	case !ok:
		m.fields.Add(name, "Input should be a valid integer")
	case n < least || n > most:
		m.fields.Add(name, "Input should be from %d to %d", least, most)
	default:
		return &n
	}
	return nil
}

// integerOf takes JSON integers only: 10, not 10.0 or 1e1.
func integerOf(v jsontext.Value) (int64, bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil
}

// list reads a list with one call of item for each value; wrong items are noted
// under their index.
func (m *members) list(name, itemMessage string, item func(jsontext.Value) bool) bool {
	v := m.values[name]
	if v == nil {
		return false
	}
	if v.Kind() != '[' {
		m.fields.Add(name, "Input should be a valid list")
		return false
	}
	d := jsontext.NewDecoder(bytes.NewReader(v), jsontext.AllowDuplicateNames(true))
	_, err := d.ReadToken()
	for i := 0; err == nil && d.PeekKind() != ']'; i++ {
		var value jsontext.Value
		if value, err = d.ReadValue(); err == nil && !item(value) {
			m.note(name+"."+strconv.Itoa(i), itemMessage)
		}
	}
	if err != nil {
		metering.Bug("a list that was valid JSON is not: %v", err)
	}
	return true
}

// oneOf lists what is allowed.
func oneOf(names []string) string { return "Input should be one of: " + strings.Join(names, ", ") }

// badItem reports whether an item of the list was wrong.
func (m *members) badItem(list string) bool {
	for path := range m.fields {
		if strings.HasPrefix(path, list+".") {
			return true
		}
	}
	return false
}
