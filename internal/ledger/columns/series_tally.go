package columns

import (
	"cmp"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// tally sums what groups count.
type tally struct {
	q        *report.SeriesQuery
	grid     *grid
	units    []unitTally
	byUnit   map[unitKey]uint32
	accounts []account
	byKey    map[accountKey]uint32
}

// unitKey names what is summed together at all.
type unitKey struct {
	unit     string
	inTotals bool
}

type unitTally struct {
	unitKey
	accounts []uint32 // the largest first, once they are ranked
	others   *curve   // of those that are not shown; nil: all are
}

// accountKey names a group of a unit.
type accountKey struct {
	unit uint32
	key  report.GroupKey
}

// account is what a group counts.
type account struct {
	accountKey
	lines int
	total metering.Amount // at report.SeriesScale
	curve *curve          // its own, or that of the others
}

func (a *account) add(v metering.Amount) {
	a.lines++
	a.total = a.total.Add(v)
}

func newTally(q *report.SeriesQuery) *tally {
	return &tally{q: q, grid: newGrid(q), byUnit: map[unitKey]uint32{}, byKey: map[accountKey]uint32{}}
}

func (t *tally) unitOf(m *metering.Meter) uint32 {
	key := unitKey{m.Unit, m.Type.HasTotals()}
	i, known := t.byUnit[key]
	if !known {
		i = uint32(len(t.units))
		t.units, t.byUnit[key] = append(t.units, unitTally{unitKey: key}), i
	}
	return i
}

// open returns the number of an account, which is made when it is needed.
func (t *tally) open(key accountKey) uint32 {
	i, known := t.byKey[key]
	if !known {
		i = uint32(len(t.accounts))
		t.accounts, t.byKey[key] = append(t.accounts, account{accountKey: key}), i
		t.units[key.unit].accounts = append(t.units[key.unit].accounts, i)
	}
	return i
}

// rank gives a curve of its own to each account that is shown.
func (t *tally) rank() error {
	if values := t.seriesCount() * len(t.grid.starts); values > report.MaxSeriesValues {
		return report.TooManyValues(values)
	}
	for i := range t.units {
		u := &t.units[i]
		slices.SortFunc(u.accounts, func(x, y uint32) int {
			a, b := &t.accounts[x], &t.accounts[y]
			return cmp.Or(b.total.Compare(a.total), a.key.Compare(b.key))
		})
		shown := min(len(u.accounts), t.q.Top)
		for _, n := range u.accounts[:shown] {
			t.accounts[n].curve = newCurve(t.grid)
		}
		if shown < len(u.accounts) {
			u.others = newCurve(t.grid)
		}
		for _, n := range u.accounts[shown:] {
			t.accounts[n].curve = u.others
		}
	}
	return nil
}

// seriesCount returns how many series there are: of each unit, of each group that is
// shown, and of the others.
func (t *tally) seriesCount() (n int) {
	for i := range t.units {
		if accounts := len(t.units[i].accounts); accounts > 0 {
			n += 1 + min(accounts, t.q.Top+1)
		}
	}
	return n
}

// series returns the answer.
func (t *tally) series() *report.Series {
	s := &report.Series{Starts: t.grid.starts, CompleteUntil: t.q.Now}
	for i := range t.units {
		if len(t.units[i].accounts) > 0 {
			s.Units = append(s.Units, t.unit(&t.units[i]))
		}
	}
	slices.SortFunc(s.Units, func(a, b report.UnitSeries) int {
		if c := cmp.Compare(a.Unit, b.Unit); c != 0 || a.InTotals == b.InTotals {
			return c
		}
		if a.InTotals {
			return -1
		}
		return 1
	})
	return s
}

func (t *tally) unit(u *unitTally) report.UnitSeries {
	is := report.UnitSeries{Unit: u.unit, InTotals: u.inTotals, Flow: t.emptyFlow()}
	shown := min(len(u.accounts), t.q.Top)
	for _, n := range u.accounts[:shown] {
		a := &t.accounts[n]
		group := report.GroupSeries{Key: a.key, Flow: report.Flow{Lines: a.lines, Total: a.total, Values: a.curve.values(t.grid)}}
		is.Groups = append(is.Groups, group)
		include(&is.Flow, &group.Flow)
	}
	if u.others == nil {
		return is
	}
	is.OtherGroups, is.Others.Values = len(u.accounts)-shown, u.others.values(t.grid)
	for _, n := range u.accounts[shown:] {
		is.Others.Lines += t.accounts[n].lines
		is.Others.Total = is.Others.Total.Add(t.accounts[n].total)
	}
	include(&is.Flow, &is.Others)
	return is
}

func (t *tally) emptyFlow() report.Flow {
	return report.Flow{Values: make([]metering.Amount, len(t.grid.starts))}
}

// include adds a flow to another one.
func include(to, f *report.Flow) {
	to.Lines += f.Lines
	to.Total = to.Total.Add(f.Total)
	for s, v := range f.Values {
		to.Values[s] = to.Values[s].Add(v)
	}
}
