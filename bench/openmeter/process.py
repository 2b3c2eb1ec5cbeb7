"""What the system says about a process: memory, processor time; and timings."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes: the greatest resident size so far, and what is resident now."""

    peak: int
    anonymous: int
    mapped: int


def memory(pid: int) -> Memory:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Memory(*(int(status[name].split()[0]) << 10 for name in ("VmHWM", "RssAnon", "RssFile")))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def disk_bytes(folder: Path) -> tuple[int, int]:
    """Bytes of all files, and what the file system has set aside for them."""
    status = [f.stat() for f in folder.rglob("*") if f.is_file()]
    return sum(s.st_size for s in status), sum(s.st_blocks * 512 for s in status)


@dataclass(frozen=True)
class Timing:
    first: float  # seconds
    p50: float
    times: int
    cpu: float  # seconds of processor time for each answer


def repeat(pid: int, call: Callable[[], object]) -> Timing:
    """Times a call that the process pid answers: once, then 5 to 1000 times, for about 2 seconds."""
    begin = time.perf_counter()
    call()
    first = time.perf_counter() - begin
    seconds: list[float] = []
    cpu = cpu_seconds(pid)
    while len(seconds) < 5 or (sum(seconds) < 2 and len(seconds) < 1000):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return Timing(first, statistics.median(seconds), len(seconds), (cpu_seconds(pid) - cpu) / len(seconds))
