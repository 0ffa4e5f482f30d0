"""A package that knows nothing of providers: plain setuptools and -lfoo, then `native-lib`."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import elf
import pytest
import wheels

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and ELF files")

MODULE = r"""
#include <Python.h>
#include <foo/foo.h>

static PyObject *square(PyObject *self, PyObject *number) {
  (void)self;
  return PyFloat_FromDouble(foo_square(PyFloat_AsDouble(number)));
}

static PyMethodDef methods[] = {{"square", square, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, 0, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""
FILES = {
    "src/_ext.c": MODULE,
    "plain/__init__.py": '"""Squares."""\nfrom __future__ import annotations\n\nfrom plain.sub._ext import square\n',
    "plain/sub/__init__.py": "",
    "pyproject.toml": (
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "plain"\nversion = "1.0"\n'
    ),
    "setup.py": (
        "from setuptools import Extension, setup\n"
        'setup(packages=["plain", "plain.sub"], ext_modules=[\n'
        '    Extension("plain.sub._ext", ["src/_ext.c"], libraries=["foo"])])\n'
    ),
}
USE = "import plain; assert plain.square(3) == 9.0"


def build(folder: Path, provider: Path, files: Mapping[str, str] = FILES) -> Path:
    """Build the package against a provider that is unpacked in a folder, and return the wheel."""
    site = folder / "builders" / "site-packages"
    wheels.unpack(provider, site)
    for name, text in files.items():
        file = folder / "plain" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    env = {
        "CFLAGS": f"-I{site / 'libfoo' / 'include'}",
        "LDFLAGS": f"-L{site / 'libfoo' / 'lib'} -Wl,-rpath,{site / 'libfoo' / 'lib'}",
        "LDSHARED": "cc -shared",  # pyenv's Pythons hand a RUNPATH of their own on
    }
    return building.build(folder / "plain", folder / "dist", env=env, is_right=False)


@pytest.fixture(scope="module")
def plain(pair: building.Pair, once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """The wheel as setuptools makes it."""
    return once("plain", lambda folder: build(folder, pair.provider))


def native_lib(*arguments: str | Path, site: Path | None = None, fails: bool = False) -> str:
    folders = [building.ROOT / "loader" / "src", *([site] if site else [])]
    tools = Path(sys.executable).parent
    env = {"PYTHONPATH": ":".join(map(str, folders)), "PATH": f"{tools}:/usr/bin:/bin"}
    return building.run(sys.executable, "-m", "native_lib", *arguments, env=env, fails=fails)


def serves(env: building.Environment) -> bool:
    """Tell whether importing the package maps the provider's file, and no other of that name."""
    (file,) = building.mapped(env, USE, "libfoo")
    return file == f"{env.site_packages}/libfoo/lib/libfoo__foo.so.1"


def test_bound_wheel_is_a_consumer(plain: Path, pair: building.Pair, tmp_path: Path) -> None:
    needed = elf.dynamic_in_wheel(plain, "_ext.")
    assert "libfoo__foo.so.1" in needed["NEEDED"]
    assert needed["RUNPATH"][0].endswith("/libfoo/lib")  # which would hide everything here
    native_lib("bind", plain, "-w", tmp_path, "--provider", pair.provider)
    bound = tmp_path / plain.name
    assert "RUNPATH" not in elf.dynamic_in_wheel(bound, "_ext.")
    building.check_wheels(bound, pair.provider)

    env = building.new_environment(tmp_path / "env")
    building.uv(
        *("pip", "install", "--quiet", "--no-index", "--python", env.python),
        *("--find-links", tmp_path, "--find-links", pair.provider.parent, "plain"),
    )
    assert serves(env)
    # Without the provider, the loader's words and not the system's.
    env.uninstall("libfoo")
    said = env.run("import plain", fails=True)
    assert "LibraryNotFoundError" in said
    assert 'fix:       python -m pip install "libfoo>=1.0.0,<2"' in said
    # A module below is imported through the package's own __init__.py.
    assert "LibraryNotFoundError" in env.run("import plain.sub._ext", fails=True)


def test_unbound_wheel_fails_in_the_systems_words(
    plain: Path, pair: building.Pair, tmp_path: Path
) -> None:
    """So that the test above can fail."""
    plan = tmp_path / plain.name
    with zipfile.ZipFile(plain) as archive:
        assert not any("_shared_lib" in name for name in archive.namelist())
    plan.write_bytes(plain.read_bytes())
    env = building.new_environment(tmp_path / "env", pair.provider, plan)
    # The builder's copy of the provider is still there, and the RUNPATH leads to it.
    (file,) = building.mapped(env, USE, "libfoo")
    assert "/builders/" in file


def test_import_costs_the_loader_only(plain: Path, pair: building.Pair, tmp_path: Path) -> None:
    native_lib("bind", plain, "-w", tmp_path, "--provider", pair.provider)
    code = (
        "import sys; before = {*sys.modules}; import plain; print(*sorted({*sys.modules} - before))"
    )
    unbound, bound = (
        building.new_environment(tmp_path / f"env{number}", pair.provider, wheel).run(code).split()
        for number, wheel in enumerate((plain, tmp_path / plain.name))
    )
    provider = ["libfoo", "libfoo._native_libs", "libfoo._shared_lib_manager"]
    consumer = ["plain._native_requires", "plain._shared_lib_consumer"]
    # What the loader opens files with. All else is there in a bare interpreter.
    assert bound == sorted([*unbound, "_ctypes", *provider, *consumer])


def test_provider_is_found_where_it_is_installed(
    plain: Path, pair: building.Pair, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", pair.provider)
    native_lib("bind", plain, "-w", tmp_path / "a", site=env.site_packages)
    native_lib("bind", plain, "-w", tmp_path / "b", "--provider", pair.provider)
    first, second = ((tmp_path / name / plain.name).read_bytes() for name in "ab")
    assert first == second
    # And so of its editable install.
    folder = pair.folder / "libfoo"
    building.uv("pip", "install", "-q", "--python", env.python, "--no-deps", "-e", folder)
    native_lib("bind", plain, "-w", tmp_path / "c", site=env.site_packages)
    assert (tmp_path / "c" / plain.name).read_bytes() == first


def test_consumer_of_the_template_is_left_alone(pair: building.Pair, tmp_path: Path) -> None:
    native_lib("bind", pair.consumer, "-w", tmp_path, "--provider", pair.provider)
    assert (tmp_path / pair.consumer.name).read_bytes() == pair.consumer.read_bytes()


def test_repair_excludes_and_binds(plain: Path, pair: building.Pair, tmp_path: Path) -> None:
    env = building.new_environment(tmp_path / "env", pair.provider)
    said = native_lib("repair", plain, "-w", tmp_path / "out", site=env.site_packages)
    (wheel,) = (tmp_path / "out").iterdir()
    assert said.splitlines()[-1] == str(wheel)
    assert re.search(r"-manylinux[\w.]+\.whl$", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        assert not any("libfoo__" in name for name in archive.namelist())
    building.check_wheels(wheel, pair.provider)
    env.install(wheel)
    assert serves(env)
    # Of what is repaired and bound already, nothing changes; auditwheel sorts RECORD.
    native_lib("repair", wheel, "-w", tmp_path / "twice", site=env.site_packages)
    (again,) = (tmp_path / "twice").iterdir()
    with zipfile.ZipFile(again) as one, zipfile.ZipFile(wheel) as two:
        assert sorted(one.namelist()) == sorted(two.namelist())
        for name in one.namelist():
            assert name.endswith("/RECORD") or one.read(name) == two.read(name)


def test_repair_serves_the_pair_itself(pair: building.Pair, tmp_path: Path) -> None:
    """The template's two wheels, in one call: options below `--` go to the tool."""
    native_lib(
        *("repair", pair.provider, pair.consumer, "-w", tmp_path / "out"),
        *("--provider", pair.provider, "--", "--only-plat"),
    )
    out = sorted((tmp_path / "out").iterdir())
    assert [wheel.name.partition("-")[0] for wheel in out] == ["foo_ext", "libfoo"]
    building.check_wheels(*out)
    env = building.new_environment(tmp_path / "env", *out)
    assert env.run(building.SQUARE) == "9.0\n"


def test_repair_leaves_nothing_behind_when_the_check_finds_an_error(
    plain: Path, pair: building.Pair, tmp_path: Path
) -> None:
    wheel = tmp_path / plain.name
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            if name.endswith("/RECORD"):
                new.writestr("plain/libmore.so", (elf_without_soname(tmp_path)))
            new.writestr(name, old.read(name))
    said = native_lib(
        *("repair", wheel, "-w", tmp_path / "out", "--provider", pair.provider), fails=True
    )
    assert "executable-stack" in said
    assert not (tmp_path / "out").exists()


def elf_without_soname(folder: Path) -> bytes:
    return building.compile_library(
        "int more(void) { return 1; }", folder / "more.so", "-Wl,-z,execstack"
    ).read_bytes()


def test_repair_says_what_is_missing(plain: Path, pair: building.Pair, tmp_path: Path) -> None:
    said = native_lib("repair", plain, "-w", tmp_path / "out", fails=True)
    assert said.startswith(f"native-lib: {plain.name}: plain/sub/_ext.")
    assert "needs libfoo__foo.so.1, and libfoo is not installed here" in said
    said = native_lib(
        *("repair", plain, "-w", tmp_path / "out", "--provider", pair.provider),
        *("--", "--no-such-option"),
        fails=True,
    )
    assert "unrecognized arguments: --no-such-option" in said
    assert said.splitlines()[-1] == (
        f"native-lib: {plain.name}: auditwheel failed with exit status 2; see above"
    )
    assert not (tmp_path / "out").exists()
