"""Builds that know nothing of providers, by every way to find a library: each links the provider's."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import building
import elf
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links ELF files")

# And the packages that they are in.
LINKERS = {"bfd": "binutils", "gold": "binutils", "lld": "lld"}
# What each module calls, and what it must then record.
CALLS = {
    "zlib": ("zlib.h", "(int)crc32(0, 0, 0)", "native_zlib__z.so.1"),
    "png": ("png.h", "(int)png_access_version_number()", "native_libpng__png.so.1.6"),
    "sqlite": ("sqlite3.h", "sqlite3_libversion_number()", "native_sqlite3__sqlite3.so.3"),
}
SYSTEMS = {"libz.so.1", "libpng16.so.16", "libsqlite3.so.0"}

# A provider with the name of a library that the system has, and one that it requires. ------------

PYPROJECT = """
[build-system]
requires = ["scikit-build-core>=1.1", "native-lib-loader>=0.2,<0.3"]
build-backend = "scikit_build_core.build"
[project]
name = "{name}"
version = "{version}"
{metadata}
[tool.scikit-build]
wheel.py-api = "py3"
wheel.packages = ["{package}"]
"""
METADATA = """
dynamic = ["dependencies"]
[[tool.dynamic-metadata]]
provider = "native_library"
libraries = {{ {package} = "{distribution}" }}
"""
CMAKE = """
cmake_minimum_required(VERSION 3.25...4.3)
project({package} VERSION ${{SKBUILD_PROJECT_VERSION}} LANGUAGES C)
include(NativeLibrary)
add_library({library} SHARED {library}.c)
target_sources({library} PUBLIC FILE_SET HEADERS FILES {library}.h)
set_target_properties({library} PROPERTIES C_VISIBILITY_PRESET default)
native_library_provider(
    {library} PROVIDER {package} PACKAGE {cmake} PKG_CONFIG_NAME {library}
    COMPATIBILITY SameMajorVersion
)
"""
INIT = """
from . import _native_libs
from ._shared_lib_manager import LibraryLoader

loader = LibraryLoader.from_manifest(_native_libs)
"""
SQLITE_H = '#define SQLITE_VERSION "3.53.4"\nint sqlite3_libversion_number(void);\n'
SQLITE_C = "#include <pages.h>\nint sqlite3_libversion_number(void) { return pages(); }\n"


def project(
    folder: Path, package: str, version: str, cmake: str, code: Mapping[str, str], *requires: str
) -> Path:
    """Write a provider of one library, which may require another's: a CMake package, a distribution."""
    names = {"name": package.replace("_", "-"), "package": package, "version": version}
    names |= {"library": next(iter(code))[:-2], "cmake": cmake, "metadata": ""}
    lists = CMAKE.format(**names)
    if requires:
        need, distribution = requires
        names["metadata"] = METADATA.format(package=need, distribution=distribution)
        lists += (
            f"native_library_consumer(\n    {names['library']} LIBRARIES {need}::{need} "
            f"DESTINATION {package}\n)\n"
        )
    files = {"pyproject.toml": PYPROJECT.format(**names), "CMakeLists.txt": lists}
    for name, text in {**files, f"{package}/__init__.py": INIT, **code}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@dataclass(frozen=True)
class Installed:
    """Where the providers are, once in their wheels and once in a prefix."""

    env: building.Environment
    folder: Path

    def roots(self, where: str) -> list[Path]:
        """Return the folders that have include and lib in them."""
        if where == "prefix":
            return [self.folder / "prefix"]
        packages = ("native_sqlite3", "native_pages", "native_libpng", "native_zlib")
        return [self.env.site_packages / package for package in packages]

    def variables(self, where: str) -> dict[str, str]:
        """Return the variables that show them to a build: those that native-lib prints, or alike."""
        if where == "prefix":
            said = native_lib(
                self.env, "env", "native-sqlite3", "native-libpng", "--format", "json"
            )
            variables: dict[str, str] = json.loads(said)
        else:
            roots = self.roots(where)
            below = {"CPATH": "include", "LIBRARY_PATH": "lib", "PKG_CONFIG_PATH": "lib/pkgconfig"}
            below |= {"CMAKE_PREFIX_PATH": "", "LD_LIBRARY_PATH": "lib"}
            variables = {
                name: os.pathsep.join(str(root / part) for root in roots)
                for name, part in below.items()
            }
        # Debian's, and not the one of the same name that a distribution brings.
        return {
            **variables,
            "PKG_CONFIG": shutil.which("pkg-config", path="/usr/bin") or "pkg-config",
        }


