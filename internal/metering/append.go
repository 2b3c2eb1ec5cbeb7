package metering

// Append is [Timeline.Place] for a state whose first minute lies behind all
// boundaries, in the timeline's own memory: the caller must be the only one that
// knows it. It returns false, and changes nothing, for any other state.
func (t *Timeline) Append(s *State) bool {
	from := FirstMinute(s.At)
	if t.Known && from <= t.LastBoundary {
		return false
	}
	t.extend(from, s.Is)
	return true
}
