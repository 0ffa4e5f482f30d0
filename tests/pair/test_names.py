"""The names by which others know a provider's library: packages, imported targets, variables."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING, Callable

import building
import pytest
from cmake_projects import configure, install, write
from elf import dynamic

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and runs ELF files")

PROVIDER = """
add_library(sodium SHARED sodium.c)
add_library(extra SHARED extra.c)
target_sources(sodium PUBLIC FILE_SET HEADERS FILES sodium.h)
set_target_properties(sodium extra PROPERTIES C_VISIBILITY_PRESET default)
native_library_provider(
    sodium extra PROVIDER native_sodium VERSION 1.0.22 COMPATIBILITY SameMajorVersion
    NAMES Sodium unofficial-sodium ALIASES sodium=libsodium extra=Sodium::More
)
"""
SODIUM = "native_sodium__sodium.so.1"


@pytest.fixture(scope="session")
def sodium(once: Callable[[str, Callable[[Path], Path]], Path]) -> Path:
    """A folder like site-packages, with a provider that has several names."""

    def build(folder: Path) -> Path:
        folder.mkdir(exist_ok=True)
        source = "int sodium_init(void) { return 22; }\n"
        extra = "int sodium_extra(void) { return 2; }\n"
        header = "int sodium_init(void);\n"
        write(folder, {"sodium.c": source, "extra.c": extra, "sodium.h": header})
        configure(folder, PROVIDER, "-DCMAKE_BUILD_TYPE=Release")
        return install(folder)

    return once("sodium", build)


NAMES = ("sodium", "Sodium", "SODIUM", "unofficial-sodium")
CONSUMER = """
cmake_minimum_required(VERSION 3.25)
project(main LANGUAGES C)
include(CheckLibraryExists)
include(CheckSymbolExists)
find_package({name} 1.0.20 CONFIG REQUIRED)
string(TOUPPER "{name}" upper)
foreach(x IN ITEMS {name} ${{upper}})
    foreach(variable IN ITEMS FOUND VERSION LIBRARIES LIBRARY INCLUDE_DIRS INCLUDE_DIR)
        message(STATUS "${{x}}_${{variable}}=${{${{x}}_${{variable}}}};")
    endforeach()
endforeach()
foreach(x IN ITEMS {name}_LIBRARIES {name}_LIBRARY)
    check_library_exists("${{${{x}}}}" sodium_init "" ${{x}}_LINKS)
    set(CMAKE_REQUIRED_LIBRARIES "${{${{x}}}}")
    set(CMAKE_REQUIRED_INCLUDES "${{{name}_INCLUDE_DIRS}}")
    check_symbol_exists(sodium_init sodium.h ${{x}}_COMPILES)
    if(NOT ${{x}}_LINKS OR NOT ${{x}}_COMPILES)
        message(FATAL_ERROR "${{x}}")
    endif()
endforeach()
foreach(target IN ITEMS sodium::sodium Sodium::Sodium unofficial-sodium::unofficial-sodium libsodium)
    string(MAKE_C_IDENTIFIER "main_${{target}}" program)
    add_executable(${{program}} main.c)
    target_link_libraries(${{program}} PRIVATE ${{target}})
endforeach()
add_library(more SHARED more.c)
target_link_libraries(more PRIVATE Sodium::More Sodium::extra)
find_package({name} 2.0 CONFIG QUIET)
message(STATUS "2.0: ${{{name}_FOUND}};")
"""


@pytest.mark.parametrize("name", NAMES)
def test_package_has_every_name(sodium: Path, tmp_path: Path, name: str) -> None:
    main = "#include <sodium.h>\nint main(void) { return sodium_init(); }\n"
    more = "int sodium_extra(void); int more(void) { return sodium_extra(); }\n"
    lists = CONSUMER.format(name=name)
    write(tmp_path, {"CMakeLists.txt": lists, "main.c": main, "more.c": more})
    command = (building.tool("cmake"), "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build")
    said = building.run(*command, f"-D{name}_ROOT={sodium}/native_sodium")
    for each in (name, name.upper()):
        assert f"{each}_FOUND=1;" in said
        assert f"{each}_VERSION=1.0.22;" in said
        assert f"{each}_LIBRARIES=sodium::sodium;sodium::extra;" in said
        assert f"{each}_LIBRARY={sodium}/native_sodium/lib/{SODIUM};" in said
        assert f"{each}_INCLUDE_DIRS={sodium}/native_sodium/include;" in said
        assert f"{each}_INCLUDE_DIR={sodium}/native_sodium/include;" in said
    assert "2.0: 0;" in said
    building.run(building.tool("cmake"), "--build", tmp_path / "build")
    programs = [*(tmp_path / "build").glob("main_*")]
    assert len(programs) == 4
    for program in programs:
        with program.open("rb") as file:
            assert SODIUM in dynamic(file)["NEEDED"]
    with (tmp_path / "build" / "libmore.so").open("rb") as file:
        assert "native_sodium__extra.so.1" in dynamic(file)["NEEDED"]


# libzmq reads SODIUM_LIBRARIES after find_package("Sodium"), and goes without if it is empty.
ZMQ = """
cmake_minimum_required(VERSION 3.10)
project(zmq C)
set(CMAKE_MODULE_PATH "${CMAKE_CURRENT_SOURCE_DIR}")
find_package("Sodium" 1.0)
add_library(libzmq SHARED zmq.c)
set_target_properties(libzmq PROPERTIES OUTPUT_NAME zmq)
if(SODIUM_FOUND)
    target_compile_definitions(libzmq PRIVATE HAVE_SODIUM)
    include_directories(${SODIUM_INCLUDE_DIRS})
