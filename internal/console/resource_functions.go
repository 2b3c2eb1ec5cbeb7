package console

import (
	"html/template"
	"time"
)

// resourceFunctions are what the template of a resource calls.
func resourceFunctions() template.FuncMap {
	return template.FuncMap{
		"statusTexts":     statusTexts,
		"minute":          func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
		"emptyOfResource": emptyOfResource,
	}
}

// emptyOfResource says that nothing counts, and offers other periods.
func emptyOfResource(text string, presets []navLink) notice {
	n := notice{Title: "Nothing counts in this period", Text: text}
	for _, p := range presets {
		if !p.Current {
			n.Links = append(n.Links, link{p.Label, p.Address})
		}
	}
	return n
}
