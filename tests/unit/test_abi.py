"""`native-lib abi`: what a new release takes from consumers of an earlier one."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import building
import macho_and_pe
import pytest
import wheels
from native_lib.cli import main

if TYPE_CHECKING:
    from pathlib import Path

needs_abidiff = pytest.mark.skipif(
    shutil.which("abidiff") is None, reason="requires abidiff (Debian: abigail-tools)"
)
TWO = wheels.LIBRARY
ONE = "int foo_one(void) { return 1; }\n"
THREE = TWO + "int foo_three(void) { return 3; }\n"


LOAD_BOTH = """
import ctypes, os, sys
library, extension = (ctypes.CDLL(path, os.RTLD_NOW) for path in sys.argv[1:])
extension.PyInit__ext()
"""


class Releases:
    """Makes a provider's releases, and compares them."""

    def __init__(self, elf: wheels.Elf, folder: Path) -> None:
        self.elf = elf
        self.folder = folder

    def release(self, version: str, source: str, *options: str, **how: str) -> Path:
        library = self.elf.library(*options, source=source, soname=how.get("soname", wheels.NAME))
        return self.elf.provider(self.folder / version, library, version=version)

    def abi(self, old: Path, new: Path) -> int:
        return main(["abi", str(old), str(new)])


@pytest.fixture
def releases(elf: wheels.Elf, tmp_path: Path) -> Releases:
    return Releases(elf, tmp_path)


