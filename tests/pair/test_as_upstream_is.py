"""Upstream's CMake files as they are: what they do that would break a wheel, or the build of one."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

import building
import pytest
from cmake_projects import configure, install, write
from elf import dynamic

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and runs ELF files")

VISIBLE = '__attribute__((visibility("default"))) '
WRAPPED = """
add_subdirectory(upstream EXCLUDE_FROM_ALL)
native_library_provider(foo PROVIDER libfoo COMPATIBILITY SameMajorVersion)
"""


def wrap(folder: Path, lists: str, files: dict[str, str], wrapped: str = WRAPPED) -> Path:
    """Build a provider of an upstream that is these files, and return its installed folder."""
    write(folder / "upstream", {"CMakeLists.txt": lists, **files})
    configure(folder, wrapped, "-DCMAKE_BUILD_TYPE=Release")
    return install(folder) / "libfoo"


def use(folder: Path, provider: Path, source: str) -> Path:
    """Build a program that links foo::foo of a provider by its CMake package."""
    lists = (
        "cmake_minimum_required(VERSION 3.25)\nproject(main LANGUAGES C)\n"
        "find_package(foo CONFIG REQUIRED)\nadd_executable(main main.c)\n"
        "target_link_libraries(main PRIVATE foo::foo)\n"
    )
    write(folder, {"CMakeLists.txt": lists, "main.c": source})
    command = (building.tool("cmake"), "-G", "Ninja", "-S", folder, "-B", folder / "build")
    building.run(*command, f"-Dfoo_ROOT={provider}")
    building.run(building.tool("cmake"), "--build", folder / "build")
    return folder / "build" / "main"


def exports(library: Path) -> set[str]:
    """Return the functions that a library exports."""
    said = building.run("nm", "-D", "--defined-only", library)
    return {line.split()[-1] for line in said.splitlines() if " T " in line}


def test_public_headers_of_a_folder_below(tmp_path: Path) -> None:
    """CMake would look for them in the folder that installs."""
    lists = """
add_library(foo SHARED foo.c)
target_include_directories(foo PUBLIC inc)
set_target_properties(foo PROPERTIES PUBLIC_HEADER "inc/foo.h;${CMAKE_CURRENT_BINARY_DIR}/made.h")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/made.h "#define MADE 1\\n")
"""
    header = f"{VISIBLE}int foo(void);\n"
    source = '#include "foo.h"\nint foo(void) { return 7; }\n'
    provider = wrap(tmp_path, lists, {"foo.c": source, "inc/foo.h": header})
    assert sorted(path.name for path in (provider / "include").iterdir()) == ["foo.h", "made.h"]
    main = "#include <foo.h>\n#include <made.h>\nint main(void) { return foo() + MADE; }\n"
    program = use(tmp_path / "consumer", provider, main)
    # The folder of the sources, which upstream names without BUILD_INTERFACE, is none of the package's.
    texts = (provider / "lib" / "cmake" / "foo").iterdir()
    assert not [path for path in texts if str(tmp_path) in path.read_text("utf-8")]
    with program.open("rb") as file:
        assert "libfoo__foo.so.1" in dynamic(file)["NEEDED"]


def test_header_only_library_that_is_linked_publicly(tmp_path: Path) -> None:
    """Its definitions and headers go along; the static library's code is inside already."""
    lists = """
add_library(base INTERFACE)
target_compile_definitions(base INTERFACE BASE=40)
add_library(headers INTERFACE)
add_library(up::headers ALIAS headers)
target_include_directories(headers INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/headers)
target_link_libraries(headers INTERFACE base)
set_target_properties(headers PROPERTIES PUBLIC_HEADER headers/two.h)
add_library(inner STATIC inner.c)
set_target_properties(inner PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_library(foo SHARED foo.c)
target_link_libraries(foo PUBLIC up::headers inner m)
add_library(second SHARED second.c)
target_link_libraries(second PUBLIC headers)
"""
    sources = {
        "headers/two.h": f"#define TWO 2\n{VISIBLE}int foo(void);\n",
        "inner.c": "int inner(void) { return 0; }\n",
        "foo.c": "#include <two.h>\nint inner(void);\nint foo(void) { return BASE + inner(); }\n",
        "second.c": "#include <two.h>\nint second(void) { return TWO; }\n",
    }
    wrapped = WRAPPED.replace("(foo", "(foo second")
    provider = wrap(tmp_path, lists, sources, wrapped)
    main = "#include <two.h>\nint main(void) { return foo() + BASE + TWO == 82 ? 0 : 1; }\n"
    program = use(tmp_path / "consumer", provider, main)
    building.run(program, env={"LD_LIBRARY_PATH": str(provider / "lib")})


