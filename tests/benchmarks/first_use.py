"""Time the way from `cookiecutter` to a successful import in a fresh environment, step by step."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import building
from benchmarks.report import Effort, Measurement, Table

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = (
    "generate",
    "build provider",
    "build consumer",
    "make environment",
    "install",
    "import",
)
IMPORT = "import foo_ext; assert foo_ext.square(3) == 9.0"
WHAT = (
    "Seconds, median of {runs}, after one that warmed the caches and does not count; the default "
    "pair, built in isolation on Python {python} with the commands of the generated README."
)


def measure(folder: Path, effort: Effort) -> Measurement:
    """Go the way with pip and build, and with uv."""
    ways = {"pip and build": _with_pip, "uv": _with_uv}
    seconds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    warming = 1 if effort.first_uses > 1 else 0
    for run in range(-warming, effort.first_uses):
        for way, go in ways.items():
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                told = go(Path(fresh))
            if run >= 0:
                seconds[way].append(told)
    figures: dict[str, object] = {}
    rows = []
    for way, runs in seconds.items():
        medians = {step: statistics.median(told[step] for told in runs) for step in STEPS}
        total = statistics.median(sum(told.values()) for told in runs)
        rows.append((way, *(f"{medians[step]:.2f}" for step in STEPS), f"{total:.2f}"))
        figures[way] = {**medians, "total": total}
    what = WHAT.format(runs=effort.first_uses, python=sys.version.split()[0])
    table = Table("From cookiecutter to an import", what, ("with", *STEPS, "all"), tuple(rows))
    return Measurement(table, (), figures)


def _with_pip(folder: Path) -> dict[str, float]:
    pair, wheels = folder / "foo-wheels", folder / "dist"
    fresh = building.Environment(folder / "fresh")
    build = (sys.executable, "-m", "build", "--wheel", "--outdir", wheels)

    def build_consumer() -> None:
        building.run(*build, pair / "foo-ext", env={"PIP_CONSTRAINT": str(_only_provider(wheels))})

    def install() -> None:
        building.run(fresh.python, "-m", "pip", "install", "--quiet", *sorted(wheels.glob("*.whl")))

    return _timed(
        lambda: _generate(folder),
        lambda: building.run(*build, pair / "libfoo"),
        build_consumer,
        lambda: building.run(sys.executable, "-m", "venv", fresh.folder),
        install,
        lambda: fresh.run(IMPORT),
    )


def _with_uv(folder: Path) -> dict[str, float]:
    pair, wheels = folder / "foo-wheels", folder / "dist"
    fresh = building.Environment(folder / "fresh")
    build = ("build", "--wheel", "--python", sys.executable, "--out-dir", wheels)

    def build_consumer() -> None:
        building.uv(
            *build, pair / "foo-ext", env={"UV_BUILD_CONSTRAINT": str(_only_provider(wheels))}
        )

    def install() -> None:
        building.uv("pip", "install", "--python", fresh.python, *sorted(wheels.glob("*.whl")))

    return _timed(
        lambda: _generate(folder),
        lambda: building.uv(*build, pair / "libfoo"),
        build_consumer,
        lambda: building.uv("venv", "--python", sys.executable, fresh.folder),
        install,
        lambda: fresh.run(IMPORT),
    )


def _timed(*steps: Callable[[], object]) -> dict[str, float]:
    """Take the steps in the order of `STEPS` and return the seconds of each."""
    seconds = {}
    for name, step in zip(STEPS, steps):
        start = perf_counter()
        step()
        seconds[name] = perf_counter() - start
    return seconds


def _generate(folder: Path) -> None:
    """As a user does, in a process of its own."""
    program = (sys.executable, "-m", "cookiecutter")
    building.run(*program, building.ROOT, "--no-input", "--default-config", "--output-dir", folder)


def _only_provider(wheels: Path) -> Path:
    """Write the constraint to the wheel just built: an index may have another of its name."""
    (provider,) = wheels.glob("libfoo-*.whl")
    constraints = wheels / "constraints.txt"
    constraints.write_text(f"libfoo @ {provider.as_uri()}\n", encoding="utf-8")
    return constraints
