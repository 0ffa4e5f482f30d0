"""h5py and PyTables, built from PyPI's sdists, on one HDF5; PyPI's wheels of them bring two. `nox -s hdf5`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import pytest

if sys.platform != "linux":
    pytest.skip("auditwheel and /proc/self/maps are Linux's", allow_module_level=True)

import one_hdf5
import real_consumers

if TYPE_CHECKING:
    from one_hdf5 import Environments


@pytest.fixture(scope="session")
def made(
    request: pytest.FixtureRequest,
    once: Callable[[str, Callable[[Path], Environments]], Environments],
) -> Environments:
    if not request.config.getoption("--one-hdf5"):
        pytest.skip("h5py and PyTables compile for minutes: nox -s hdf5")
    reference, hdf5 = map(request.getfixturevalue, ("reference", "hdf5"))
    return once("one_hdf5", lambda folder: one_hdf5.make(folder, (reference.zlib, hdf5)))


def test_wheels_require_the_provider(made: Environments) -> None:
    """And have neither a copy nor a folder of the builder: `build` looked."""
    building.check_wheels(*made.wheels, *made.providers)
    version = made.providers[-1].name.split("-")[1]
    for name in ("h5py", "tables"):
        code = f"import importlib.metadata as m; print(*m.requires({name!r}), sep='\\n')"
        assert f"native-hdf5>={version},<1.15" in made.ours.run(code).splitlines()


def test_one_file_is_mapped(made: Environments) -> None:
    def hdf5s(env: building.Environment) -> list[Path]:
        files = map(Path, building.mapped(env, "import h5py, tables", ".so"))
        return [file for file in files if re.match("(lib|native_hdf5__)hdf5", file.name)]

    folder = made.ours.site_packages / "native_hdf5" / "lib"
    assert hdf5s(made.ours) == [
        folder / f"native_hdf5__{name}.so.1.14" for name in ("hdf5", "hdf5_hl")
    ]
    assert len({file.parent.name for file in hdf5s(made.theirs)}) == 2


@pytest.mark.parametrize("locks", [True, False])
def test_arrays_of_both_are_right(made: Environments, locks: bool, tmp_path: Path) -> None:
    found = one_hdf5.arrays(made.ours, tmp_path / "a.h5", locks=locks)
    assert found == {"right": 600, "wrong": 0, "lost": 0}


def test_two_copies_lock_each_other_out(made: Environments, tmp_path: Path) -> None:
    with pytest.raises(building.CommandError, match="unable to lock file"):
        one_hdf5.arrays(made.theirs, tmp_path / "a.h5", locks=True)


def test_two_copies_lose_arrays_in_silence(made: Environments, tmp_path: Path) -> None:
    """If this fails, PyPI's wheels have changed, and the page has to say so."""
    found = one_hdf5.arrays(made.theirs, tmp_path / "a.h5", locks=False)
    assert found["lost"] >= 300
    assert sum(found.values()) == 600


@pytest.mark.parametrize("program", ["BOTH_OPEN", "BLOSC", "PLUGGED"])
def test_one_reads_what_the_other_has(made: Environments, program: str, tmp_path: Path) -> None:
    code = getattr(one_hdf5, program)
    assert one_hdf5.run(made.ours, code, tmp_path / "a.h5") == "right"
    with pytest.raises(building.CommandError):
        one_hdf5.run(made.theirs, code, tmp_path / "a.h5")


def test_threads(made: Environments, tmp_path: Path) -> None:
    """Each package in its own: it is one library, which locks itself."""
    rounds = one_hdf5.run(made.ours, one_hdf5.THREADS, tmp_path / "a.h5", "20").split()
    assert all(int(each) > 100 for each in rounds)


@pytest.mark.parametrize("package", one_hdf5.PACKAGES, ids=lambda package: package.name)
def test_own_tests_pass_as_with_pypis_wheel(
    made: Environments, package: real_consumers.Consumer, tmp_path: Path
) -> None:
    theirs, ours = (
        real_consumers.run_tests(package, env, tmp_path / "tests")
        for env in (made.theirs, made.ours)
    )
    print(f"{package.pinned}, passed / failed / skipped: {theirs}; on one HDF5: {ours}")
    real_consumers.assert_no_more_failures(package, theirs, ours)
    assert ours.passed > 800


def test_what_it_saves(made: Environments, tmp_path: Path) -> None:
    """The table of docs/explanation/one-hdf5.md is what this prints."""
    columns: list[dict[str, float]] = []
    for env, wheels in (
        (made.theirs, made.downloaded),
        (made.ours, (*made.wheels, *made.providers)),
    ):
        column = one_hdf5.sizes(env, wheels) | one_hdf5.costs(env)
        arrays = one_hdf5.arrays(env, tmp_path / f"{len(columns)}.h5", locks=False)
        columns.append(column | {f"arrays {name}": number for name, number in arrays.items()})
    theirs, ours = columns
    print("| | PyPI's wheels | one HDF5 |\n|---|---|---|")
    for name, value in theirs.items():
        print(f"| {name} | {value:.4g} | {ours[name]:.4g} |")
    for name in ("wheels, MB", "installed, MB", "their memory, MB"):
        assert ours[name] < theirs[name], json.dumps(columns)
