"""h5py and PyTables in one process: with PyPI's wheels, two HDF5s; built from their sdists, one.

What tests/reference/test_one_hdf5.py builds, runs and measures.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
import real_consumers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PACKAGES = (
    real_consumers.Consumer(
        "h5py",
        "3.16.0",
        "a0dbaad796840ccaa67a4c144a0d0c8080073c34c76d5a6941d6818678ef2738",
        "setuptools, a back end of its own",
        "native-hdf5",
        "native_hdf5__hdf5",
        "import h5py; h5py.File('a', 'w', driver='core', backing_store=False).close()",
        ("--pyargs", "h5py.tests"),
        keep=(),
        requires=("pytest-mpi",),
        repair=("--strip",),
    ),
    real_consumers.Consumer(
        "tables",
        "3.11.1",
        "78abcf413091bc7c1e4e8c10fbbb438d1ac0b5a87436c5b972c3e8253871b6fb",
        "setuptools",
        "native-hdf5",
        "native_hdf5__hdf5",
        "import tables; tables.open_file('a', 'w', driver='H5FD_CORE', "
        "driver_core_backing_store=0).close()",
        ("suites.py",),
        keep=(),
        pins=("blosc2<4",),
        # It puts a copy into its package, and opens that.
        repair=("--strip", "--exclude=libblosc2.so.*"),
        # 8 of 31, which end within MINUTES.
        suites=(
            "basics",
            "array",
            "attributes",
            "create",
            "links",
            "types",
            "vlarray",
            "hdf5compat",
        ),
    ),
)
# Filters for h5py, in a wheel of their own: it looks HDF5's functions up by their plain names.
PLUGINS = "hdf5plugin==7.1.0"

# Each writes 300 arrays into the one file that both have open.
WRITE = """
import sys, h5py, numpy, tables
path = sys.argv[1]
with h5py.File(path, "w"):
    pass
one, other = h5py.File(path, "a"), tables.open_file(path, "a")
for n in range(300):
    one.create_dataset(f"h5py{n}", data=numpy.full(1000, n))
    other.create_array("/", f"tables{n}", numpy.full(1000, -n - 1))
one.close()
other.close()
"""
# In a fresh process: what became of each.
READ = """
import json, sys, h5py, numpy
found = {"right": 0, "wrong": 0, "lost": 0}
expected = {f"h5py{n}": n for n in range(300)} | {f"tables{n}": -n - 1 for n in range(300)}
try:
    file = h5py.File(sys.argv[1], "r")
except OSError:
    file = {}
for name, value in expected.items():
    try:
        is_right = bool((file[name][:] == value).all()) and file[name].shape == (1000,)
    except (KeyError, OSError, RuntimeError, ValueError):
        found["lost"] += 1
    else:
        found["right" if is_right else "wrong"] += 1
print(json.dumps(found))
"""
# One that has the file open for writing, and the other that wants to read it.
BOTH_OPEN = """
import sys, h5py, numpy, tables
with h5py.File(sys.argv[1], "w") as one:
    one["a"] = numpy.arange(10)
    one.flush()
    with tables.open_file(sys.argv[1], "a") as other:
        assert other.root.a[9] == 9
        other.create_array("/", "b", numpy.arange(20))
        assert one["b"][19] == 19
print("right")
"""
# PyTables registers its filters with the HDF5 that it was linked with.
BLOSC = """
import sys, h5py, numpy, tables
with tables.open_file(sys.argv[1], "w") as file:
    filters = tables.Filters(complevel=5, complib="blosc")
    file.create_carray("/", "a", obj=numpy.arange(10000), filters=filters)
with h5py.File(sys.argv[1]) as file:
    assert file["a"][9999] == 9999
print("right")
"""
PLUGGED = """
import sys, h5py, hdf5plugin, numpy, tables
with h5py.File(sys.argv[1], "w") as file:
    file.create_dataset("a", data=numpy.arange(10000), **hdf5plugin.Zstd())
with h5py.File(sys.argv[1]) as file:
    assert file["a"][9999] == 9999
with tables.open_file(sys.argv[1]) as file:
    assert file.root.a[9999] == 9999
print("right")
"""
# Each package in a thread of its own, with files of its own.
THREADS = """
import sys, threading, time, h5py, numpy, tables
end, errors, rounds = time.monotonic() + float(sys.argv[2]), [], {}

def repeat(name, work):
    rounds[name] = 0
    try:
        while time.monotonic() < end and not errors:
            work(f"{sys.argv[1]}.{name}", rounds[name])
            rounds[name] += 1
    except Exception as error:
        errors.append(f"{name}: {type(error).__name__}: {error}")

def with_h5py(path, n):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=numpy.full(1000, n), chunks=(100,), compression="gzip")
    with h5py.File(path) as file:
        assert (file["a"][:] == n).all()

def with_tables(path, n):
    with tables.open_file(path, "w") as file:
        filters = tables.Filters(complevel=1, complib="zlib")
        file.create_carray("/", "a", obj=numpy.full(1000, n), filters=filters)
    with tables.open_file(path) as file:
        assert (file.root.a[:] == n).all()

