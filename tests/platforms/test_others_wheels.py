"""`native-lib check` over wheels that others published: what it says of them is true.

Versions are pinned, so that a finding stays one: the authors may fix it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

import building
import public_wheels
import pytest
import readelf
from native_lib.bind.bind import plan_of
from native_lib.check.config import Config
from native_lib.check.run import check

if TYPE_CHECKING:
    from pathlib import Path

    from native_lib.check.report import Report

    Once = Callable[[str, Callable[[Path], Path | str]], Path | str]
    Get = Callable[["Published"], Path]


@dataclass(frozen=True)
class Published:
    """A wheel, and the rules of which it has errors."""

    requirement: str
    platform: str
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.requirement}-{self.platform}"


def published(
    requirement: str, *platforms: str, errors: tuple[str, ...] = ()
) -> tuple[Published, ...]:
    return tuple(Published(requirement, platform, errors) for platform in platforms)


LINUX, LINUX_ARM, MUSL = "manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "musllinux_1_2_x86_64"
WHEELS = (
    *published("numpy==2.5.5", LINUX, MUSL, "macosx_14_0_arm64", "win_arm64"),
    # MSVCP140.dll, which the wheel for 64 bits brings.
    *published("numpy==2.5.5", "win32", errors=("needed-unanswered",)),
    *published("scipy-openblas64==0.3.34.481.3", LINUX, LINUX_ARM, "win_amd64"),
    *published("scipy-openblas64==0.3.34.481.3", "macosx_11_0_arm64"),
    *published("pyzmq==27.3.0", LINUX, LINUX_ARM, MUSL, "win_amd64", "win_arm64"),
    *published("pyzmq==27.3.0", "macosx_10_15_universal2"),
    *published("pillow==13.0.0", LINUX, LINUX_ARM, "win_amd64", "win_arm64"),
    *published("pillow==13.0.0", "macosx_10_13_x86_64"),
    *published("lxml==6.1.3", LINUX, MUSL, "macosx_10_13_universal2", "win32"),
    *published("cmeel-zlib==1.3.2", LINUX, LINUX_ARM, MUSL, errors=("library-twice",)),
    *published("cmeel-zlib==1.3.2", "macosx_11_0_arm64", errors=("library-twice",)),
    *published("torchvision==0.29.1", LINUX, "macosx_14_0_arm64", errors=("rpath-absolute",)),
    *published("torchvision==0.29.1", "win_amd64"),
    *published("pyarrow==26.0.1", LINUX, errors=("library-twice",)),
    *published("pyarrow==26.0.1", "win_amd64"),
)
IS_ELF = ("manylinux", "musllinux")


@pytest.fixture
def get(once: Once) -> Get:
    """Return a function that downloads a wheel, or skips the test."""

    def get_or_skip(wheel: Published) -> Path:
        def download(_: Path) -> Path | str:
            try:
                return public_wheels.get(wheel.requirement, wheel.platform)
            except public_wheels.NotToBeHadError as error:
                return str(error)  # kept, so that it is not tried again

        found = once(f"others-{wheel}", download)
        if isinstance(found, str):
            pytest.skip(f"not available: {found}")
        return found

    return get_or_skip


@pytest.fixture(params=WHEELS, ids=str)
def any_wheel(request: pytest.FixtureRequest) -> Published:
    """Every wheel of the table."""
    wheel: Published = request.param
    return wheel


def found(report: Report, rule: str) -> list[tuple[str, str]]:
    return [(finding.file, finding.value) for r, finding in report.findings if r.id == rule]


def test_every_wheel_can_be_read(any_wheel: Published, get: Get) -> None:
    path = get(any_wheel)
    report = check([path])
    assert (report.checked, report.unusable) == ((path,), ())
    errors = {rule.id for rule, each in report.findings if rule.severity_of(each) == "error"}
    assert errors == set(any_wheel.errors)


@pytest.mark.parametrize("wheel", [w for w in WHEELS if w.platform.startswith(IS_ELF)], ids=str)
def test_readelf_says_the_same(wheel: Published, get: Get, tmp_path: Path) -> None:
    if not readelf.is_available():
        pytest.skip("readelf is not installed")
    assert readelf.differences_in_wheel(get(wheel), tmp_path) == []


def the(name: str, platform: str) -> Published:
    (wheel,) = (
        w for w in WHEELS if (w.requirement.partition("==")[0], w.platform) == (name, platform)
    )
    return wheel


def test_torchvision_looks_for_its_libraries_on_the_machine_that_built_it(
    get: Get,
) -> None:
    path = get(the("torchvision", "macosx_14_0_arm64"))
    report = check([path])
    paths = found(report, "rpath-absolute")
    assert {file for file, _ in paths} == {f"torchvision/{n}_stable.so" for n in ("_C", "image")}
    assert all(folder.startswith("/Users/") for _, folder in paths)
    # Where torch is, whose libraries have these names, is in no file. It is known whose they are.
    needed = {name for _, name in found(report, "provider-absent")}
    assert needed == {f"@rpath/lib{n}.dylib" for n in ("c10", "torch", "torch_cpu", "torch_python")}
    told = {(r.severity_of(f), f.message) for r, f in report.findings if r.id == "provider-absent"}
    absent = "of torch, which is not here: its names and symbols were not verified"
    assert told == {("note", f"needs {name} {absent}") for name in needed}
    complete = check([path], config=Config(is_complete=True))
    assert {r.severity_of(f) for r, f in complete.findings if r.id == "provider-absent"} == {
        "error"
    }


def test_cmeel_zlib_has_one_libz_three_times(get: Get) -> None:
    report = check([get(the("cmeel-zlib", LINUX))])
    ((_, name),) = found(report, "library-twice")
    assert name == "libz.so.1"
    (message,) = (f.message for rule, f in report.findings if rule.id == "library-twice")
    assert "3 copies" in message
    assert {value for _, value in found(report, "name-taken")} == {"libz.so.1"}


def test_pyarrow_has_each_library_for_python_three_times(get: Get) -> None:
    twice = found(check([get(the("pyarrow", LINUX))]), "library-twice")
    assert {name for _, name in twice} == {
        f"libarrow_python{part}.so.2600" for part in ("", "_flight", "_parquet_encryption")
    }


def test_a_folder_where_nothing_is_looked_for_is_no_error(get: Get) -> None:
    report = check([get(the("pillow", "macosx_10_13_x86_64"))])
    ((file, folder),) = found(report, "rpath-idle")
    assert file == "PIL/.dylibs/libjpeg.62.4.0.dylib"
    assert folder.startswith("/Users/runner/")


def test_the_page_on_these_wheels_is_true(get: Get) -> None:
    """Each finding that the page quotes is made, of the wheel that it names."""
    page = building.ROOT / "docs" / "how-to" / "check-others-wheels.md"
    shown = re.findall(
        r"^\$ native-lib check (\S+)\n(.*?)^```$",
        page.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert len(shown) > 3
    for name, output in shown:
        distribution, platform = name.partition("-")[0], name[:-4].rpartition("-")[2]
        path = get(the(distribution.replace("_", "-"), platform))
        assert path.name == name
        made = {
            (rule.severity_of(f), rule.id, f.file, f.message) for rule, f in check([path]).findings
        }
        quoted = re.findall(r"^(error|warning|note) +(\S+) +…: (\S+) +(.+)$", output, re.MULTILINE)
        assert quoted
        assert set(quoted) <= made


@pytest.mark.parametrize(
    "wheel", [each for each in WHEELS if each.requirement.startswith(("pyzmq", "cmeel"))], ids=str
)
def test_bind_leaves_them_alone(wheel: Published, get: Get) -> None:
    plan = plan_of(get(wheel))
    assert (plan.files, plan.providers) == ({}, ())