endif()
target_link_libraries(libzmq ${SODIUM_LIBRARIES} Threads::Threads)
"""
ZMQ_SOURCE = """
#ifdef HAVE_SODIUM
#include <sodium.h>
#else
static int sodium_init(void) { return -1; }
#endif
__attribute__((visibility("default"))) int zmq(void) { return sodium_init(); }
"""
WRAPPED = """
find_package(Threads REQUIRED)
native_library_find({find})
add_subdirectory(upstream EXCLUDE_FROM_ALL)
native_library_provider(
    libzmq PROVIDER native_zmq PACKAGE ZeroMQ COMPATIBILITY SameMajorVersion {dependencies}
)
native_library_consumer(libzmq LIBRARIES {library} Sodium::More DESTINATION native_zmq)
"""


@pytest.mark.parametrize("library", ["Sodium::Sodium", "Sodium::sodium"])
def test_upstream_that_reads_variables(sodium: Path, tmp_path: Path, library: str) -> None:
    dependencies = "DEPENDENCIES Sodium" if library == "Sodium::sodium" else ""
    module = "message(FATAL_ERROR [[upstream's own module was asked]])\n"
    upstream = {"CMakeLists.txt": ZMQ, "zmq.c": ZMQ_SOURCE, "FindSodium.cmake": module}
    write(tmp_path / "upstream", upstream)
    # Asked for twice, and by whoever needs it later.
    lists = WRAPPED.format(find="Sodium Sodium", library=library, dependencies=dependencies)
    env = {"PYTHONPATH": str(sodium)}
    for _ in range(2):  # again in the same folder: what the cache remembers must not matter
        configure(tmp_path, lists, "-DCMAKE_BUILD_TYPE=Release", env=env)
    out = install(tmp_path) / "native_zmq"
    with (out / "lib" / "native_zmq__zmq.so.1").open("rb") as file:
        assert SODIUM in dynamic(file)["NEEDED"]
    assert "'libraries': ('sodium', 'extra')" in (out / "_native_requires.py").read_text("utf-8")
    # As the loader does it.
    for needed in (sodium / "native_sodium" / "lib").glob("*.so.1"):
        ctypes.CDLL(str(needed))
    assert ctypes.CDLL(str(out / "lib" / "native_zmq__zmq.so.1")).zmq() == 22
    # Who uses it in turn gets sodium's target by its name, not a path of this machine; or nothing, if
    # the interface does not need it.
    targets = (out / "lib" / "cmake" / "ZeroMQ" / "ZeroMQTargets.cmake").read_text("utf-8")
    assert ("sodium::sodium" in targets) == bool(dependencies)
    assert str(sodium) not in targets


def test_record_and_loader_are_of_the_component(sodium: Path, tmp_path: Path) -> None:
    lists = "add_library(main MODULE foo.c)\n"
    lists += "native_library_consumer(main LIBRARIES Sodium::Sodium DESTINATION package)\n"
    configure(tmp_path, lists, env={"PYTHONPATH": str(sodium)})
    command = (
        building.tool("cmake"),
        "--install",
        tmp_path / "build",
        "--prefix",
        tmp_path / "out",
    )
    building.run(*command, "--component", "native_library")
    assert {path.name for path in (tmp_path / "out" / "package").iterdir()} == {
        *("_native_requires.py", "_shared_lib_consumer.py", "_shared_lib_explain.py"),
        *("_shared_lib_fixes.py", "_shared_lib_LICENSE"),
    }


def test_upstream_in_a_folder_below_that_looks_for_nothing(sodium: Path, tmp_path: Path) -> None:
    """Its target_link_libraries() has no keywords, and imported targets are another folder's."""
    source = "#include <sodium.h>\nint zmq(void) { return sodium_init(); }\n"
    upstream = "add_library(libzmq SHARED zmq.c)\ntarget_link_libraries(libzmq m)\n"
    write(tmp_path / "upstream", {"CMakeLists.txt": upstream, "zmq.c": source})
    lists = "add_subdirectory(upstream)\n"
    for library in ("Sodium::Sodium", "Sodium::More"):  # two calls for one target
        lists += f"native_library_consumer(libzmq LIBRARIES {library} DESTINATION native_zmq)\n"
    configure(tmp_path, lists, env={"PYTHONPATH": str(sodium)})
    out = install(tmp_path)
    with (tmp_path / "build" / "upstream" / "liblibzmq.so").open("rb") as file:
        assert {SODIUM, "native_sodium__extra.so.1"} < {*dynamic(file)["NEEDED"]}
    record = (out / "native_zmq" / "_native_requires.py").read_text("utf-8")
    assert "'libraries': ('sodium', 'extra')" in record