def native_lib(env: building.Environment, *arguments: str | Path, fails: bool = False) -> str:
    """Run the command in an environment of providers, and return what it prints."""
    variables = {
        "PYTHONPATH": str(building.ROOT / "loader" / "src"),
        "NATIVE_LIB_CACHE": str(env.folder.parent / "cache"),
    }
    command = (env.python, "-m", "native_lib", *arguments)
    return building.run(*command, env=variables, fails=fails)


@pytest.fixture(scope="module")
def installed(
    reference: building.Reference, once: Callable[[str, Callable[[Path], Installed]], Installed]
) -> Installed:
    """The reference packages' providers, and these two."""

    def make(folder: Path) -> Installed:
        out = folder / "dist"
        pages = {"pages.h": "int pages(void);\n", "pages.c": "int pages(void) { return 3; }\n"}
        sqlite = {"sqlite3.h": SQLITE_H, "sqlite3.c": SQLITE_C}
        need = ("pages", "native-pages")
        projects = [
            project(folder / "pages", "native_pages", "1.0", "pages", pages),
            project(folder / "sqlite3", "native_sqlite3", "3.53.4", "SQLite3", sqlite, *need),
        ]
        wheels = [building.build(each, out) for each in projects]
        env = building.new_environment(folder / "env", *wheels, reference.zlib, reference.libpng)
        tools = ("setuptools", "pkgconfig", "meson")
        building.uv("pip", "install", "--quiet", "--python", env.python, *tools)
        native_lib(env, "prefix", folder / "prefix", "native-sqlite3", "native-libpng")
        return Installed(env, folder)

    return once("link_routes", make)


def needed(files: Iterable[Path]) -> dict[str, set[str]]:
    """Return what each file needs, by its name without what is about the platform."""
    found = {}
    for file in files:
        with file.open("rb") as opened:
            found[file.name.partition(".")[0]] = set(elf.dynamic(opened).get("NEEDED", ()))
    return found


def is_right(found: Mapping[str, set[str]], library: str) -> bool:
    """Tell whether files need the provider's library, and none of the system's."""
    _, _, name = CALLS[library]
    return bool(found) and all(name in names and not names & SYSTEMS for names in found.values())


def sources(folder: Path) -> None:
    """Write a C file for each library."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (header, call, _) in CALLS.items():
        text = f"#include <{header}>\nint use_{name}(void) {{ return {call}; }}\n"
        (folder / f"{name}.c").write_text(text, encoding="utf-8")
    (folder / "main.c").write_text(
        "int use_sqlite(void);\nint main(void) { return use_sqlite() != 3; }\n"
    )


def linkers() -> list[str]:
    """Return the linkers that are installed; `test_autotools` reports the others."""
    return [name for name in LINKERS if shutil.which(f"ld.{name}")]


WHERE = pytest.mark.parametrize("where", ["wheel", "prefix"])

# CMake -------------------------------------------------------------------------------------------

LISTS = """
cmake_minimum_required(VERSION 3.25)
project(stranger LANGUAGES C)
find_package(PkgConfig REQUIRED)
set(zlib_names z zlib ZLIB ZLIB::ZLIB zlib.h ZLIB::ZLIB)
set(png_names png libpng PNG PNG::PNG png.h PNG::PNG)
set(sqlite_names sqlite3 sqlite3 SQLite3 SQLite::SQLite3 sqlite3.h SQLite3::sqlite3)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
foreach(name IN ITEMS zlib png sqlite)
    list(GET ${name}_names 0 library)
    list(GET ${name}_names 1 pc)
    list(GET ${name}_names 2 package)
    list(GET ${name}_names 3 target)
    list(GET ${name}_names 4 header)
    list(GET ${name}_names 5 config_target)
    find_library(${name}_library ${library} REQUIRED)
    find_path(${name}_include ${header} REQUIRED)
    pkg_check_modules(${name}_pc REQUIRED ${pc})
    pkg_check_modules(${name}_pc_target REQUIRED IMPORTED_TARGET ${pc})
    # In a folder of its own, because both kinds of packages have a target of that name.
    add_subdirectory(config config-${name})
    find_package(${package} MODULE REQUIRED)
    foreach(linker IN LISTS LINKERS)
        foreach(route IN ITEMS find_library pc pc_target module)
            set(it ${name}-${route}-${linker})
            add_library(${it} MODULE ${name}.c)
            set_target_properties(${it} PROPERTIES PREFIX "")
            target_link_options(${it} PRIVATE -fuse-ld=${linker} LINKER:--as-needed)
        endforeach()
        target_include_directories(${name}-find_library-${linker} PRIVATE ${${name}_include})
        target_link_libraries(${name}-find_library-${linker} PRIVATE ${${name}_library})
        target_include_directories(${name}-pc-${linker} PRIVATE ${${name}_pc_INCLUDE_DIRS})
        target_link_directories(${name}-pc-${linker} PRIVATE ${${name}_pc_LIBRARY_DIRS})
        target_link_libraries(${name}-pc-${linker} PRIVATE ${${name}_pc_LIBRARIES})
        target_link_libraries(${name}-pc_target-${linker} PRIVATE PkgConfig::${name}_pc_target)
        target_link_libraries(${name}-module-${linker} PRIVATE ${target})
    endforeach()
