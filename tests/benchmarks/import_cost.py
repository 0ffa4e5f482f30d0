"""Measure what a provider's import and load cost, against ctypes as a person would write it."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING

from benchmarks import interpreters
from benchmarks.report import (
    Bound,
    Effort,
    Measurement,
    Ratio,
    Table,
    microseconds,
    ratio_of_medians,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import building

LIMIT = 1.0
LOADER, CTYPES, BARE = "loader", "ctypes", "bare"
# `time` is built in, so importing it prepares nothing for the statements.
PROGRAM = """
from time import perf_counter_ns as now
start = now()
{first}
between = now()
{second}
end = now()
print(between - start, end - between)
"""
WHAT = (
    "Microseconds: median (quartiles) of {rounds} fresh `python -I` processes for each cell, taken "
    "in turns; the modules are compiled. Measured inside the process with `perf_counter_ns`, "
    "around the statements in the column's head; the bare interpreter's start is in none of them. "
    "Both open the same file. *nothing* is the clock around `pass`. The ratio is that of the "
    "medians, with 95 % of the bootstrap."
)


def measure(environments: Mapping[str, building.Environment], effort: Effort) -> Measurement:
    """Compare `import libfoo; libfoo.loader.load()` with `import ctypes; ctypes.CDLL(path)`."""
    samples = _samples(environments, effort.rounds)
    rows, bounds = [], []
    figures: dict[str, object] = {}
    for version, parts in samples.items():
        totals = {case: [sum(both) for both in parts[case]] for case in parts}
        ratio = ratio_of_medians(totals[LOADER], totals[CTYPES])
        rows.append(
            (
                version,
                microseconds([first for first, _ in parts[LOADER]]),
                microseconds([second for _, second in parts[LOADER]]),
                microseconds(totals[LOADER]),
                microseconds(totals[CTYPES]),
                microseconds(totals[BARE]),
                str(ratio),
            )
        )
        bounds.append(
            Bound(f"import and load against ctypes, Python {version}", ratio.value, LIMIT)
        )
        figures[version] = _figures(totals, ratio)
    columns = (
        *("Python", "`import libfoo`", "`libfoo.loader.load()`", "both"),
        *("`import ctypes; ctypes.CDLL(path)`", "nothing", "ratio"),
    )
    table = Table("Import and load", WHAT.format(rounds=effort.rounds), columns, tuple(rows))
    return Measurement(table, tuple(bounds), figures)


def _samples(
    environments: Mapping[str, building.Environment], rounds: int
) -> dict[str, dict[str, list[tuple[int, int]]]]:
    """Return the nanoseconds of the two statements by version and case, a pair for each round."""
    programs = {
        version: {
            LOADER: PROGRAM.format(first="import libfoo", second="libfoo.loader.load()"),
            CTYPES: PROGRAM.format(
                first="import ctypes",
                second=f"ctypes.CDLL({interpreters.library_path(environment)!r})",
            ),
            BARE: PROGRAM.format(first="pass", second="pass"),
        }
        for version, environment in environments.items()
    }
    chance = random.Random(0)
    samples: dict[str, dict[str, list[tuple[int, int]]]] = {
        version: {case: [] for case in cases} for version, cases in programs.items()
    }
    for round_ in range(-1, rounds):  # one that does not count brings the files into the cache
        for version, cases in programs.items():
            for case in chance.sample(sorted(cases), k=len(cases)):
                first, second = interpreters.isolated(environments[version], cases[case]).split()
                if round_ >= 0:
                    samples[version][case].append((int(first), int(second)))
    return samples


def _figures(totals: Mapping[str, list[int]], ratio: Ratio) -> dict[str, object]:
    medians = {f"{case}_ns": statistics.median(sample) for case, sample in totals.items()}
    return {**medians, "ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
