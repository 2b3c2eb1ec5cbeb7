package ingest

import (
	"mime"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// observation judges the event, code by code from the lowest, and returns nil
// when it is refused; d.worst then says why (spec 2-metering, "What makes an
// observation invalid"). What needs the store follows there: period_closed and
// id_reused.
func (d *decoder) observation() *metering.Observation {
	steps := [...]struct {
		code  metering.RejectCode
		check func()
	}{
		{metering.Malformed, d.checkEnvelope},
		{metering.TooLarge, d.checkSize},
		{metering.UnsupportedType, d.checkType},
		{metering.WrongMeasure, d.checkMeasure},
		{metering.MissingField, d.checkMissing},
		{metering.UnknownField, d.checkUnknown},
	}
	for _, s := range steps {
		if s.check(); d.refused(s.code) {
			return nil
		}
	}
	o := &metering.Observation{Kind: d.kind}
	d.readValues(o)
	if d.refused(metering.InvalidValue) {
		return nil
	}
	d.checkTimes(o)
	if d.refused(metering.IntervalInvalid) {
		return nil
	}
	d.checkPermission(o)
	if d.refused(metering.UnknownProject) {
		return nil
	}
	return o
}

func (d *decoder) checkEnvelope() {
	if d.refused(metering.Malformed) && d.worst.Field == "" {
		return // it could not be read to its end
	}
	switch {
	case d.base64:
		d.refuse(metering.Malformed, "data_base64", "data_base64 is not accepted: data must be an object")
	case d.data.isZero():
		d.refuse(metering.Malformed, "data", "data is required: an object")
	case d.text[d.data.from] != '{':
		d.refuse(metering.Malformed, "data", "data must be an object, got %s", echo(d.text[d.data.from:d.data.to]))
	}
	for _, a := range [...]contextAttribute{contextID, contextSource, contextType} {
		if len(d.context(a)) == 0 {
			d.refuse(metering.Malformed, contextNames[a], "%s is required: a text that is not empty", contextNames[a])
		}
	}
	if v := d.context(contextSpecVersion); string(v) != "1.0" {
		d.refuse(metering.Malformed, "specversion", `specversion must be "1.0", got %s`, quoted(string(v)))
	}
}

func (d *decoder) checkSize() {
	if n := len(d.text); n > metering.MaxEventBytes {
		d.refuse(metering.TooLarge, "", "an event must have at most %d bytes, got %d", metering.MaxEventBytes, n)
	}
}

func (d *decoder) checkType() {
	d.kind = d.schema.kinds[string(d.context(contextType))]
	if d.kind == 0 {
		d.refuse(metering.UnsupportedType, "type", "type must be %s, %s or %s, got %s",
			typeState, typeQuantity, typeRetraction, quoted(string(d.context(contextType))))
	}
}

// checkMeasure finds the resource type; a retraction has none.
func (d *decoder) checkMeasure() {
	v := d.raw(memberResourceType)
	if d.kind == metering.RetractionMade || len(v) == 0 || v[0] != '"' {
		return
	}
	d.resource = d.schema.types[string(unquote(v))]
	switch counted := d.resource.Valid() && d.resource.Measure() == metering.Counted; {
	case !d.resource.Valid() || counted == (d.kind == metering.QuantityObserved):
	case counted:
		d.refuse(metering.WrongMeasure, memberResourceType.path(), "%s is counted: send %s", d.resource, typeQuantity)
	default:
		d.refuse(metering.WrongMeasure, memberResourceType.path(), "%s is metered by its states: send %s", d.resource, typeState)
	}
}

// deletion reports whether the event tells that a resource is gone.
func (d *decoder) deletion() bool {
	return d.kind == metering.StateObserved && string(d.raw(memberStatus)) == `"deleted"`
}

func (d *decoder) checkMissing() {
	required := d.schema.required[d.kind][d.resource]
	if d.kind == metering.StateObserved && string(d.raw(memberStatus)) != `"active"` {
		required = d.schema.core[d.kind]
	}
	if missing := required &^ d.given; missing != 0 {
		m := missing.first()
		d.refuse(metering.MissingField, m.path(), "%s is required", m.name())
	}
	if len(d.context(contextTime)) == 0 {
		d.refuse(metering.MissingField, "time", "time is required")
	}
}

func (d *decoder) checkUnknown() {
	if surplus := d.given &^ d.schema.allowed[d.kind][d.resource]; surplus != 0 {
		m := surplus.first()
		switch {
		case d.resource.Valid():
			d.refuse(metering.UnknownField, m.path(), "%s does not have %s", d.resource, m.name())
		default:
			d.refuse(metering.UnknownField, m.path(), "%s does not have data.%s", d.context(contextType), m.name())
		}
	}
	if d.unknown != "" {
		d.refuse(metering.UnknownField, dataPath+cut(d.unknown, metering.MaxTextLength), "data has no member %s", quoted(d.unknown))
	}
}

func (d *decoder) checkTimes(o *metering.Observation) {
	check := func(field, name string, at metering.Instant) {
		if at < metering.MinEventTime || at > d.now+metering.MaxClockAhead {
			d.refuse(metering.TimeOutOfRange, field, "%s must be from %s to %s (1 h ahead of the server's clock), got %s",
				name, metering.MinEventTime, d.now+metering.MaxClockAhead, at)
		}
	}
	check("time", "time", o.Time)
	if o.Kind != metering.QuantityObserved {
		return
	}
	check(memberFrom.path(), "from", o.From)
	check(memberTo.path(), "to", o.To)
	switch window := o.To - o.From; {
	case window <= 0:
		d.refuse(metering.IntervalInvalid, memberTo.path(), "to must be after from, got from %s to %s", o.From, o.To)
	case window > metering.MaxQuantityWindow:
		d.refuse(metering.IntervalInvalid, memberTo.path(), "from and to must be at most 24 h apart, got from %s to %s", o.From, o.To)
	}
}

// checkPermission looks at the key's narrowing and at who owns the project. The
// store looks at the owner again, for projects that are first seen meanwhile.
// Where projects must be registered, one of another client is as unknown as one
// of nobody: the answer must not tell them apart.
func (d *decoder) checkPermission(o *metering.Observation) {
	narrowing := &d.permission.Narrowing
	project, known := d.directory.Project(o.Name.Project)
	foreign := known && !d.permission.AnyClient && project.Client != d.permission.Client
	if !narrowing.Projects.Contains(o.Name.Project) || foreign && !d.strict {
		d.refuse(metering.ForbiddenProject, memberProjectID.path(), "the key may not write to project %d", o.Name.Project)
	}
	if d.strict && (!known || foreign) {
		d.refuse(metering.UnknownProject, memberProjectID.path(), "project %d is not registered; register it first", o.Name.Project)
	}
	if o.Kind == metering.RetractionMade {
		if !narrowing.Regions.All || narrowing.Types != report.AllTypes {
			d.refuse(metering.ForbiddenProject, "type", "a key that is narrowed to regions or resource types may not send retractions, "+
				"which could reach beyond them; use a key that is narrowed to projects at most")
		}
		return
	}
	if !narrowing.Regions.Contains(o.Resource.Region) {
		d.refuse(metering.ForbiddenProject, memberRegionID.path(), "the key may not write to region %d", o.Resource.Region)
	}
	if !narrowing.Types.Contains(o.Resource.Type) {
		d.refuse(metering.ForbiddenProject, memberResourceType.path(), "the key may not write %s", o.Resource.Type)
	}
	if !d.strict {
		return
	}
	if _, known := d.directory.Region(o.Resource.Region); !known {
		d.refuse(metering.UnknownProject, memberRegionID.path(), "region %d is not registered; register it first", o.Resource.Region)
	}
}

// isJSON reports whether a media type is JSON.
func isJSON(contentType string) bool {
	if contentType == "application/json" {
		return true
	}
	name, _, err := mime.ParseMediaType(contentType)
	return err == nil && (name == "application/json" || name == "text/json" || strings.HasSuffix(name, "+json"))
}
