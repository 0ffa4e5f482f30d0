"""How long `native-lib bind` takes, beside `auditwheel repair` on the same wheel of 20 MB."""

from __future__ import annotations

import sys
import zipfile
from typing import TYPE_CHECKING

import building
import public_wheels
import wheels
from benchmarks.check_speed import LINUX, row, seconds
from benchmarks.report import Bound, Effort, Measurement, Table, ratio_of_medians

if TYPE_CHECKING:
    from pathlib import Path

# What makes the wheel large, three times: a library that needs nothing but the system's.
BALLAST = "scipy-openblas64==0.3.34.481.3"
_COPIES = 3
LIMIT = 1 / 10
_EXTENSION = '#include <stdio.h>\nint foo_one(void);\nint PyInit__ext(void) { puts(""); return foo_one(); }\n'


def measure(folder: Path, effort: Effort) -> Measurement:
    """Run both on a consumer, in turns."""
    try:
        wheel, provider = _wheels(folder)
    except public_wheels.NotToBeHadError as error:
        table = Table("Binding a wheel", f"Not available: {error}.", ("wheel",), ())
        return Measurement(table, (), {})
    source = {"PYTHONPATH": str(building.ROOT / "loader" / "src")}
    repair = building.tool("auditwheel"), "repair", "--exclude", "libfoo__*"
    bind = sys.executable, "-m", "native_lib", "bind", "--provider", provider
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(effort.checks):
        ours.append(seconds([*bind, wheel, "-w", folder / "ours"], source, {0}))
        theirs.append(seconds([*repair, wheel, "-w", folder / "theirs"], {}, {0}))
    table = Table(
        "Binding a wheel",
        f"Seconds, medians of {effort.checks} runs taken in turns; both start an interpreter.",
        ("wheel", "native-lib bind", "auditwheel repair", "ratio"),
        (row(f"{wheel.stat().st_size / 1e6:.1f} MB", ours, theirs),),
    )
    bound = Bound("binding, of auditwheel's time", ratio_of_medians(ours, theirs).value, LIMIT)
    return Measurement(table, (bound,), {"native-lib bind": ours, "auditwheel repair": theirs})


def _wheels(folder: Path) -> tuple[Path, Path]:
    """Return a consumer's wheel, not bound, and its provider's."""
    elf = wheels.Elf(folder / "elf")
    elf.library(file="against.so")
    extension = building.compile_library(
        _EXTENSION, elf.folder / "_ext.so", str(elf.folder / "against.so")
    )
    files: dict[str, bytes | str] = {
        "foo_ext/__init__.py": "from . import _ext\n",
        "foo_ext/_ext.abi3.so": extension.read_bytes(),
    }
    with zipfile.ZipFile(public_wheels.get(BALLAST, LINUX)) as archive:
        for name in archive.namelist():
            if ".so" in name:
                for copy in range(_COPIES):
                    files[f"foo_ext/{copy}/{name.rpartition('/')[2]}"] = archive.read(name)
    tag = wheels.LINUX.replace("py3-none", "cp311-abi3")
    wheel = wheels.make_wheel(folder, "foo-ext", files, tag=tag)
    return wheel, elf.provider(folder / "provider")
