"""Measure what the pair promises about time, print tables, and fail when a promise is broken.

nox -s benchmarks -- [--quick] [--json FILE] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "loader" / "src")]  # as pytest has it

import building
import cpythons
from benchmarks import (
    bind_speed,
    bound_import,
    check_speed,
    codecs,
    environment_of_many,
    first_use,
    import_cost,
    instructions,
    interpreters,
    machine,
    many_providers,
    modules,
    sharing,
)
from benchmarks.report import QUICK, Bound, Effort, Measurement, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MEASUREMENTS = (
    *("import-cost", "instructions", "modules", "many-providers", "first-use", "sharing", "codecs"),
    *("check-speed", "bind-speed", "bound-import", "doctor"),
)


def main(arguments: list[str]) -> int:
    """Run the measurements and return the exit status: 1 when a bound is broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="prove that it runs, measure nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here too")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS)
    options = parser.parse_args(arguments)
    pythons = cpythons.installed()
    told = machine.facts(interpreters.full_version(python) for python in pythons.values())
    _show("# Benchmarks", machine.table(told).markdown())
    measured: dict[str, Measurement] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, measurement in measure(options.only, Path(folder), pythons, options.quick):
            _show(measurement.table.markdown())
            measured[name] = measurement
    bounds = [bound for measurement in measured.values() for bound in measurement.bounds]
    if bounds:
        _show(_bounds_table(bounds).markdown())
    if options.json:
        written = {name: asdict(measurement) for name, measurement in measured.items()}
        text = json.dumps({"machine": told, "measurements": written}, indent=2)
        options.json.write_text(f"{text}\n", encoding="utf-8")
    # Two rounds tell nothing about time: a quick run fails only when it cannot run.
    return 0 if options.quick else int(any(bound.broken for bound in bounds))


def measure(
    names: Sequence[str], folder: Path, pythons: Mapping[str, Path], quick: bool
) -> Iterator[tuple[str, Measurement]]:
    """Take the measurements of these names, one after the other."""
    effort = QUICK if quick else Effort()
    environments: dict[str, building.Environment] = {}
    if {"import-cost", "instructions", "modules", "bound-import"} & set(names):
        pair = building.build_pair(folder)
    if {"import-cost", "instructions", "modules"} & set(names):
        environments = interpreters.environments(folder, pair.provider, pythons)
    if "import-cost" in names:
        yield "import-cost", import_cost.measure(environments, effort)
    if "instructions" in names and instructions.is_available():
        yield "instructions", instructions.measure(environments)
    if "modules" in names:
        yield "modules", modules.measure(environments)
    if "many-providers" in names and sys.platform == "linux":  # it compiles ELF files
        yield "many-providers", many_providers.measure(folder / "many", pythons, effort)
    if "first-use" in names:
        yield "first-use", first_use.measure(folder, effort)
    if {"sharing", "codecs"} & set(names):
        reference = building.build_reference(folder / "reference")
    if "sharing" in names and sys.platform == "linux":  # auditwheel
        yield "sharing", sharing.measure(folder / "sharing", effort, reference)
    if "codecs" in names:
        yield "codecs", codecs.measure(folder / "codecs", effort, reference)
    if "check-speed" in names and sys.platform == "linux":  # auditwheel
        yield "check-speed", check_speed.measure(effort)
    if "bind-speed" in names and sys.platform == "linux":  # auditwheel
        yield "bind-speed", bind_speed.measure(folder / "bind", effort)
    if "bound-import" in names and sys.platform == "linux":  # LD_LIBRARY_PATH
        yield "bound-import", bound_import.measure(folder / "bound", pair, effort)
    if "doctor" in names and sys.platform == "linux":  # it compiles ELF files
        yield "doctor", environment_of_many.measure(folder / "doctor", effort)


def _bounds_table(bounds: Sequence[Bound]) -> Table:
    rows = tuple(
        (
            bound.what,
            f"{bound.measured:.2f}",
            f"{bound.limit:.2f}",
            "BROKEN" if bound.broken else "kept",
        )
        for bound in bounds
    )
    return Table("Bounds", "What must not be exceeded.", ("bound", "measured", "limit", ""), rows)


def _show(*texts: str) -> None:
    """Print at once: a whole run takes minutes."""
    for text in texts:
        print(text, end="\n\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
