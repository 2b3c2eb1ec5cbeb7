"""Loads one fleet into both, asks both the same, compares line by line, measures.

Run it by `run`, or `make bench-openmeter`, which take from the environment:

RESOURCES  resources, each with an event an hour (default 10000)
DAYS       days from 1 June 2024 on, up to 30 (default 30)
OUT        where the page is written (default docs/performance-openmeter.md for
           a run of the default size, standard output for others)

A wrong answer ends it with status 1, a time never does.
"""

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openmeter
import page
import process
from figures import ASKED_AGAIN, Difference, Figures, Resent
from fleet import DAYS_OF_MONTH, START, Fleet, write_hours
from meterbook import Meterbook, parse
from openmeter import DECIMAL, FLOAT, OpenMeter

DEFAULT_RESOURCES = 10_000
ALL_LINES = 1_000_000_000
FLOAT_TOLERANCE = Decimal("1e-12")  # of the exact sum: more than rounding explains is a wrong answer

Answer = dict[tuple[Any, ...], Decimal]  # by (project, region, resource), or by (region,)


class WrongAnswerError(Exception):
    pass


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


def amount(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-6)


def must_equal(what: str, got: Any, want: Any) -> None:
    if got == want:
        return
    if isinstance(got, dict) and isinstance(want, dict):
        differing = [k for k in sorted({*got, *want}, key=str) if got.get(k) != want.get(k)]
        first = differing[0]
        raise WrongAnswerError(f"{what}: {len(differing)} of {len(want)} differ, first {first}: {got.get(first)}, not {want.get(first)}")
    raise WrongAnswerError(f"{what}: {got}, not {want}")


def expected_lines(fleet: Fleet, micros: list[int]) -> Answer:
    return {(r.project, r.region, r.id): amount(n) for r, n in zip(fleet.resources, micros, strict=True)}


def by_region(lines: Answer) -> Answer:
    sums: Answer = defaultdict(Decimal)
    for (_, region, _), value in lines.items():
        sums[region,] += value
    return dict(sums)


def our_lines(report: dict[str, Any]) -> Answer:
    lines = {(r["project_id"], r["region_id"], r["uuid"]): Decimal(r["billing_value"]) for r in report["resources"]}
    must_equal("Meterbook: lines and count", (len(report["resources"]), len(lines)), (report["count"],) * 2)
    return lines


def our_totals(report: dict[str, Any]) -> Answer:
    return {(t["region_id"],): Decimal(t["billing_value"]) for t in report["totals"]}


def their_lines(text: str) -> Answer:
    rows = [line.split("\t") for line in text.splitlines()]
    return {(int(subject.removeprefix("project-")), int(region), resource): Decimal(v) for _, _, v, region, resource, subject in rows}


def their_totals(text: str) -> Answer:
    return {(int(region),): Decimal(v) for _, _, v, region in (line.split("\t") for line in text.splitlines())}


def compare_floats(what: str, answers: list[Answer], exact: Answer) -> Difference:
    """Counts how floats differ from the exact sums; more than rounding is a wrong answer."""
    got = answers[0]
    if strange := got.keys() ^ exact.keys():
        raise WrongAnswerError(f"OpenMeter: {what}: {len(got)} sums, not {len(exact)}; first that only one has: {min(strange)}")
    gaps = {k: abs(got[k] - exact[k]) for k in exact}
    for k, gap in gaps.items():
        if gap > FLOAT_TOLERANCE * exact[k]:
            raise WrongAnswerError(f"OpenMeter: {what}: {k}: {got[k]}, not {exact[k]}")
    return Difference(
        sums=len(exact),
        not_as_printed=sum(gap != 0 for gap in gaps.values()),
        not_when_rounded=sum(round(got[k], 6) != exact[k] for k in exact),
        greatest=max(gaps.values()),
        unstable=sum(any(a.get(k) != got[k] for a in answers) for k in exact),
    )


