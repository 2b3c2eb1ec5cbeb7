package console

import (
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
		"date":      func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	}
}

// utcText writes an instant to the second, with its zone.
func utcText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// retryAfterText is a wait in whole seconds, rounded up.
func retryAfterText(wait time.Duration) string {
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}
