package report

import (
	"context"

	"github.com/meterbook/meterbook/internal/metering"
)

// Auditor tells what stands behind the lines of a report (spec 2-metering,
// "Audit").
type Auditor interface {
	// Audit accounts for one resource from one consistent snapshot that has
	// everything acknowledged before the call. It neither blocks nor is blocked
	// by writing. A resource that nobody had observed by AsOf gives
	// KindNotFound, more than MaxAudited observations KindInvalid; a store that
	// is still loading or has stopped KindUnavailable.
	Audit(ctx context.Context, q AuditQuery) (*metering.Account, error)
}

// MaxAudited bounds the observations that one audit reads, so that its memory
// is bounded.
const MaxAudited = 100_000

// TooMuchToAudit is the error for more observations than MaxAudited.
func TooMuchToAudit() error {
	err := metering.Errorf(metering.KindInvalid, "The resource has more than %d observations in the period; ask for a shorter one", MaxAudited)
	err.Fields = metering.FieldErrors{}
	err.Fields.Add("to", "Input should be closer to from: more than %d observations bear on the period", MaxAudited)
	return err
}

// AuditQuery asks what one resource came to in a period.
type AuditQuery struct {
	Resource metering.ResourceKey
	Period   metering.Period // From is not after To
	// AsOf is when the report was, or would have been, asked: what was received
	// after it is unknown, and no minute after it counts.
	AsOf metering.Instant
}

// Contains reports whether the resource exists within the scope.
func (s Scope) Contains(k metering.ResourceKey) bool {
	return s.Projects.Contains(k.Project) && s.Regions.Contains(k.Region) && s.Types.Contains(k.Type)
}

// LineOf makes the line of what a resource counted.
func LineOf(resource metering.ResourceKey, u *metering.Usage) Line {
	l := Line{Resource: resource, Meter: u.Meter, Value: u.Value, First: u.First, Last: u.Last, Attributes: u.Attributes}
	if resource.Type.Measure() == metering.Sized {
		l.SizeBytes = u.Multiplier
	}
	return l
}
