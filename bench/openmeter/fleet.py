"""A fleet of containers with hourly usage, as events for both, and what is right.

Quantities are gigabyte-seconds with six places, kept as integers of millionths,
so that the expected sums are exact and owe nothing to either of the two.
"""

import base64
import os
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

START = datetime(2024, 6, 1, tzinfo=UTC)
DAYS_OF_MONTH = 30
RESOURCES_PER_PROJECT = 500
REGIONS = 20
SEED = 1
GREATEST_MICROS = 16 * 3600 * 10**6  # 16 GB for an hour


@dataclass(frozen=True)
class Resource:
    id: str
    project: int
    region: int
    name: str


@dataclass(frozen=True)
class Day:
    """What one day, or its first hours, adds to each resource, in millionths, and its files."""

    sums: list[int]
    ours: Path
    theirs: Path


@dataclass(frozen=True)
class Fleet:
    size: int
    days: int

    @cached_property
    def resources(self) -> list[Resource]:
        rng = random.Random(SEED)
        ids = split_ids(rng.randbytes(16 * self.size).hex())
        return [
            Resource(id_, 1 + i // RESOURCES_PER_PROJECT, 1 + rng.randrange(REGIONS), f"worker-{i}")
            for i, id_ in enumerate(ids)
        ]

    @property
    def events(self) -> int:
        return self.size * 24 * self.days

    @property
    def end(self) -> datetime:
        return START + timedelta(days=self.days)

    def write(self, folder: Path) -> list[Day]:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(write_hours, [self] * self.days, range(self.days), [24] * self.days, [folder] * self.days))


def split_ids(digits: str) -> Iterator[str]:
    for i in range(0, len(digits), 32):
        d = digits[i : i + 32]
        yield f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}"


def write_hours(fleet: Fleet, day: int, hours: int, folder: Path) -> Day:
    """Writes the first hours of a day, hour by hour, as events come.

    The same day always has the same events: writing its first hour alone gives
    the batch that is sent again.
    """
    rng = random.Random(f"{SEED} {day}")
    done = Day([0] * fleet.size, folder / f"{day:02}-{hours:02}h.ndjson", folder / f"{day:02}-{hours:02}h.tsv")
    with done.ours.open("w") as ours, done.theirs.open("w") as theirs:
        for hour in range(hours):
            micros = [int(rng.random() * GREATEST_MICROS) for _ in fleet.resources]
            write_hour(fleet, START + timedelta(days=day, hours=hour), micros, rng, ours, theirs)
            for i, n in enumerate(micros):
                done.sums[i] += n
    return done


def write_hour(fleet: Fleet, start: datetime, micros: list[int], rng: random.Random, ours, theirs) -> None:
    """Writes one event of each resource: as CloudEvents for Meterbook, and as rows
    of OpenMeter's table, whose data has what a line needs and no more."""
    begin, end = f"{start:%FT%TZ}", f"{start + timedelta(hours=1):%FT%TZ}"
    seen = start + timedelta(seconds=3599)
    time, row_time = f"{seen:%FT%TZ}", f"{seen:%F %T}"
    ingested, stored = f"{seen + timedelta(seconds=2):%F %T}", f"{seen + timedelta(seconds=5):%F %T}"
    ids = split_ids(rng.randbytes(16 * fleet.size).hex())
    row_ids = base64.b32encode(rng.randbytes(10 * fleet.size)).decode()  # 16 digits each
    for i, (r, n, id_) in enumerate(zip(fleet.resources, micros, ids, strict=True)):
        quantity = f"{n // 10**6}.{n % 10**6:06}"
        source = f"/containers/region-{r.region}"
        ours.write(
            f'{{"specversion":"1.0","id":"{id_}","source":"{source}","type":"meterbook.resource.quantity.v1","time":"{time}",'
            f'"data":{{"resource_type":"containers","resource_id":"{r.id}","project_id":{r.project},"region_id":{r.region},'
            f'"from":"{begin}","to":"{end}","quantity":"{quantity}","name":"{r.name}"}}}}\n'
        )
        theirs.write(
            f"default\t{id_}\tcontainers\tproject-{r.project}\t{source}\t{row_time}\t"
            f'{{"value":"{quantity}","region_id":"{r.region}","resource_id":"{r.id}","name":"{r.name}"}}\t'
            f"{ingested}\t{stored}\t01HZ{hour_digits(start)}{row_ids[16 * i : 16 * i + 16]}\n"
        )


def hour_digits(start: datetime) -> str:
    """Six digits that grow with time, as those at the front of a ULID do."""
    return f"{int(start.timestamp()) // 3600 % 10**6:06}"