@pytest.mark.parametrize("module", ["", "add_library(other::name ALIAS other)\n"])
def test_systems_copy_under_another_name(sodium: Path, tmp_path: Path, module: str) -> None:
    """As CMake's FindSQLite3.cmake had it until 4.3: no target SQLite3::SQLite3, but variables."""
    module += "set(Sodium_FOUND TRUE)\nset(Sodium_INCLUDE_DIRS ${CMAKE_SOURCE_DIR}/system)\n"
    module += f"set(Sodium_LIBRARIES {'other::name' if 'other' in module else 'other'})\n"
    files = {"modules/FindSodium.cmake": module, "system/sodium.h": "int foo(void);\n"}
    write(tmp_path, {**files, "zmq.c": "#include <sodium.h>\nint zmq(void) { return foo(); }\n"})
    lists = """
list(APPEND CMAKE_MODULE_PATH "${CMAKE_SOURCE_DIR}/modules")
add_library(other SHARED foo.c)
add_library(zmq MODULE zmq.c)
native_library_consumer(zmq LIBRARIES Sodium::Sodium DESTINATION native_zmq)
"""
    env = {"PYTHONPATH": str(sodium), "NATIVE_LIB_SYSTEM": "Sodium"}
    said = configure(tmp_path, lists, env=env)
    assert "Sodium: the system's, as NATIVE_LIB_SYSTEM asks" in said
    install(tmp_path)
    with (tmp_path / "build" / "libzmq.so").open("rb") as file:
        assert "libother.so" in dynamic(file)["NEEDED"]


def test_find_touches_only_what_it_is_asked_for(sodium: Path, tmp_path: Path) -> None:
    """As gdstk has it: its own FindQhull.cmake, beside a QhullConfig.cmake that lacks its target."""
    module = "add_library(QHULL::QHULL INTERFACE IMPORTED)\nset(Qhull_FOUND TRUE)\n"
    config = "prefix/lib/cmake/Qhull/QhullConfig.cmake"
    write(tmp_path, {"modules/FindQhull.cmake": module, config: ""})
    lists = """
list(APPEND CMAKE_MODULE_PATH "${CMAKE_SOURCE_DIR}/modules")
list(APPEND CMAKE_PREFIX_PATH "${CMAKE_SOURCE_DIR}/prefix")
native_library_find(Sodium)
find_package(Qhull REQUIRED)
add_library(main MODULE foo.c)
target_link_libraries(main PRIVATE QHULL::QHULL)
find_package(sodium REQUIRED)
get_target_property(location libsodium LOCATION)
message(STATUS "libsodium: ${location};")
"""
    said = configure(tmp_path, lists, env={"PYTHONPATH": str(sodium)})
    assert f"libsodium: {sodium}/native_sodium/lib/{SODIUM};" in said


def test_name_that_the_provider_does_not_have(sodium: Path, tmp_path: Path) -> None:
    package = tmp_path / "site" / "libfoo"
    (tmp_path / "site").mkdir()
    package.symlink_to(sodium / "native_sodium")
    lists = "native_library_find(foo)"
    env = {"PYTHONPATH": str(package.parent)}
    said = configure(tmp_path / "project", lists, fails=True, env=env)
    assert "gives no CMake package foo that fits this build; its names are " in said
    assert "sodium, Sodium, unofficial-sodium." in said
    assert said.count("CMake Error") == 1
