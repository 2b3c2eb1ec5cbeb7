package httpapi

import (
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const auditPath = "/v1/resources/{project}/{region}/{type}/{id}"

// Limits of the list of observations in an account.
const (
	DefaultAuditPage = 1000
	MaxAuditPage     = 10_000
)

// accountBody is what one resource came to in a period, with the arithmetic and
// the observations behind it.
type accountBody struct {
	Resource     resourceBody      `json:"resource"`
	From         date              `json:"from"`
	To           date              `json:"to"`
	AsOf         timestamp         `json:"as_of"`
	ClosedBefore *metering.Month   `json:"closed_before"`
	Lines        []accountLineBody `json:"lines"`
	Statuses     map[string]int    `json:"statuses"` // of all observations, whatever is selected
	Count        int               `json:"count"`    // of those selected, whatever the page
	Observations []traceBody       `json:"observations"`
}

// tracesWanted says which observations an account lists.
type tracesWanted struct {
	behind        bool // only those behind a term
	line, term    int
	status        string // "": all
	limit, offset int
}

// date is a UTC day as JSON: 2024-07-01.
type date metering.Day

// MarshalText implements encoding.TextMarshaler.
func (d date) MarshalText() ([]byte, error) { return []byte(metering.Day(d).String()), nil }

type resourceBody struct {
	Project metering.ProjectID `json:"project_id"`
	Region  metering.RegionID  `json:"region_id"`
	Type    string             `json:"resource_type"`
	ID      string             `json:"resource_id"`
}

// accountLineBody has the terms that sum to the line's billing_value: segments,
// or days of closed months and windows; the others are null.
type accountLineBody struct {
	Line     jsontext.Value `json:"line"`
	Segments *[]segmentBody `json:"segments"`
	Days     *[]dayBody     `json:"days"`
	Windows  *[]windowBody  `json:"windows"`
}

type segmentBody struct {
	From       timestamp `json:"from"`
	To         timestamp `json:"to"`
	FirstSeen  timestamp `json:"first_seen"`
	LastSeen   timestamp `json:"last_seen"`
	Minutes    int64     `json:"minutes"`
	Multiplier int64     `json:"multiplier"`
	Product    decimal   `json:"product"`
	Attributes told      `json:"attributes"`
}

// dayBody is what the quantities of a day came to, which were dropped.
type dayBody struct {
	Day       date      `json:"day"`
	FirstSeen timestamp `json:"first_seen"`
	LastSeen  timestamp `json:"last_seen"`
	Quantity  decimal   `json:"quantity"`
}

type windowBody struct {
	From     timestamp `json:"from"`
	To       timestamp `json:"to"`
	Quantity decimal   `json:"quantity"`
}

// decimal is an exact amount as a JSON number.
type decimal struct {
	amount metering.Amount
	scale  int
}

// MarshalJSON implements json.Marshaler.
func (d decimal) MarshalJSON() ([]byte, error) { return d.amount.AppendDecimal(nil, d.scale), nil }

// told is what a source told, under the names of events; what it did not tell is
// left out.
type told map[string]any

type traceBody struct {
	Number     int64     `json:"number"`
	Source     string    `json:"source"`
	ID         string    `json:"id"`
	Time       timestamp `json:"time"`
	Sequence   int64     `json:"sequence"`
	ReceivedAt timestamp `json:"received_at"`
	Data       told      `json:"data"`
	Status     string    `json:"status"`
	By         *byBody   `json:"by"`
	Line       *int      `json:"line"` // the place in lines
	Term       *int      `json:"term"` // the place in the line's segments or windows
}

// byBody names another observation of the same project.
type byBody struct {
	Source     string    `json:"source"`
	ID         string    `json:"id"`
	ReceivedAt timestamp `json:"received_at"`
	Reason     *string   `json:"reason"` // of a retraction
}

// explainResource answers with the account of one resource.
func explainResource(x *exchange) error {
	store := x.backend.Store
	k, ok := x.resourceKey()
	if !ok || !x.caller.Scope(store).Contains(k) {
		return noSuchResource()
	}
	q := x.query()
	q.only("from", "to", "as_of", "line", "term", "status", "limit", "offset")
	audit := report.AuditQuery{Resource: k, Period: q.period(), AsOf: q.past("as_of", x.s.options.Clock())}
	wanted := q.tracesWanted()
	if err := (&members{fields: q.fields}).err(); err != nil {
		return err
	}
	account, err := store.Audit(x.r.Context(), audit)
	if metering.KindOf(err) == metering.KindNotFound {
		return noSuchResource()
	}
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfAccount(&audit, account, &wanted))
}

