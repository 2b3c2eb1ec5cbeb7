package columns

import "github.com/meterbook/meterbook/internal/metering"

// dayRuns cuts the days of one resource, of which two bases have some each, into
// runs without resources, in the order of the days.
//
//	old     1 2 3 4 5 . 7
//	next    . . 3 . . 6 .      3 and 6 have changed; had 5 changed, too, it would be gone
//	runs    1-2|3|4-5|6|7
type dayRuns struct {
	old, next   dayRun
	runs        []run
	name, extra []byte // of the last run: what is alike is stored once
}

// dayRun is the days of one base that are still to be taken.
type dayRun struct {
	base    *Base
	at, end place // before them, and behind the resource's last one
}

func (d *dayRun) day() (day metering.Day, more bool) {
	if d.at[ofCells] == d.end[ofCells] {
		return 0, false
	}
	return metering.Day(d.base.cell.day[d.at[ofCells]]), true
}

// cut makes the runs.
func (w *dayRuns) cut(changed []metering.Day) {
	for _, day := range changed {
		w.take(&w.old, day)
		w.old.skip(day + 1)
		w.next.skip(day) // as old has them
		w.take(&w.next, day+1)
	}
	w.take(&w.old, 1<<31-1)
}

// skip leaves out the days before one.
func (d *dayRun) skip(before metering.Day) {
	for day, more := d.day(); more && day < before; day, more = d.day() {
		d.at[ofCells]++
	}
}

// take makes a run of a base's days before one.
func (w *dayRuns) take(d *dayRun, before metering.Day) {
	r := run{of: d.base, from: d.at}
	if d.skip(before); d.at[ofCells] == r.from[ofCells] {
		return
	}
	r.to = d.at
	first, behind := r.from[ofCells], r.to[ofCells]
	w.name = w.texts(d, &r, d.base.cell.name[first:behind], &d.base.names, ofNames, ofNameBytes, w.name)
	w.extra = w.texts(d, &r, d.base.cell.extra[first:behind], &d.base.extras, ofExtras, ofExtraBytes, w.extra)
	r.from[ofResources], r.to[ofResources] = d.end[ofResources], d.end[ofResources]
	r.from[ofWindowBytes], r.to[ofWindowBytes] = d.base.cell.windowsBefore(first), d.base.cell.windowsBefore(behind)
	w.runs = append(w.runs, r)
}

// texts says which texts a run of days brings: those from its first one on, but for
// one that is like the last one before it, which then has the number before. It
// returns the last one.
func (w *dayRuns) texts(d *dayRun, r *run, numbers []uint32, of *texts, part, bytes part, last []byte) []byte {
	first, end := uint32(0), behind(numbers)
	for _, number := range numbers {
		if number != 0 {
			first = number
			break
		}
	}
	if first == 0 {
		r.from[part], r.to[part] = d.at[part], d.at[part]
	} else {
		r.from[part], r.to[part] = first, end
		if last != nil && string(of.at(first)) == string(last) {
			r.from[part]++
		}
		last = of.at(end - 1)
		d.at[part] = end
	}
	r.from[bytes], r.to[bytes] = of.off[r.from[part]], of.off[r.to[part]]
	d.at[bytes] = r.to[bytes]
	return last
}
