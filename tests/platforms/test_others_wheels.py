"""`native-lib check` over wheels that others published: what it says of them is true."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Callable

import lab
import pytest
import readelf
from native_lib.check.run import check

if TYPE_CHECKING:
    from pathlib import Path

    from native_lib.check.report import Report

# Versions are pinned, so that a finding stays one: the authors may mend it.
LINUX, MACOS, WINDOWS = "manylinux_2_28_x86_64", "macosx_11_0_arm64", "win_amd64"
WHEELS = {
    "cmeel-zlib": ("cmeel-zlib==1.3.2", LINUX),
    "pillow": ("pillow==13.0.0", LINUX),
    "torchvision": ("torchvision==0.26.0", MACOS),
    "pyzmq": ("pyzmq==27.3.0", WINDOWS),
}
Get = Callable[[str], "Path"]


@pytest.fixture
def wheel(once: Callable[[str, Callable[[Path], Path | str]], Path | str]) -> Get:
    """Return a function that downloads a wheel, or skips the test."""

    def get(name: str) -> Path:
        requirement, platform = WHEELS[name]

        def download(folder: Path) -> Path | str:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "2"]
            only = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12"]
            try:
                lab.run(*pip, *only, "--platform", platform, "--dest", folder, requirement)
            except lab.CommandError as error:
                return str(error).splitlines()[-1]
            return next(folder.glob("*.whl"))

        found = once(f"others-{name}", download)
        if isinstance(found, str):
            pytest.skip(f"not to be had: {requirement} for {platform}: {found}")
        return found

    return get


def found(report: Report, rule: str) -> list[tuple[str, str]]:
    assert report.unusable == ()
    return [(finding.file, finding.value) for r, finding in report.findings if r.id == rule]


def test_torchvision_looks_for_its_libraries_on_the_machine_that_built_it(wheel: Get) -> None:
    paths = found(check([wheel("torchvision")]), "rpath-absolute")
    assert {file for file, _ in paths} == {"torchvision/_C.so", "torchvision/image.so"}
    assert all(path.startswith("/Users/") for _, path in paths)


def test_cmeel_zlib_has_one_libz_three_times(wheel: Get) -> None:
    report = check([wheel("cmeel-zlib")])
    ((_, name),) = found(report, "library-twice")
    assert name == "libz.so.1"
    assert "3 copies" in next(
        f.message for rule, f in report.findings if rule.id == "library-twice"
    )
    assert {value for _, value in found(report, "name-taken")} == {"libz.so.1"}


@pytest.mark.parametrize("name", ["pillow", "pyzmq"])
def test_wheels_that_are_right_have_no_error(name: str, wheel: Get) -> None:
    report = check([wheel(name)])
    assert [(r.id, f) for r, f in report.findings if r.severity == "error"] == []
    assert report.unusable == ()


@pytest.mark.parametrize("name", [name for name, (_, tag) in WHEELS.items() if tag == LINUX])
def test_readelf_says_the_same(name: str, wheel: Get, tmp_path: Path) -> None:
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    assert readelf.differences_in_wheel(wheel(name), tmp_path) == []
