"""Exceptions and classes across the library's boundary, with both C++ standard libraries."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import building
import pytest
from elf import dynamic_in_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")

CLANG = next(filter(None, map(shutil.which, ("clang++", "clang++-14", "clang++-19"))), None)
LIBCXX = {"CXX": CLANG or "", "CC": (CLANG or "").replace("++", ""), "CXXFLAGS": "-stdlib=libc++"}


def has_libcxx(folder: Path) -> bool:
    """Whether a program for libc++ compiles and runs here."""
    if CLANG is None:
        return False
    (folder / "probe.cpp").write_text("#include <string>\nint main() { return 0; }\n", "utf-8")
    try:
        building.run(CLANG, "-stdlib=libc++", "-o", folder / "probe", folder / "probe.cpp")
        building.run(folder / "probe")
    except building.CommandError:
        return False
    return True


@pytest.mark.parametrize(
    ("env", "library"), [({}, "libstdc++.so.6"), (LIBCXX, "libc++.so.1")], ids=["gnu", "llvm"]
)
def test_catch_and_cast(tmp_path: Path, env: dict[str, str], library: str) -> None:
    if env and not has_libcxx(tmp_path):
        pytest.skip("requires clang and libc++ (Debian: clang-14, libc++-14-dev, libc++abi-14-dev)")
    folder = building.generate(tmp_path, language="cxx")
    wheels = folder / "dist"
    # Not every system has libc++: the checker says so, and a repair tool would copy it.
    provider = building.build(folder / "libfoo", wheels, env=env, is_right=not env)
    consumer = building.build(folder / "foo-ext", wheels, env=env, is_right=not env)
    for wheel in (provider, consumer):
        assert library in dynamic_in_wheel(wheel)["NEEDED"]
    installed = building.new_environment(tmp_path / "env", provider, consumer)
    said = installed.run(
        "import foo_ext\n"
        "print(foo_ext.area_of_square(2))\n"
        "try: foo_ext.area_of_square(-1)\n"
        "except ValueError as error: print(error)"
    )
    assert said == "4.0\na side cannot be negative\n"


def test_type_information_comes_from_the_library(tmp_path: Path) -> None:
    """What libc++ depends on: the consumer must not hold the classes' type information itself."""
    folder = building.generate(tmp_path, language="cxx")
    wheels = folder / "dist"
    building.build(folder / "libfoo", wheels)
    consumer = building.build(folder / "foo-ext", wheels)
    env = building.new_environment(tmp_path / "env", consumer)
    (extension,) = (env.site_packages / "foo_ext").glob("_ext*.so")
    undefined = building.run("nm", "-D", "--undefined-only", extension).split()
    assert {"_ZTIN3foo5ErrorE", "_ZTIN3foo5ShapeE", "_ZTIN3foo6SquareE"} <= set(undefined)
