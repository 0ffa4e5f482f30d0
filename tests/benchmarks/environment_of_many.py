"""How long `native-lib doctor` takes in an environment of 300 distributions, 1500 libraries in them."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import building
import wheels
from benchmarks.report import Bound, Effort, Measurement, Table

if TYPE_CHECKING:
    from pathlib import Path

LIBRARIES, MODULES = 5, 60
SECONDS = 2.0


def measure(folder: Path, effort: Effort) -> Measurement:
    """Run it in an environment of many distributions, of which three have to do with a provider."""
    site = folder / "site"
    site.mkdir(parents=True)
    elf = wheels.Elf(folder)
    files: dict[str, bytes | str] = {f"module{n}.py": "" for n in range(MODULES)}
    library = elf.library(source=wheels.LIBRARY + "int table[100000];", soname=None)
    wheels.unpack(elf.provider(folder / "made"), site)
    wheels.unpack(elf.consumer(folder / "made"), site)
    for number in range(effort.distributions - 2):
        name = f"filler{number}"
        theirs = {f"{name}/{file}": content for file, content in files.items()}
        theirs |= {f"{name}/lib{n}.so": library for n in range(LIBRARIES)}
        wheels.unpack(wheels.make_wheel(folder / "made", name, theirs), site)
    times = [_seconds(site) for _ in range(effort.checks + 1)][1:]
    seconds = statistics.median(times)
    table = Table(
        "native-lib doctor",
        f"Seconds, median of {effort.checks} runs of the whole command.",
        ("distributions", "libraries", "seconds"),
        (
            (
                str(effort.distributions),
                str((effort.distributions - 2) * LIBRARIES + 2),
                f"{seconds:.2f}",
            ),
        ),
    )
    bound = Bound(f"doctor, {effort.distributions} distributions, seconds", seconds, SECONDS)
    return Measurement(table, (bound,), {str(effort.distributions): times})


def _seconds(site: Path) -> float:
    path = {"PYTHONPATH": f"{site}:{building.ROOT / 'loader' / 'src'}"}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "native_lib", "doctor"],
        env=building.environment(path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - start
    if "used by foo-ext" not in done.stdout:
        raise building.CommandError(done.stdout + done.stderr)
    return took
