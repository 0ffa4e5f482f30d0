"""docs/how-to/ctypes-and-cffi.md: its packages are built, installed, and served by the wheel's file."""

from __future__ import annotations

import dataclasses
import io
import re
import shutil
import sys
import zipfile
from typing import TYPE_CHECKING

import building
import docs_pages
import elf
import pytest
from native_lib.cli import main

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")

PAGE = (docs_pages.HOW_TO / "ctypes-and-cffi.md").read_text("utf-8")
DEPENDENCIES = 'dependencies = ["libfoo>=1.0.0,<2"]\n'
NAME = "libfoo__foo.so.1"
SQUARE = "import squares; assert squares.square(1.5) == 2.25"


def built(folder: Path, way: str) -> Path:
    """Build the package squares as the page says."""
    docs_pages.save(docs_pages.section(PAGE, "ctypes"), folder)
    told = docs_pages.section(PAGE, way)
    if way != "ctypes":
        docs_pages.save(told, folder)
        line = docs_pages.block(told, "toml", "dependencies = ")
        building.edit(folder / "squares" / "pyproject.toml", DEPENDENCIES, line)
    return building.build(folder / "squares", folder / "dist", is_right=False)


@pytest.mark.parametrize("way", ["ctypes", "cffi, ABI mode"])
def test_package_is_served_by_the_wheel(pair: building.Pair, tmp_path: Path, way: str) -> None:
    wheel = built(tmp_path, way)
    assert wheel.name == "squares-1.0.0-py3-none-any.whl"
    shutil.copy(pair.provider, wheel.parent)
    building.check_wheels(wheel.parent)
    env = building.new_environment(tmp_path / "env", pair.provider, wheel)
    if way != "ctypes":
        building.uv("pip", "install", "--quiet", "--python", env.python, "cffi>=1.17")
    file = f"{env.site_packages}/libfoo/lib/{NAME}"
    assert building.mapped(env, SQUARE, "foo") == [file]
    # With a consumer that was linked beside it, in either order.
    env.install(pair.consumer)
    for order in ("squares, foo_ext", "foo_ext, squares"):
        code = f"import {order}; assert squares.square(3) == foo_ext.square(3) == 9"
        assert building.mapped(env, code, "foo.so") == [file]
    # What the page says of references.
    code = "import gc, squares, foo_ext; del squares._foo; gc.collect(); print(foo_ext.square(3))"
    assert env.run(code) == "9.0\n"


def test_what_is_wrong_is_the_loaders_error(pair: building.Pair, tmp_path: Path) -> None:
    made = building.new_environment(tmp_path / "env", pair.provider, built(tmp_path, "ctypes"))
    # The manifest changes twice in a second, which a cache of bytecode would not see.
    env = dataclasses.replace(made, variables={"PYTHONDONTWRITEBYTECODE": "1"})
    manifest = env.site_packages / "libfoo" / "_native_libs.py"
    building.edit(manifest, 'VERSION = "1.0.0"', 'VERSION = "2.0.0"')
    code = (
        f"try: {SQUARE}\nexcept ImportError as error: print(f'{{type(error).__name__}}: {{error}}')"
    )
    printed = env.run(f"{code}\n{building.MAPPED}\nassert not mapped('foo')")
    assert docs_pages.is_as_shown(docs_pages.block(PAGE, "text", "LibraryVersionError"), printed)
    building.edit(manifest, 'VERSION = "2.0.0"', 'VERSION = "1.0.0"')

    library = env.site_packages / "libfoo" / "lib" / NAME
    library.write_bytes(library.read_bytes()[:5000])
    assert "LibraryNotFoundError: libfoo cannot load its library 'foo'" in env.run(code)
    env.uninstall("libfoo")
    assert env.run(code) == "ModuleNotFoundError: No module named 'libfoo'\n"


def test_bind_changes_nothing(tmp_path: Path) -> None:
    wheel = built(tmp_path, "ctypes")
    assert main(["bind", str(wheel), "-w", str(tmp_path / "bound")]) == 0
    assert (tmp_path / "bound" / wheel.name).read_bytes() == wheel.read_bytes()


def test_bound_is_the_providers_word(pair: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", pair.provider)
    told = docs_pages.section(PAGE, "The bound")
    assert docs_pages.play(told, tmp_path, env.python.parent) == 1
    (bound,) = (step.shown.strip() for step in docs_pages.steps(told))
    assert set(re.findall(r'"(libfoo>=[^"]*)"', PAGE)) == {bound}
    assert {f"libfoo{it}" for it in re.findall(r'loader\.path\("foo", "(.*?)"\)', PAGE)} == {bound}


@pytest.mark.skipif(not shutil.which("nm"), reason="requires nm (binutils)")
def test_names_of_a_prefixed_library(reference_env: building.Environment, tmp_path: Path) -> None:
    told = docs_pages.section(PAGE, "Names of a prefixed library")
    assert docs_pages.play(told, tmp_path, reference_env.python.parent) == 1
    script = (tmp_path / "zlib_version.py").read_text("utf-8")
    version = reference_env.run("import native_zlib; print(native_zlib.loader.version)")
    # Beside the system's zlib, which CPython's module has.
    printed = reference_env.run(f"import zlib\n{script}")
    assert printed.split(".")[:3] == version.split(".")[:3]
    wrong = script.replace("z_zlibVersion", "zlibVersion")
    assert "undefined symbol: zlibVersion" in reference_env.run(f"import zlib\n{wrong}", fails=True)


@pytest.mark.parametrize("names", [("zlib", "libpng"), ("sodium", "zmq")], ids=" ".join)
def test_table_of_names(names: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue("reference" if "zlib" in names else "sockets")
    for name in names:
        (row,) = re.findall(rf"^\| \[native-{name}\].*$", PAGE, re.MULTILINE)
        library, upstreams, own = (re.findall(r"`(\w+)`", cell) for cell in row.split("|")[2:5])
        assert len(upstreams) == len(own) >= 1
        with zipfile.ZipFile(getattr(made, name)) as archive:
            (file,) = (n for n in elf.names(archive) if f"__{library[0]}." in n)
            exports = elf.exports(io.BytesIO(archive.read(file)))
        assert set(own) <= exports
        assert own == upstreams or exports.isdisjoint(upstreams)
