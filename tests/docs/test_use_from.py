"""docs/how-to/use-from.md: each way is taken from the page, built, and served by the provider's wheel."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING

import building
import docs_pages
import elf
import pytest
from native_lib.cli import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")

PAGE = (docs_pages.HOW_TO / "use-from.md").read_text("utf-8")
NAME = "libfoo__foo.so.1"
FRAME = docs_pages.section(PAGE, "scikit-build-core").partition("\n### ")[0]
# How each is called on the page.
WAYS = ("Cython", "pybind11", "nanobind", "Cython with setuptools", "cffi, API mode")


def replace_line(file: Path, start: str, line: str) -> None:
    text = file.read_text("utf-8")
    new = re.sub(rf"^{re.escape(start)}.*\n", line, text, flags=re.MULTILINE)
    assert new != text
    file.write_text(new, encoding="utf-8")


def project(folder: Path, way: str) -> Path:
    """Write the package squares as the page says."""
    squares = folder / "squares"
    told = docs_pages.section(PAGE, way)
    if way in ("Cython", "pybind11", "nanobind"):
        assert docs_pages.play(FRAME, folder) == 1
        docs_pages.save(told, folder)
        if way != "Cython":
            line = docs_pages.block(told, "toml", "requires = ")
            replace_line(squares / "pyproject.toml", "requires = ", line)
    elif way == "Cython with setuptools":
        docs_pages.save(told, folder)
        docs_pages.write(
            squares / "src" / "_ext.pyx", docs_pages.block(PAGE, "cython", "foo_square")
        )
        assert main(["vendor", str(squares / "squares"), "--consumer", "--loader-only"]) == 0
    else:
        docs_pages.save(told, folder)
    return squares


@pytest.mark.parametrize("way", WAYS)
def test_package_is_served_by_the_wheel(pair: building.Pair, tmp_path: Path, way: str) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    shutil.copy(pair.provider, out)
    # pyenv's Pythons hand a RUNPATH of their own on; the C++ compiles twice as fast like that.
    settings = ["cmake.build-type=Debug"] if way in ("pybind11", "nanobind") else []
    env = {"LDSHARED": "cc -shared"}
    wheel = building.build(project(tmp_path, way), out, env=env, settings=settings)
    dynamic = elf.dynamic_in_wheel(wheel)
    assert NAME in dynamic["NEEDED"]
    assert "RUNPATH" not in dynamic
    there = building.new_environment(tmp_path / "env", pair.provider, wheel)
    if way.startswith("cffi"):
        building.uv("pip", "install", "--quiet", "--python", there.python, "cffi>=1.17")
    code = "import squares; assert squares.square(1.5) == 2.25"
    assert building.mapped(there, code, "foo.so") == [f"{there.site_packages}/libfoo/lib/{NAME}"]
    # With a consumer of another kind beside it, in either order.
    there.install(pair.consumer)
    for order in ("squares, foo_ext", "foo_ext, squares"):
        code = f"import {order}; assert squares.square(3) == foo_ext.square(3) == 9"
        assert len(building.mapped(there, code, "foo.so")) == 1


def test_bound_is_the_providers_word(pair: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", pair.provider)
    head = PAGE.partition("\n## ")[0]
    assert docs_pages.play(head, tmp_path, env.python.parent) == 1
    (bound,) = (step.shown.strip() for step in docs_pages.steps(head))
    assert set(re.findall(r'"(libfoo>=[^"]*)"', PAGE)) == {bound}


def test_every_way_of_the_page_is_here() -> None:
    files = re.findall(r"^`squares/(?:squares/__init__\.py|src/_ext\.\w+)`:$", PAGE, re.MULTILINE)
    assert len(files) == len(WAYS)
