package storetest

import (
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// addStates lets one resource come, change, and go.
func (g *generator) addStates(k metering.ResourceKey) {
	var is *metering.Observation // what the resource is like now, or was
	for _, at := range g.instants(g.IntN(12)) {
		o := &metering.Observation{Kind: metering.StateObserved, Resource: k}
		switch {
		case g.chance(20):
			o.Deleted = true
		case is == nil || g.chance(20):
			g.describe(o)
			is = o
		default:
			o.Meter, o.Attributes, o.Multiplier = is.Meter, is.Attributes, is.Multiplier
			g.change(o)
			is = o
		}
		o.Name, o.Time, o.Sequence = g.name(k.Project), at, g.sequence()
		g.told = append(g.told, o)
	}
}

// describe says from nothing what a resource is like.
func (g *generator) describe(o *metering.Observation) {
	t := o.Resource.Type
	o.Attributes = metering.Attributes{}
	for _, a := range t.Attributes() {
		if t.Requires(a) || g.chance(60) {
			o.Attributes.Texts[a] = g.text(a)
		}
	}
	o.Attributes.Tags = g.tags(t)
	o.Multiplier = g.multiplier(t)
	g.measure(o)
}

// change keeps all (a heartbeat), or changes one thing.
func (g *generator) change(o *metering.Observation) {
	t := o.Resource.Type
	switch g.IntN(6) {
	case 0:
		a := t.Attributes()[g.IntN(len(t.Attributes()))]
		o.Attributes.Texts[a] = g.text(a)
	case 1:
		o.Attributes.Tags = g.tags(t)
	case 2:
		o.Multiplier = g.multiplier(t)
	case 3:
		if a := t.Dimension(); a != metering.NoAttribute {
			o.Attributes.Texts[a] = g.text(a)
		}
	default:
		return
	}
	g.measure(o)
}

// measure fills the meter in: mostly the type's own, sometimes the source's.
func (g *generator) measure(o *metering.Observation) {
	metric, unit := "", ""
	if o.Resource.Type.MetricTemplate() == "" {
		metric, unit = pick(g.Rand, "inference_l40s_sec", "inference_h100_sec"), pick(g.Rand, "", "", "GPUH", "S")
	} else if g.chance(8) {
		metric = pick(g.Rand, "special_min", "Zonder_gbm")
	}
	o.Meter = o.Resource.Type.Meter(metric, unit, &o.Attributes)
}

func (g *generator) multiplier(t metering.ResourceType) uint64 {
	if t.Measure() == metering.Sized {
		return pick[uint64](g.Rand, 0, 1, 1<<30, 1<<30+1, 100<<30, 100<<30-1, metering.MaxSizeBytes, g.Uint64N(metering.MaxSizeBytes))
	}
	return pick[uint64](g.Rand, 1, 1, 1, 2, 3, metering.MaxCount)
}

// text draws from few texts, so that lines tie and filters match.
func (g *generator) text(a metering.Attribute) string {
	switch a.Form() {
	case metering.FormUUID:
		return pick(g.Rand, "3c90c3cc-0d44-4b50-8888-28dd25736052", "5b0dc3cc-0d44-4b50-8888-28dd25736052")
	case metering.FormIP:
		return pick(g.Rand, "10.0.0.1", "2001:db8::1")
	case metering.FormInstanceType:
		return pick(g.Rand, metering.InstanceTypes()...)
	case metering.FormText:
	}
	if a == metering.Name || a == metering.InstanceName {
		return pick(g.Rand, "web", "web-1", "Web", "ärger", "日本", "🙂", "z", strings.Repeat("long", 63))
	}
	return pick(g.Rand, "g1-standard-1-2", "g2", "ssd_hiiops", "Ä{flavor}")
}

func (g *generator) tags(t metering.ResourceType) metering.Tags {
	if !t.HasTags() || g.chance(30) {
		return nil
	}
	values := map[string]string{}
	for range 1 + g.IntN(3) {
		values[pick(g.Rand, tagKeys()...)] = pick(g.Rand, tagValues()...)
	}
	var tags metering.Tags
	for key, value := range values {
		tags = append(tags, metering.Tag{Key: key, Value: value})
	}
	metering.SortTags(tags)
	return tags
}

func tagKeys() []string { return []string{"env", "Env", "os", "größe"} }

// tagValues have pairs that differ in letter case only, also in letters whose
// lower case has another length or is not unique.
func tagValues() []string {
	return []string{"prod", "Prod", "preprod-1", "GRÖSSE", "größe", "İ", "i", "Σ", "ς", "K"}
}

// addWindows lets one resource consume: hour by hour, across midnight, twice the
// same window, overlapping windows.
func (g *generator) addWindows(k metering.ResourceKey) {
	var last *metering.Observation
	for _, at := range g.instants(g.IntN(14)) {
		o := &metering.Observation{Kind: metering.QuantityObserved, Resource: k}
		g.describe(o)
		o.Multiplier = 0
		o.From, o.To = g.window(at)
		if last != nil && g.chance(60) { // one line rather than many
			o.Meter, o.Attributes = last.Meter, last.Attributes
		}
		if last != nil && g.chance(35) { // a correction
			o.From, o.To = last.From, last.To
		}
		o.Quantity = g.quantity(k.Type)
		o.Name, o.Sequence = g.name(k.Project), g.sequence()
		o.Time = max(o.From, metering.MinEventTime) + pick(g.Rand, 0, 0, 10*metering.Second, 86400*metering.Second)
		if last != nil && g.chance(25) { // told at one instant: the quantity decides, then the name
			o.Time = last.Time
			if g.chance(50) {
				o.Quantity = last.Quantity
			}
		}
		g.told = append(g.told, o)
		last = o
	}
}

// window draws a window that begins at or near an instant: up to 24 h long, and
// never in the time before which nothing is taken.
func (g *generator) window(at metering.Instant) (from, to metering.Instant) {
	const hour, day = 3600 * metering.Second, 24 * 3600 * metering.Second
	from = at
	if g.chance(60) {
		from -= from % hour
	}
	if g.chance(15) {
		from += day - from%day - 1 // the last nanosecond of its day
	}
	length := pick(g.Rand, hour, hour, hour, 6*hour, day, 1, day-from%day)
	return from, from + length
}

func (g *generator) quantity(t metering.ResourceType) metering.Amount {
	if t.Unit() == metering.UnitBytes {
		return metering.Product(pick[uint64](g.Rand, 0, 1, 7340032, 1<<63-1, g.Uint64N(1<<40)), 1e6)
	}
	return pick(g.Rand, metering.Amount{}, metering.AmountOf(1), metering.AmountOf(12_000_001), metering.AmountOf(500_000),
		metering.Product(999_999_999_999_999, 1e6).Add(metering.AmountOf(999_999)), metering.AmountOf(g.Uint64N(1<<40)))
}
