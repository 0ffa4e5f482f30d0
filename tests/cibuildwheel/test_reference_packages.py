"""The real cibuildwheel: the reference packages built, repaired and tested, each against the last."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import building
import elf
import pytest
from native_lib.check.run import check

if TYPE_CHECKING:
    from pathlib import Path

    from our_workflows import Finished

PACKAGES = building.ROOT / "reference-packages"
PROVIDERS = ("zlib", "libpng", "sodium", "zmq", "hdf5")
DISTRIBUTIONS = {**{f"native-{name}": name for name in PROVIDERS}, "minipng": "minipng"}


@pytest.fixture(scope="session")
def repaired(packages: Finished) -> dict[str, Path]:
    """The wheels by distribution, as packages.yml makes them."""
    wheels = packages.artifacts()["dist-manylinux-x86_64"]
    return {wheel.name.split("-")[0]: wheel for wheel in wheels}


def test_all_are_there_for_manylinux(repaired: dict[str, Path]) -> None:
    assert set(repaired) == {name.replace("-", "_") for name in DISTRIBUTIONS}
    for wheel in repaired.values():
        assert "-manylinux" in wheel.name
    for name in PROVIDERS:
        assert "-py3-none-" in repaired[f"native_{name}"].name
    assert "-cp311-abi3-" in repaired["minipng"].name


def test_repair_changed_no_name_and_added_no_copy(repaired: dict[str, Path]) -> None:
    libraries = {}
    for name, wheel in repaired.items():
        with zipfile.ZipFile(wheel) as archive:
            files = [path for path in archive.namelist() if ".so" in path]
            # Not the link files, which are text.
            libraries[name] = [path for path in files if archive.read(path)[:4] == b"\x7fELF"]
    assert libraries == {
        "native_zlib": ["native_zlib/lib/native_zlib__z.so.1"],
        "native_libpng": ["native_libpng/lib/native_libpng__png.so.1.6"],
        "native_sodium": ["native_sodium/lib/native_sodium__sodium.so.1.0"],
        "native_zmq": ["native_zmq/lib/native_zmq__zmq.so.4"],
        "native_hdf5": [
            "native_hdf5/lib/native_hdf5__hdf5.so.1.14",
            "native_hdf5/lib/native_hdf5__hdf5_hl.so.1.14",
        ],
        "minipng": ["minipng/_ext.abi3.so"],
    }
    facts = {
        name: elf.dynamic_in_wheel(wheel, libraries[name][0]) for name, wheel in repaired.items()
    }
    assert facts["native_zlib"]["SONAME"] == ["native_zlib__z.so.1"]
    assert facts["native_libpng"]["SONAME"] == ["native_libpng__png.so.1.6"]
    assert "native_zlib__z.so.1" in facts["native_libpng"]["NEEDED"]
    assert "native_zlib__z.so.1" in facts["native_hdf5"]["NEEDED"]
    assert "native_sodium__sodium.so.1.0" in facts["native_zmq"]["NEEDED"]
    assert {"native_zlib__z.so.1", "native_libpng__png.so.1.6"} < set(facts["minipng"]["NEEDED"])
    assert not any({"RPATH", "RUNPATH"} & dynamic.keys() for dynamic in facts.values())


def test_each_was_built_against_the_wheels_of_this_run(repaired: dict[str, Path]) -> None:
    """An index had newer ones, which our_workflows.py made."""
    required = set()
    for wheel in repaired.values():
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
            lines = archive.read(name).decode().splitlines()
        required |= {line for line in lines if line.startswith("Requires-Dist: native-")}
    versions = {name: wheel.name.split("-")[1] for name, wheel in repaired.items()}
    zlib, libpng = versions["native_zlib"], versions["native_libpng"]
    sodium = versions["native_sodium"]
    assert required == {
        f"Requires-Dist: native-sodium<1.1,>={sodium}",
        f"Requires-Dist: native-zlib<2,>={zlib}",
        f"Requires-Dist: native-libpng<1.7,>={libpng}",
    }


def test_wheels_install_without_an_index_and_pass_their_tests(
    repaired: dict[str, Path], tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env")
    links = [f"--find-links={wheel.parent}" for wheel in repaired.values()]
    install = ("pip", "install", "--quiet", "--python", env.python)
    building.uv(*install, "--no-index", *links, *DISTRIBUTIONS)
    building.uv(*install, "pytest")
    tests = [PACKAGES / name / "tests" for name in DISTRIBUTIONS.values()]
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    building.run(env.python, "-m", "pytest", *options, *tests)
    assert "shared: one libpng" in building.run(env.python, "-m", "minipng", "--libraries")


def test_native_lib_finds_nothing(repaired: dict[str, Path]) -> None:
    report = check(list(repaired.values()))
    assert (report.findings, report.unusable) == ((), ())


def test_stable_abi_is_kept(repaired: dict[str, Path]) -> None:
    building.run(building.tool("abi3audit"), "--strict", repaired["minipng"])
