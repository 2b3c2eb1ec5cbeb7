package ingest

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
)

// readValues reads all values of an event that has every member it needs and
// no other, into the observation. It refuses those that are not allowed.
func (d *decoder) readValues(o *metering.Observation) {
	o.Name.ID = d.identifier("id", d.context(contextID), metering.MaxIDBytes, false)
	o.Name.Source = d.identifier("source", d.context(contextSource), metering.MaxSourceBytes, true)
	o.Name.Project = metering.ProjectID(d.integer(memberProjectID, 1, metering.MaxProjectID))
	o.Time = d.instant("time", "time", d.context(contextTime))
	o.Sequence = d.sequence()
	if v := d.context(contextDataContentType); len(v) > 0 && !isJSON(string(v)) {
		d.refuse(metering.InvalidValue, contextNames[contextDataContentType], "datacontenttype must be application/json or absent, got %s", quoted(string(v)))
	}
	if o.Kind == metering.RetractionMade {
		o.TargetID = d.identifier(memberID.path(), d.stringOf(memberID), metering.MaxIDBytes, false)
		o.TargetSource = d.identifier(memberSource.path(), d.stringOf(memberSource), metering.MaxSourceBytes, true)
		o.Reason = d.freeText(memberReason)
		return
	}
	o.Resource = metering.ResourceKey{
		Project: o.Name.Project,
		Region:  metering.RegionID(d.integer(memberRegionID, 1, metering.MaxRegionID)),
		Type:    d.resource,
		ID:      d.resourceID(),
	}
	if !d.resource.Valid() {
		d.refuse(metering.InvalidValue, memberResourceType.path(), "resource_type must be one of the %d types, got %s",
			metering.TypeCount, echo(d.raw(memberResourceType)))
	}
	if o.Kind == metering.StateObserved {
		d.readState(o)
	} else {
		d.readQuantity(o)
	}
}

// readState reads what only states have. What a deletion carries besides is not
// looked at.
func (d *decoder) readState(o *metering.Observation) {
	switch status := d.raw(memberStatus); {
	case d.deletion():
		o.Deleted = true
		o.Meter = metering.Meter{Type: d.resource}
		return
	case string(status) != `"active"`:
		d.refuse(metering.InvalidValue, memberStatus.path(), "status must be active or deleted, got %s", echo(status))
	}
	o.Multiplier = 1
	if d.given.has(memberCount) {
		o.Multiplier = uint64(d.integer(memberCount, 1, metering.MaxCount))
	}
	if d.given.has(memberSizeBytes) {
		o.Multiplier = uint64(d.integer(memberSizeBytes, 0, metering.MaxSizeBytes))
	}
	d.readDescription(o)
}

func (d *decoder) readQuantity(o *metering.Observation) {
	o.From = d.instant(memberFrom.path(), memberFrom.name(), d.stringOf(memberFrom))
	o.To = d.instant(memberTo.path(), memberTo.name(), d.stringOf(memberTo))
	v := d.raw(memberQuantity)
	digits := v
	if v[0] == '"' {
		digits = unquote(v)
	}
	q, ok := metering.ParseQuantity(string(digits))
	if ok && d.resource.Valid() {
		ok = d.resource.CheckQuantity(q)
	}
	if o.Quantity = q; !ok {
		d.refuseQuantity(v)
	}
	d.readDescription(o)
}

func (d *decoder) refuseQuantity(v []byte) {
	if d.resource.Valid() && d.resource.Unit() == metering.UnitBytes {
		d.refuse(metering.InvalidValue, memberQuantity.path(), "quantity of %s must be a whole number of bytes from 0 to %d in plain notation, got %s",
			d.resource, math.MaxInt64, echo(v))
		return
	}
	d.refuse(metering.InvalidValue, memberQuantity.path(), "quantity must be a plain decimal >= 0 with up to %d digits before the point and up to %d after it, got %s",
		metering.MaxQuantityWhole, metering.MaxQuantityPlaces, echo(v))
}