def test_what_is_added_breaks_nobody(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = releases.release("1.0.0", TWO), releases.release("1.1.0", THREE)
    assert releases.abi(old, new) == 0
    told = capsys.readouterr()
    assert told.out.endswith("libfoo 1.1.0 has all that 1.0.0 has\n")
    assert told.err == ""


def test_function_lost(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = releases.release("1.0.0", TWO), releases.release("1.1.0", ONE)
    assert releases.abi(old, new) == 1
    told = capsys.readouterr()
    assert f"{wheels.NAME} no longer exports foo_two\n" in told.out
    (line,) = told.err.splitlines()
    assert line.startswith("native-lib: libfoo 1.1.0 cannot replace 1.0.0, ")
    assert "(SameMajorVersion)" in line


LEAKED = "".join(
    f"int {name}(void) {{ return 1; }}\n" for name in ("deflate", "inflate", "inflateEnd")
)
HEADER = "int foo_one(void);\nint foo_two(void);\n"


def with_header(
    releases: Releases, version: str, source: str, *options: str, header: str = HEADER
) -> Path:
    more: dict[str, bytes | str] = {"libfoo/include/foo.h": header}
    library = releases.elf.library(*options, source=source)
    return releases.elf.provider(releases.folder / version, library, version=version, more=more)


@pytest.mark.parametrize("debug", [(), pytest.param(("-g",), marks=needs_abidiff)])
def test_what_leaked_was_not_promised(
    releases: Releases, capsys: pytest.CaptureFixture[str], debug: tuple[str, ...]
) -> None:
    helper = "int helper(void) { return 1; }\n"
    old = with_header(releases, "1.0.0", TWO + LEAKED + helper, *debug)
    new = with_header(releases, "1.1.0", TWO, *debug)
    assert releases.abi(old, new) == 0
    told = capsys.readouterr()
    no_longer, names = f"{wheels.NAME} no longer exports", "deflate, inflate, inflateEnd"
    assert f"{no_longer} {names}: not promised, leaked from zlib\n" in told.out
    assert f"{no_longer} helper: not promised, declared in no header\n" in told.out
    assert told.out.endswith("libfoo 1.1.0 has all that 1.0.0 has\n")
    # Its own are promised as ever.
    assert releases.abi(old, with_header(releases, "1.2.0", ONE, *debug)) == 1
    assert f"{no_longer} foo_two\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("header", "more", "lost"),
    [
        ("#define NAME(x) foo_##x\n" + HEADER, "helper", True),  # a macro may declare it
        ("", "helper", True),  # nothing tells what is declared
        (HEADER + "int helper(void);\n", "helper", True),
        (HEADER, "helper", False),
    ],
)
def test_headers_that_say_what_is_promised(
    releases: Releases, header: str, more: str, lost: bool
) -> None:
    helper = f"int {more}(void) {{ return 1; }}\n"
    old = with_header(releases, "1.0.0", TWO + helper, header=header)
    assert releases.abi(old, with_header(releases, "1.1.0", TWO)) == lost


def test_next_major_promises_nothing(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = releases.release("1.0.0", TWO), releases.release("2.0.0", ONE)
    assert releases.abi(old, new) == 0
    assert capsys.readouterr().out.endswith("libfoo 2.0.0 does not promise to replace 1.0.0\n")


def test_pre_release_of_the_next_major_promises_nothing(releases: Releases) -> None:
    old, new = releases.release("1.4.2", TWO), releases.release("2.0.0rc1", ONE)
    assert releases.abi(old, new) == 0


@pytest.mark.parametrize("later", ["1.4.2", "1.4.1.post1", "1.5.0rc1"])
def test_the_earlier_release_comes_first(
    releases: Releases, capsys: pytest.CaptureFixture[str], later: str
) -> None:
    """The other way round, what was lost would pass for what was added."""
    old, new = releases.release("1.4.1", TWO), releases.release(later, ONE)
    assert releases.abi(old, new) == 1
    capsys.readouterr()
    assert releases.abi(new, old) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        f"native-lib: {new.name} is a later release than {old.name}: name the earlier one first\n"
    )


def test_one_version_twice(releases: Releases) -> None:
    """What is rebuilt has the version that it had."""
    old, new = releases.release("1.4.2", TWO), releases.release("1.4.2", TWO)
    assert releases.abi(old, new) == 0


def test_weak_function_of_c_lost(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    weak = TWO.replace("int foo_two", "__attribute__((weak)) int foo_two")
    old, new = releases.release("1.0.0", weak), releases.release("1.1.0", ONE)
    assert releases.abi(old, new) == 1
    assert "no longer exports foo_two\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "is_lost"),
    [("_ZN3foo3barEv", False), *((f"_ZT{what}N3foo3BarE", True) for what in "VIST")],
)
def test_weak_symbols_of_cxx(
    releases: Releases, capsys: pytest.CaptureFixture[str], name: str, is_lost: bool
) -> None:
    """Users have inline functions of their own; tables and type names may be the library's only."""
    weak = TWO + f"__attribute__((weak)) int {name}(void) {{ return 0; }}\n"
    old, new = releases.release("1.0.0", weak), releases.release("1.1.0", TWO)
    assert releases.abi(old, new) == is_lost
    assert (f"no longer exports {name}\n" in capsys.readouterr().out) == is_lost


def test_strong_symbol_of_cxx_lost(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    strong = TWO + "int _ZN3foo3barEv(void) { return 0; }\n"
    old, new = releases.release("1.0.0", strong), releases.release("1.1.0", TWO)
    assert releases.abi(old, new) == 1
    assert "no longer exports _ZN3foo3barEv\n" in capsys.readouterr().out


def test_symbol_versions_that_were_added_break_nobody(releases: Releases) -> None:
    script = releases.folder / "foo.map"
    script.write_text("FOO_1 { global: foo_*; local: *; };\n", encoding="utf-8")
    old = releases.release("1.0.0", TWO)
    new = releases.release("1.1.0", TWO, f"-Wl,--version-script={script}")
    assert releases.abi(old, new) == 0


def test_other_soname(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    old = releases.release("1.0.0", TWO)
    new = releases.release("1.1.0", TWO, soname="libfoo__foo.so.2")
    assert releases.abi(old, new) == 1
    assert f"{wheels.NAME} is now libfoo__foo.so.2\n" in capsys.readouterr().out


def test_symbol_version_lost(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    made = []
    for version, name in (("1.0.0", "FOO_1"), ("1.1.0", "FOO_2")):
        script = releases.folder / f"{name}.map"
        script.write_text(f"{name} {{ global: foo_*; local: *; }};\n", encoding="utf-8")
        made.append(releases.release(version, TWO, f"-Wl,--version-script={script}"))
    assert releases.abi(*made) == 1
    assert "no longer exports foo_one@FOO_1\n" in capsys.readouterr().out


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="requires glibc: tests a rule of its loader"
)
@pytest.mark.parametrize("more", ["", "int puts(char *); void foo_put(void) { puts(0); }\n"])
def test_all_symbol_versions_lost(releases: Releases, more: str) -> None:
    """Who needs a version is served without, if the library has a version of anything at all."""
    script = releases.folder / "foo.map"
    script.write_text("FOO_1 { global: foo_*; local: *; };\n", encoding="utf-8")
    old = releases.release("1.0.0", TWO, f"-Wl,--version-script={script}")
    library = releases.elf.library("-lc", source=TWO + more)
    new = releases.elf.provider(releases.folder / "1.1.0", library, version="1.1.0")

    folder = releases.folder / "both"
    folder.mkdir()
    against = building.compile_library(
        TWO, folder / "against.so", f"-Wl,--version-script={script}", soname=wheels.NAME
    )
    extension = building.compile_library(wheels.EXTENSION, folder / "_ext.so", str(against))
    (folder / wheels.NAME).write_bytes(library)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_BOTH, folder / wheels.NAME, extension],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0, "check_match" in done.stderr) == (bool(more), not more)
    assert releases.abi(old, new) == (not more)


def test_library_lost(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    more: dict[str, bytes | str] = {
        "libfoo/_native_libs.py": wheels.manifest().replace("{'foo': ", "{'other': ")
    }
    old = releases.release("1.0.0", TWO)
    new = releases.elf.provider(releases.folder / "1.1.0", more=more, version="1.1.0")
    assert releases.abi(old, new) == 1
    assert "the library foo is missing\n" in capsys.readouterr().out


POINT = """
struct point {{ int x; {more} int y; }};
int foo_x(struct point *p) {{ return p->x; }}
"""


@pytest.mark.parametrize("debug", [True, False])
@needs_abidiff
def test_types(releases: Releases, capsys: pytest.CaptureFixture[str], debug: bool) -> None:
    options = ["-g"] if debug else ["-g0"]
    old = releases.release("1.0.0", POINT.format(more=""), *options)
    new = releases.release("1.1.0", POINT.format(more="long z;"), *options)
    assert releases.abi(old, new) == debug
    out = capsys.readouterr().out
    if debug:
        assert "type size changed from 64 to 192 (in bits)" in out
    else:
        assert "types were not compared: both wheels need debug information" in out


@needs_abidiff
@pytest.mark.parametrize("which", ["old", "new"])
def test_types_take_debug_information_of_both(
    releases: Releases, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    made = [
        releases.release(version, TWO, "-g" if name == which else "-g0")
        for name, version in (("old", "1.0.0"), ("new", "1.1.0"))
    ]
    assert releases.abi(*made) == 0
    assert "both wheels need debug information" in capsys.readouterr().out


@needs_abidiff
def test_no_types_when_asked(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    old = releases.release("1.0.0", POINT.format(more=""), "-g")
    new = releases.release("1.1.0", POINT.format(more="long z;"), "-g")
    assert main(["abi", "--no-types", str(old), str(new)]) == 0
    assert capsys.readouterr().out == "libfoo 1.1.0 has all that 1.0.0 has\n"


@pytest.mark.parametrize("end", ["exit 1", "exit 2", "exit 3", "kill -9 $$"])
def test_abidiff_fails(
    releases: Releases,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end: str,
) -> None:
    """A comparison that was not made must not pass for one that found nothing."""
    old, new = releases.release("1.0.0", TWO, "-g"), releases.release("1.1.0", TWO, "-g")
    program = releases.folder / "bin" / "abidiff"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho what it says\n{end}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert releases.abi(old, new) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: abidiff failed (")
    assert line.endswith("): what it says")


def test_without_abidiff_it_says_so(
    releases: Releases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = releases.release("1.0.0", TWO), releases.release("1.1.0", TWO)
    monkeypatch.setenv("PATH", str(releases.folder))
    assert releases.abi(old, new) == 0
    assert (
        "types were not compared: abidiff is not installed (Debian: abigail-tools)"
        in capsys.readouterr().out
    )


def test_on_windows(
    releases: Releases,
    foreign_binaries: macho_and_pe.Foreign,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new = (
        releases.elf.provider(releases.folder / file, foreign_binaries.windows, file=file)
        for file in ("foo-1.dll", "foo-2.dll")
    )
    assert releases.abi(old, old) == 0
    assert capsys.readouterr().out.splitlines() == [
        "foo-1.dll: types were not compared: abidiff reads ELF files only",
        "libfoo 1.0.0 has all that 1.0.0 has",
    ]
    assert releases.abi(old, new) == 1
    assert "foo-1.dll is now foo-2.dll\n" in capsys.readouterr().out


def test_on_windows_case_is_no_difference(
    releases: Releases, foreign_binaries: macho_and_pe.Foreign
) -> None:
    old, new = (
        releases.elf.provider(releases.folder / file, foreign_binaries.windows, file=file)
        for file in ("foo-1.dll", "Foo-1.DLL")
    )
    assert releases.abi(old, new) == 0


def test_on_macos(
    releases: Releases,
    foreign_binaries: macho_and_pe.Foreign,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = f"@rpath/{macho_and_pe.DYLIB}"
    library = foreign_binaries.macos_arm64
    old = releases.elf.provider(
        releases.folder / "old", library, file=macho_and_pe.DYLIB, runtime_name=name
    )
    assert releases.abi(old, old) == 0
    assert "types were not compared: abidiff reads ELF files only\n" in capsys.readouterr().out
    other = library.replace(
        macho_and_pe.DYLIB.encode(), macho_and_pe.DYLIB.replace(".1.", ".2.").encode()
    )
    new = releases.elf.provider(
        releases.folder / "new", other, file=macho_and_pe.DYLIB, runtime_name=name
    )
    assert releases.abi(old, new) == 1
    assert f"{name} is now {name.replace('.1.', '.2.')}\n" in capsys.readouterr().out


def test_universal_files_are_compared_slice_by_slice(
    foreign_binaries: macho_and_pe.Foreign,
    elf: wheels.Elf,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    both = wheels.universal(foreign_binaries.macos_x86_64, foreign_binaries.macos_arm64)
    how = {"file": macho_and_pe.DYLIB, "runtime_name": f"@rpath/{macho_and_pe.DYLIB}"}
    old = elf.provider(tmp_path / "old", both, file=how["file"], runtime_name=how["runtime_name"])
    assert main(["abi", str(old), str(old)]) == 0
    assert capsys.readouterr().out.endswith("libfoo 1.0.0 has all that 1.0.0 has\n")


def two_manifests(releases: Releases) -> tuple[Path, Path, str]:
    more: dict[str, bytes | str] = {"other/_native_libs.py": wheels.manifest()}
    old = releases.elf.provider(releases.folder / "old", more=more)
    return old, releases.release("1.0.0", TWO), "is not a provider: it has 2 _native_libs.py"


def other_platform(releases: Releases) -> tuple[Path, Path, str]:
    library = wheels.for_another_processor(releases.elf.library())
    new = releases.elf.provider(releases.folder / "new", library)
    return releases.release("1.0.0", TWO), new, "choose two for one platform"


def no_provider(releases: Releases) -> tuple[Path, Path, str]:
    old = releases.elf.consumer(releases.folder)
    return old, releases.release("1.0.0", TWO), "is not a provider: it has no _native_libs.py"


def two_distributions(releases: Releases) -> tuple[Path, Path, str]:
    files: dict[str, bytes | str] = {
        "libbar/_native_libs.py": wheels.manifest(distribution="libbar"),
        f"libbar/lib/{wheels.NAME}": releases.elf.library(),
    }
    new = wheels.make_wheel(releases.folder, "libbar", files)
    return releases.release("1.0.0", TWO), new, "are different distributions"


def absent(releases: Releases) -> tuple[Path, Path, str]:
    old = releases.folder / "absent.whl"
    return old, releases.release("1.0.0", TWO), f"{old}: cannot be read: No such file"


def damaged(releases: Releases) -> tuple[Path, Path, str]:
    new = releases.folder / "libfoo-1.1.0-py3-none-any.whl"
    new.write_bytes(b"")
    return releases.release("1.0.0", TWO), new, f"{new}: cannot be read: "


@pytest.mark.parametrize(
    "make",
    [other_platform, no_provider, two_manifests, two_distributions, absent, damaged],
    ids=lambda f: f.__name__,
)
def test_what_cannot_be_compared_is_one_line(
    make: object, releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(make)
    old, new, message = make(releases)
    assert releases.abi(old, new) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("native-lib: ")
    assert message in line


def test_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "lief", None)
    assert main(["abi", "old.whl", "new.whl"]) == 2
    assert "abi requires lief" in capsys.readouterr().err
