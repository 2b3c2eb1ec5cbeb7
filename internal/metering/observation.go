package metering

import "cmp"

// ObservationKind tells what an observation says. The numbers are part of the
// on-disk format.
type ObservationKind uint8

const (
	StateObserved    ObservationKind = 1 // from this instant on it is like this
	QuantityObserved ObservationKind = 2 // between these instants it consumed this much
	RetractionMade   ObservationKind = 3 // treat that observation as never made
)

// ObservationName identifies an observation, for ever (spec 2-metering, "Identity").
type ObservationName struct {
	Project ProjectID
	Source  string
	ID      string
}

// Observation is one accepted event in canonical form: letter case of UUIDs,
// notation of numbers, order of members, absence and emptiness are levelled and
// defaults are filled in, so that two events with the same content are equal.
type Observation struct {
	Kind     ObservationKind
	Name     ObservationName
	Time     Instant
	Sequence Sequence

	// States and quantities:
	Resource   ResourceKey
	Meter      Meter      // of a deletion only the type: what it carries is ignored
	Attributes Attributes // empty for a deletion: what it carries is ignored

	// States:
	Deleted    bool
	Multiplier uint64 // count of a present type, bytes of a sized type; 0 when deleted

	// Quantities; the window is half-open [From, To):
	From, To Instant
	Quantity Amount // in 10^-QuantityScale of Meter.Unit

	// Retractions: what is retracted, in the same project.
	TargetSource, TargetID string
	Reason                 string
}

// Sequence is the CloudEvents extension of that name, 0 when absent.
type Sequence int64

// SameContent reports whether two observations of one name say the same (spec
// 2-metering, "Identity").
func (o *Observation) SameContent(p *Observation) bool {
	return o.Kind == p.Kind && o.Time == p.Time && o.Sequence == p.Sequence &&
		o.Resource == p.Resource && (o.Deleted || o.Meter == p.Meter) &&
		o.Deleted == p.Deleted && o.Multiplier == p.Multiplier &&
		o.From == p.From && o.To == p.To && o.Quantity == p.Quantity &&
		o.TargetSource == p.TargetSource && o.TargetID == p.TargetID && o.Reason == p.Reason &&
		o.Attributes.Equal(&p.Attributes)
}

// Begins returns when what it tells begins: From of a quantity, Time of all else.
func (o *Observation) Begins() Instant {
	if o.Kind == QuantityObserved {
		return o.From
	}
	return o.Time
}

// RejectCode is the closed list of reasons for which an observation is invalid.
// Their numbers are their precedence: the lowest that applies is reported (spec
// 2-metering).
type RejectCode uint8

const (
	Malformed RejectCode = iota + 1
	TooLarge
	UnsupportedType
	WrongMeasure
	MissingField
	UnknownField
	InvalidValue
	TimeOutOfRange
	IntervalInvalid
	ForbiddenProject
	UnknownProject
	PeriodClosed
	IDReused
)

var rejectCodeNames = [...]string{
	Malformed: "malformed", TooLarge: "too_large", UnsupportedType: "unsupported_type",
	WrongMeasure: "wrong_measure", MissingField: "missing_field", UnknownField: "unknown_field",
	InvalidValue: "invalid_value", TimeOutOfRange: "time_out_of_range", IntervalInvalid: "interval_invalid",
	ForbiddenProject: "forbidden_project", UnknownProject: "unknown_project",
	PeriodClosed: "period_closed", IDReused: "id_reused",
}

// String returns the code as receipts print it.
func (c RejectCode) String() string { return rejectCodeNames[c] }

// RejectCodes lists all codes in the order of their precedence.
func RejectCodes() []RejectCode {
	codes := make([]RejectCode, 0, len(rejectCodeNames)-1)
	for c := Malformed; c <= IDReused; c++ {
		codes = append(codes, c)
	}
	return codes
}

// Rejection says why one observation was refused.
type Rejection struct {
	Code    RejectCode
	Field   string // dotted path in the event ("data.size_bytes"), "" where none
	Message string // names the input and what is allowed
}

// Before is the precedence among the rejections of one event: by code, then by
// the path of the field.
func (r Rejection) Before(s Rejection) bool {
	return cmp.Or(cmp.Compare(r.Code, s.Code), cmp.Compare(r.Field, s.Field)) < 0
}

// State returns the observation as the fold of states needs it.
func (o *Observation) State() State {
	s := State{At: o.Time, Sequence: o.Sequence, Source: o.Name.Source, ID: o.Name.ID}
	if !o.Deleted {
		s.Is = &Description{Meter: o.Meter, Multiplier: o.Multiplier, Attributes: o.Attributes}
	}
	return s
}

// Window returns the observation as the fold of quantities needs it.
func (o *Observation) Window() Window {
	attributes := o.Attributes
	return Window{
		From: o.From, To: o.To, At: o.Time, Quantity: o.Quantity,
		Source: o.Name.Source, ID: o.Name.ID, Meter: o.Meter, Attributes: &attributes,
	}
}
