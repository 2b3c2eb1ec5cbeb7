package reference

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// command is a way to try an operation in a shell. METERBOOK_URL and
// METERBOOK_TOKEN are the variables that the program itself reads.
func (d *document) command(method, path string, o *operation, parameters []parameter) string {
	var query []string
	for _, p := range parameters {
		value := plain(d.sample(p.Schema))
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case p.In == "query" && p.Required:
			query = append(query, p.Name+"="+url.QueryEscape(value))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	lines := []string{"curl -s " + method2flag(method) + `"$METERBOOK_URL` + path + `"`}
	if o.Security == nil || len(*o.Security) > 0 {
		lines = append(lines, `-H "Authorization: apikey $METERBOOK_TOKEN"`)
	}
	if o.Body != nil {
		lines = append(lines, d.bodyFlags(o.Body.Content)...)
	}
	if answer := o.Responses["200"]; answer != nil && answer.Content["application/zstd"].Schema != nil {
		lines = append(lines, "-o answer.zst")
	}
	return strings.Join(lines, " \\\n  ")
}

// method2flag leaves out what curl does by itself.
func method2flag(method string) string {
	if method == "get" {
		return ""
	}
	return "-X " + strings.ToUpper(method) + " "
}

// bodyFlags send the first body of which there is an example.
func (d *document) bodyFlags(content map[string]media) []string {
	for _, name := range sortedKeys(content) {
		if s := content[name].Schema; !slices.Contains(s.Type, "array") {
			body := indented(d.sample(s))
			return []string{"-H 'Content-Type: " + name + "'", "-d '" + strings.ReplaceAll(body, "'", `'\''`) + "'"}
		}
	}
	return nil
}

// sample is an example of a value: the one that the document gives, or one of
// only what is required.
func (d *document) sample(s *schema) json.RawMessage {
	s = d.follow(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Const) > 0:
		return s.Const
	case len(s.Default) > 0:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.Properties) > 0:
		return d.objectSample(s)
	}
	if variants := slices.Concat(s.AllOf, s.OneOf, s.AnyOf); len(variants) > 0 {
		return d.sample(variants[0])
	}
	if len(s.Type) == 0 {
		return json.RawMessage(`"example"`)
	}
	switch s.Type[0] {
	case "array":
		return json.RawMessage("[" + string(d.sample(s.Items)) + "]")
	case "boolean":
		return json.RawMessage("true")
	case "integer", "number":
		return json.RawMessage(max(s.Minimum.String(), "1"))
	case "object":
		return json.RawMessage("{}")
	}
	return textSample(s)
}

func textSample(s *schema) json.RawMessage {
	switch {
	case s.Format == "uuid":
		return json.RawMessage(`"3c90c3cc-0d44-4b50-8888-8dd25736052a"`)
	case s.Format == "date":
		return json.RawMessage(`"2024-07-01"`)
	case s.Format == "date-time":
		return json.RawMessage(`"2024-07-01T00:00:00Z"`)
	}
	return json.RawMessage(`"example"`)
}

// objectSample has the members that are required, in the order of their names;
// of one that requires none, the first one.
func (d *document) objectSample(s *schema) json.RawMessage {
	names := slices.Sorted(slices.Values(s.Required))
	if len(names) == 0 {
		names = sortedKeys(s.Properties)[:1]
	}
	var members []string
	for _, name := range names {
		if member := s.Properties[name]; member != nil {
			members = append(members, `"`+name+`":`+string(d.sample(member)))
		}
	}
	return json.RawMessage("{" + strings.Join(members, ",") + "}")
}