class Comparison:
    def __init__(self, scratch: Path, fleet: Fleet):
        self.scratch, self.fleet = scratch, fleet
        self.ours = Meterbook(os.environ["METERBOOK_BINARY"], scratch / "meterbook-data")
        self.theirs = OpenMeter(scratch / "clickhouse")
        self.figures = Figures(fleet, os.getloadavg()[0])
        middle = fleet.resources[fleet.size // 2]
        self.project, self.resource = middle.project, middle.id

    def run(self) -> Figures:
        files = self.scratch / "events"
        files.mkdir()
        say(f"writing {self.fleet.events:,} events, load average {self.figures.load_average:.1f}")
        days = self.fleet.write(files)
        self.resent = write_hours(self.fleet, self.fleet.days // 2, 1, files)
        self.exact = expected_lines(self.fleet, [sum(sums) for sums in zip(*(d.sums for d in days), strict=True)])
        self.figures.bytes["our events"] = sum(d.ours.stat().st_size for d in days)
        self.figures.bytes["their events"] = sum(d.theirs.stat().st_size for d in days)
        self.load_ours([d.ours for d in days])
        self.load_theirs([d.theirs for d in days])
        self.ask_ours()
        self.ask_theirs()
        self.resend()
        return self.figures

    def load_ours(self, files: list[Path]) -> None:
        say("Meterbook: loading")
        f = self.figures
        self.ours.start()
        receipt, f.seconds["our load"] = timed(lambda: self.ours.load(files))
        must_equal("Meterbook: receipts", receipt, {"accepted": self.fleet.events, "duplicates": 0, "rejected_total": 0})
        f.memory["our load"] = process.memory(self.ours.pid)
        self.ours.stop()
        f.bytes["our disk with log"], f.bytes["our allocated disk"] = process.disk_bytes(self.ours.folder)

    def load_theirs(self, files: list[Path]) -> None:
        say("OpenMeter: loading")
        f = self.figures
        self.theirs.start()
        f.engine = self.theirs.call("version")
        f.threads = self.theirs.call("threads")
        f.seconds["their load"] = self.theirs.call("load", files)
        f.memory["their load"] = self.theirs.call("memory")
        say("OpenMeter: OPTIMIZE FINAL")
        f.seconds["their merge"] = self.theirs.call("optimize")
        must_equal("OpenMeter: rows", self.theirs.call("rows"), self.fleet.events)
        f.codec = self.theirs.call("codec")
        f.bytes["their disk"] = self.theirs.call("disk")
        self.theirs.stop()

    def our_request(self, **more: Any) -> dict[str, Any]:
        return {"time_from": f"{START:%F}", "time_to": f"{self.fleet.end:%F}", "types": ["containers"], "limit": ALL_LINES, **more}

    def ask_ours(self) -> None:
        """A process that has just started answers, so its memory is that of answering."""
        say("Meterbook: asking")
        self.figures.asking_load_average = os.getloadavg()[0]
        self.ours.start()
        report = self.time_ours("lines")
        must_equal("Meterbook: lines", our_lines(report), self.exact)
        must_equal("Meterbook: totals", our_totals(report), by_region(self.exact))
        report = self.time_ours("totals", limit=1)
        must_equal("Meterbook: count", report["count"], self.fleet.size)
        must_equal("Meterbook: totals of a short page", our_totals(report), by_region(self.exact))
        report = self.time_ours("project", projects=[self.project])
        must_equal("Meterbook: one project", our_lines(report), self.of_project())
        only = {"type": "containers", "field": "uuid", "values": [self.resource]}
        report = self.time_ours("resource", projects=[self.project], schema_filter=only)
        must_equal("Meterbook: one resource", our_lines(report), self.of_resource())
        self.figures.memory["our answers"] = process.memory(self.ours.pid)
        self.ours.stop()
        self.figures.bytes["our disk"], _ = process.disk_bytes(self.ours.folder)

    def time_ours(self, name: str, **more: Any) -> dict[str, Any]:
        """Times a report, and returns it."""
        request = self.our_request(**more)
        self.figures.timings[name]["exact"] = process.repeat(self.ours.pid, lambda: self.ours.ask(**request))
        return parse(self.ours.ask(**request))

    def of_project(self) -> Answer:
        return {k: v for k, v in self.exact.items() if k[0] == self.project}

    def of_resource(self) -> Answer:
        return {k: v for k, v in self.exact.items() if k[2] == self.resource}

    def sql(self, sum_: str, **more: Any) -> str:
        return openmeter.query(START.timestamp(), self.fleet.end.timestamp(), sum_, **more)

    def ask_theirs(self) -> None:
        f, subject = self.figures, f"project-{self.project}"
        self.theirs.start()
        f.memory["their start"] = self.theirs.call("memory")
        for name, exact, parse_text, more in (
            ("lines", self.exact, their_lines, {}),
            ("totals", by_region(self.exact), their_totals, {"group_by": ["region_id"]}),
            ("project", self.of_project(), their_lines, {"subject": subject}),
            ("resource", self.of_resource(), their_lines, {"subject": subject, "resource": self.resource}),
        ):
            say(f"OpenMeter: asking: {name}")
            for kind, sum_ in (("float", FLOAT), ("decimal", DECIMAL)):
                f.timings[name][kind] = self.theirs.call("time", self.sql(sum_, **more))
            must_equal(f"OpenMeter, decimals: {name}", parse_text(self.theirs.call("text", self.sql(DECIMAL, **more))), exact)
            answers = [parse_text(self.theirs.call("text", self.sql(FLOAT, **more))) for _ in range(ASKED_AGAIN)]
            f.floats[name] = compare_floats(name, answers, exact)
        f.timings["least"]["float"] = self.theirs.call("time", self.sql(FLOAT, group_by=["resource_id"]))
        f.memory["their answers"] = self.theirs.call("memory")

    def resend(self) -> None:
        """The same hour of the whole fleet once more, as after a lost receipt."""
        say("both: sending one batch again")
        f, hour = self.figures, expected_lines(self.fleet, self.resent.sums)
        self.ours.start()
        before = self.ours.ask(**self.our_request())
        receipt = self.ours.load([self.resent.ours])
        must_equal("Meterbook: receipt", receipt, {"accepted": 0, "duplicates": self.fleet.size, "rejected_total": 0})
        must_equal("Meterbook: the same bytes after a batch was sent again", self.ours.ask(**self.our_request()) == before, True)
        self.ours.stop()

        self.theirs.call("load", [self.resent.theirs])
        self.theirs.call("optimize")
        rows = self.theirs.call("rows") - self.fleet.events
        after = their_lines(self.theirs.call("text", self.sql(DECIMAL)))
        must_equal("OpenMeter: each line after a batch was inserted again", after, {k: v + hour[k] for k, v in self.exact.items()})
        total = sum(self.exact.values())
        changed = sum(after[k] != v for k, v in self.exact.items())
        f.resent = Resent(receipt, rows, changed, sum(after.values()) - total, total)
        self.theirs.stop()


def main() -> None:
    fleet = Fleet(int(os.environ.get("RESOURCES") or DEFAULT_RESOURCES), int(os.environ.get("DAYS") or DAYS_OF_MONTH))
    if fleet.size < 1 or not 1 <= fleet.days <= DAYS_OF_MONTH:
        sys.exit(f"RESOURCES must be at least 1, and DAYS from 1 to {DAYS_OF_MONTH}")
    default_size = (fleet.size, fleet.days) == (DEFAULT_RESOURCES, DAYS_OF_MONTH)
    comparison = Comparison(Path(sys.argv[1]), fleet)
    try:
        text = page.render(comparison.run())
    except WrongAnswerError as e:
        sys.exit(f"wrong answer: {e}")
    finally:
        comparison.ours.kill()
    root = Path(__file__).parents[2]
    out = os.environ.get("OUT") or (str(root / "docs/performance-openmeter.md") if default_size else "")
    if out:
        Path(out).write_text(text)
        say(f"written to {out}")
    else:
        print(text)


if __name__ == "__main__":
    main()
