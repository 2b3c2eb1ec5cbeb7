package timeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// Kind says what happened to a resource.
type Kind string

// The kinds of changes.
const (
	Created   Kind = "created"
	Resized   Kind = "resized" // flavor, size, count, or what else is counted
	Renamed   Kind = "renamed"
	Changed   Kind = "changed" // other attributes, tags
	MovedIn   Kind = "moved here"
	MovedAway Kind = "moved away"
	Deleted   Kind = "deleted"
	Retracted Kind = "retracted" // an observation, so nothing happened then
)

// Change is something that happened.
type Change struct {
	At   time.Time // of the minute from which on it counts, UTC
	Kind Kind
	Text string
}

// Elsewhere is the same type and id in another project or region.
type Elsewhere struct {
	Project, Region     int64
	FirstSeen, LastSeen time.Time
}

// movedWithin is how long a resource that moves may be nowhere.
const movedWithin = 24 * time.Hour

// Changes tells what happened between the runs and at their ends. counted is the
// end of what counts: the end of the period, or the present.
func (p *Plan) Changes(runs []Run, counted time.Time, others []Elsewhere) (changes []Change) {
	for i := range runs {
		r := &runs[i]
		touches := i > 0 && runs[i-1].To.Equal(r.From)
		if touches {
			changes = append(changes, p.differences(&runs[i-1].Segment, &r.Segment)...)
		} else if r.From.After(p.Scale.From) {
			changes = append(changes, appeared(r, p.State(&r.Segment), others))
		}
		last := i+1 == len(runs)
		if (last && r.To.Before(counted)) || (!last && r.To.Before(runs[i+1].From)) {
			changes = append(changes, disappeared(r, others))
		}
	}
	return changes
}

// CountedUntil is the end of what counts of a period at an instant: minutes
// whose 30th second has come.
func CountedUntil(to, now time.Time) time.Time {
	const half = 30 * time.Second
	sampled := now.UTC().Add(-half).Truncate(time.Minute).Add(time.Minute)
	if sampled.Before(to) {
		return sampled
	}
	return to
}

func appeared(r *Run, state string, others []Elsewhere) Change {
	for _, o := range others {
		if gap := r.FirstSeen.Sub(o.LastSeen); gap > 0 && gap <= movedWithin {
			return Change{r.From, MovedIn, fmt.Sprintf("It was in project %d, region %d until %s.", o.Project, o.Region, minuteText(o.LastSeen))}
		}
	}
	return Change{r.From, Created, "As " + state + "."}
}

func disappeared(r *Run, others []Elsewhere) Change {
	for _, o := range others {
		if gap := o.FirstSeen.Sub(r.LastSeen); gap > 0 && gap <= movedWithin {
			return Change{r.To, MovedAway, fmt.Sprintf("It is in project %d, region %d from %s on.", o.Project, o.Region, minuteText(o.FirstSeen))}
		}
	}
	return Change{r.To, Deleted, "From here on it is not there."}
}

func minuteText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// differences tells what of two segments that touch is not alike.
func (p *Plan) differences(before, after *client.Segment) (changes []Change) {
	add := func(kind Kind, format string, args ...any) {
		changes = append(changes, Change{after.From, kind, fmt.Sprintf(format, args...)})
	}
	if from, to := p.State(before), p.State(after); from != to || before.Multiplier != after.Multiplier {
		add(Resized, "From %s to %s.", from, to)
	}
	names := slices.Sorted(maps.Keys(before.Attributes))
	for name := range after.Attributes {
		if _, there := before.Attributes[name]; !there {
			names = append(names, name)
		}
	}
	for _, name := range names {
		from, to := told(before.Attributes[name]), told(after.Attributes[name])
		switch {
		case from == to, name == metering.Flavor.String(), p.Type.Dimension() != metering.NoAttribute && name == p.Type.Dimension().String():
		case name == metering.Name.String():
			add(Renamed, "From %s to %s.", from, to)
		default:
			add(Changed, "%s: from %s to %s.", name, from, to)
		}
	}
	if len(changes) == 0 { // such as another metric for the same state
		add(Changed, "What is counted of it.")
	}
	return changes
}

// told writes an attribute; tags by their keys.
func told(value any) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case map[string]any:
		var pairs []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			pairs = append(pairs, fmt.Sprintf("%s=%v", key, v[key]))
		}
		return strings.Join(pairs, ", ")
	}
	return fmt.Sprint(value)
}

// minMarkGap is what must lie between two marks on a phone.
const minMarkGap Share = 500

// Mark is a place at which something happened, or more than the eye can tell
// apart: then it has the first one's kind.
type Mark struct {
	At    Share
	Kinds []Kind // of each text
	Texts []string
}

// Marks draws changes, which are in the order of time.
func Marks(changes []Change, scale Scale) (marks []Mark) {
	for _, c := range changes {
		text := minuteText(c.At) + " " + string(c.Kind) + ": " + c.Text
		at := scale.At(c.At)
		if n := len(marks); n > 0 && at-marks[n-1].At < minMarkGap {
			marks[n-1].Kinds, marks[n-1].Texts = append(marks[n-1].Kinds, c.Kind), append(marks[n-1].Texts, text)
			continue
		}
		marks = append(marks, Mark{at, []Kind{c.Kind}, []string{text}})
	}
	return marks
}
