"""Which of its own libraries a wheel's files find; the last tests ask the loaders of glibc and musl."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import building
import pytest
import wheels
from models import EXTENSION, binary, find, wheel
from native_lib.check import installed
from native_lib.check.config import Config
from native_lib.check.elf import RPATH, RUNPATH, File
from native_lib.check.installed import check_installed
from native_lib.check.reach import lost_in
from native_lib.check.read import read_binary
from native_lib.check.records import opens_libraries
from native_lib.check.rule import ERROR, NOTE, WARNING, Finding
from native_lib.check.run import check
from native_lib.doctor.installed import all_installed

if TYPE_CHECKING:
    from pathlib import Path

    from native_lib.check.binary import Binary

RULE = "own-library-unreached"
LIBS = "foo_ext.libs"
X, Y = "libx.so.1", "liby.so.1"
AARCH64 = "aarch64"


def module(*needed: str, **more: Any) -> Binary:
    """Return an extension module."""
    facts = {"path": EXTENSION, "libc": "glibc", "exports": "PyInit__ext"} | more
    return binary(facts.pop("path"), needed=needed, **facts)


def lib(name: str, *needed: str, folder: str = LIBS, **more: Any) -> Binary:
    """Return a bundled library."""
    return binary(f"{folder}/{name}", name, needed=needed, **({"libc": "glibc"} | more))


def lost(*binaries: Binary) -> list[tuple[str, str]]:
    """Return who does not find what."""
    return [(each.user.leaf, each.needed) for each in lost_in(binaries)]


# ELF ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "is_found"),
    [
        ({"runpath": ("$ORIGIN/../foo_ext.libs",)}, True),
        ({"rpath": ("/opt/lib", "${ORIGIN}/.././foo_ext.libs/")}, True),
        ({}, False),
        ({"runpath": ("$ORIGIN",)}, False),
        ({"runpath": ("/foo_ext.libs", "foo_ext.libs", "@loader_path/../foo_ext.libs")}, False),
        # With a RUNPATH, the RPATH does not count.
        ({"rpath": ("$ORIGIN/../foo_ext.libs",), "runpath": ("$ORIGIN",)}, False),
    ],
)
def test_search_paths(paths: dict[str, tuple[str, ...]], is_found: bool) -> None:
    expected = [] if is_found else [("_ext.abi3.so", X)]
    assert lost(module(X, "libc.so.6", **paths), lib(X)) == expected


@pytest.mark.parametrize(
    ("file", "path", "is_found"),
    [
        ("foo-1.0.data/platlib/foo_ext.libs/libx.so.1", "$ORIGIN/../foo_ext.libs", True),
        ("foo-1.0.data/purelib/foo_ext.libs/libx.so.1", "$ORIGIN/../foo_ext.libs", True),
        ("foo-1.0.data/data/lib/libx.so.1", "$ORIGIN/../../../../lib", True),
        ("foo-1.0.data/data/lib/libx.so.1", "$ORIGIN/../..", False),
        ("foo-1.0.data/data/lib/python3.11/site-packages/libx.so.1", "$ORIGIN/..", True),
    ],
)  # fmt: skip
def test_where_a_file_is_installed(file: str, path: str, is_found: bool) -> None:
    of = binary(file, X, libc="glibc")
    assert (lost(module(X, runpath=(path,)), of) == []) == is_found


def test_a_program_of_the_wheel() -> None:
    tool, library = "foo-1.0.data/scripts/tool", "foo-1.0.data/data/lib/libx.so.1"
    for path, found in (("$ORIGIN/../lib", []), ("$ORIGIN", [("tool", X)])):
        assert lost(binary(tool, needed=(X,), runpath=(path,)), binary(library, X)) == found
    site = "lib/python3.11/site-packages/foo_ext.libs"
    program = binary(tool, needed=(X,), runpath=(f"$ORIGIN/../{site}",))
    assert lost(program, lib(X)) == []


def test_what_is_opened_by_other_means_is_not_asked() -> None:
    """A plugin: whatever opens it may have loaded what it needs."""
    assert lost(binary("foo_ext/plugins/libplugin.so", needed=(X,)), lib(X)) == []


def test_the_name_is_the_soname_or_the_files() -> None:
    """glibc looks for a file of the needed name; what is loaded, it knows by the SONAME too."""
    by_file = binary(f"{LIBS}/{X}", "libother.so", libc="glibc")
    by_soname = binary(f"{LIBS}/libother.so", X, libc="glibc")
    path = {"runpath": ("$ORIGIN/../foo_ext.libs",)}
    assert lost(module(X, **path), by_file) == []
    assert lost(module(X, **path), by_soname) == [("_ext.abi3.so", X)]
    assert lost(module("libother.so", X, **path), by_soname) == []


# Mach-O -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "name", "rpath", "is_found"),
    [
        ("@loader_path/../foo_ext.dylibs/x.dylib", "/DLC/x.dylib", (), True),
        ("@loader_path/x.dylib", "/DLC/x.dylib", (), False),
        ("@rpath/x.dylib", "@rpath/x.dylib", ("@loader_path/../foo_ext.dylibs",), True),
        ("@rpath/../foo_ext.dylibs/x.dylib", "", ("/usr/lib", "@loader_path"), True),
        ("@rpath/x.dylib", "@rpath/x.dylib", ("/build/lib", "$ORIGIN/../foo_ext.dylibs"), False),
        ("/opt/homebrew/lib/x.dylib", "/opt/homebrew/lib/x.dylib", (), False),
        # Python's folder.
        ("@executable_path/../lib/python3.11/site-packages/foo_ext.dylibs/x.dylib", "", (), True),
        ("@executable_path/../foo_ext.dylibs/x.dylib", "", (), False),
    ],
)
def test_mach_o(needed: str, name: str, rpath: tuple[str, ...], is_found: bool) -> None:
    mach_o = {"format": "Mach-O", "libc": ""}
    library = binary("foo_ext.dylibs/x.dylib", name, format="Mach-O")
    expected = [] if is_found else [("_ext.abi3.so", needed)]
    assert lost(module(needed, rpath=rpath, **mach_o), library) == expected
    # A weak one may be missing.
    optional = frozenset({needed})
    assert lost(module(needed, rpath=rpath, optional=optional, **mach_o), library) == []


def test_dyld_takes_the_paths_of_what_loads_a_file() -> None:
    mach_o = {"format": "Mach-O", "libc": ""}
    x, y = (
        binary(f"foo_ext.dylibs/{name}", f"@rpath/{name}", needed=needed, format="Mach-O")
        for name, needed in (("x.dylib", ("@rpath/y.dylib",)), ("y.dylib", ()))
    )
    path = ("@loader_path/../foo_ext.dylibs",)
    assert lost(module("@rpath/x.dylib", rpath=path, **mach_o), x, y) == []
    # And what is loaded it knows by its install name, whoever loaded it.
    by_path = "@loader_path/../foo_ext.dylibs/y.dylib"
    for order in (by_path, "@rpath/y.dylib"), ("@rpath/y.dylib", by_path):
        assert lost(module(*order, **mach_o), y) == []


def test_dyld_reads_loader_path_for_each_file() -> None:
    """One text, two files; and files that need each other."""
    mach_o = {"format": "Mach-O", "libc": ""}
    a, b = "@loader_path/a.dylib", "@loader_path/b.dylib"
    libraries = (
        binary("foo_ext/a.dylib", needed=("@loader_path/sub/b.dylib",), format="Mach-O"),
        binary("foo_ext/sub/b.dylib", needed=(a, b), format="Mach-O"),
    )
    assert lost(module(a, **mach_o), *libraries) == [("b.dylib", a)]
    again = binary("foo_ext/sub/a.dylib", needed=(b,), format="Mach-O")
    assert lost(module(a, **mach_o), *libraries, again) == []


# PE -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "is_found"),
    [
        ("foo_ext/X.dll", True),
        ("foo_ext.libs/X.dll", False),
        ("X.dll", False),
        ("foo-1.0.data/data/X.dll", True),  # beside python.exe
        ("foo-1.0.data/scripts/X.dll", False),
        ("foo-1.0.data/data/Lib/site-packages/foo_ext/x.dll", True),
    ],
)
def test_windows_looks_beside_the_module(file: str, is_found: bool) -> None:
    expected = [] if is_found else [("_ext.pyd", "x.DLL")]
    pe = {"path": "foo_ext/_ext.pyd", "format": "PE", "libc": ""}
    assert lost(module("x.DLL", **pe), binary(file, "another name", format="PE")) == expected
    assert (
        lost(module("x.DLL", optional=frozenset({"x.DLL"}), **pe), binary(file, format="PE")) == []
    )


def test_windows_looks_beside_the_module_for_all_that_it_loads() -> None:
    pe = {"path": "foo_ext/_ext.pyd", "format": "PE", "libc": ""}
    for folder, found in (("foo_ext", []), ("foo_ext/sub", [("x.dll", "y.dll")])):
        x = binary("foo_ext/x.dll", needed=("y.dll",), format="PE")
        assert lost(module("x.dll", **pe), x, binary(f"{folder}/y.dll", format="PE")) == found


# The findings -------------------------------------------------------------------------------------


def found_in(*binaries: Binary, **more: Any) -> list[tuple[str, str]]:
    """Return severity and message of each finding."""
    tag = {"tag": "cp311-abi3-manylinux_2_17_x86_64"}
    return [
        (each.severity or ERROR, each.message)
        for each in find(RULE, wheel("foo-ext", *binaries, **(tag | more)))
    ]


def test_it_is_an_error_if_nothing_can_load_it() -> None:
    ours = wheel("foo-ext", module(X), lib(X))
    message = f"needs {X}: the loader does not look where {LIBS}/{X} is"
    assert find(RULE, ours) == [Finding(ours.path.name, EXTENSION, X, message)]
    assert found_in(module(X, runpath=("$ORIGIN/../foo_ext.libs",)), lib(X, Y), lib(Y)) == [
        (ERROR, f"needs {Y}: the loader does not look where {LIBS}/{Y} is (with {EXTENSION})")
    ]


def test_code_that_opens_libraries_may_have_opened_it() -> None:
    assert found_in(module(X), lib(X), opens_libraries=True) == []


@pytest.mark.parametrize(
    ("source", "opens"),
    [
        (b"ctypes.CDLL(path)\n", True),
        (b"os.add_dll_directory(folder)\n", True),
        (b"ffi.dlopen(path)\n", True),
        (b"os.environ['LD_LIBRARY_PATH'] = path\n", True),
        (b"import ctypes\nprint('library')\n", False),
        (b"", False),
    ],
)
def test_code_that_opens_libraries(source: bytes, opens: bool) -> None:
    assert opens_libraries(source) == opens


def test_a_distribution_that_was_not_given_may_have_loaded_it() -> None:
    absent = "torch is required and was not given; give its wheel to be sure"
    message = f"needs {X}: the loader does not look where {LIBS}/{X} is; {absent}"
    assert found_in(module(X), lib(X), bounds=["torch"]) == [(WARNING, message)]


def test_it_is_a_note_if_another_module_loads_it() -> None:
    other = "foo_ext/_other.so"
    files = module(X), module(X, path=other, runpath=("$ORIGIN/../foo_ext.libs",)), lib(X)
    message = f"finds {LIBS}/{X} only if {other} was imported before"
    assert found_in(*files) == [(NOTE, message)]


def test_the_systems_library_takes_its_place() -> None:
    name = "libz.so.1"
    message = f"gets the system's {name}: the loader does not find {LIBS}/{name}"
    assert found_in(module(name), lib(name)) == [(WARNING, message)]
    # The other way round all is well, and so it is if the wheel's cannot be loaded at all.
    assert found_in(module(name, runpath=("$ORIGIN/../foo_ext.libs",)), lib(name)) == []
    assert found_in(module(name), lib(name, architecture=AARCH64)) == []


def test_the_library_is_for_another_architecture() -> None:
    path = {"runpath": ("$ORIGIN/../foo_ext.libs", "$ORIGIN")}
    other = lib(X, architecture=AARCH64)
    message = f"needs {X} for ELF x86_64 glibc: {LIBS}/{X} is for ELF aarch64 glibc"
    assert found_in(module(X, **path), other, opens_libraries=True) == [(ERROR, message)]
    # The loader skips it and goes on.
    assert found_in(module(X, **path), other, lib(X, folder="foo_ext")) == []
    message = (
        f"needs {X}: the loader does not look where foo_ext/sub/{X} is, and finds {LIBS}/{X}, "
        "which is for ELF aarch64 glibc"
    )
    sub = lib(X, folder="foo_ext/sub")
    assert found_in(module(X, **path), other, sub) == [(ERROR, message)]


@pytest.mark.parametrize(
    ("tag", "count"),
    [
        ("macosx_11_0_arm64", 0),
        ("macosx_11_0_universal2", 1),
        ("any", 1),
        ("ios_13_0_arm64_iphoneos", 0),  # where a build moves the modules
    ],
)
def test_only_what_the_tag_promises_counts(tag: str, count: int) -> None:
    """A module for two architectures, in a wheel for one, with libraries for that one."""
    mach_o = {"format": "Mach-O", "libc": ""}
    needed = "@loader_path/../foo_ext.dylibs/x.dylib"
    slices = [module(needed, architecture=each, **mach_o) for each in ("x86_64", AARCH64)]
    library = binary("foo_ext.dylibs/x.dylib", format="Mach-O", architecture=AARCH64)
    assert len(found_in(*slices, library, tag=f"cp311-abi3-{tag}")) == count


# A real wheel -------------------------------------------------------------------------------------

PRELOAD = f"""import ctypes, os
ctypes.CDLL(os.path.join(os.path.dirname(__file__), os.pardir, {LIBS!r}, {X!r}))
"""


@pytest.mark.parametrize(
    ("path", "code", "works"),
    [
        ("$ORIGIN/../foo_ext.libs", "", True),
        ("$ORIGIN", "", False),
        ("$ORIGIN", PRELOAD, True),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="its files are for Linux")
def test_a_wheel_and_what_python_does_with_it(
    elf: wheels.Elf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    code: str,
    works: bool,
) -> None:
    """In an archive, and installed."""
    extension = elf.extension(
        f"-Wl,-rpath,{path}", soname=X, library="int foo_one(void) { return 1; }"
    )
    files: dict[str, bytes | str] = {
        "foo_ext/__init__.py": code,
        "foo_ext/_ext.abi3.so": extension,
        f"{LIBS}/{X}": elf.library(soname=X),
    }
    archive = wheels.make_wheel(tmp_path, "foo-ext", files)
    site = tmp_path / "site"
    wheels.unpack(archive, site)
    monkeypatch.setattr(installed, "all_installed", partial(all_installed, [str(site)]))
    for report in (check([archive]), check_installed([], Config())):
        found = [each.message for rule, each in report.findings if rule.id == RULE]
        message = f"needs {X}: the loader does not look where {LIBS}/{X} is"
        assert found == ([] if works else [message])
    opened = subprocess.run(
        (sys.executable, "-c", "import ctypes, foo_ext; ctypes.CDLL('foo_ext/_ext.abi3.so')"),
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (opened.returncode == 0) == works
    assert works or f"{X}: cannot open shared object file" in opened.stderr


# Real files ---------------------------------------------------------------------------------------

OPENER = """
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **files) {
    while (*++files) puts(dlopen(*files, RTLD_LAZY) ? "loaded" : dlerror());
    return !count;
}
"""
LIBRARIES = "foo_ext/_ext.so", "foo_ext/_other.so", f"{LIBS}/{X}", f"{LIBS}/{Y}"
IDLE = 0x6FFFF000  # a tag that no loader knows


@pytest.fixture(scope="module", params=["cc", "musl-gcc"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a module that needs x, which needs y, another that needs both, and a program."""
    if sys.platform != "linux" or shutil.which(request.param) is None:
        pytest.skip(f"requires {request.param} and Linux")
    folder = tmp_path_factory.mktemp("reach")

    def compile_(file: str, source: str, *needed: str, paths: str) -> None:
        building.compile_library(
            source,
            folder / file,
            *("-Wl,--no-as-needed", f"-Wl,-rpath,{paths}"),
            *(str(folder / LIBS / each) for each in needed),
            soname=file.rpartition("/")[2],
            compiler=request.param,
        )

    module, x, y = (f"int {name}(void) {{ return 1; }}" for name in ("PyInit__ext", "x", "y"))
    compile_(f"{LIBS}/{Y}", y, paths="$ORIGIN")
    compile_(f"{LIBS}/{X}", x, Y, paths="$ORIGIN")
    compile_("foo_ext/_ext.so", module, X, paths="$ORIGIN/../foo_ext.libs")
    compile_("foo_ext/_other.so", module, Y, X, paths="$ORIGIN/../foo_ext.libs")
    (folder / "open.c").write_text(OPENER, encoding="utf-8")
    building.run(request.param, "open.c", "-o", "open", "-ldl", cwd=folder)
    return folder


