package report

import (
	"context"

	"github.com/meterbook/meterbook/internal/metering"
)

// Inspector finds what is counted as it was told, but smells of a mistake of
// whoever told it (spec 2-metering: "flagged to the operator").
type Inspector interface {
	// Findings visits what it finds in the period, as of now, from one
	// consistent snapshot that has everything acknowledged before the call.
	// Nothing outside of the scope is looked at, so that it cannot be told from
	// the findings. First come the ids in two projects, by type and id; then the
	// windows that overlap, by month, resource, day, meter and window. It neither
	// blocks nor is blocked by writing. An error of visit ends it, and is
	// returned. A store that is still loading or has stopped returns
	// KindUnavailable.
	Findings(ctx context.Context, in metering.Period, scope Scope, visit func(*Finding) error) error
}

// FindingKind says what was found.
type FindingKind uint8

const (
	// IDInTwoProjects: resources of one type and id count in two or more
	// projects at once. Each of them is counted.
	IDInTwoProjects FindingKind = iota + 1
	// OverlappingWindows: of one meter of a resource, two quantities' windows
	// overlap without being equal. They are added up.
	OverlappingWindows
)

// FindingKinds lists all kinds.
func FindingKinds() []FindingKind { return []FindingKind{IDInTwoProjects, OverlappingWindows} }

// String returns the kind's name on the wire.
func (k FindingKind) String() string {
	return [...]string{IDInTwoProjects: "id_in_two_projects", OverlappingWindows: "overlapping_windows"}[k]
}

// Finding is one thing that was found.
type Finding struct {
	Kind FindingKind
	// Resources are of one type and id, in canonical order: those that count at
	// once, or the one whose windows overlap.
	Resources []metering.ResourceKey
	// From and To bound when it happens, [From, To). Of an id in two projects
	// that is from the first to behind the last minute that both count, and
	// Minutes is how many those are. Of counted types, whole UTC days count.
	From, To metering.Instant
	Minutes  int64
	// Windows are the two that overlap, in the order of (From, To). They overlap
	// in [From, To). The first may begin on the day before the period; the second
	// begins within the period.
	Windows []metering.Window
}

// FindingOfOverlap tells of two windows of a resource.
func FindingOfOverlap(k metering.ResourceKey, o *metering.Overlap) *Finding {
	return &Finding{
		Kind: OverlappingWindows, Resources: []metering.ResourceKey{k}, From: o.From(), To: o.To(),
		Windows: []metering.Window{o.Earlier, o.Later},
	}
}

// FindingOfSharing tells of an id in two projects.
func FindingOfSharing(s *metering.Sharing) *Finding {
	return &Finding{Kind: IDInTwoProjects, Resources: s.Resources, From: s.From.Start(), To: s.To.Start(), Minutes: s.Minutes}
}
