package columns

import (
	"cmp"
	"container/heap"
	"slices"
)

// topRows keeps the first rows of an order, as many as a page may need. It is a
// heap whose root is the last of them.
type topRows struct {
	keys []sortKey
	most int
	rows []topRow

	// Memory for a block: its keys, rows before the root, rows like it so far.
	numbers [blockRows]uint64
	ahead   [blockRows]topRow
	like    [blockRows]uint32
}

// topRow is a row with its first key.
type topRow struct {
	key uint64
	row uint32
}

func newTopRows(keys []sortKey, most int) *topRows { return &topRows{keys: keys, most: most} }

// take considers a block of rows.
func (t *topRows) take(rows []uint32) {
	n := min(t.most-len(t.rows), len(rows))
	for _, row := range rows[:n] {
		heap.Push(t, topRow{t.keys[0].of(row), row})
	}
	if rows = rows[n:]; len(rows) == 0 || t.most == 0 {
		return
	}
	for _, fresh := range t.beforeRoot(rows) {
		if t.compare(fresh, t.rows[0]) < 0 {
			t.rows[0] = fresh
			heap.Fix(t, 0)
		}
	}
}

// admits reports whether a row may be kept that is at or behind a place, and
// whose keys are not before the given ones.
func (t *topRows) admits(keys []uint64, from int) bool {
	if len(t.rows) < t.most {
		return true
	}
	if t.most == 0 {
		return false
	}
	root := t.rows[0]
	if keys[0] != root.key {
		return keys[0] < root.key
	}
	for i, key := range keys[1:] {
		if of := t.keys[i+1].of(root.row); key != of {
			return key < of
		}
	}
	return from < int(root.row)
}

// beforeRoot returns those of the rows that come before the root, one key after
// the other, so that most rows are done with after the first one.
func (t *topRows) beforeRoot(rows []uint32) []topRow {
	root := t.rows[0]
	n, decided, level, limit := 0, 0, rows, root.key
	for i, key := range t.keys {
		if i > 0 {
			limit = key.of(root.row)
		}
		numbers, same := t.numbers[:len(level)], 0
		key(level, numbers)
		for at, number := range numbers { // no branch: whether rows are alike cannot be guessed
			row := level[at]
			t.ahead[n], t.like[same] = topRow{number, row}, row
			if number < limit {
				n++
			}
			if number == limit {
				same++
			}
		}
		if level = t.like[:same]; i == 0 {
			decided = n
		}
	}
	for _, row := range level { // like the root in all keys
		if row < root.row {
			t.ahead[n].row = row
			n++
		}
	}
	for i := range t.ahead[decided:n] { // by another key: the first one is alike
		t.ahead[decided+i].key = root.key
	}
	return t.ahead[:n]
}

func (t *topRows) compare(x, y topRow) int {
	if c := cmp.Compare(x.key, y.key); c != 0 {
		return c
	}
	return compareRows(t.keys[1:], x.row, y.row)
}

// sorted returns the rows in order.
func (t *topRows) sorted() []uint32 {
	slices.SortFunc(t.rows, t.compare)
	rows := make([]uint32, len(t.rows))
	for i, r := range t.rows {
		rows[i] = r.row
	}
	return rows
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (t *topRows) Len() int           { return len(t.rows) }
func (t *topRows) Less(i, j int) bool { return t.compare(t.rows[i], t.rows[j]) > 0 }
func (t *topRows) Swap(i, j int)      { t.rows[i], t.rows[j] = t.rows[j], t.rows[i] }
func (t *topRows) Push(x any)         { t.rows = append(t.rows, x.(topRow)) }
func (t *topRows) Pop() any {
	last := t.rows[len(t.rows)-1]
	t.rows = t.rows[:len(t.rows)-1]
	return last
}
