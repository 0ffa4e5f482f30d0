"""Upstream's own test programs pass with the libraries, headers and CMake packages of the wheels."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING, Callable

import building
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, links with RPATH")

PACKAGES = building.ROOT / "reference-packages"
LISTS = """
cmake_minimum_required(VERSION 3.25)
project(upstreams_tests LANGUAGES C)
find_package(ZLIB CONFIG REQUIRED)
find_package(PNG CONFIG REQUIRED)
add_executable(example example.c)
# One function that infcover tests is internal, and the library does not export it.
add_executable(infcover infcover.c inftrees.c)
add_executable(pngtest pngtest.c)
add_executable(pngvalid pngvalid.c)
target_include_directories(pngvalid PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_definitions(pngvalid PRIVATE PNG_FREESTANDING_TESTS)
foreach(program IN ITEMS example infcover pngtest pngvalid)
    target_link_libraries(${program} PRIVATE PNG::PNG ZLIB::ZLIB m)
    # A program has no loader in Python: RPATH, unlike RUNPATH, also serves what libpng needs.
    target_link_options(${program} PRIVATE LINKER:--disable-new-dtags)
endforeach()
"""
# Copies, so that no header of upstream's lies beside them.
SOURCES = {
    "zlib": (
        *("test/example.c", "test/infcover.c"),
        *("inftrees.c", "inftrees.h", "inflate.h", "inffixed.h", "zutil.h"),
    ),
    "libpng": (
        *("pngtest.c", "pngtest.png", "contrib/libtests/pngvalid.c"),
        "contrib/visupng/cexcept.h",
    ),
}


@pytest.fixture(scope="session")
def programs(
    reference_env: building.Environment, once: Callable[[str, Callable[[Path], Path]], Path]
) -> Path:
    """The folder of the built programs."""

    def make(folder: Path) -> Path:
        (folder / "CMakeLists.txt").write_text(LISTS, encoding="utf-8")
        for name, files in SOURCES.items():
            for file in files:
                shutil.copy(PACKAGES / name / "upstream" / file, folder)
        # What scikit-build-core makes of the wheels' entry points.
        roots = [f"-DZLIB_ROOT={reference_env.site_packages}/native_zlib"]
        roots += [f"-DPNG_ROOT={reference_env.site_packages}/native_libpng"]
        build = folder / "build"
        building.run(building.tool("cmake"), "-G", "Ninja", "-S", folder, "-B", build, *roots)
        building.run(building.tool("cmake"), "--build", build)
        return build

    return once("upstreams_tests", make)


@pytest.mark.parametrize(
    ("program", "packages"),
    [
        ("example", ["native_zlib"]),
        ("infcover", ["native_zlib"]),
        ("pngtest", ["native_zlib", "native_libpng"]),
        ("pngvalid", ["native_zlib", "native_libpng"]),
    ],
)
def test_programs_run_with_the_wheels_libraries(
    reference_env: building.Environment, programs: Path, program: str, packages: list[str]
) -> None:
    said = building.run("ldd", programs / program)
    for package in packages:
        (line,) = (line for line in said.splitlines() if f"{package}__" in line.split("=>")[0])
        assert f"=> {reference_env.site_packages}/{package}/lib/" in line
    assert "libz.so" not in said
    assert "libpng16" not in said


def test_example_of_zlib(programs: Path, tmp_path: Path) -> None:
    said = building.run(programs / "example", cwd=tmp_path)
    assert "zlib version 1." in said
    assert "large_inflate(): OK" in said
    assert "inflate with dictionary: hello, hello!" in said


def test_infcover_of_zlib(programs: Path, tmp_path: Path) -> None:
    said = building.run(programs / "infcover", cwd=tmp_path)
    # It aborts at the first surprise, and reports what each of its parts allocated.
    assert said.count("high water mark") > 50
    assert re.search(r"^1\.[0-9.]+$", said, re.MULTILINE)


def test_pngtest_of_libpng(programs: Path, tmp_path: Path) -> None:
    said = building.run(
        programs / "pngtest", "--strict", programs.parent / "pngtest.png", cwd=tmp_path
    )
    assert "libpng passes test" in said


# The runs of upstream's own CMakeLists.txt.
PNGVALID = (
    *("--gamma-16-to-8", "--gamma-alpha-mode", "--gamma-background", "--gamma-sbit"),
    *("--gamma-alpha-mode --expand16", "--gamma-background --expand16"),
    *("--gamma-transform --expand16", "--gamma-threshold", "--gamma-transform"),
    *("--standard --progressive-read --interlace", "--size --progressive-read"),
    *("--standard --progressive-read", "--standard", "--transform"),
)


@pytest.mark.parametrize("options", PNGVALID)
def test_pngvalid_of_libpng(programs: Path, options: str, tmp_path: Path) -> None:
    said = building.run(programs / "pngvalid", "--strict", *options.split(), cwd=tmp_path)
    assert said.splitlines()[-1].startswith("PASS: pngvalid --strict"), said
