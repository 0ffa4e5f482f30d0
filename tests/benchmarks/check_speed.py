"""How long `native-lib check` takes, beside `auditwheel show` on the same wheels."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import building
import public_wheels
from benchmarks.report import Bound, Effort, Measurement, Table, ratio_of_medians

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LINUX = "manylinux_2_28_x86_64"
# The smallest first, of which a quick run takes two.
WHEELS = (
    *("pyzmq==27.3.0", "cmeel-zlib==1.3.2", "lxml==6.1.3", "pillow==13.0.0"),
    *("torchvision==0.29.1", "scipy-openblas64==0.3.34.481.3", "numpy==2.5.5", "pyarrow==26.0.1"),
)
LIMIT = 1 / 5
ALL = "all"


def measure(effort: Effort) -> Measurement:
    """Run both on each wheel, in turns, and ours on all at once."""
    wheels, absent = [], []
    for requirement in WHEELS[: effort.wheels]:
        try:
            wheels.append(public_wheels.get(requirement, LINUX))
        except public_wheels.NotToBeHadError as error:
            absent.append(f"Not available: {error}.")
    names = ["-".join(wheel.name.split("-")[:2]) for wheel in wheels]
    ours: dict[str, list[float]] = {name: [] for name in (*names, ALL)}
    theirs: dict[str, list[float]] = {name: [] for name in (*names, ALL)}
    for round_ in range(-1, effort.checks):  # one that does not count brings files into the cache
        for name, wheel in zip(names, wheels):
            pair = _ours([wheel]), _theirs(wheel)
            if round_ >= 0:
                ours[name].append(pair[0])
                theirs[name].append(pair[1])
        together = _ours(wheels)
        if round_ >= 0:
            ours[ALL].append(together)
            theirs[ALL].append(sum(theirs[name][-1] for name in names))
    rows = [
        row(f"{name}, {wheel.stat().st_size / 1e6:.1f} MB", ours[name], theirs[name])
        for name, wheel in zip(names, wheels)
    ]
    each = [sum(times) for times in zip(*(ours[name] for name in names))]
    rows.append(row(f"all {len(wheels)}, a call for each", each, theirs[ALL]))
    rows.append(row(f"all {len(wheels)}, in one call of ours", ours[ALL], theirs[ALL]))
    what = (
        f"Seconds, medians of {effort.checks} runs taken in turns, for {LINUX}; both start an "
        "interpreter in each call. `auditwheel show` takes one wheel a call, `native-lib check` "
        "any number, and looks at them together."
    )
    table = Table(
        "Checking wheels",
        " ".join([what, *absent]),
        ("wheel", "native-lib check", "auditwheel show", "ratio"),
        tuple(rows),
    )
    bounds: tuple[Bound, ...] = ()
    if wheels:
        ratio = ratio_of_medians(ours[ALL], theirs[ALL]).value
        bounds = (Bound("checking all in one call, of auditwheel's time", ratio, LIMIT),)
    return Measurement(table, bounds, {"native-lib check": ours, "auditwheel show": theirs})


def row(name: str, ours: Sequence[float], theirs: Sequence[float]) -> tuple[str, ...]:
    """Return a row of a table: a name, two medians, and their ratio."""
    medians = [f"{statistics.median(times):.2f}" for times in (ours, theirs)]
    return (name, *medians, str(ratio_of_medians(ours, theirs)))


def _ours(wheels: Sequence[Path]) -> float:
    # Exit status 1 says that there are errors, which others' wheels may have.
    source = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    return seconds([sys.executable, "-m", "native_lib", "check", *wheels], source, {0, 1})


def _theirs(wheel: Path) -> float:
    return seconds([building.tool("auditwheel"), "show", wheel], {}, {0})


def seconds(command: Sequence[str | Path], env: dict[str, str], good: set[int]) -> float:
    """Run a command, whose exit status must be a good one, and return how long it took."""
    start = time.perf_counter()
    done = subprocess.run(
        command,
        env=building.environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    took = time.perf_counter() - start
    if done.returncode not in good:
        raise building.CommandError(done.stdout.decode("utf-8", "replace"))
    return took
