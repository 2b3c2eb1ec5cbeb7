package report

import (
	"context"

	"github.com/meterbook/meterbook/internal/metering"
)

// Inspector finds what is counted as it was told, but smells of a mistake of
// whoever told it (spec 2-metering: "flagged to the operator").
type Inspector interface {
	// Findings visits what it finds, as of now, from one consistent snapshot that
	// has everything acknowledged before the call. Nothing outside of the scope is
	// looked at, so that it cannot be told from the findings. The kinds come in
	// the order of [FindingKinds]: ids in two projects by type and id; windows
	// that overlap by month, resource, day, meter and window; ids that were reused
	// by resource, source and id; silent resources in canonical order. It neither
	// blocks nor is blocked by writing. An error of visit ends it, and is returned.
	// A store that is still loading or has stopped returns KindUnavailable.
	Findings(ctx context.Context, q FindingQuery, visit func(*Finding) error) error
}

// FindingQuery says what to look for.
type FindingQuery struct {
	Period metering.Period
	Scope  Scope
	Kinds  KindSet
	// SilentFor is after which time without being heard of a resource is silent.
	SilentFor metering.Instant
}

// SilentBefore returns the end of the period, or now if that comes first, and the
// instant before which a resource must have been heard of last to be silent.
func (q *FindingQuery) SilentBefore(now metering.Instant) (end, before metering.Instant) {
	end = min(q.Period.To.Start(), now)
	return end, end - q.SilentFor
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
	// ReusedIDs: an id of a source was sent again with other content in the
	// period, which was refused. What was stored first counts. Of each client the
	// MaxReusedIDs that came up last are remembered.
	ReusedIDs
	// SilentResources: a resource with states counts in the last minute of the
	// period (or before now), and there is no state of it, not even one that
	// changes nothing, in the time SilentFor before; or a counted resource has
	// quantities in the period, and none whose window ends in that time.
	SilentResources
)

// FindingKinds lists all kinds.
func FindingKinds() []FindingKind {
	return []FindingKind{IDInTwoProjects, OverlappingWindows, ReusedIDs, SilentResources}
}

// String returns the kind's name on the wire.
func (k FindingKind) String() string {
	return [...]string{
		IDInTwoProjects: "id_in_two_projects", OverlappingWindows: "overlapping_windows",
		ReusedIDs: "id_reused", SilentResources: "silent_resources",
	}[k]
}

// KindSet is a set of kinds.
type KindSet uint8

// KindsOf returns the set of the given kinds.
func KindsOf(kinds ...FindingKind) (s KindSet) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// AllKinds returns the set of all kinds.
func AllKinds() KindSet { return KindsOf(FindingKinds()...) }

// Has reports whether a kind is in the set.
func (s KindSet) Has(k FindingKind) bool { return s&(1<<k) != 0 }

// Finding is one thing that was found.
type Finding struct {
	Kind FindingKind
	// Resources are of one type and id, in canonical order: those that count at
	// once, or the one whose windows overlap.
	Resources []metering.ResourceKey
	// From and To bound when it happens, [From, To). Of an id in two projects
	// that is from the first to behind the last minute that both count, and
	// Minutes is how many those are. Of counted types, whole UTC days count.
	// Of an id that was reused, From is when it was refused first and To when last.
	// A silent resource was last heard of at From, and To is the end of the period
	// or now.
	From, To metering.Instant
	Minutes  int64
	// Windows are the two that overlap, in the order of (From, To). They overlap
	// in [From, To). The first may begin on the day before the period; the second
	// begins within the period.
	Windows []metering.Window
	// Name is the one that was reused, Times how often it was refused.
	Name  metering.ObservationName
	Times uint64
}

// FindingOfReuse tells of an id that was reused.
func FindingOfReuse(u *ReusedID) *Finding {
	return &Finding{Kind: ReusedIDs, Resources: []metering.ResourceKey{u.Resource}, From: u.First, To: u.Last, Name: u.Name, Times: u.Times}
}

// FindingOfSilence tells of a resource that was last heard of at an instant.
func FindingOfSilence(k metering.ResourceKey, heard, end metering.Instant) *Finding {
	return &Finding{Kind: SilentResources, Resources: []metering.ResourceKey{k}, From: heard, To: end}
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
