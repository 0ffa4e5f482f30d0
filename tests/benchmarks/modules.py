"""List the modules that an import brings into a bare interpreter, and those that a load does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import building
from benchmarks import interpreters
from benchmarks.report import Bound, Measurement, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = """
import sys
bare = set(sys.modules)
import libfoo
imported = set(sys.modules) - bare
libfoo.loader.load()
loaded = set(sys.modules) - bare - imported
import ctypes
by_ctypes = set(sys.modules) - bare - imported - loaded
import json
print(json.dumps([len(bare), sorted(imported), sorted(loaded), sorted(by_ctypes)]))
"""
# The consumer's file by itself: importing a consumer loads its providers at once.
CONSUMER_PROGRAM = """
import sys
bare = set(sys.modules)
sys.path.insert(0, {folder!r})
import shared_lib_consumer
imported = set(sys.modules) - bare
import json
print(json.dumps(sorted(imported - {{"shared_lib_consumer"}})))
"""
WHAT = (
    "`python -I` in a plain venv: what is in `sys.modules` beyond what was there at the first "
    "line, without the package's own modules. The bound: none before `load()`. *consumer* is the "
    "consumer's file, imported by itself. The last column is what `import ctypes` would have "
    "brought on top."
)


def measure(environments: Mapping[str, building.Environment]) -> Measurement:
    """List them for every Python."""
    rows, bounds = [], []
    figures: dict[str, object] = {}
    consumer_program = CONSUMER_PROGRAM.format(
        folder=str(building.ROOT / "loader" / "src" / "native_lib" / "support")
    )
    for version, environment in environments.items():
        printed = interpreters.isolated(environment, PROGRAM)
        bare, imported, loaded, by_ctypes = json.loads(printed)
        consumer = json.loads(interpreters.isolated(environment, consumer_program, "-B"))
        foreign = sorted(set(imported) - set(interpreters.MODULES))
        listed = (_listed(names) for names in (foreign, consumer, loaded, by_ctypes))
        rows.append((version, str(bare), *listed))
        count = len({*foreign, *consumer})
        bounds.append(Bound(f"foreign modules before load(), Python {version}", count, 0))
        figures[version] = {"import": foreign, "consumer": consumer, "load": loaded}
    columns = (
        *("Python", "bare", "`import libfoo`", "consumer"),
        *("`libfoo.loader.load()`", "`import ctypes`"),
    )
    return Measurement(Table("Modules", WHAT, columns, tuple(rows)), tuple(bounds), figures)


def _listed(modules: list[str]) -> str:
    return ", ".join(f"`{module}`" for module in modules) or "none"