// readDescription reads the attributes, the tags and what is counted.
func (d *decoder) readDescription(o *metering.Observation) {
	for left := d.given; left != 0; left &= left - 1 {
		m := left.first()
		if a := d.schema.attributes[m]; a != metering.NoAttribute {
			o.Attributes.Texts[a] = d.attribute(m, a)
		}
	}
	if d.given.has(memberTags) {
		o.Attributes.Tags = d.readTags()
	}
	metric, unit := d.freeText(memberBillingMetricName), d.freeText(memberBillingValueUnit)
	if d.refused(metering.InvalidValue) {
		return
	}
	o.Meter = d.meter(metric, unit, &o.Attributes)
}

// meter remembers the types' own meters, whose names are put together from a
// template.
func (d *decoder) meter(metric, unit string, a *metering.Attributes) metering.Meter {
	if metric != "" || unit != "" {
		return d.resource.Meter(metric, unit, a)
	}
	key := meterKey{resourceType: d.resource}
	if by := d.resource.Dimension(); by != metering.NoAttribute {
		key.dimension = a.Texts[by]
	}
	m, known := d.meters[key]
	if !known {
		if len(d.meters) >= maxMeters {
			clear(d.meters)
		}
		m = d.resource.Meter("", "", a)
		d.meters[key] = m
	}
	return m
}

// attribute reads a text attribute in the form that the catalog gives it.
func (d *decoder) attribute(m member, a metering.Attribute) string {
	switch a.Form() {
	case metering.FormText:
		return d.freeText(m)
	case metering.FormUUID:
		s := string(d.stringOf(m))
		u, ok := metering.ParseUUID(s)
		if !ok {
			d.refuseUUID(m)
		}
		if ok && hasUpper(s) {
			return u.String()
		}
		return s
	case metering.FormIP:
		v := d.stringOf(m)
		addr, err := netip.ParseAddr(string(v))
		if err != nil || addr.Zone() != "" {
			d.refuse(metering.InvalidValue, m.path(), "%s must be an IPv4 or IPv6 address without a zone, got %s", m.name(), echo(d.raw(m)))
			return ""
		}
		return addr.Unmap().String()
	case metering.FormInstanceType:
		v := d.stringOf(m)
		for _, allowed := range metering.InstanceTypes() {
			if string(v) == allowed {
				return allowed
			}
		}
		d.refuse(metering.InvalidValue, m.path(), "%s must be vm, baremetal or router, got %s", m.name(), echo(d.raw(m)))
		return ""
	}
	metering.Bug("attribute %s has form %d", a, a.Form())
	return ""
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

func (d *decoder) resourceID() metering.UUID {
	u, ok := metering.ParseUUID(string(d.stringOf(memberResourceID)))
	if !ok {
		d.refuseUUID(memberResourceID)
	}
	return u
}

func (d *decoder) refuseUUID(m member) {
	d.refuse(metering.InvalidValue, m.path(), "%s must be a UUID in its 36-character form, got %s", m.name(), echo(d.raw(m)))
}

// stringOf returns the text of a member; any other kind of value gives nothing,
// which no rule takes but that of an optional text.
func (d *decoder) stringOf(m member) []byte {
	v := d.raw(m)
	if len(v) == 0 || v[0] != '"' {
		return nil
	}
	return unquote(v)
}

// freeText reads an optional text of free form.
func (d *decoder) freeText(m member) string {
	v := d.raw(m)
	if len(v) == 0 {
		return ""
	}
	text := d.stringOf(m)
	if v[0] != '"' || !fits(text, metering.MaxTextLength) {
		d.refuse(metering.InvalidValue, m.path(), "%s must be a text of up to %d characters without control characters, got %s",
			m.name(), metering.MaxTextLength, echo(v))
		return ""
	}
	return d.texts.intern(text)
}

// fits reports whether a text has at most limit characters, none of them a
// control character.
func fits(text []byte, limit int) bool {
	if len(text) > limit && utf8.RuneCount(text) > limit {
		return false
	}
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(text[i:])
		}
		if unicode.IsControl(r) {
			return false
		}
		i += size
	}
	return true
}