@pytest.mark.parametrize(
    ("inside", "exported"),
    [
        # Somebody else's library, whose symbols are nobody's promise.
        ("target_link_libraries(foo PRIVATE inner)", {"foo"}),
        ("target_link_libraries(foo inner)", {"foo"}),
        # What is linked whole is there to be exported.
        (
            'target_link_libraries(foo PRIVATE "$<LINK_LIBRARY:WHOLE_ARCHIVE,inner>")',
            {"foo", "inner"},
        ),
        (
            (
                "target_link_options(foo PRIVATE LINKER:--whole-archive $<TARGET_FILE:inner> "
                "LINKER:--no-whole-archive)\nadd_dependencies(foo inner)"
            ),
            {"foo", "inner"},
        ),
        ("target_sources(foo PRIVATE $<TARGET_OBJECTS:objects>)", {"foo", "inner"}),
    ],
)
def test_symbols_of_a_static_library_inside(
    tmp_path: Path, inside: str, exported: set[str]
) -> None:
    lists = f"""
add_library(inner STATIC inner.c)
add_library(objects OBJECT inner.c)
set_target_properties(inner objects PROPERTIES POSITION_INDEPENDENT_CODE ON)
add_library(foo SHARED foo.c)
{inside}
"""
    source = f"int inner(void);\n{VISIBLE}int foo(void) {{ return inner(); }}\n"
    provider = wrap(
        tmp_path, lists, {"foo.c": source, "inner.c": "int inner(void) { return 5; }\n"}
    )
    library = provider / "lib" / "libfoo__foo.so.1"
    assert exports(library) == exported
    assert ctypes.CDLL(str(library)).foo() == 5


PLUGINS = """
set(CMAKE_INSTALL_RPATH /opt/somewhere)
add_library(foo SHARED foo.c)
set_target_properties(
    foo PROPERTIES INSTALL_RPATH "/usr/local/lib;\\$ORIGIN/plugins;\\$ORIGIN/plugins"
    INSTALL_RPATH_USE_LINK_PATH ON
)
target_link_libraries(foo PRIVATE ${CMAKE_DL_LIBS})
add_library(plugin MODULE plugin.c)
set_target_properties(plugin PROPERTIES PREFIX "")
"""
PLUGIN_SOURCE = f"""
#include <dlfcn.h>
{VISIBLE}int foo(void) {{
  int (*plugin)(void) = 0;
  void *found = dlopen("plugin.so", RTLD_NOW);
  if (found) *(void **)&plugin = dlsym(found, "plugin");
  return plugin ? plugin() : -1;
}}
"""


@pytest.mark.parametrize("is_consumer", [False, True])
def test_library_that_opens_its_own_plugins(tmp_path: Path, is_consumer: bool) -> None:
    site = tmp_path / "site"
    wrapped = WRAPPED + "set_target_properties(plugin PROPERTIES EXCLUDE_FROM_ALL OFF)\n"
    wrapped += "install(TARGETS plugin DESTINATION libfoo/lib/plugins)\n"
    if is_consumer:
        configure(tmp_path / "bar", WRAPPED.replace("foo", "bar").replace(*BAR))
        install(tmp_path / "bar").rename(site)
        wrapped += "native_library_consumer(foo LIBRARIES bar::bar DESTINATION libfoo)\n"
    plugin = f"{VISIBLE}int plugin(void) {{ return 9; }}\n"
    files = {"CMakeLists.txt": PLUGINS, "foo.c": PLUGIN_SOURCE, "plugin.c": plugin}
    write(tmp_path / "upstream", files)
    said = configure(tmp_path, wrapped, env={"PYTHONPATH": str(site)})
    dropped = "foo: INSTALL_RPATH /usr/local/lib is left out, it is no folder of the wheel"
    assert said.count(dropped) == 1
    library = install(tmp_path) / "libfoo" / "lib" / "libfoo__foo.so.1"
    with library.open("rb") as file:
        assert dynamic(file)["RUNPATH"] == ["$ORIGIN/plugins"]
    if is_consumer:
        ctypes.CDLL(str(site / "libbar" / "lib" / "libbar__bar.so.1"))
    assert ctypes.CDLL(str(library)).foo() == 9


BAR = ("add_subdirectory(upstream EXCLUDE_FROM_ALL)", "add_library(bar SHARED foo.c)")


def test_upstream_that_goes_static_as_a_subproject(tmp_path: Path) -> None:
    lists = """
add_library(lz4_static STATIC lz4.c)
add_library(lz4_headers INTERFACE)
add_executable(lz4cli lz4.c)
"""
    write(
        tmp_path / "upstream", {"CMakeLists.txt": lists, "lz4.c": "int main(void) { return 0; }\n"}
    )
    wrapped = WRAPPED.replace("(foo", "(lz4_shared")
    said = configure(tmp_path, wrapped, fails=True)
    assert (
        "native_library_provider: lz4_shared is not a target; the library targets are "
        "lz4_static (STATIC), lz4_headers (INTERFACE)" in said
    )
    assert said.count("CMake Error") == 1


def test_imported_target_is_another_functions(tmp_path: Path) -> None:
    lists = (
        "add_library(foo SHARED IMPORTED)\nset_target_properties(foo PROPERTIES "
        "IMPORTED_LOCATION /nowhere/libfoo.so)\n"
        "native_library_provider(foo PROVIDER libfoo COMPATIBILITY SameMajorVersion)"
    )
    said = configure(tmp_path, lists, fails=True)
    assert "foo is imported, not built here: give its file to native_library_prebuilt()" in said
    assert said.count("CMake Error") == 1