// noSuchResource does not tell a resource that nobody observed from one that
// does not exist for the key.
func noSuchResource() error {
	return metering.Errorf(metering.KindNotFound, "There is no such resource")
}

// resourceKey reads the key in the path.
func (x *exchange) resourceKey() (k metering.ResourceKey, ok bool) {
	project, ok1 := canonicalInteger(x.r.PathValue("project"))
	region, ok2 := canonicalInteger(x.r.PathValue("region"))
	t, ok3 := metering.ResourceTypeNamed(x.r.PathValue("type"))
	id, ok4 := metering.ParseUUID(x.r.PathValue("id"))
	k = metering.ResourceKey{Project: metering.ProjectID(project), Region: metering.RegionID(region), Type: t, ID: id}
	return k, ok1 && ok2 && ok3 && ok4 && project > 0 && region > 0
}

// canonicalInteger reads an id in a path; other notations of a number name
// nothing.
func canonicalInteger(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && strconv.FormatInt(n, 10) == text
}

// past reads an instant that is not after now, which it is when it is not given.
func (q *query) past(name string, now metering.Instant) metering.Instant {
	text, given := q.text(name)
	if !given {
		return now
	}
	t, zoned, ok := metering.ParseTimestamp(text)
	at, within := t.Instant()
	switch {
	case !ok || !zoned:
		q.fields.Add(name, "Input should be a valid date-time such as '2024-07-01T00:00:00Z'; in a URL, a + is written %%2B")
	case !within && t.Unix < 0:
		q.fields.Add(name, "Input should not be before the year 1678")
	case !within || at > now:
		q.fields.Add(name, "Input should not be in the future")
	}
	return at
}

// tracesWanted reads which observations are wanted. A line or a term that the
// account has not is no error: it depends on what was told.
func (q *query) tracesWanted() tracesWanted {
	s := tracesWanted{
		status: q.choice("status", fateNames()...),
		line:   q.integer("line", 0, 0, maxOffset), term: q.integer("term", 0, 0, maxOffset),
		limit: q.integer("limit", DefaultAuditPage, 1, MaxAuditPage), offset: q.integer("offset", 0, 0, maxOffset),
	}
	_, line := q.text("line")
	_, term := q.text("term")
	switch {
	case line && !term:
		q.fields.Add("term", "Field required where line is given")
	case term && !line:
		q.fields.Add("line", "Field required where term is given")
	}
	s.behind = line
	return s
}

// fateNames are the statuses of observations.
func fateNames() (names []string) {
	for _, f := range metering.Fates() {
		names = append(names, f.String())
	}
	return names
}

// traces returns those selected.
func (s *tracesWanted) traces(a *metering.Account) []metering.Trace {
	traces := a.Traces
	if s.behind {
		traces = a.Behind(s.line, s.term)
	}
	if s.status == "" {
		return traces
	}
	var of []metering.Trace
	for i := range traces {
		if traces[i].Fate.String() == s.status {
			of = append(of, traces[i])
		}
	}
	return of
}

func bodyOfAccount(q *report.AuditQuery, a *metering.Account, wanted *tracesWanted) *accountBody {
	traces := wanted.traces(a)
	page := traces[min(wanted.offset, len(traces)):min(wanted.offset+wanted.limit, len(traces))]
	b := &accountBody{
		Resource: resourceBody{q.Resource.Project, q.Resource.Region, q.Resource.Type.String(), q.Resource.ID.String()},
		From:     date(q.Period.From), To: date(q.Period.To), AsOf: timestamp(q.AsOf), ClosedBefore: given(a.Closed),
		Lines: make([]accountLineBody, len(a.Lines)), Count: len(traces), Observations: make([]traceBody, len(page)),
		Statuses: map[string]int{},
	}
	counts := a.CountFates()
	for _, f := range metering.Fates() {
		b.Statuses[f.String()] = counts[f]
	}
	for i := range a.Lines {
		b.Lines[i] = bodyOfAccountLine(q.Resource, &a.Lines[i])
	}
	for i := range page {
		b.Observations[i] = bodyOfTrace(&page[i])
	}
	return b
}