endforeach()
# Programs, for which a linker looks at what the library itself needs.
foreach(linker IN LISTS LINKERS)
    add_executable(sqlite-program-${linker} main.c sqlite.c)
    target_link_options(sqlite-program-${linker} PRIVATE -fuse-ld=${linker})
    target_link_libraries(sqlite-program-${linker} PRIVATE SQLite::SQLite3)
endforeach()
"""
CONFIG = """
find_package(${package} CONFIG REQUIRED)
foreach(linker IN LISTS LINKERS)
    set(it ${name}-config-${linker})
    add_library(${it} MODULE ../${name}.c)
    set_target_properties(${it} PROPERTIES PREFIX "")
    target_link_options(${it} PRIVATE -fuse-ld=${linker} LINKER:--as-needed)
    target_link_libraries(${it} PRIVATE ${config_target})
endforeach()
"""


@WHERE
def test_cmake(installed: Installed, tmp_path: Path, where: str) -> None:
    sources(tmp_path)
    (tmp_path / "CMakeLists.txt").write_text(LISTS, encoding="utf-8")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "CMakeLists.txt").write_text(CONFIG, encoding="utf-8")
    build, env = tmp_path / "build", installed.variables(where)
    building.run(
        *(building.tool("cmake"), "-G", "Ninja", "-S", tmp_path, "-B", build),
        f"-DCMAKE_MAKE_PROGRAM={building.tool('ninja')}",
        f"-DLINKERS={';'.join(linkers())}",
        env=env,
    )
    building.run(building.tool("cmake"), "--build", build, env=env)
    for library in CALLS:
        found = needed(build.glob(f"{library}-*"))
        assert len(found) == len(linkers()) * (6 if library == "sqlite" else 5)
        assert is_right(found, library), found


@pytest.mark.parametrize("variable", ["ZLIB_ROOT", "ZLIB_DIR"])
def test_either_variable_leads_cmake_to_the_package(
    installed: Installed, tmp_path: Path, variable: str
) -> None:
    """Of the environment, <package>_DIR is a prefix; of CMake's variables it is the package's folder."""
    lists = "cmake_minimum_required(VERSION 3.25)\nproject(stranger LANGUAGES NONE)\n"
    lists += 'find_package(ZLIB CONFIG REQUIRED)\nmessage("in ${ZLIB_CONFIG}")\n'
    (tmp_path / "CMakeLists.txt").write_text(lists, encoding="utf-8")
    prefix = installed.variables("prefix")[variable]
    cmake = (building.tool("cmake"), "-S", tmp_path, "-B", tmp_path / "build")
    said = building.run(*cmake, env={variable: prefix})
    assert f"in {prefix}/lib/cmake/ZLIB/ZLIBConfig.cmake\n" in said


@WHERE
def test_consumer_with_our_cmake(installed: Installed, where: str) -> None:
    """It insists on the provider's own folder, which the prefix's CMake package leads to."""
    build = installed.folder / f"sqlite3-{where}"
    env = {**installed.variables(where), "PYTHONPATH": str(installed.env.site_packages)}
    building.run(
        *(building.tool("cmake"), "-G", "Ninja", "-S", installed.folder / "sqlite3", "-B", build),
        f"-DCMAKE_MAKE_PROGRAM={building.tool('ninja')}",
        f"-DPython_EXECUTABLE={sys.executable}",
        f"-DCMAKE_MODULE_PATH={building.SUPPORT}",
        "-DSKBUILD_PROJECT_VERSION=3.53.4",
        env=env,
    )
    building.run(building.tool("cmake"), "--build", build, env=env)
    found = needed(build.glob("native_sqlite3__*"))
    assert "native_pages__pages.so.1" in found["native_sqlite3__sqlite3"]


# setuptools --------------------------------------------------------------------------------------

SETUP = """
import pkgconfig
from setuptools import Extension, setup

extensions = []
for library, link, pc in (("zlib", "z", "zlib"), ("png", "png", "libpng"), ("sqlite", "sqlite3", "sqlite3")):
    extensions.append(Extension(f"{library}-plain", ["stranger.c", f"{library}.c"], libraries=[link]))
    found = pkgconfig.parse(pc)
    extensions.append(Extension(f"{library}-parse", ["stranger.c", f"{library}.c"], **found))
