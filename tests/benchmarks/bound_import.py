"""What the import of a bound package costs, beside the same package as it was built and the loader alone."""

from __future__ import annotations

import random
import statistics
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import building
import wheels
from benchmarks import interpreters
from benchmarks.report import (
    Bound,
    Effort,
    Measurement,
    Table,
    microseconds,
    ratio_of_medians,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 1.1
UNBOUND, BOUND, LOADER = "unbound", "bound", "loader"
PROGRAM = """
import sys
from time import perf_counter_ns as now
sys.path.insert(0, sys.argv[1])
start = now()
import foo_ext
print(now() - start)
"""
WHAT = (
    "Microseconds for `import foo_ext`: median (quartiles) of {rounds} fresh `python -I` processes of Python "
    "{python} for each cell, taken in turns; the modules are compiled. *Unbound* is a wheel as it was "
    "built, whose library is found by LD_LIBRARY_PATH; *bound* is the same after `native-lib bind`; *loader* is "
    "the bound package without the line that imports its extension module. The ratio has 95 % of the bootstrap."
)


def measure(folder: Path, pair: building.Pair, effort: Effort) -> Measurement:
    """Import the three in turns, and compare bound with the sum of the two others."""
    (environment,) = interpreters.environments(
        folder, pair.provider, {"own": Path(sys.executable)}
    ).values()
    installed = _install(folder, pair, environment)
    library = str(Path(interpreters.library_path(environment)).parent)
    chance = random.Random(0)
    samples: dict[str, list[int]] = {case: [] for case in installed}
    for round_ in range(
        -1, effort.rounds
    ):  # one that does not count brings the files into the cache
        for case in chance.sample(sorted(installed), k=len(installed)):
            command = (environment.python, "-I", "-c", PROGRAM, installed[case])
            printed = building.run(*command, env={"LD_LIBRARY_PATH": library})
            if round_ >= 0:
                samples[case].append(int(printed))
    both = [sum(pair) for pair in zip(samples[UNBOUND], samples[LOADER])]
    ratio = ratio_of_medians(samples[BOUND], both)
    table = Table(
        "Import of a bound package",
        WHAT.format(rounds=effort.rounds, python=interpreters.full_version(environment.python)),
        ("package", *installed, "bound / (unbound + loader)"),
        (("foo-ext", *(microseconds(sample) for sample in samples.values()), str(ratio)),),
    )
    bound = Bound(
        "import of a bound package, of the unbound one's and the loader's", ratio.value, LIMIT
    )
    medians = {f"{case}_ns": statistics.median(sample) for case, sample in samples.items()}
    return Measurement(table, (bound,), {"foo-ext": {**medians, "ratio": ratio.value}})


def _install(
    folder: Path, pair: building.Pair, environment: building.Environment
) -> Mapping[str, Path]:
    """Install the three, compiled, and return the folder of each for `sys.path`."""
    with zipfile.ZipFile(pair.consumer) as archive:
        (module,) = (name for name in archive.namelist() if name.endswith(".so"))
        files = {"foo_ext/__init__.py": b"from . import _ext\n", module: archive.read(module)}
    tag = pair.consumer.stem.split("-", 2)[2]
    unbound = wheels.make_wheel(folder / UNBOUND, "foo-ext", files, tag=tag)
    bind = ("-m", "native_lib", "bind", "--provider", pair.provider, unbound, "-w", folder / BOUND)
    source = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    building.run(sys.executable, *bind, env=source)
    bound = folder / BOUND / unbound.name
    cases = {UNBOUND: unbound, BOUND: bound, LOADER: bound}
    installed = {case: folder / f"{case}-installed" for case in cases}
    compiled = ("--compile-bytecode", "--no-deps", "--python", environment.python)
    for case, wheel in cases.items():
        building.uv("pip", "install", "--quiet", *compiled, "--target", installed[case], wheel)
    building.edit(installed[LOADER] / "foo_ext" / "__init__.py", "from . import _ext\n", "")
    building.run(environment.python, "-m", "compileall", "-q", installed[LOADER])
    return installed
