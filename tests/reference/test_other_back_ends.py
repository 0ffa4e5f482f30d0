"""Whatever the build system, it finds the providers in their wheels, and links what they ship."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

import building
import docs_pages
import elf
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files")

PAGE = building.ROOT / "docs" / "packages" / "native-zlib.md"
MESON = "Meson, and whatever else asks pkg-config"
MODULE = r"""
#include <Python.h>
#include <zlib.h>

static PyObject *checksum(PyObject *self, PyObject *bytes) {
  char *data;
  Py_ssize_t size;
  (void)self;
  if (PyBytes_AsStringAndSize(bytes, &data, &size) < 0) return NULL;
  return PyLong_FromUnsignedLong(crc32(0, (const unsigned char *)data, (unsigned)size));
}

static PyMethodDef methods[] = {{"checksum", checksum, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_ext", NULL, 0, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__ext(void) { return PyModule_Create(&module); }
"""
LOAD = """
from ._shared_lib_consumer import load_library_module

load_library_module("native_zlib")

from ._ext import checksum
"""


def documented(language: str, containing: str) -> str:
    """Return the example of the page that has a text in it: what is shown is what is tested."""
    blocks = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (block,) = (block for block in blocks if containing in block)
    return str(block)


def project(folder: Path, requires: str, back_end: str, **files: str) -> Path:
    """Write a consumer that vendors the loader and has this build system."""
    package = folder / "foo_ext"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(LOAD, encoding="utf-8")
    for name in ("shared_lib_consumer.py", "shared_lib_explain.py", "shared_lib_fixes.py"):
        loader = building.ROOT / "loader" / "src" / "native_lib" / "support" / name
        shutil.copy(loader, package / f"_{name}")
    (folder / "_ext.c").write_text(MODULE, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = [{requires}, "native-zlib"]\nbuild-backend = "{back_end}"\n'
        '[project]\nname = "foo-ext"\nversion = "1"\ndependencies = ["native-zlib>=1.2,<2"]\n',
        encoding="utf-8",
    )
    for name, text in files.items():
        file = {"meson": "meson.build", "setup": "setup.py", "cmake": "CMakeLists.txt"}[name]
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def projects(folder: Path, kind: str) -> Path:
    if kind == "setuptools":
        setup = documented("python", "extra_objects")
        return project(folder, '"setuptools>=77"', "setuptools.build_meta", setup=setup)
    if kind == "Meson":
        sources = "'_ext', '_ext.c',\n"
        lines = documented("meson", "dependency")
        assert sources in lines
        lines = lines.replace(sources, f"{sources}  subdir: 'foo_ext', install: true,\n")
        meson = (
            "project('foo-ext', 'c', version: '1')\n"
            "py = import('python').find_installation(pure: false)\n"
            f"{lines}py.install_sources('foo_ext/__init__.py', 'foo_ext/_shared_lib_consumer.py', "
            "'foo_ext/_shared_lib_explain.py', 'foo_ext/_shared_lib_fixes.py', subdir: 'foo_ext')\n"
        )
        made = project(folder, '"meson-python", "pkgconf"', "mesonpy", meson=meson)
        docs_pages.save(docs_pages.section(PAGE.read_text("utf-8"), MESON), made)
        with (made / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(documented("toml", "tool.meson-python"))
        return made
    found = documented("cmake", "find_package(ZLIB CONFIG")
    lists = (
        "cmake_minimum_required(VERSION 3.25)\nproject(foo LANGUAGES C)\n"
        "find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)\n"
        "python_add_library(program MODULE WITH_SOABI _ext.c)\n"
        "set_target_properties(program PROPERTIES OUTPUT_NAME _ext)\n"
        f"{found}install(TARGETS program DESTINATION foo_ext)\n"
    )
    return project(folder, '"scikit-build-core"', "scikit_build_core.build", cmake=lists)


@pytest.mark.parametrize("kind", ["CMake", "Meson", "setuptools"])
def test_module_is_served_by_the_wheel(
    reference: building.Reference, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "dist"
    out.mkdir()
    shutil.copy(reference.zlib, out)
    # pyenv's Pythons hand a RUNPATH of their own on.
    env = {"LDSHARED": "cc -shared"}
    wheel = building.build(projects(tmp_path / "src", kind), out, env=env)
    assert "native_zlib__z.so.1" in elf.dynamic_in_wheel(wheel, "foo_ext/_ext.")["NEEDED"]
    installed = building.new_environment(tmp_path / "env", reference.zlib, wheel)
    code = f"import foo_ext; assert foo_ext.checksum(b'shared') == {zlib.crc32(b'shared')}"
    served = f"{installed.site_packages}/native_zlib/lib/native_zlib__z.so.1"
    assert building.mapped(installed, code, "native_zlib__") == [served]


def test_pkg_config_tells_where_everything_is(
    reference: building.Reference, tmp_path: Path
) -> None:
    env = building.new_environment(tmp_path / "env", reference.zlib, reference.libpng)
    building.uv("pip", "install", "--quiet", "--python", env.python, "pkgconf")
    pkgconf = env.python.with_name("pkgconf-pypi")
    for name, package, file, link in (
        ("zlib", "native_zlib", "native_zlib__z.so.1", "-lz"),
        ("libpng", "native_libpng", "native_libpng__png.so.1.6", "-lpng"),
    ):
        folder = env.site_packages / package
        assert building.run(pkgconf, "--variable=provider", name).strip() == package
        include, lib, name_to_link = building.run(pkgconf, "--cflags", "--libs", name).split()
        assert (tmp_path / include.removeprefix("-I")).resolve() == folder / "include"
        assert (tmp_path / lib.removeprefix("-L")).resolve() == folder / "lib"
        assert name_to_link == link
        library = building.run(pkgconf, "--variable=libraries", name).strip()
        assert (tmp_path / library).resolve() == folder / "lib" / file


# A system zlib that gets in the way ---------------------------------------------------------------


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A prefix with another zlib: header, library, pkg-config file and CMake package."""
    prefix = tmp_path / "planted"
    source = "int deflate(void) { return 0; }\nint zlibVersion(void) { return 0; }\n"
    building.compile_library(source, prefix / "lib" / "libz.so", soname="libz.so.1")
    shutil.copy(prefix / "lib" / "libz.so", prefix / "lib" / "libz.so.1")
    (prefix / "include").mkdir()
    upstream = building.ROOT / "reference-packages" / "zlib" / "upstream"
    for header in ("zlib.h", "zconf.h"):  # without Z_PREFIX
        shutil.copy(upstream / header, prefix / "include")
    package = prefix / "lib" / "cmake" / "ZLIB"
    package.mkdir(parents=True)
    (package / "ZLIBConfig.cmake").write_text(
        "add_library(ZLIB::ZLIB SHARED IMPORTED)\n"
        f'set_target_properties(ZLIB::ZLIB PROPERTIES IMPORTED_LOCATION "{prefix}/lib/libz.so"\n'
        f'    INTERFACE_INCLUDE_DIRECTORIES "{prefix}/include")\n',
        encoding="utf-8",
    )
    return prefix


def build_libpng(
    reference: building.Reference,
    folder: Path,
    env: dict[str, str],
    edit: tuple[str, str] | None = None,
) -> Path:
    """Build a copy of native-libpng in this environment, with a line of its CMakeLists.txt changed."""
    project = folder / "libpng"
    shutil.copytree(building.ROOT / "reference-packages" / "libpng", project)
    lists = project / "CMakeLists.txt"
    text = lists.read_text("utf-8")
    if edit:
        assert edit[0] in text
        lists.write_text(text.replace(*edit), encoding="utf-8")
    out = folder / "dist"
    out.mkdir()
    shutil.copy(reference.zlib, out)
    return building.build(project, out, env=env)


@pytest.mark.parametrize(
    "variables",
    [
        {"CMAKE_PREFIX_PATH": "{planted}"},
        {"CPATH": "{planted}/include", "LIBRARY_PATH": "{planted}/lib"},
        {"CMAKE_ARGS": "-DZLIB_LIBRARY={planted}/lib/libz.so -DZLIB_INCLUDE_DIR={planted}/include"},
    ],
    ids=lambda variables: "+".join(variables),
)
def test_planted_zlib_is_not_taken(
    reference: building.Reference, planted: Path, tmp_path: Path, variables: dict[str, str]
) -> None:
    env = {name: value.format(planted=planted) for name, value in variables.items()}
    wheel = build_libpng(reference, tmp_path / "build", env)
    needed = elf.dynamic_in_wheel(wheel, "/lib/native_libpng__png.so")["NEEDED"]
    assert "native_zlib__z.so.1" in needed
    assert "libz.so.1" not in needed
    # The headers, too: with the planted ones libpng would call deflate, not z_deflate.
    env_with = building.new_environment(tmp_path / "env", reference.zlib, wheel)
    env_with.run("import native_libpng; native_libpng.loader.load()")


def undefined(wheel: Path, part: str, folder: Path) -> set[str]:
    """Return what the library in a wheel needs from others."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if part in name)
        said = building.run("nm", "-D", "--undefined-only", archive.extract(name, folder))
    return {line.split()[-1].partition("@")[0] for line in said.splitlines()}


@pytest.mark.parametrize("name", ["libpng", "minipng"])
def test_systems_zlib_beside_an_installed_provider(
    reference: building.Reference, planted: Path, tmp_path: Path, name: str
) -> None:
    """Asked for by NATIVE_LIB_SYSTEM: library and headers are both the system's, or both not."""
    shutil.rmtree(planted / "lib" / "cmake")  # CMake's own FindZLIB.cmake finds it
    tools = building.new_environment(tmp_path / "env", reference.zlib, reference.libpng)
    required = ("build", "scikit-build-core", building.loader_wheel())
    building.uv("pip", "install", "--quiet", "--python", tools.python, *required)
    env = {"NATIVE_LIB_SYSTEM": "ZLIB", "CMAKE_PREFIX_PATH": str(planted)}
    env["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"  # cmake and ninja
    command: list[str | Path] = [
        tools.python,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        tmp_path / "out",
    ]
    building.run(*command, building.ROOT / "reference-packages" / name, env=env)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    part = {"libpng": "/lib/native_libpng__png.so", "minipng": "minipng/_ext.abi3"}[name]
    needed = elf.dynamic_in_wheel(wheel, part)["NEEDED"]
    assert "libz.so.1" in needed
    assert "native_zlib__z.so.1" not in needed
    called = undefined(wheel, part, tmp_path)
    assert {"libpng": "inflate", "minipng": "crc32_z"}[name] in called
    assert not any(symbol.startswith("z_") for symbol in called)


def test_site_packages_behind_a_link(reference: building.Reference, tmp_path: Path) -> None:
    building.new_environment(tmp_path / "real", reference.zlib)
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    env = building.Environment(tmp_path / "link")
    required = ("build", "scikit-build-core", building.loader_wheel())
    building.uv("pip", "install", "--quiet", "--python", env.python, *required)
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}  # cmake and ninja
    command: list[str | Path] = [
        env.python,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        tmp_path / "out",
    ]
    building.run(*command, building.ROOT / "reference-packages" / "libpng", env=path)
    (wheel,) = (tmp_path / "out").glob("*.whl")
    assert "native_zlib__z.so.1" in elf.dynamic_in_wheel(wheel, "/lib/native_libpng__png")["NEEDED"]


@pytest.mark.parametrize(
    ("arguments", "edit", "complaint"),
    [
        ("-DZLIB_DIR={planted}/lib/cmake/ZLIB", None, "CMake finds ZLIB in"),
        # What happens to whoever forgets the call.
        (
            "-DCMAKE_PREFIX_PATH={planted}",
            ("native_library_find(ZLIB)", "# forgotten"),
            "would link to another ZLIB::ZLIB than its provider's",
        ),
        (
            "-DZLIB_LIBRARY={planted}/lib/libz.so -DZLIB_INCLUDE_DIR={planted}/include",
            ("native_library_find(ZLIB)", "find_package(ZLIB REQUIRED)"),
            "would link to another ZLIB::ZLIB than its provider's",
        ),
    ],
)
def test_build_stops_where_another_zlib_was_found(
    reference: building.Reference,
    planted: Path,
    tmp_path: Path,
    arguments: str,
    edit: tuple[str, str] | None,
    complaint: str,
) -> None:
    env = {"CMAKE_ARGS": arguments.format(planted=planted)}
    with pytest.raises(building.CommandError) as stopped:
        build_libpng(reference, tmp_path / "build", env, edit)
    said = " ".join(str(stopped.value).split())
    assert complaint in said
    assert not list((tmp_path / "build" / "dist").glob("native_libpng-*"))
