"""What sharing saves: bytes, memory and time for many consumers of one libpng and one zlib."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import statistics
import sys
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import building
from benchmarks.report import Bound, Effort, Measurement, Table, ratio_of_medians

if TYPE_CHECKING:
    from collections.abc import Sequence

# Each uses its library once, so that the pages which a real user touches are there.
USE = """
import importlib, json, sys, time
names = [f"consumer_{number:02}" for number in range(int(sys.argv[1]))]
def pss():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
import os, zlib
before = pss()
start = time.perf_counter_ns()
modules = [importlib.import_module(name) for name in names]
took = time.perf_counter_ns() - start
for module in modules:
    module.write("x.png", module.Image(64, 64, 3, 8, bytes(12288)))
    module.read("x.png")
print(json.dumps([took, pss() - before]))
"""


@dataclass(frozen=True)
class Figures:
    """One way of shipping, for a number of consumers."""

    wheel_bytes: int
    installed_bytes: int
    pss_kib: float
    import_ns: list[int]


def measure(folder: Path, effort: Effort, reference: building.Reference) -> Measurement:
    """Compare consumers that share with consumers that have a copy each, made by auditwheel."""
    env = building.new_environment(folder / "tools", *reference.wheels)
    names = [f"consumer_{at:02}" for at in range(max(effort.consumers))]
    every_shared = [renamed(reference.minipng, name, folder / "shared") for name in names]
    every_bundled = [bundle(reference, env, name, folder / "bundled") for name in names]
    rows, figures = [], {}
    for number in effort.consumers:
        shared, bundled = every_shared[:number], every_bundled[:number]
        installed = {
            "shared": install([reference.zlib, reference.libpng, *shared], folder / f"s{number}"),
            "bundled": install(bundled, folder / f"b{number}"),
        }
        samples = run_in_turns(env, installed, number, effort.processes)
        both = {
            kind: Figures(
                sum(wheel.stat().st_size for wheel in wheels),
                size(installed[kind]),
                statistics.median(pss for _, pss in samples[kind]),
                [took for took, _ in samples[kind]],
            )
            for kind, wheels in (
                ("shared", [reference.zlib, reference.libpng, *shared]),
                ("bundled", bundled),
            )
        }
        rows.append(row(number, both["shared"], both["bundled"]))
        figures[str(number)] = {kind: asdict(values) for kind, values in both.items()}
    rows_of_sizes, of_sizes = provider_size(reference, folder)
    table = Table(
        "Consumers that share against consumers with a copy each",
        "Copies of minipng under other names, in one process; the copies of libpng and zlib were put "
        "in by `auditwheel repair` without exclusion, each from a library of its own, as different "
        "projects build them. Memory: Pss that importing and using all adds to the interpreter's. "
        f"Provider's size: {rows_of_sizes}.",
        ("consumers", "wheels, kB", "installed, kB", "memory, KiB", "import, ms", "import, ratio"),
        tuple(rows),
    )
    limit = Bound("native-zlib's wheel, kB", of_sizes["native-zlib"] / 1000, 135)
    return Measurement(table, (limit,), {**figures, "provider": of_sizes})


def row(number: int, shared: Figures, bundled: Figures) -> tuple[str, ...]:
    def against(one: float, two: float) -> str:
        return f"{one:.0f} / {two:.0f} = {one / two:.2f}"

    times = [statistics.median(each.import_ns) / 1e6 for each in (shared, bundled)]
    return (
        str(number),
        against(shared.wheel_bytes / 1000, bundled.wheel_bytes / 1000),
        against(shared.installed_bytes / 1000, bundled.installed_bytes / 1000),
        against(shared.pss_kib, bundled.pss_kib),
        f"{times[0]:.1f} / {times[1]:.1f}",
        str(ratio_of_medians(shared.import_ns, bundled.import_ns)),
    )


def renamed(wheel: Path, name: str, out: Path, *, requires: str | None = None) -> Path:
    """Copy a wheel of minipng under another name, with another record of what it requires."""
    out.mkdir(parents=True, exist_ok=True)
    made = out / wheel.name.replace("minipng", name, 1)
    record = []
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for path in old.namelist():
            data = old.read(path)
            target = re.sub(r"^minipng", name, path)
            if target.endswith("/METADATA"):
                data = re.sub(rb"^Name: .*$", f"Name: {name}".encode(), data, flags=re.MULTILINE)
            if target.endswith("/_native_requires.py") and requires is not None:
                data = requires.encode()
            if target.endswith("/RECORD"):
                record.append(f"{target},,")
                data = "\n".join([*record, ""]).encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{target},sha256={digest},{len(data)}")
            new.writestr(target, data)
    return made


def bundle(reference: building.Reference, env: building.Environment, name: str, out: Path) -> Path:
    """Let auditwheel put copies of both libraries into a consumer."""
    libraries = out / f"{name}-libraries"
    libraries.mkdir(parents=True)
    for package in ("native_zlib", "native_libpng"):
        (library,) = (env.site_packages / package / "lib").glob("*.so.*")
        # Projects build their own copies: no two are equal, and auditwheel names them by their hash.
        copy = Path(shutil.copy(library, libraries))
        copy.write_bytes(copy.read_bytes() + name.encode())
    consumer = renamed(
        reference.minipng, name, out / "before", requires="FORMAT = 1\nREQUIRES = ()\n"
    )
    variables = {
        "LD_LIBRARY_PATH": str(libraries),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
    }
    building.run(
        building.tool("auditwheel"), "repair", "-w", out / "after", consumer, env=variables
    )
    (made,) = (out / "after").glob(f"{name}-*.whl")
    return made


def install(wheels: Sequence[Path], folder: Path) -> Path:
    """Unpack wheels into a folder for sys.path."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run_in_turns(
    env: building.Environment, installed: dict[str, Path], number: int, rounds: int
) -> dict[str, list[tuple[int, int]]]:
    """Import and use all consumers in fresh processes, one way after the other in each round."""
    samples: dict[str, list[tuple[int, int]]] = {kind: [] for kind in installed}
    for at in range(rounds + 1):
        for kind, folder in installed.items():
            said = building.run(
                *(env.python, "-c", USE, str(number)),
                env={"PYTHONPATH": str(folder)},
                cwd=folder,
            )
            took, pss = (int(part) for part in said.strip("[]\n").split(","))
            if at:  # the first only writes the .pyc files
                samples[kind].append((took, pss))
    return samples


def provider_size(reference: building.Reference, folder: Path) -> tuple[str, dict[str, int]]:
    """Return the wheels' and installed sizes of native-zlib and of cmeel-zlib, in words and figures."""
    sizes = {"native-zlib": reference.zlib.stat().st_size}
    sizes["native-zlib installed"] = size(install([reference.zlib], folder / "native-zlib"))
    told = "native-zlib {:.0f} kB, {:.0f} kB installed".format(*(f / 1000 for f in sizes.values()))
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
    ]
    try:
        building.run(*command, "--dest", folder / "cmeel", "cmeel-zlib")
    except building.CommandError:
        return f"{told}; cmeel-zlib was not available", sizes
    (wheel,) = (folder / "cmeel").glob("cmeel_zlib-*.whl")
    sizes["cmeel-zlib"] = wheel.stat().st_size
    sizes["cmeel-zlib installed"] = size(install([wheel], folder / "cmeel-zlib"))
    told += f"; cmeel-zlib {wheel.name.split('-')[1]} {sizes['cmeel-zlib'] / 1000:.0f} kB"
    return f"{told}, {sizes['cmeel-zlib installed'] / 1000:.0f} kB installed", sizes