// identifier reads a source or an id. A source is a URI-reference, of which
// only what would be sure to go wrong is refused.
func (d *decoder) identifier(field string, text []byte, limitBytes int, uri bool) string {
	ok := 0 < len(text) && len(text) <= limitBytes && fits(text, limitBytes)
	for i := 0; uri && ok && i < len(text); i++ {
		ok = text[i] != ' '
	}
	if !ok && uri {
		d.refuse(metering.InvalidValue, field, "%s must be a URI-reference of 1 to %d bytes without spaces or control characters, got %s", field, limitBytes, quoted(string(text)))
	} else if !ok {
		d.refuse(metering.InvalidValue, field, "%s must have 1 to %d bytes and no control characters, got %s", field, limitBytes, quoted(string(text)))
	}
	if uri {
		return d.texts.intern(text)
	}
	return string(text)
}

// integer reads a JSON integer in plain notation.
func (d *decoder) integer(m member, least, most int64) int64 {
	v := d.raw(m)
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err == nil && least <= n && n <= most {
		return n
	}
	what := "an integer "
	if isInteger(v) {
		what = ""
	}
	d.refuse(metering.InvalidValue, m.path(), "%s must be %sfrom %d to %d, got %s", m.name(), what, least, most, echo(v))
	return 0
}

// isInteger reports whether a JSON value is a number of digits only.
func isInteger(v []byte) bool {
	if len(v) > 0 && v[0] == '-' {
		v = v[1:]
	}
	return isDigits(v)
}

func isDigits(v []byte) bool {
	for _, c := range v {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(v) > 0
}

func (d *decoder) sequence() metering.Sequence {
	v := d.context(contextSequence)
	if len(v) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || !isDigits(v) {
		d.refuse(metering.InvalidValue, "sequence", "sequence must be a decimal integer from 0 to %d, written as a string, got %s", math.MaxInt64, quoted(string(v)))
	}
	return metering.Sequence(n)
}

// instant reads a date-time with a zone. One too far from now for an Instant is
// as far off as an Instant can be.
func (d *decoder) instant(field, name string, text []byte) metering.Instant {
	t, zoned, ok := metering.ParseTimestamp(string(text))
	if !ok || !zoned {
		d.refuse(metering.InvalidValue, field, "%s must be an RFC 3339 date-time with Z or an offset, such as 2024-07-01T00:00:05Z, got %s", name, quoted(string(text)))
		return 0
	}
	at, ok := t.Instant()
	if !ok {
		d.refuse(metering.TimeOutOfRange, field, "%s must be from %s to %s (1 h ahead of the server's clock), got %s",
			name, metering.MinEventTime, d.now+metering.MaxClockAhead, quoted(string(text)))
	}
	return at
}

// readTags reads the tags, sorted by key.
func (d *decoder) readTags() metering.Tags {
	path := memberTags.path()
	if v := d.raw(memberTags); v[0] != '{' {
		d.refuse(metering.InvalidValue, path, "tags must be an object of strings, got %s", echo(v))
		return nil
	}
	tags, count := d.tags[:0], 0
	d.at = d.values[memberTags].from
	d.object(func(key []byte) {
		value := d.value()
		if count++; count <= metering.MaxTags {
			tags = append(tags, d.readTag(key, d.text[value.from:value.to]))
		}
	})
	if count > metering.MaxTags {
		d.refuse(metering.InvalidValue, path, "there must be at most %d tags, got %d", metering.MaxTags, count)
	}
	metering.SortTags(tags)
	d.tags = tags
	return slices.Clone(tags)
}

func (d *decoder) readTag(key, raw []byte) metering.Tag {
	path := memberTags.path()
	if len(key) == 0 || !fits(key, metering.MaxTagKeyLength) {
		d.refuse(metering.InvalidValue, path, "a tag's key must have 1 to %d characters and no control characters, got %s", metering.MaxTagKeyLength, quoted(string(key)))
		return metering.Tag{}
	}
	t := metering.Tag{Key: d.texts.intern(key)}
	if raw[0] != '"' || !fits(unquote(raw), metering.MaxTagValueLength) {
		d.refuse(metering.InvalidValue, path+"."+t.Key, "a tag's value must be a text of up to %d characters without control characters, got %s", metering.MaxTagValueLength, echo(raw))
		return t
	}
	t.Value = d.texts.intern(unquote(raw))
	return t
}
