"""What one run found out."""

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from fleet import Fleet
from process import Memory, Timing

ASKED_AGAIN = 4  # times that the same is asked to see whether sums of floats are the same each time


@dataclass(frozen=True)
class Difference:
    """How sums of floats stand beside the exact ones."""

    sums: int
    not_as_printed: int
    not_when_rounded: int  # to the six places that quantities have
    greatest: Decimal
    unstable: int  # sums that were not the same each time the same was asked


@dataclass(frozen=True)
class Resent:
    """What one batch, sent again, did to the report of the whole month."""

    receipt: dict[str, int]  # Meterbook's
    rows: int  # that OpenMeter's table has more
    changed: int  # lines of its answer
    too_much: Decimal
    total: Decimal  # what is right


@dataclass
class Figures:
    """Seconds, bytes and memory by name; timings by question, then by how amounts are summed."""

    fleet: Fleet
    load_average: float  # before the run
    asking_load_average: float = 0  # just before the first question
    seconds: dict[str, float] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    memory: dict[str, Memory] = field(default_factory=dict)
    timings: dict[str, dict[str, Timing]] = field(default_factory=lambda: defaultdict(dict))
    floats: dict[str, Difference] = field(default_factory=dict)
    engine: str = ""
    threads: str = ""
    codec: str = ""  # of the table's parts
    resent: Resent | None = None
