package console

import (
	"fmt"
	"html/template"
	"strconv"
	"time"
)

// functions are what templates may call.
func (c *Console) functions() template.FuncMap {
	return template.FuncMap{
		"asset":     c.address,
		"membersOf": membersOf,
		"time":      utcText,
		"dict":      dict,
		"inc":       func(n int) int { return n + 1 },
		"more":      func(n int) string { return strconv.Itoa(n-tagsShown) + " more" },
		"count":     func(n int64) string { return grouped(strconv.FormatInt(n, 10)) },
		"colour":    colourClass,
		"rfc3339":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"sentence":  sentence,
		"short":     func(t time.Time) string { return t.UTC().Format(time.DateTime) },
		"date":      func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	}
}

// dict makes a map of names and values by turns, for a part that takes several.
func dict(pairs ...any) (map[string]any, error) {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		name, isText := pairs[i].(string)
		if !isText {
			return nil, fmt.Errorf("dict: name %v is no text", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// tagsShown is how many tags of a line are there at first.
const tagsShown = 2

// colours is how many groups of a chart have a colour of their own.
const colours = 10

// colourClass is the class in the style sheet of a chart's group; -1 is the rest.
func colourClass(group int) string {
	if group < 0 {
		return "c-rest"
	}
	return "c" + strconv.Itoa(group%colours)
}

// utcText writes an instant to the second, with its zone.
func utcText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// retryAfterText is a wait in whole seconds, rounded up.
func retryAfterText(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}