threads = [threading.Thread(target=repeat, args=each)
           for each in (("h5py", with_h5py), ("tables", with_tables))]
for each in threads:
    each.start()
for each in threads:
    each.join()
assert not errors, errors
print(*rounds.values())
"""
# Seconds of processor time, and kilobytes: of the process and of HDF5's libraries, how many those are.
COSTS = """
import json, re, time
before = time.process_time()
import h5py, tables
seconds = time.process_time() - before
with open("/proc/self/smaps_rollup") as file:
    (kilobytes,) = (int(line.split()[1]) for line in file if line.startswith("Pss:"))
libraries = {}
with open("/proc/self/smaps") as file:
    name = ""
    for line in file:
        words = line.split()
        if not words[0].endswith(":"):
            name = words[5] if len(words) > 5 else ""
        elif words[0] == "Pss:" and re.search("/(lib|native_hdf5__)hdf5[^/]*$", name):
            libraries[name] = libraries.get(name, 0) + int(words[1])
print(json.dumps([seconds, kilobytes, sum(libraries.values()), len(libraries)]))
"""


@dataclass(frozen=True)
class Environments:
    """Both packages, as PyPI's wheels and as wheels that were built here.

    Attributes:
        theirs: PyPI's wheels.
        ours: what was built, with the providers.
        wheels: what was built: h5py's and PyTables'.
        providers: the wheels of native-zlib and native-hdf5.
        downloaded: PyPI's wheels of both.
    """

    theirs: building.Environment
    ours: building.Environment
    wheels: tuple[Path, ...]
    providers: tuple[Path, ...]
    downloaded: tuple[Path, ...]


def make(folder: Path, providers: Sequence[Path]) -> Environments:
    """Build both packages against native-hdf5, and install them; and PyPI's wheels elsewhere.

    Args:
        folder: where.
        providers: the wheels of native-zlib and native-hdf5.
    """
    tools = real_consumers.environment_with_tools(folder / "tools", providers)
    out = folder / "dist"
    wheels = tuple(real_consumers.build(one, tools, out) for one in PACKAGES)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    building.run(*pip, "--dest", folder / "pypi", *(one.pinned for one in PACKAGES))
    downloaded = tuple((folder / "pypi").glob("*.whl"))
    more = [PLUGINS, "pytest", *(name for one in PACKAGES for name in (*one.pins, *one.requires))]
    theirs, ours = (building.new_environment(folder / name) for name in ("theirs", "ours"))
    for env in (theirs, ours):
        install = ("pip", "install", "--quiet", "--python", env.python)
        building.uv(*install, *downloaded, *more)
    ours.uninstall(*(one.name for one in PACKAGES))
    ours.install(*providers, *wheels)
    return Environments(theirs, ours, wheels, tuple(providers), downloaded)


def run(env: building.Environment, code: str, *words: str | Path, locks: bool = True) -> str:
    """Run one of the programs above in a fresh process, and return what it printed.

    Args:
        env: where.
        code: the program.
        words: its arguments.
        locks: whether HDF5 locks the files that it opens, as it does unless it is told not to.

    Raises:
        CommandError: it failed.
    """
    variables = {} if locks else {"HDF5_USE_FILE_LOCKING": "FALSE"}
    return building.run(env.python, "-W", "ignore", "-c", code, *words, env=variables).strip()


def arrays(env: building.Environment, file: Path, *, locks: bool) -> dict[str, int]:
    """Have both packages write 300 arrays each into one file, and count what is right afterwards."""
    run(env, WRITE, file, locks=locks)
    found: dict[str, int] = json.loads(run(env, READ, file))
    return found


def sizes(env: building.Environment, wheels: Sequence[Path]) -> dict[str, float]:
    """Return the megabytes of what was downloaded, and of what that is when it is installed.

    Args:
        env: where both packages are installed.
        wheels: of these two, and of the providers that they require.
    """
    names = ("h5py", "h5py.libs", "tables", "tables.libs", "native_hdf5", "native_zlib")
    installed = [file for name in names for file in (env.site_packages / name).rglob("*")]
    installed = [file for file in installed if file.is_file() and file.suffix != ".pyc"]
    return {
        "wheels, MB": _megabytes(wheels),
        "installed, MB": _megabytes(installed),
        "of that HDF5's libraries, MB": _megabytes(
            [file for file in installed if re.match(r"(lib|native_hdf5__)hdf5\S*\.so", file.name)]
        ),
    }


def _megabytes(files: Iterable[Path]) -> float:
    return sum(file.stat().st_size for file in files) / 1e6


def costs(env: building.Environment) -> dict[str, float]:
    """Return what importing both packages costs: the median of ten fresh processes."""
    runs = [json.loads(run(env, COSTS)) for _ in range(11)][1:]
    seconds, total, libraries, count = map(statistics.median, zip(*runs))
    return {
        "libraries of HDF5 mapped": count,
        "their memory, MB": libraries / 1e3,
        "memory of the process, MB": total / 1e3,
        "both imports, s of processor time": seconds,
    }