func bodyOfAccountLine(k metering.ResourceKey, l *metering.AccountLine) accountLineBody {
	line, scale := report.LineOf(k, &l.Usage), k.Type.Measure().Scale()
	b := accountLineBody{Line: report.AppendLine(nil, &line)}
	if k.Type.Measure() == metering.Counted {
		days, windows := make([]dayBody, len(l.Days)), make([]windowBody, len(l.Windows))
		for i, d := range l.Days {
			days[i] = dayBody{date(d.Day), timestamp(d.First), timestamp(d.Last), decimal{d.Sum, scale}}
		}
		for i := range l.Windows {
			w := &l.Windows[i]
			windows[i] = windowBody{timestamp(w.From), timestamp(w.To), decimal{w.Quantity, scale}}
		}
		b.Days, b.Windows = &days, &windows
		return b
	}
	segments := make([]segmentBody, len(l.Segments))
	for i := range l.Segments {
		s := &l.Segments[i]
		minutes := uint64(s.To - s.From)
		segments[i] = segmentBody{
			From: timestamp(s.From.Start()), To: timestamp(s.To.Start()),
			FirstSeen: timestamp(s.From.Sample()), LastSeen: timestamp((s.To - 1).Sample()),
			Minutes: int64(minutes), Multiplier: int64(s.Is.Multiplier),
			Product: decimal{metering.Product(s.Is.Multiplier, minutes), scale}, Attributes: told{}.attributes(&s.Is.Attributes),
		}
	}
	b.Segments = &segments
	return b
}

func bodyOfTrace(t *metering.Trace) traceBody {
	b := traceBody{
		Number: int64(t.Number), Source: t.Name.Source, ID: t.Name.ID, Time: timestamp(t.Time), Sequence: int64(t.Sequence),
		ReceivedAt: timestamp(t.ReceivedAt), Data: dataOf(&t.Observation), Status: t.Fate.String(),
	}
	switch {
	case t.Retracted != nil:
		b.By = &byBody{t.Retracted.Source, t.Retracted.ID, timestamp(t.Retracted.ReceivedAt), given(t.Retracted.Reason)}
	case t.By != nil:
		b.By = &byBody{t.By.Name.Source, t.By.Name.ID, timestamp(t.By.ReceivedAt), nil}
	}
	if t.Term >= 0 {
		b.Line, b.Term = &t.Line, &t.Term
	}
	return b
}

// dataOf is what an observation said of its resource, with the defaults of its
// type filled in.
func dataOf(o *metering.Observation) told {
	d := told{}
	if o.Kind == metering.QuantityObserved {
		d["from"], d["to"] = timestamp(o.From), timestamp(o.To)
		d["quantity"] = decimal{o.Quantity, metering.QuantityScale}
	} else if d["status"] = "active"; o.Deleted {
		return told{"status": "deleted"}
	} else if o.Resource.Type.Measure() == metering.Sized {
		d["size_bytes"] = o.Multiplier
	} else {
		d["count"] = o.Multiplier
	}
	d["billing_metric_name"], d["billing_value_unit"] = o.Meter.Metric, o.Meter.Unit
	return d.attributes(&o.Attributes)
}

// attributes adds those that were told.
func (d told) attributes(a *metering.Attributes) told {
	for i, text := range a.Texts {
		if text != "" {
			d[metering.Attribute(i).String()] = text
		}
	}
	if len(a.Tags) > 0 {
		tags := map[string]string{}
		for _, t := range a.Tags {
			tags[t.Key] = t.Value
		}
		d["tags"] = tags
	}
	return d
}
