package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/meterbook/meterbook/internal/metering"
)

// peer is DuckDB with the folded fleet in tables of its own.
type peer struct {
	db     *sql.DB
	conn   *sql.Conn
	meters []metering.Meter // by number
	totals map[int32]peerTotal
}

type peerTotal struct {
	region int64
	meter  int32
}

// stagingSQL makes the tables that rows are appended to.
const stagingSQL = `
CREATE TABLE stage_segments (project INTEGER, region SMALLINT, type TINYINT, id_hi UBIGINT, id_lo UBIGINT, meter INTEGER,
	from_min INTEGER, to_min INTEGER, prev_to INTEGER, next_from INTEGER, weight BIGINT, size BIGINT, name VARCHAR, attributes VARCHAR);
CREATE TABLE stage_days (project INTEGER, region SMALLINT, type TINYINT, id_hi UBIGINT, id_lo UBIGINT, meter INTEGER,
	day INTEGER, amount HUGEINT, first BIGINT, last BIGINT, name VARCHAR, attributes VARCHAR);
CREATE TABLE meters (meter INTEGER, rank INTEGER);`

// buildSQL makes the tables that are asked. A line is numbered in canonical order,
// so that its number breaks ties; a total is a region and a meter; a name is its
// rank. All of that is also in the base of Meterbook.
const buildSQL = `
CREATE TABLE lines AS
	SELECT (row_number() OVER (ORDER BY project, region, type, id_hi, id_lo, rank))::INTEGER AS line,
		(dense_rank() OVER (ORDER BY region, rank))::INTEGER AS total, k.*
	FROM (SELECT DISTINCT project, region, type, id_hi, id_lo, meter FROM stage_segments
		UNION SELECT DISTINCT project, region, type, id_hi, id_lo, meter FROM stage_days) k JOIN meters USING (meter)
	ORDER BY line;
CREATE TABLE names AS
	SELECT name, (row_number() OVER (ORDER BY name))::INTEGER AS name_rank
	FROM (SELECT name FROM stage_segments WHERE name IS NOT NULL UNION SELECT name FROM stage_days WHERE name IS NOT NULL);
CREATE TABLE segments AS
	SELECT line, total, project, region, type, from_min, to_min, prev_to, next_from, weight, name_rank, size, attributes
	FROM stage_segments s JOIN lines USING (project, region, type, id_hi, id_lo, meter) LEFT JOIN names USING (name)
	ORDER BY line, from_min;
CREATE TABLE segments_by_end AS SELECT * EXCLUDE (size, attributes) FROM segments ORDER BY to_min, line, from_min;
CREATE TABLE days AS
	SELECT line, total, project, region, type, day, coalesce(lag(day) OVER (PARTITION BY line ORDER BY day), -1) AS prev_day, amount, first, last, name_rank, attributes
	FROM stage_days s JOIN lines USING (project, region, type, id_hi, id_lo, meter) LEFT JOIN names USING (name)
	ORDER BY line, day;
CREATE INDEX segments_line ON segments(line);
CREATE INDEX days_line ON days(line);
CREATE INDEX lines_line ON lines(line);
DROP TABLE stage_segments;
DROP TABLE stage_days;
CHECKPOINT;`

// newPeer folds a store's observations into DuckDB, in a file.
func newPeer(ctx context.Context, store, path string) (*peer, error) {
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("duckdb", path)
	if err != nil {
		return nil, err
	}
	p := &peer{db: db}
	if err := p.fill(ctx, store); err != nil {
		return nil, errors.Join(fmt.Errorf("fill DuckDB: %w", err), p.close())
	}
	return p, nil
}

func (p *peer) close() error {
	if p.conn == nil {
		return p.db.Close()
	}
	return errors.Join(p.conn.Close(), p.db.Close())
}

func (p *peer) fill(ctx context.Context, store string) (err error) {
	if p.conn, err = p.db.Conn(ctx); err != nil {
		return err
	}
	if err := p.exec(ctx, fmt.Sprintf("SET threads = %d; SET preserve_insertion_order = true;", runtime.NumCPU())+stagingSQL); err != nil {
		return err
	}
	if err := p.conn.Raw(func(c any) error { return p.stage(c.(driver.Conn), store) }); err != nil {
		return err
	}
	if err := p.exec(ctx, buildSQL); err != nil {
		return err
	}
	return p.readTotals(ctx)
}

func (p *peer) exec(ctx context.Context, statements string) error {
	for statement := range strings.SplitSeq(statements, ";") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := p.conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(statement), err)
		}
	}
	return nil
}

// readTotals keeps what the numbers of totals stand for: a client that prints an
// answer has such a table too.
func (p *peer) readTotals(ctx context.Context) error {
	rows, err := p.conn.QueryContext(ctx, "SELECT DISTINCT total, region, meter FROM lines")
	if err != nil {
		return err
	}
	p.totals = map[int32]peerTotal{}
	for rows.Next() {
		var total int32
		var t peerTotal
		if err := rows.Scan(&total, &t.region, &t.meter); err != nil {
			return errors.Join(err, rows.Close())
		}
		p.totals[total] = t
	}
	return errors.Join(rows.Err(), rows.Close())
}

// stager appends what is folded.
type stager struct {
	segments, days *duckdb.Appender
	meters         map[metering.Meter]int32
}

