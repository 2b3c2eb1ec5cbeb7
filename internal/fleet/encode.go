package fleet

import (
	"strconv"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// AppendEvent appends an observation as a structured CloudEvent 1.0 in JSON
// (spec 3-ingest), on one line without its end.
func AppendEvent(dst []byte, o *metering.Observation) []byte {
	dst = append(dst, `{"specversion":"1.0","id":`...)
	dst = appendText(dst, o.Name.ID)
	dst = appendMember(dst, "source", o.Name.Source)
	dst = appendMember(dst, "type", eventType(o.Kind))
	dst = appendInstant(append(dst, `,"time":`...), o.Time)
	if o.Sequence != 0 {
		dst = append(dst, `,"sequence":"`...)
		dst = append(strconv.AppendInt(dst, int64(o.Sequence), 10), '"')
	}
	dst = append(dst, `,"data":{"project_id":`...)
	dst = strconv.AppendInt(dst, int64(o.Name.Project), 10)
	switch o.Kind {
	case metering.StateObserved:
		dst = appendState(appendResource(dst, o), o)
	case metering.QuantityObserved:
		dst = appendQuantity(appendResource(dst, o), o)
	case metering.RetractionMade:
		dst = appendMember(dst, "source", o.TargetSource)
		dst = appendMember(dst, "id", o.TargetID)
		dst = appendOptional(dst, "reason", o.Reason)
	}
	return append(dst, "}}"...)
}

func eventType(k metering.ObservationKind) string {
	switch k {
	case metering.StateObserved:
		return "meterbook.resource.state.v1"
	case metering.QuantityObserved:
		return "meterbook.resource.quantity.v1"
	case metering.RetractionMade:
		return "meterbook.retraction.v1"
	}
	metering.Bug("no event type for observation kind %d", k)
	return ""
}

func appendResource(dst []byte, o *metering.Observation) []byte {
	dst = append(dst, `,"region_id":`...)
	dst = strconv.AppendInt(dst, int64(o.Resource.Region), 10)
	dst = appendMember(dst, "resource_type", o.Resource.Type.String())
	dst = append(dst, `,"resource_id":"`...)
	return append(o.Resource.ID.Append(dst), '"')
}

func appendState(dst []byte, o *metering.Observation) []byte {
	if o.Deleted {
		return append(dst, `,"status":"deleted"`...)
	}
	dst = append(dst, `,"status":"active"`...)
	switch o.Resource.Type.Measure() {
	case metering.Sized:
		dst = strconv.AppendUint(append(dst, `,"size_bytes":`...), o.Multiplier, 10)
	case metering.Present:
		if o.Multiplier != 1 {
			dst = strconv.AppendUint(append(dst, `,"count":`...), o.Multiplier, 10)
		}
	}
	return appendAttributes(appendMeter(dst, o), &o.Attributes)
}

func appendQuantity(dst []byte, o *metering.Observation) []byte {
	dst = appendInstant(append(dst, `,"from":`...), o.From)
	dst = appendInstant(append(dst, `,"to":`...), o.To)
	dst = append(dst, `,"quantity":"`...)
	dst = append(o.Quantity.AppendDecimal(dst, metering.QuantityScale), '"')
	return appendAttributes(appendMeter(dst, o), &o.Attributes)
}

// appendMeter tells the metric and the unit where they are not the type's.
func appendMeter(dst []byte, o *metering.Observation) []byte {
	byDefault := o.Resource.Type.Meter("", "", &o.Attributes)
	if o.Meter.Metric != byDefault.Metric {
		dst = appendMember(dst, "billing_metric_name", o.Meter.Metric)
	}
	if o.Meter.Unit != byDefault.Unit {
		dst = appendMember(dst, "billing_value_unit", o.Meter.Unit)
	}
	return dst
}

func appendAttributes(dst []byte, a *metering.Attributes) []byte {
	for i := range a.Texts {
		dst = appendOptional(dst, metering.Attribute(i).String(), a.Texts[i])
	}
	if len(a.Tags) == 0 {
		return dst
	}
	dst = append(dst, `,"tags":{`...)
	for i, tag := range a.Tags {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(append(appendText(dst, tag.Key), ':'), tag.Value)
	}
	return append(dst, '}')
}

func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendMember(dst, name, value)
}

// appendMember appends a further member; its name needs no escapes.
func appendMember(dst []byte, name, value string) []byte {
	dst = append(append(dst, `,"`...), name...)
	return appendText(append(dst, `":`...), value)
}

// appendText appends a JSON string; s is UTF-8.
func appendText(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	plain := 0 // start of what needs no escape
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[plain:i]...)
		plain = i + 1
		if c < 0x20 {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
	}
	return append(append(dst, s[plain:]...), '"')
}

func appendInstant(dst []byte, i metering.Instant) []byte {
	return append(i.Time().AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}