setup(name="stranger", version="1", ext_modules=extensions)
"""
# setuptools compiles for extension modules; these need no name that Python knows.
STRANGER = "int stranger(void) { return 0; }\n"


@WHERE
def test_setuptools_and_pythons_pkgconfig(installed: Installed, tmp_path: Path, where: str) -> None:
    sources(tmp_path)
    (tmp_path / "stranger.c").write_text(STRANGER, encoding="utf-8")
    (tmp_path / "setup.py").write_text(SETUP, encoding="utf-8")
    for linker in linkers():
        # pyenv's Pythons hand a RUNPATH of their own on.
        env = {"LDSHARED": f"cc -shared -fuse-ld={linker} -Wl,--as-needed"}
        command = (
            "setup.py",
            "build_ext",
            "--build-lib",
            linker,
            "--build-temp",
            f"{linker}-objects",
        )
        env |= installed.variables(where)
        building.run(installed.env.python, *command, cwd=tmp_path, env=env)
        for library in CALLS:
            found = needed((tmp_path / linker).glob(f"{library}-*"))
            assert [*sorted(found)] == [f"{library}-parse", f"{library}-plain"]
            assert is_right(found, library), found


# Meson -------------------------------------------------------------------------------------------

MESON = """
project('stranger', 'c')
cc = meson.get_compiler('c')
foreach library : [['zlib', 'zlib', 'z'], ['png', 'libpng', 'png'], ['sqlite', 'sqlite3', 'sqlite3']]
  found = {
    'dependency': dependency(library[1]),
    'find_library': cc.find_library(library[2]),
  }
  foreach linker : get_option('linkers')
    foreach route, dep : found
      shared_module(
        f'@0@-@route@-@linker@'.format(library[0]), library[0] + '.c',
        name_prefix: '', dependencies: dep, link_args: ['-fuse-ld=' + linker, '-Wl,--as-needed'],
      )
    endforeach
  endforeach
endforeach
"""


@WHERE
def test_meson(installed: Installed, tmp_path: Path, where: str) -> None:
    sources(tmp_path)
    (tmp_path / "meson.build").write_text(MESON, encoding="utf-8")
    options = "option('linkers', type: 'array', value: [])\n"
    (tmp_path / "meson_options.txt").write_text(options, encoding="utf-8")
    build, env = tmp_path / "build", installed.variables(where)
    env["PATH"] = f"{Path(sys.executable).parent}:/usr/bin:/bin"  # ninja
    meson = (building.tool("meson"), "setup", build, tmp_path, f"-Dlinkers={','.join(linkers())}")
    building.run(*meson, env=env)
    building.run(building.tool("ninja"), "-C", build, env=env)
    for library in CALLS:
        found = needed(file for file in build.glob(f"{library}-*") if file.is_file())
        assert len(found) == 2 * len(linkers())
        assert is_right(found, library), found


# autotools ---------------------------------------------------------------------------------------

CONFIGURE = """
AC_INIT([stranger], [1])
AC_PROG_CC
AC_CHECK_LIB([sqlite3], [sqlite3_libversion_number])
dnl A program that is run: what it needs must be found then, too.
AC_RUN_IFELSE(
  [AC_LANG_PROGRAM([[#include <sqlite3.h>]], [[return sqlite3_libversion_number() != 3;]])],
  [AC_MSG_NOTICE([it runs])], [AC_MSG_ERROR([it does not run])])
AC_CHECK_LIB([z], [deflate])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
"""
MAKEFILE = """
all:
\t@CC@ @CPPFLAGS@ @CFLAGS@ @LDFLAGS@ -o program main.c sqlite.c @LIBS@
"""


@WHERE
@pytest.mark.parametrize("linker", LINKERS)
def test_autotools(installed: Installed, tmp_path: Path, where: str, linker: str) -> None:
    for program, package in ((f"ld.{linker}", LINKERS[linker]), ("autoconf", "autoconf")):
        if not shutil.which(program):
            pytest.skip(f"requires {program} (Debian: {package})")
    sources(tmp_path)
    (tmp_path / "configure.ac").write_text(CONFIGURE, encoding="utf-8")
    (tmp_path / "Makefile.in").write_text(MAKEFILE, encoding="utf-8")
    building.run("autoconf", cwd=tmp_path)
    env = {**installed.variables(where), "LDFLAGS": f"-fuse-ld={linker} -Wl,--as-needed"}
    said = building.run("./configure", cwd=tmp_path, env=env)
    assert re.search(r"sqlite3_libversion_number in -lsqlite3\.\.\. yes$", said, re.MULTILINE)
    assert "configure: it runs\n" in said
    # Declared without zlib.h, which would say z_deflate: that is no function of the provider's.
    assert re.search(r"deflate in -lz\.\.\. no$", said, re.MULTILINE)
    building.run("make", cwd=tmp_path, env=env)
    found = needed([tmp_path / "program"])
    assert is_right(found, "sqlite"), found
    assert not SYSTEMS & found["program"]