func (p *peer) stage(c driver.Conn, store string) error {
	s := &stager{meters: map[metering.Meter]int32{}}
	var err error
	if s.segments, err = duckdb.NewAppenderFromConn(c, "", "stage_segments"); err != nil {
		return err
	}
	if s.days, err = duckdb.NewAppenderFromConn(c, "", "stage_days"); err != nil {
		return errors.Join(err, s.segments.Close())
	}
	if err := errors.Join(extract(store, s), s.segments.Close(), s.days.Close()); err != nil {
		return err
	}
	p.meters = make([]metering.Meter, len(s.meters))
	for m, n := range s.meters {
		p.meters[n] = m
	}
	ranks, err := duckdb.NewAppenderFromConn(c, "", "meters")
	if err != nil {
		return err
	}
	for rank, m := range slices.SortedFunc(slices.Values(p.meters), metering.Meter.Compare) {
		err = errors.Join(err, ranks.AppendRow(s.meters[m], int32(rank)))
	}
	return errors.Join(err, ranks.Close())
}

func (s *stager) meter(m metering.Meter) int32 {
	n, known := s.meters[m]
	if !known {
		n = int32(len(s.meters))
		s.meters[m] = n
	}
	return n
}

// name is the text that lines are ordered by, nil where there is none.
func name(t metering.ResourceType, a *metering.Attributes) driver.Value {
	if text := a.Texts[metering.Name]; t.HasName() && text != "" {
		return text
	}
	return nil
}

// minute fits an INTEGER: the open end is the greatest one.
func minute(m metering.Minute) int32 { return int32(min(m, math.MaxInt32)) }

func halves(u metering.UUID) (hi, lo uint64) {
	return binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])
}

// segment implements folded. The weight is what a minute counts, in billionths.
func (s *stager) segment(k metering.ResourceKey, seg *metering.Segment, before, after metering.Minute) error {
	hi, lo := halves(k.ID)
	weight, size := int64(seg.Is.Multiplier), int64(seg.Is.Multiplier)
	if k.Type.Measure() == metering.Present {
		weight, size = weight*1e9, 0
	}
	return s.segments.AppendRow(int32(k.Project), int16(k.Region), int8(k.Type), hi, lo, s.meter(seg.Is.Meter),
		minute(seg.From), minute(seg.To), minute(before), minute(after), weight, size, name(k.Type, &seg.Is.Attributes), attributesText(&seg.Is.Attributes))
}

// daySum implements folded.
func (s *stager) daySum(k metering.ResourceKey, d *metering.DaySum) error {
	hi, lo := halves(k.ID)
	return s.days.AppendRow(int32(k.Project), int16(k.Region), int8(k.Type), hi, lo, s.meter(d.Meter),
		int32(d.Day), billionths(d.Sum, k.Type), int64(d.First/metering.Second), int64(d.Last/metering.Second), name(k.Type, d.Attributes), attributesText(d.Attributes))
}

// statement is one way to ask for a report.
type statement struct {
	*peer
	report   peerReport
	variant  string
	text     string
	prepared *sql.Stmt
}

// fetched is an answer as DuckDB gives it.
type fetched struct {
	sums []fetchedSum
	page []fetchedLine
}

// fetchedSum is a total and the number of its lines, or (kind 1) a line's number.
type fetchedSum struct {
	kind, id int32
	amount   any // *big.Int; nil for a line
	lines    sql.NullInt64
}

type fetchedLine struct {
	key         metering.ResourceKey
	hi, lo      uint64
	meter       int32
	amount      any // *big.Int
	first, last int64
	size        uint64
	attributes  string
}

// fetch asks for totals, count and the lines of the page, and then for what else
// is printed of these lines. This is what is timed.
func (s *statement) fetch(ctx context.Context) (*fetched, error) {
	rows, err := s.prepared.QueryContext(ctx)
	if err != nil {
		return nil, err
	}
	f := &fetched{}
	var page []string
	for rows.Next() {
		var sum fetchedSum
		if err := rows.Scan(&sum.kind, &sum.id, &sum.amount, &sum.lines); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if sum.kind == 1 {
			page = append(page, strconv.Itoa(int(sum.id)))
			continue
		}
		f.sums = append(f.sums, sum)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	if len(page) > 0 {
		f.page, err = s.lines(ctx, s.report.page(page))
	}
	return f, err
}

// lines reads the lines of a page.
func (p *peer) lines(ctx context.Context, query string) ([]fetchedLine, error) {
	rows, err := p.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	var page []fetchedLine
	for rows.Next() {
		var l fetchedLine
		if err := rows.Scan(&l.key.Project, &l.key.Region, &l.key.Type, &l.hi, &l.lo, &l.meter, &l.amount, &l.first, &l.last, &l.size, &l.attributes); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		page = append(page, l)
	}
	return page, errors.Join(rows.Err(), rows.Close())
}

// answer turns what was fetched into texts.
func (p *peer) answer(f *fetched) *answer {
	a := &answer{}
	for i := range f.sums {
		sum := &f.sums[i]
		a.count += int(sum.lines.Int64)
		t := p.totals[sum.id]
		if m := p.meters[t.meter]; m.Type.HasTotals() {
			a.totals = append(a.totals, totalText(t.region, m, sum.amount.(*big.Int)))
		}
	}
	slices.Sort(a.totals)
	for i := range f.page {
		l := &f.page[i]
		binary.BigEndian.PutUint64(l.key.ID[:8], l.hi)
		binary.BigEndian.PutUint64(l.key.ID[8:], l.lo)
		a.page = append(a.page, lineText(l.key, p.meters[l.meter], l.amount.(*big.Int), l.first, l.last, l.size, l.attributes))
	}
	return a
}
