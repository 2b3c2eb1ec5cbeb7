"""Writes docs/performance-openmeter.md from the figures of a run."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import openmeter
from figures import ASKED_AGAIN, Difference, Figures
from fleet import DAYS_OF_MONTH, START
from process import Memory, Timing


def render(f: Figures) -> str:
    return "\n\n".join((
        head(f), "## Time to answer", times(f), "## The answers", answers(f), "## A batch that is sent again", resent(f),
        "## Loading, disk, memory", resources(f), "## How it was done", method(f),
    )) + "\n"


def head(f: Figures) -> str:
    fleet = f.fleet
    return f"""# Beside OpenMeter's table and query

[OpenMeter](https://github.com/openmeterio/openmeter) keeps raw events in one ClickHouse table and takes them apart when it is asked: `JSON_VALUE` of each event, summed by group.
Here that table and that query run on ClickHouse as a library, beside Meterbook, on the same events, on one machine.
It is the storage and the query only that are compared: OpenMeter's API, Kafka, Redis and sink worker are not run.

```sh
{command(f)}
```

{datetime.now(UTC):%Y-%m-%d}, {processor()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}; Meterbook {revision()}, ClickHouse {f.engine} (max_threads {f.threads}), Python {platform.python_version()}.
Load average {f.load_average:.1f} before the run, that is other work on the machine, and {f.asking_load_average:.1f} before the first question, the loading included.{busy(f)}

{fleet.size:,} containers in {len({r.project for r in fleet.resources})} projects and {len({r.region for r in fleet.resources})} regions, one usage event an hour each for {fleet.days} days: {fleet.events:,} events, quantities in gigabyte-seconds with six places."""


def busy(f: Figures) -> str:
    """Says which figures to go by when other work kept both from running at their speed."""
    if f.load_average < os.cpu_count() / 2:
        return ""
    return "\n**The machine was busy with other work, so that long times are several times what they would be: go by the processor times (CPU), and take rates and ratios of times for rough.**"


def command(f: Figures) -> str:
    more = ""
    if f.fleet.size != 10_000:
        more += f" RESOURCES={f.fleet.size}"
    if f.fleet.days != DAYS_OF_MONTH:
        more += f" DAYS={f.fleet.days}"
    return "make bench-openmeter" + more


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def revision() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude", "*"],
        capture_output=True, text=True, cwd=Path(__file__).parent, check=False,
    )
    return described.stdout.strip() or "of unknown revision"


def times(f: Figures) -> str:
    fleet = f.fleet
    project = sum(r.project == fleet.resources[fleet.size // 2].project for r in fleet.resources)
    rows = [
        ("month, the whole fleet, a line a resource", "lines", f"{fleet.size:,} lines"),
        ("the same, totals by region only", "totals", "totals, count, one line"),
        ("month, one project", "project", f"{project:,} lines"),
        ("month, one resource of a known project", "resource", "1 line"),
    ]
    table = ["| question | OpenMeter's query, floats | OpenMeter's query, decimals | Meterbook, exact | Meterbook is faster than floats by | Meterbook answers with |", "|---|---|---|---|---|---|"]
    for name, key, lines in rows:
        t = f.timings[key]
        table.append(f"| {name} | {cell(t['float'])} | {cell(t['decimal'])} | {cell(t['exact'])} | {ratio(t['float'].p50 / t['exact'].p50)} (CPU {ratio(t['float'].cpu / t['exact'].cpu)}) | {lines} |")
    least = f.timings["least"]["float"]
    by_ours = ratio(least.p50 / f.timings["lines"]["exact"].p50)
    return "\n".join(table) + f"""

- p50 of warm repetitions; in parentheses the processor time of one answer on all cores, which other work on the machine hardly changes, and the first answer to that question. Each process had just started before the first row; the files were in the system's page cache.
- OpenMeter's query is timed within the process, its result in ClickHouse's binary form, unread. Meterbook is timed by a client over HTTP, until the last byte of the JSON has been read. That favours OpenMeter, whose API would follow.
- Its lines are grouped by `subject` (the project), `region_id` and `resource_id`, as a line of the report is. Grouped by `resource_id` alone, the least that still tells resources apart, it takes {cell(least)}: Meterbook is faster than that by {by_ours}.
- Floats are its default; decimals are `aggregation.enableDecimalPrecision`."""


def cell(t: Timing) -> str:
    return f"**{duration(t.p50)}** (CPU {duration(t.cpu)}, first {duration(t.first)})"


def duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.01:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds * 1e3:.2f} ms"


def ratio(r: float) -> str:
    return f"{r:.0f}x" if r >= 10 else f"{r:.1f}x"


def answers(f: Figures) -> str:
    names = {"lines": "lines of the fleet", "totals": "totals by region", "project": "lines of one project", "resource": "line of one resource"}
    table = ["| sums of floats | of | printed with other digits | other after rounding to six places | greatest difference | not the same each time |", "|---|---|---|---|---|---|"]
    table += [row(names[key], d) for key, d in f.floats.items()]
    return f"""The generator knows each sum as an integer of millionths. Every line and every total of Meterbook equals it, and so does every sum of OpenMeter's query with decimals.
The sums of its query with floats are right but for rounding:

{chr(10).join(table)}

"Not the same each time": asked {ASKED_AGAIN} times, a sum changed its last digits, since floats are added in the order in which threads finish. (Sums of integers below 2^53, bytes for instance, would be exact in floats too.)"""


def row(name: str, d: Difference) -> str:
    return f"| {name} | {d.sums:,} | {d.not_as_printed:,} | {d.not_when_rounded:,} | {f'{d.greatest:.1e}' if d.greatest else 0} | {d.unstable:,} |"


def resent(f: Figures) -> str:
    r = f.resent
    return f"""One hour of the whole fleet, {f.fleet.size:,} events that had been stored before, is sent once more.

| | Meterbook | OpenMeter's table |
|---|---|---|
| what it says | {r.receipt['accepted']:,} accepted, {r.receipt['duplicates']:,} duplicates | {r.rows:,} rows more |
| lines of the month that change | 0; the report is the same, byte by byte | {r.changed:,} |
| total of the month | {r.total:f} | {r.total + r.too_much:f} (decimals), too much by {r.too_much:f} |

To be fair: this is the table alone, which has no key. OpenMeter drops duplicates before they reach it, by namespace, source and id, when events come in and once more in the sink worker:
in a process's memory (the last 128 ids by default) or in Redis (expiration 24 h by default; its example configuration has 32 days, and so says its documentation; the defaults of the code have it switched off).
Within that window a batch that is sent again counts once, as long as the keys survive: the sink writes them after the rows, and its comments call that "at least once". What comes later counts twice, and nothing in the table tells.
Meterbook keeps the ids with the observations in one atomic write, without a window."""


def resources(f: Figures) -> str:
    n = f.fleet.events
    return f"""| | OpenMeter's table | Meterbook |
|---|---|---|
| loading | {rate(n, f.seconds['their load'])} + {duration(f.seconds['their merge'])} for `OPTIMIZE FINAL` | {rate(n, f.seconds['our load'])} |
| how | one `INSERT` a day from a file of separated columns, {f.bytes['their events'] / 1e6:,.0f} MB; no network, no check, no fsync (ClickHouse's default) | NDJSON of CloudEvents over HTTP, {f.bytes['our events'] / 1e6:,.0f} MB, 4 connections; each event checked, its id looked up, fsync before the receipt |
| disk | {f.bytes['their disk'] / 1e6:,.1f} MB, {f.bytes['their disk'] / n:.0f} bytes an event (parts in force only, {f.codec} after `OPTIMIZE FINAL`) | {f.bytes['our disk'] / 1e6:,.1f} MB, {f.bytes['our disk'] / n:.0f} bytes an event (all files, once the log has been written as tables; straight after loading {f.bytes['our disk with log'] / 1e6:,.1f} MB, and {f.bytes['our allocated disk'] / 1e6:,.1f} MB with what the log allocates ahead) |
| resident memory while loading, peak | {mib(f.memory['their load'].peak)} | {mib(f.memory['our load'].peak)} |
| resident memory while answering, peak, in a new process | {mib(f.memory['their answers'].peak)} ({mib(f.memory['their start'].peak)} before the first question) | {mib(f.memory['our answers'].peak)} |
| resident memory after the answers | {held(f.memory['their answers'])} | {held(f.memory['our answers'])} |"""


def rate(events: int, seconds: float) -> str:
    return f"{duration(seconds)}, {events / seconds:,.0f} events/s"


def mib(n: int) -> str:
    return f"{n / 2**20:,.0f} MiB"


def held(m: Memory) -> str:
    return f"{mib(m.anonymous)} anonymous, {mib(m.mapped)} mapped from files"


def method(f: Figures) -> str:
    return f"""- The table and the query are those of `openmeterio/openmeter` at commit `{openmeter.COMMIT[:12]}` (18 August 2026, 90 commits after v1.0.0-beta.232): `openmeter/streaming/clickhouse/event_query.go` and `meter_query.go`. Its own composition file runs ClickHouse 25.12; here it is ClickHouse as a library ([chdb-core](https://github.com/chdb-io/chdb-core), pinned by hash in `bench/openmeter/requirements.txt`); a server of the same version may differ a little.
- What favours it was done: all rows in one part (`OPTIMIZE FINAL`), the subject is the project, so that the primary key finds one project's rows, `PREWHERE` for one resource, all cores, ClickHouse's caches warm, the data of a row as lean as a line allows (value, region, resource, name).
- Both processes were started anew between loading and asking. Neither ran while the other was measured.

```sql
{openmeter.TABLE};

{openmeter.query(START.timestamp(), f.fleet.end.timestamp())};
```"""
