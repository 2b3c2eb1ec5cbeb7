package console

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/meterbook/meterbook/client"
)

// downloadForm is a form in which all lines can be fetched.
type downloadForm struct {
	name, label, mediaType string
}

func downloadForms() []downloadForm {
	return []downloadForm{
		{"csv", "CSV", "text/csv; charset=utf-8"},
		{"json", "JSON", "application/json"},
		{"ndjson", "NDJSON", "application/x-ndjson"},
	}
}

// downloadAddress is where downloads are.
const downloadAddress = "/usage/download"

// downloadQuery is the query for all lines, whatever page is looked at.
func downloadQuery(q usageQuery, form string) string {
	whole := q.with(func(q *usageQuery) { q.size, q.unit, q.by = sizeDefault, "", client.ByType })
	query := "format=" + form
	if rest := whole.encode(); rest != "" {
		query += "&" + rest
	}
	return query
}

// downloadUsage streams all lines that the page shows some of, in its order.
func downloadUsage(v *visit) error {
	values := v.r.URL.Query()
	q, wrong := readUsage(values, v.now().Time())
	i := slices.IndexFunc(downloadForms(), func(f downloadForm) bool { return f.name == values.Get("format") })
	if i < 0 {
		wrong.Add("format", "The format must be csv, json or ndjson.")
	}
	if len(wrong) > 0 {
		return &client.Error{Status: http.StatusBadRequest, Message: "This download cannot be made.", InvalidFields: wrong}
	}
	form := downloadForms()[i]
	begin := func() {
		h := v.w.Header()
		h.Set("Content-Type", form.mediaType)
		h.Set("Content-Disposition", `attachment; filename="`+downloadName(q)+"."+form.name+`"`)
	}
	if v.r.Method == http.MethodHead {
		begin()
		return nil
	}
	return v.stream(q.whole(), form.name, begin)
}

// stream writes the report; begin is called once the API has begun to answer. A
// download that breaks off must not seem whole, so it breaks the connection.
func (v *visit) stream(r client.Request, form string, begin func()) error {
	if form == "json" {
		body, err := v.api.UsageReportJSON(v.r.Context(), r)
		if err != nil {
			return err
		}
		begin()
		_, err = io.Copy(v.w, body)
		v.settle(errors.Join(err, body.Close()))
		return nil
	}
	stream, err := v.api.StreamUsageReport(v.r.Context(), r)
	if err != nil {
		return err
	}
	begin()
	out := bufio.NewWriterSize(v.w, 64<<10)
	if form == "csv" {
		err = stream.WriteCSV(out)
	} else {
		err = stream.WriteNDJSON(out)
	}
	v.settle(errors.Join(err, out.Flush(), stream.Close()))
	return nil
}

// settle ends a download.
func (v *visit) settle(err error) {
	if err == nil {
		return
	}
	if !errors.Is(err, context.Canceled) {
		v.c.options.Logger.Warn("a download broke off", "error", err)
	}
	panic(http.ErrAbortHandler)
}
