package console

import (
	"errors"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// usageAnswer is what the API said to a query.
type usageAnswer struct {
	report    *client.Report
	series    *client.Series
	noSeries  *client.Error // why there are no charts
	directory directory
}

// showUsage shows charts, totals and lines of what the address asks for. An
// address that can be said in less is led to the short one.
func showUsage(v *visit) error {
	values := v.r.URL.Query()
	q, wrong := readUsage(values, v.now().Time())
	if len(wrong) == 0 && q.encode() != v.r.URL.RawQuery {
		redirect(v.w, v.r, q.address())
		return nil
	}
	var answer usageAnswer
	refused, err := answer.ask(v, q, len(wrong) == 0)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if len(wrong) > 0 || refused != nil {
		status = http.StatusBadRequest
	}
	body := usagePage{
		Filters: filtersOf(q, values, wrong, &answer.directory), Wrong: messagesOf(wrong, refused),
	}
	if answer.report != nil {
		body.show(q, &answer)
	}
	v.c.pack(v.w, v.r, func(w http.ResponseWriter) {
		v.w = w
		v.show(page{template: "usage", title: "Usage", status: status, body: body})
	})
	return nil
}

// ask asks for everything at once. What the API refuses of the query itself is
// no failure of the page: the form shows it.
func (a *usageAnswer) ask(v *visit, q usageQuery, valid bool) (refused *client.Error, err error) {
	g, ctx := errgroup.WithContext(v.r.Context())
	a.directory.ask(ctx, g, v.api)
	if valid {
		g.Go(func() (err error) {
			a.report, err = v.api.UsageReport(ctx, q.request())
			if isInvalid(err, &refused) {
				return nil
			}
			return err
		})
		g.Go(func() (err error) {
			a.series, err = v.api.UsageSeries(ctx, q.series())
			if isInvalid(err, &a.noSeries) {
				return nil
			}
			return err
		})
	}
	err = g.Wait()
	a.directory.index()
	return refused, err
}

// isInvalid reports whether the API found the request itself wrong, or too large
// to answer.
func isInvalid(err error, refused **client.Error) bool {
	var e *client.Error
	if !errors.As(err, &e) || e.Status != http.StatusBadRequest {
		return false
	}
	*refused = e
	return true
}

// messagesOf gathers what is wrong: with parameters that have no field of the
// form, and with what the API refused.
func messagesOf(wrong metering.FieldErrors, refused *client.Error) []string {
	var messages []string
	for _, name := range []string{"period", "tags", "by", "sort", "page", "size"} {
		messages = append(messages, wrong[name]...)
	}
	if refused != nil {
		messages = append(messages, refused.Message)
		for field, texts := range refused.InvalidFields {
			for _, text := range texts {
				messages = append(messages, field+": "+text)
			}
		}
	}
	slices.Sort(messages)
	return messages
}
