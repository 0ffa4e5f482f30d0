"""Fixtures that are built once for a whole run, also when several processes share it."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Callable, TypeVar

import building
import macho_and_pe
import pytest
import upstream_sources
import wheels
from filelock import FileLock

T = TypeVar("T")

# What cannot be run elsewhere, and whose modules do not say so: a part of the test's name.
TAKES_LINUX = {
    "tests/pair/test_pair.py": "reads /proc",
    "tests/pair/test_benchmarks.py": "measures on Linux",
    "tests/pair/test_workflow_steps.py": "the steps are those of Linux jobs",
    "tests/reference/test_check.py": "names Linux's files",
}
FAILS_ON_WINDOWS = {
    "tests/pair/test_entry.py": "compares files that it writes with line ends of their own",
    "tests/unit/test_generated.py::test_sources_compile_without_a_warning": "calls cc",
    "tests/unit/test_generated.py::test_header_stands_alone_in_cxx": "calls c++",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform == "linux":
        return
    reasons = {**TAKES_LINUX, **(FAILS_ON_WINDOWS if sys.platform == "win32" else {})}
    for item in items:
        for part, reason in reasons.items():
            if part in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-combinations",
        action="store_true",
        help="build every combination of the template's options, not a set that covers each pair",
    )
    parser.addoption(
        "--all-of-upstreams-tests",
        action="store_true",
        help="run all of libzmq's and HDF5's own tests that the wheels can run, not a few of them",
    )
    parser.addoption(
        "--one-hdf5",
        action="store_true",
        help="also build h5py and PyTables against native-hdf5, which takes minutes",
    )
    parser.addoption("--slow-freezers", action="store_true", help="also those that take minutes")
    parser.addoption("--foreign", action="store_true", help="download torch, pyarrow and others")


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], T]], T]:
    """Return a function that makes something in a folder once for all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name: str, maker: Callable[[Path], T]) -> T:
        folder, result = shared / name, shared / f"{name}.pickle"
        with FileLock(f"{folder}.lock"):
            if not result.exists():
                folder.mkdir(exist_ok=True)  # there if another process failed to make it
                result.write_bytes(pickle.dumps(maker(folder)))
            made: T = pickle.loads(result.read_bytes())
            return made

    return make


@pytest.fixture(scope="session")
def upstream_pair(
    once: Callable[[str, Callable[[Path], building.Pair]], building.Pair],
) -> building.Pair:
    """A pair with library_source=upstream and a CMake package of another name, built."""
    answers = {"library_source": "upstream", "cmake_package": "FOO"}
    return once("upstream_pair", lambda folder: building.build_pair(folder, **answers))


@pytest.fixture(scope="session")
def pair(once: Callable[[str, Callable[[Path], building.Pair]], building.Pair]) -> building.Pair:
    """The default pair, built."""
    return once("pair", building.build_pair)


@pytest.fixture(scope="session")
def plain_pair(
    once: Callable[[str, Callable[[Path], building.Pair]], building.Pair],
) -> building.Pair:
    """The pair with plain names (mangle: no), built."""
    return once("plain_pair", lambda folder: building.build_pair(folder, mangle="no"))


@pytest.fixture(scope="session")
def chain(once: Callable[[str, Callable[[Path], list[Path]]], list[Path]]) -> list[Path]:
    """Three wheels: top-ext requires libtop, and libtop's library requires libfoo's."""
    return once("chain", building.build_chain)


@pytest.fixture(scope="session")
def reference(
    once: Callable[[str, Callable[[Path], building.Reference]], building.Reference],
) -> building.Reference:
    """The reference packages, built from upstream's sources."""
    try:
        return once("reference", building.build_reference)
    except upstream_sources.SourcesError as error:
        pytest.skip(f"not available: the sources of {error}")


@pytest.fixture(scope="session")
def sockets(
    once: Callable[[str, Callable[[Path], building.Sockets]], building.Sockets],
) -> building.Sockets:
    """native-sodium and native-zmq, built from upstream's sources."""
    try:
        return once("sockets", building.build_sockets)
    except upstream_sources.SourcesError as error:
        pytest.skip(f"not available: the sources of {error}")


@pytest.fixture(scope="session")
def hdf5(
    reference: building.Reference, once: Callable[[str, Callable[[Path], Path]], Path]
) -> Path:
    """native-hdf5's wheel, built from upstream's sources against `reference`'s native-zlib."""
    try:
        return once("hdf5", lambda folder: building.build_hdf5(folder, reference.zlib))
    except upstream_sources.SourcesError as error:
        pytest.skip(f"not available: the sources of {error}")


@pytest.fixture(scope="session")
def reference_env(
    reference: building.Reference,
    once: Callable[[str, Callable[[Path], building.Environment]], building.Environment],
) -> building.Environment:
    """An environment with the reference packages and Pillow, for tests that only look."""

    def make(folder: Path) -> building.Environment:
        env = building.new_environment(folder / "env", *reference.wheels)
        building.uv("pip", "install", "--quiet", "--python", env.python, "pillow>=11", "pytest")
        return env

    return once("reference_env", make)


@pytest.fixture
def python() -> Path:
    """The Python that `installed` is for; a module that is to run on others has its own."""
    return Path(sys.executable)


@pytest.fixture
def installed(pair: building.Pair, python: Path, tmp_path: Path) -> building.Environment:
    """A fresh environment with the default pair; a test may break it."""
    return building.new_environment(tmp_path / "env", pair.provider, pair.consumer, python=python)


@pytest.fixture(scope="session")
def foreign_binaries(
    once: Callable[[str, Callable[[Path], macho_and_pe.Foreign]], macho_and_pe.Foreign],
) -> macho_and_pe.Foreign:
    """Mach-O and PE files."""
    if not macho_and_pe.is_available():
        pytest.skip("not available: Mach-O and PE files, as ziglang is not installed")
    return once("foreign", macho_and_pe.build)


@pytest.fixture
def elf(tmp_path: Path) -> wheels.Elf:
    """What compiles small ELF files and makes wheels of them."""
    if not sys.platform.startswith("linux"):
        pytest.skip("Linux only: compiles ELF files")
    return wheels.Elf(tmp_path / "elf")
