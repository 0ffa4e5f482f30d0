"""Count the instructions of a provider's import and load, which no load of the machine changes."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import building
from benchmarks import interpreters
from benchmarks.report import Bound, Measurement, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT = 0.45
LOADER, CTYPES, BARE = "loader", "ctypes", "bare"
WHAT = (
    "Thousands of instructions, as valgrind's callgrind counts them in one fresh `python -I` for each "
    "cell, beyond those of `pass`; the modules are compiled. Both open the same file. Unlike times, "
    "they do not depend on what else the machine does; another compiler or C library changes them."
)


def is_available() -> bool:
    """Whether this machine can count."""
    return shutil.which("valgrind") is not None


def measure(environments: Mapping[str, building.Environment]) -> Measurement:
    """Compare `import libfoo; libfoo.loader.load()` with `import ctypes; ctypes.CDLL(path)`."""
    rows, bounds = [], []
    figures: dict[str, object] = {}
    for version, environment in environments.items():
        counted = {case: count(environment, code) for case, code in _programs(environment).items()}
        loader, ctypes = (counted[case] - counted[BARE] for case in (LOADER, CTYPES))
        ratio = loader / ctypes
        rows.append((version, f"{loader / 1000:.0f}", f"{ctypes / 1000:.0f}", f"{ratio:.2f}"))
        bounds.append(Bound(f"instructions against ctypes, Python {version}", ratio, LIMIT))
        figures[version] = {**counted, "ratio": ratio}
    columns = (
        *("Python", "`import libfoo; libfoo.loader.load()`"),
        *("`import ctypes; ctypes.CDLL(path)`", "ratio"),
    )
    table = Table("Instructions of import and load", WHAT, columns, tuple(rows))
    return Measurement(table, tuple(bounds), figures)


def count(environment: building.Environment, code: str) -> int:
    """Return how many instructions a fresh isolated interpreter runs for a piece of code."""
    interpreters.isolated(environment, code)  # compiles what of the standard library is not yet
    said = building.run(
        *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
        *(environment.python, "-I", "-c", code),
        cwd=environment.folder,
    )
    (counted,) = re.findall(r"^==\d+== Collected : (\d+)$", said, re.MULTILINE)
    return int(counted)


def _programs(environment: building.Environment) -> dict[str, str]:
    path = interpreters.library_path(environment)
    return {
        LOADER: "import libfoo; libfoo.loader.load()",
        CTYPES: f"import ctypes; ctypes.CDLL({path!r})",
        BARE: "pass",
    }