def with_path(content: bytes, tag: int) -> bytes:
    """Return an ELF file whose search path has another tag."""
    changed = bytearray(content)
    for at, old, _ in File(content).entries:
        if old in (RPATH, RUNPATH):
            struct.pack_into("l", changed, at, tag)
    return bytes(changed)


def test_what_the_loader_says(compiled: Path, tmp_path: Path) -> None:
    """Every combination of RPATH, RUNPATH and none: the rule says what the loader does."""
    seen = set()
    for number, tags in enumerate(itertools.product((RPATH, RUNPATH, IDLE), repeat=3)):
        folder = tmp_path / str(number)
        binaries: list[Binary] = []
        for file, tag in zip(LIBRARIES, (*tags, IDLE)):
            content = with_path((compiled / file).read_bytes(), tag)
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
            binaries += read_binary(file, content)
        # The loader stops at the first.
        lost_by = {each.root.path: each.needed for each in reversed(lost_in(binaries))}
        for file in LIBRARIES[:2]:
            said = building.run(compiled / "open", folder / file)
            needed = lost_by.get(file)
            assert (said == "loaded\n") == (needed is None), (tags, file, said)
            assert needed is None or needed in said
            seen.add((file, needed))
        # In the order in which another module comes first.
        served = {each.root.path for each in lost_in(binaries) if each.earlier}
        if LIBRARIES[0] in served:
            said = building.run(compiled / "open", folder / LIBRARIES[1], folder / LIBRARIES[0])
            assert said == "loaded\nloaded\n"
            seen.add(("served", None))
    ext, other = LIBRARIES[:2]
    expected = {(ext, None), (ext, X), (other, None), (other, Y), ("served", None)}
    # On musl, what finds x finds y too: it makes no difference between the two paths.
    assert seen == expected | (set() if binaries[0].libc == "musl" else {(ext, Y)})
