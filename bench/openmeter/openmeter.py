"""OpenMeter's table and query on ClickHouse as a library, in a process of its own.

The facts are those of openmeterio/openmeter at commit 7e57a394a028 (18 August
2026, after v1.0.0-beta.232): openmeter/streaming/clickhouse/event_query.go has
the table, meter_query.go the query of a SUM meter without a window.
"""

import multiprocessing
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import process

COMMIT = "7e57a394a0283fb210a644685ad1d257f6d5c85c"
COLUMNS = """namespace String, id String, type LowCardinality(String), subject String, source String, time DateTime,
  data String, ingested_at DateTime, stored_at DateTime"""
TABLE = f"""CREATE TABLE IF NOT EXISTS openmeter.om_events (
  {COLUMNS},
  INDEX om_events_stored_at stored_at TYPE minmax GRANULARITY 4,
  store_row_id String)
ENGINE = MergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (namespace, type, subject, toStartOfHour(time))"""

VALUE = "JSON_VALUE(om_events.data, '$.value')"
FLOAT = f"sum(ifNotFinite(toFloat64OrNull({VALUE}), null))"  # the default
DECIMAL = f"sum(toDecimal128OrNull(nullIf({VALUE}, 'null'), 19))"  # with aggregation.enableDecimalPrecision


def query(
    start: float, end: float, amount: str = FLOAT, group_by: Iterable[str] = ("region_id", "resource_id", "subject"),
    subject: str | None = None, resource: str | None = None,
) -> str:
    """The query of a meter, with the filters that its API has."""
    chosen = [
        "tumbleStart(min(om_events.time), toIntervalMinute(1)) AS windowstart",
        "tumbleEnd(max(om_events.time), toIntervalMinute(1)) AS windowend",
        f"{amount} AS value",
    ]
    for key in group_by:
        chosen.append("om_events.subject" if key == "subject" else f"JSON_VALUE(om_events.data, '$.{key}') AS {key}")
    where = ["om_events.namespace = 'default'", "om_events.type = 'containers'"]
    if subject is not None:
        where.append(f"om_events.subject IN ('{subject}')")
    where += [f"om_events.time >= {int(start)}", f"om_events.time < {int(end)}"]
    text = f"SELECT {', '.join(chosen)} FROM openmeter.om_events "
    if resource is None:
        text += "WHERE " + " AND ".join(where)
    else:  # with aggregation.enablePrewhere
        text += "PREWHERE " + " AND ".join(where) + f" WHERE JSON_VALUE(om_events.data, '$.resource_id') = '{resource}'"
    if group_by:
        text += " GROUP BY " + ", ".join(group_by)
    if resource is not None:
        text += " SETTINGS optimize_move_to_prewhere = 1, allow_reorder_prewhere_conditions = 1"
    return text


class Worker:
    """Runs within the process; only it loads the library."""

    def __init__(self, folder: Path):
        from chdb import session

        self.session = session.Session(str(folder))
        self.session.query("CREATE DATABASE IF NOT EXISTS openmeter")
        self.session.query(TABLE)

    def version(self) -> str:
        return self.text("SELECT version()").strip()

    def threads(self) -> str:
        return self.text("SELECT value FROM system.settings WHERE name = 'max_threads'").strip()

    def load(self, files: list[Path]) -> float:
        """Inserts each file with one INSERT; returns the seconds that took."""
        begin = time.perf_counter()
        for file in files:
            self.session.query(f"INSERT INTO openmeter.om_events SELECT * FROM file('{file}', TSV, '{COLUMNS}, store_row_id String')")
        return time.perf_counter() - begin

    def optimize(self) -> float:
        begin = time.perf_counter()
        self.session.query("OPTIMIZE TABLE openmeter.om_events FINAL")
        return time.perf_counter() - begin

    def text(self, sql: str) -> str:
        """The answer as text with all digits, to be compared."""
        return self.session.query(sql, "TSV").bytes().decode()

    def time(self, sql: str) -> process.Timing:
        """Times the answer in ClickHouse's own binary form, which costs it least."""
        return process.repeat(multiprocessing.current_process().pid, lambda: self.session.query(sql, "Native").bytes())

    def memory(self) -> process.Memory:
        return process.memory(multiprocessing.current_process().pid)

    def disk(self) -> int:
        """Bytes of the parts that count; those that merges made obsolete are not held against it."""
        return int(self.text("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'om_events'"))

    def codec(self) -> str:
        return self.text("SELECT DISTINCT default_compression_codec FROM system.parts WHERE active AND table = 'om_events'").strip()

    def rows(self) -> int:
        return int(self.text("SELECT count() FROM openmeter.om_events"))


def serve(folder: Path, pipe: Any) -> None:
    worker = Worker(folder)
    while (call := pipe.recv()) is not None:
        name, args = call
        try:
            pipe.send((getattr(worker, name)(*args), None))
        except Exception as e:  # noqa: BLE001 - whatever it is, the other side must hear it
            pipe.send((None, repr(e)))
    worker.session.close()


class OpenMeter:
    """Starts the process, and calls the worker in it by name."""

    def __init__(self, folder: Path):
        self.folder = folder

    def start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.pipe, other = spawn.Pipe()
        self.process = spawn.Process(target=serve, args=(self.folder, other), daemon=True)
        self.process.start()
        other.close()

    def stop(self) -> None:
        self.pipe.send(None)
        self.process.join()
        if self.process.exitcode:
            raise RuntimeError(f"the process with ClickHouse ended with {self.process.exitcode}")

    def call(self, name: str, *args: Any) -> Any:
        self.pipe.send((name, args))
        result, error = self.pipe.recv()
        if error is not None:
            raise RuntimeError(f"ClickHouse: {name}: {error}")
        return result
