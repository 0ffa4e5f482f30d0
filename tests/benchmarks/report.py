"""What every measurement hands back: a table to read, facts for machines, bounds to keep."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Effort:
    """How much to measure; `QUICK` only proves that the code runs."""

    rounds: int = 200
    providers: int = 100
    processes: int = 25
    first_uses: int = 5
    consumers: tuple[int, ...] = (1, 10, 50)
    checks: int = 5
    wheels: int = 8
    distributions: int = 300


QUICK = Effort(
    rounds=2,
    providers=3,
    processes=1,
    first_uses=1,
    consumers=(1, 2),
    checks=1,
    wheels=2,
    distributions=4,
)


@dataclass(frozen=True)
class Table:
    """Rows of text, with a title and the words that say what was measured."""

    title: str
    what: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return it as Markdown whose columns are aligned for people."""
        widths = [max(len(row[at]) for row in (self.columns, *self.rows)) for at in self._places]
        lines = [
            "| " + " | ".join(row[at].ljust(widths[at]) for at in self._places) + " |"
            for row in (self.columns, tuple("-" * width for width in widths), *self.rows)
        ]
        return "\n".join([f"## {self.title}", "", self.what, "", *lines])

    @property
    def _places(self) -> range:
        return range(len(self.columns))


@dataclass(frozen=True)
class Bound:
    """A limit, and what was measured."""

    what: str
    measured: float
    limit: float

    @property
    def broken(self) -> bool:
        """Whether the promise is not kept."""
        return self.measured > self.limit


@dataclass(frozen=True)
class Measurement:
    """One measurement: the table, the bounds, and the figures behind the table by row."""

    table: Table
    bounds: tuple[Bound, ...]
    figures: dict[str, object]


@dataclass(frozen=True)
class Ratio:
    """A ratio of two medians, and the middle 95 % of what chance would have made of it."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio_of_medians(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Compare two samples that were taken in turns, round by round.

    Rounds are drawn again and again (bootstrap) as pairs: what else the machine did in a round hit
    both sides of it.
    """
    rounds = list(zip(ours, theirs))
    chance = random.Random(0)
    ratios = sorted(
        _ratio(chance.choices(rounds, k=len(rounds))) for _ in range(min(1000, 50 * len(rounds)))
    )
    edge = len(ratios) // 40
    return Ratio(_ratio(rounds), ratios[edge], ratios[-1 - edge])


def _ratio(rounds: Sequence[tuple[float, float]]) -> float:
    return statistics.median(one for one, _ in rounds) / statistics.median(two for _, two in rounds)


def microseconds(nanoseconds: Sequence[float]) -> str:
    """Return the median and the quartiles of a sample, for a cell."""
    middle = statistics.median(nanoseconds) / 1000
    if len(nanoseconds) < 2:
        return f"{middle:.0f}"
    low, _, high = statistics.quantiles(nanoseconds, n=4, method="inclusive")
    digits = 0 if middle >= 100 else 1
    return f"{middle:.{digits}f} ({low / 1000:.{digits}f}-{high / 1000:.{digits}f})"
