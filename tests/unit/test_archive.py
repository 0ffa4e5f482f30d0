"""native_library_archive.py and native_library_prebuilt.py: what needs no compiler."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from native_lib.support.native_library_archive import (
    Archive,
    ArchiveError,
    limit_text,
    listed_globals,
    symbols,
)

FOO = ("foo_one", "foo_two", "bar")


def member(name: bytes, content: bytes) -> bytes:
    header = struct.pack(
        "16s12s6s6s8s10s2s", name.ljust(16), b"0", b"", b"", b"", b"%d" % len(content), b"`\n"
    )
    return header.replace(b"\0", b" ") + content + b"\n" * (len(content) % 2)


def gnu_index(width: int) -> bytes:
    numbers = [len(FOO), *(0 for _ in FOO)]
    names = b"".join(name.encode() + b"\0" for name in FOO)
    return b"".join(number.to_bytes(width, "big") for number in numbers) + names


def bsd_index(width: int) -> bytes:
    table = b"".join((0).to_bytes(2 * width, "little") for _ in FOO)
    names = b"".join(f"_{name}".encode() + b"\0" for name in FOO)
    sizes = (len(part).to_bytes(width, "little") for part in (table, names))
    return next(sizes) + table + next(sizes) + names


@pytest.mark.parametrize(
    ("first", "mark"),
    [
        (member(b"/", gnu_index(4)), ""),
        (member(b"/SYM64/", gnu_index(8)), ""),
        (member(b"__.SYMDEF SORTED", bsd_index(4)), "_"),
        (member(b"#1/20", b"__.SYMDEF SORTED".ljust(20, b"\0") + bsd_index(4)), "_"),
        (member(b"#1/12", b"__.SYMDEF_64" + bsd_index(8)), "_"),
    ],
)
def test_index_of_each_kind(tmp_path: Path, first: bytes, mark: str) -> None:
    file = tmp_path / "libfoo.a"
    file.write_bytes(b"!<arch>\n" + first + member(b"foo.o/", b"object"))
    assert symbols(file) == {f"{mark}{name}" for name in FOO}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"!<thin>\n", "is a thin archive"),
        (b"\xca\xfe\xba\xbe", "is not a static archive of one architecture"),
        (b"!<arch>\n", "is an empty archive"),
        (b"!<arch>\n" + b"x" * 60, "is a damaged archive"),
        (b"!<arch>\n" + member(b"foo.o/", b"object"), "has no index of its symbols; run: ranlib "),
    ],
)
def test_what_is_no_archive(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "libfoo.a"
    file.write_bytes(content)
    with pytest.raises(ArchiveError, match=said):
        symbols(file)


def test_globals_of_a_version_script() -> None:
    script = """
    # upstream's
    FOO_1 { global: foo_one; foo_t*; local: *; };
    FOO_2 { /* new; */ global: "foo_new"; extern "C" { foo_c; foo_d; }; } FOO_1;
    FOO_3 { foo_first; local: foo_hidden; };
    """
    found = ["foo_one", "foo_t*", "foo_new", "foo_c", "foo_d", "foo_first"]
    assert listed_globals(script) == found


def text(system: str, *patterns: str, defined: set[str] | None = None, script: str = "") -> str:
    version_script = Path(script) if script else None
    archive = Archive("foo", system, Path(), Path("libfoo.a"), patterns, version_script)
    return limit_text(archive, defined or set(FOO))


def test_limits_in_the_words_of_each_linker(tmp_path: Path) -> None:
    assert text("Linux", "foo_*", "bar") == "{ global: foo_*; bar; local: *; };\n"
    with_underscore = {f"_{name}" for name in FOO}
    assert text("Darwin", "foo_*", defined=with_underscore) == "_foo_*\n"
    definition = "EXPORTS\n    foo_one\n    foo_two\n"
    assert text("Windows", "foo_*") == definition
    script = tmp_path / "foo.map"
    script.write_text("FOO { global: foo_*; gone; local: *; };\n", encoding="utf-8")
    assert text("Linux", script=str(script)) == script.read_text("utf-8")
    assert text("Darwin", script=str(script), defined=with_underscore) == "_foo_*\n"
    assert text("Windows", script=str(script)) == definition


def test_windows_without_a_list_exports_what_c_can_name() -> None:
    defined = {*FOO, "??_C@_01A@", "__real@3ff0", "__imp_puts", ".refptr.x", "_GLOBAL__sub"}
    said = text("Windows", defined=defined)
    assert said.split() == ["EXPORTS", "_GLOBAL__sub", "bar", "foo_one", "foo_two"]


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_pattern_that_matches_nothing(system: str) -> None:
    with pytest.raises(ArchiveError, match=r"EXPORTS nope_\* matches no symbol of libfoo\.a"):
        text(system, "foo_*", "nope_*", defined={*FOO, *(f"_{name}" for name in FOO)})


@pytest.mark.parametrize(
    ("system", "is_for_msvc", "expected"),
    [
        ("Linux", False, ["-Wl,--whole-archive", "/b/libfoo.a", "-Wl,--no-whole-archive"]),
        ("Darwin", False, ["-Wl,-force_load,/b/libfoo.a"]),
        ("Windows", False, ["-Wl,--whole-archive", "/b/libfoo.a", "-Wl,--no-whole-archive"]),
        ("Windows", True, ["/WHOLEARCHIVE:/b/libfoo.a"]),
    ],
)
def test_whole_archive_on_each_system(system: str, is_for_msvc: bool, expected: list[str]) -> None:
    archive = Archive("foo", system, Path("/b"), Path("a.a"), is_for_msvc=is_for_msvc)
    assert [part.replace("\\", "/") for part in archive.whole_archive] == expected
