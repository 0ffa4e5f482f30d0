"""Load many providers in one process: what does one cost, and does it cost more as they grow?"""

from __future__ import annotations

import json
import shutil
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
from benchmarks import interpreters
from benchmarks.report import Bound, Effort, Measurement, Table, microseconds, ratio_of_medians

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Against the barest dlopen that Python documents: `ctypes.CDLL(path)` with ctypes imported. What it
# calls in turn, `_ctypes.dlopen`, is told beside it.
AGAINST_CDLL = 2.0
# "Constant" has no number in itself. What grows with each provider that is there already would be
# several times the first one's cost after a hundred; less than this is noise.
CONSTANT = 1.5
SOURCE = 'const char *{name}_version(void) {{ return "1.0.0"; }}\n'
INIT = """from . import _native_libs
from ._shared_lib_manager import LibraryLoader

loader = LibraryLoader.from_manifest(_native_libs)
"""
MANIFEST = """FORMAT = 1
DISTRIBUTION = "{name}"
VERSION = "1.0.0"
COMPATIBILITY = "SameMajorVersion"
REQUIREMENT = "{name}>=1.0.0,<2"
PACKAGE = "{name}"
LIBRARIES = {{
    "{name}": {{
        "target": "{name}::{name}",
        "file": "lib/{file}",
        "runtime_name": "{file}",
        "anchor": "",
        "probe_symbol": "{name}_version",
        "needs": (),
    }},
}}
"""
# Each turn opens one file in each of the three ways, each way first as often as last: the more
# files are open, the longer dlopen itself looks through their names. Opening the first ones, which
# do not count, has ctypes and dlopen ready.
PROGRAM = """
import ctypes, importlib, json, os, sys
from _ctypes import dlopen
from time import perf_counter_ns as now

folder, files = sys.argv[1:]
sys.path.insert(0, folder)
turns = []
imports = []
for name in sorted(os.listdir(folder)):
    start = now()
    provider = importlib.import_module(name)
    imports.append(now() - start)
    turns.append((provider.loader, *(
        os.path.join(files, way, name + "__" + name + ".so.1") for way in ("dlopen", "CDLL")
    )))

def load(loader, one, two):
    loader.load()

def bare_dlopen(loader, one, two):
    dlopen(one, os.RTLD_NOW)

def cdll(loader, one, two):
    ctypes.CDLL(two)

ways = [load, bare_dlopen, cdll]
costs = {way.__name__: [] for way in ways}
for turn in turns:
    for way in ways:
        start = now()
        way(*turn)
        costs[way.__name__].append(now() - start)
    ways.append(ways.pop(0))
print(json.dumps({"import": imports[1:], **{way: cost[1:] for way, cost in costs.items()}}))
"""
WHAT = (
    "Microseconds for one provider of {providers} in one process: median (quartiles) over all of "
    "them and {processes} processes. `load()`, checks included, against `ctypes.CDLL(path)` with "
    "ctypes already imported, which has the bound, and against what that calls, `_ctypes.dlopen`, "
    "on as many other libraries each, compiled alike, in turns. The ratios are those of the "
    "medians, with 95 % of the bootstrap. First and last are the first and the last tenth of the "
    "providers. `import` is that of the provider's package, which has its own copy of the loader."
)


@dataclass(frozen=True)
class Costs:
    """Nanoseconds in one process, by provider in the order of loading."""

    import_: tuple[int, ...]
    load: tuple[int, ...]
    dlopen: tuple[int, ...]
    cdll: tuple[int, ...]


def measure(folder: Path, pythons: Mapping[str, Path], effort: Effort) -> Measurement:
    """Load them in several processes of every Python."""
    names = [f"many{number:03}" for number in range(effort.providers + 1)]
    _make(folder, names)
    rows, bounds = [], []
    figures: dict[str, object] = {}
    for python in pythons.values():
        version = interpreters.full_version(python)
        building.run(python, "-I", "-m", "compileall", "-q", folder / "packages")
        costs = [_costs(python, folder) for _ in range(effort.processes)]
        load = [cost for process in costs for cost in process.load]
        dlopen = [cost for process in costs for cost in process.dlopen]
        tenth = max(1, effort.providers // 10)
        first = [cost for process in costs for cost in process.load[:tenth]]
        last = [cost for process in costs for cost in process.load[-tenth:]]
        cdll = [cost for process in costs for cost in process.cdll]
        ratio, strict = ratio_of_medians(load, cdll), ratio_of_medians(load, dlopen)
        growth = ratio_of_medians(last, first)
        rows.append(
            (
                version,
                microseconds([cost for process in costs for cost in process.import_]),
                microseconds(load),
                microseconds(cdll),
                str(ratio),
                microseconds(dlopen),
                str(strict),
                microseconds(first),
                microseconds(last),
                str(growth),
            )
        )
        bounds += [
            Bound(f"load() against ctypes.CDLL, Python {version}", ratio.value, AGAINST_CDLL),
            Bound(f"last providers against first, Python {version}", growth.value, CONSTANT),
        ]
        figures[version] = {
            "load_ns": statistics.median(load),
            "cdll_ns": statistics.median(cdll),
            "dlopen_ns": statistics.median(dlopen),
            "ratio_to_cdll": ratio.value,
            "ratio_to_dlopen": strict.value,
            "last_to_first": growth.value,
        }
    columns = (
        *("Python", "import", "`load()`", "`ctypes.CDLL`", "ratio", "`_ctypes.dlopen`", "ratio"),
        *("`load()`, first", "`load()`, last", "last / first"),
    )
    what = WHAT.format(providers=effort.providers, processes=effort.processes)
    return Measurement(Table("Many providers", what, columns, tuple(rows)), tuple(bounds), figures)


def _make(folder: Path, names: list[str]) -> None:
    """Write a package for each name, as CMake would have, and two further libraries like its own."""
    support = building.ROOT / "loader" / "src" / "native_lib" / "support"
    compiled = []
    for name in names:
        package = folder / "packages" / name
        file = f"{name}__{name}.so.1"
        (package / "lib").mkdir(parents=True)
        (package / "__init__.py").write_text(INIT, encoding="utf-8")
        manifest = MANIFEST.format(name=name, file=file)
        (package / "_native_libs.py").write_text(manifest, encoding="utf-8")
        for module in ("shared_lib_manager.py", "shared_lib_explain.py"):
            shutil.copy(support / module, package / f"_{module}")
        compiled += [
            (package / "lib" / file, name, file),
            (folder / "files" / "dlopen" / file, name, f"d{file}"),
            (folder / "files" / "CDLL" / file, name, f"c{file}"),
        ]
    with ThreadPoolExecutor() as pool:
        list(pool.map(_compile, compiled))


def _compile(library: tuple[Path, str, str]) -> None:
    output, name, soname = library
    building.compile_library(SOURCE.format(name=name), output, "-O2", soname=soname)


def _costs(python: Path, folder: Path) -> Costs:
    printed = building.run(python, "-I", "-c", PROGRAM, folder / "packages", folder / "files")
    told = json.loads(printed)
    return Costs(
        import_=tuple(told["import"]),
        load=tuple(told["load"]),
        dlopen=tuple(told["bare_dlopen"]),
        cdll=tuple(told["cdll"]),
    )
