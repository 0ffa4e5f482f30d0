"""Where the rules on what a build left in binaries begin and end; few binaries are made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import models
import pytest
import wheels
from models import CONSUMERS_WHEEL, FILE, NAME, binary, find, library, provider, wheel
from native_lib.check.binary import Binary, Export
from native_lib.check.leaks import CXX, NO_HEADER, Headers, headers_of, is_standard, leaked
from native_lib.check.read_wheel import read_wheel
from native_lib.check.rule import NOTE, Finding
from native_lib.check.strings import build_folders

if TYPE_CHECKING:
    from pathlib import Path

ZLIB = "deflate deflateEnd inflate inflateEnd"

# symbols-leaked -----------------------------------------------------------------------------------


def test_names_of_a_static_library() -> None:
    of = binary(FILE, NAME, exports=f"foo_one {ZLIB} ZSTD_compress ZSTD_decompress ZSTD_isError")
    assert find("symbols-leaked", provider(of)) == [
        Finding(
            *(models.PROVIDERS_WHEEL, FILE, name, f"exports {some}: a static copy of {of} is in it")
        )
        for name, some, of in (
            ("deflate", "deflate, deflateEnd, inflate and 1 more", "zlib"),
            ("ZSTD_compress", "ZSTD_compress, ZSTD_decompress, ZSTD_isError", "zstd"),
        )
    ]


@pytest.mark.parametrize(
    ("exports", "declared", "found"),
    [
        (ZLIB, "", 1),
        ("deflate inflate", "", 0),  # two may be its own
        (ZLIB, ZLIB, 0),
        (ZLIB, "deflate", 1),
        ("foo_one foo_two foo_three", "", 0),
    ],
)
def test_what_is_anothers(exports: str, declared: str, found: int) -> None:
    of = binary(FILE, NAME, exports=exports)
    ours = provider(of, headers=Headers(frozenset(declared.split())))
    assert len(find("symbols-leaked", ours)) == found


@pytest.mark.parametrize(
    ("distribution", "name", "exports"),
    [
        ("native-zlib", "z", ZLIB),
        ("zlib-ng", "z-ng", ZLIB),
        ("libfoo", "z", ZLIB),
        ("libfoo", "lzma", "lzma_a lzma_b lzma_c"),
        ("libfoo", "crypto", "EVP_a EVP_b EVP_c"),
        ("libfoo", "bz2", "BZ2_a BZ2_b BZ2_c"),
        ("native-sqlite3", "foo", "sqlite3_a sqlite3_b sqlite3_c"),
    ],
)
def test_a_librarys_own_names(distribution: str, name: str, exports: str) -> None:
    of = binary(FILE, NAME, exports=exports)
    ours = wheel(distribution, of, libraries=[library(of, name=name)])
    assert find("symbols-leaked", ours) == []
    assert find("symbols-leaked", wheel("libfoo", of, libraries=[library(of, name="other")]))


def test_where_names_are_asked_of_one_library() -> None:
    for format, severity in (("ELF", ""), ("Mach-O", NOTE), ("PE", NOTE)):
        (found,) = find("symbols-leaked", provider(binary(FILE, NAME, exports=ZLIB, format=format)))
        assert found.severity == severity


def test_wheels_without_libraries_for_others() -> None:
    assert find("symbols-leaked", wheel("foo", binary("foo/lib.so", exports=ZLIB))) == []


# What leaked --------------------------------------------------------------------------------------


def leaks(exports: str, declared: str, *, paste: bool = False) -> dict[str, str]:
    of = binary(FILE, NAME, exports=exports)
    ours = provider(of, headers=Headers(frozenset(declared.split()), paste))
    return leaked(ours, ours.libraries[0][0], of.own_exports)


def test_names_that_no_header_declares() -> None:
    assert leaks("foo_a foo_b helper", "foo_a foo_b") == {"helper": NO_HEADER}
    # They cannot tell: macros may make the name, or they declare too few.
    assert leaks("foo_a foo_b helper", "foo_a foo_b", paste=True) == {}
    assert leaks("foo_a foo_b helper", "foo_a") == {}
    assert leaks("foo_a foo_b helper", "") == {}
    # C++'s names are in no header as they are.
    assert leaks("foo_a _ZN3foo3barEv", "foo_a") == {}
    # What is known to be another's says nothing of the library's headers.
    found = leaks(f"foo_a helper foo_b {ZLIB}", "foo_a foo_b")
    assert found == dict.fromkeys(ZLIB.split(), "zlib") | {"helper": NO_HEADER}


def test_names_of_the_cxx_library() -> None:
    vector = "_ZNSt6vectorIiSaIiEED1Ev"
    for export in (Export(vector, is_weak=True), Export(vector, is_unique=True)):
        ours = provider(replace(binary(FILE, NAME), exports=frozenset({export})))
        assert leaked(ours, ours.libraries[0][0], ours.binaries[0].own_exports) == {vector: CXX}
    assert leaks(vector, "") == {}  # not weak: the library's only definition


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("_ZNSt6vectorIiSaIiEED1Ev", True),
        ("_ZNKSt5ctypeIcE8do_widenEc", True),
        ("_ZSt4cout", True),
        ("_ZTVSt9exception", True),
        ("_ZGVZNSt3fooEvE1x", True),
        ("_ZN9__gnu_cxx13new_allocatorE", True),
        ("_ZNSs4nposE", True),
        ("_ZN3foo3barEv", False),
        ("_ZTVN3foo3BarE", False),
        ("_ZN5StateE", False),
        ("_Zfoo", False),
        ("foo_St", False),
    ],
)
def test_which_symbols_are_the_cxx_librarys(name: str, standard: bool) -> None:
    assert is_standard(name) == standard


def test_headers_declare_what_they_mention() -> None:
    exported = frozenset({"foo_one", "foo_two", "foo"})
    assert headers_of([b"int foo_one(void);", b"#define X foo_two2\n"], exported) == Headers(
        frozenset({"foo_one"})
    )
    assert headers_of([b"#define CAT(a) foo_##a\n"], exported).paste


def test_headers_of_a_wheel(elf: wheels.Elf, tmp_path: Path) -> None:
    more: dict[str, bytes | str] = {"libfoo/include/foo/foo.hpp": 'extern "C" int foo_two();\n'}
    read = read_wheel(elf.provider(tmp_path, more=more))
    assert read.headers == Headers(frozenset({"foo_two"}))


# symbols-unique -----------------------------------------------------------------------------------


def unique(of: Binary, *names: str) -> Binary:
    return replace(of, exports=frozenset(Export(name, is_unique=True) for name in names))


STATE = "_ZN3foo5stateE"


@pytest.mark.parametrize(
    ("names", "found"), [((STATE,), 1), (("_ZNSt3foo1xE",), 0), (("_ZGVNSt3foo1xE",), 0), ((), 0)]
)
def test_state_of_a_provider(names: tuple[str, ...], found: int) -> None:
    ours = provider(unique(binary(FILE, NAME), *names))
    assert [f.value for f in find("symbols-unique", ours)] == list(names) * found


def test_state_of_two_bundled_copies() -> None:
    a = unique(binary("a.libs/libbar-0a1b2c3d.so.1"), STATE, "a")
    b = unique(binary("b.libs/libbar-1a2b3c4d.so.2"), STATE, "b")
    message = f"shares {STATE} (STB_GNU_UNIQUE) with {b.path} of b, another copy of bar"
    name = CONSUMERS_WHEEL.replace("foo_ext", "a")
    assert find("symbols-unique", wheel("a", a), wheel("b", b)) == [
        Finding(name, a.path, STATE, message)
    ]
    for others in (
        wheel("b", unique(b, "b")),
        wheel("b", replace(b, path="b.libs/libother-1a2b3c4d.so.1")),
        wheel("b", replace(b, path="b/libbar.so.1")),  # it may be nobody's copy
        wheel("b", replace(b, architecture="aarch64")),
        wheel("a", b),
    ):
        assert find("symbols-unique", wheel("a", a), others) == [], others.binaries


# bundled-copy -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("other.libs/libfoo-1a2b3c4d.so.1", 1),
        ("other/.dylibs/libfoo.1.dylib", 1),
        ("other.libs/foo-0123456789abcdef0123456789abcdef.dll", 1),
        ("other/libfoo.so", 1),
        ("other.libs/libfoobar-1a2b3c4d.so.1", 0),
        ("other.libs/libbar-1a2b3c4d.so.1", 0),
        ("libfoo.so", 0),  # an extension module at the top
        # library-copied's
        ("other.libs/libfoo__foo-1a2b3c4d.so.1", 0),
    ],
)
def test_names_of_copies(path: str, found: int) -> None:
    of = binary(FILE, NAME, exports="foo_one")
    other = wheel("other", binary(path))
    assert len(find("bundled-copy", provider(of), other)) == found


def test_copies_in_wheels_that_use_the_provider() -> None:
    copy = binary("other.libs/libfoo-1a2b3c4d.so.1")
    for bounds, found in (((), 1), (("libfoo>=1,<2",), 0)):
        other = wheel("other", copy, bounds=bounds)
        assert len(find("bundled-copy", provider(), other)) == found
    other = wheel("other", copy)
    assert len(find("bundled-copy", provider(), provider(), other)) == 1  # is told once
    foreign = binary(FILE, NAME, architecture="aarch64")
    assert find("bundled-copy", provider(foreign), other) == []
    assert find("bundled-copy", other) == []  # nobody provides it
    more = binary("libfoo/lib/libfoo.so.1")
    assert find("bundled-copy", provider(binary(FILE, NAME), more)) == []  # its own


# build-string -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/home/runner/work/foo/ssl", True),
        ("/tmp/build/lib/engines-3", True),
        ("/project/dir/share/proj", True),
        ("/io/foo/etc/foo.conf", True),
        ("/Users/runner/a/lib/plugin:/usr/lib/plugin", True),
        (r"C:\Users\me\foo\lib\plugins", True),
        (r"D:\a\foo\foo\etc", True),
        ('OPENSSLDIR: "/home/me/ssl"', True),
        ("/usr/lib/ssl", False),
        ("/etc/ssl", False),
        ("/tmp/foo.sock", False),
        ("/home/me/src/foo/lib/foo.c", False),  # in a message
        ("/tmp/boost/asio/ssl/impl/context.ipp", False),  # libtorrent 2.1.1
        (r"D:\a\foo\lib\foo.pdb", False),
        ("/home/me/lib/include", False),
        ("at /home/me/lib/x", False),
        ("x/home/me/lib/x", False),
        ("/homes/me/lib/x", False),
    ],
)
def test_folders_of_machines(text: str, found: bool) -> None:
    for strings in (text.encode() + b"\0", b"before\0" + text.encode() + b"\0after\0"):
        assert bool(build_folders(strings)) == found, strings


def test_text_that_is_cut_off() -> None:
    assert build_folders(b"/home/me/ssl") == ()


def test_some_folders_are_enough() -> None:
    strings = b"".join(b"/tmp/%d/lib/x\0" % number for number in range(100))
    assert len(build_folders(strings)) == 3


def test_search_paths_have_rules_of_their_own() -> None:
    path = "/home/me/lib"
    for rpath, found in (((), 1), ((path,), 0)):
        ours = wheel("foo", binary("foo/x.so", build_folders=(path,), rpath=rpath))
        assert len(find("build-string", ours)) == found


def test_debug_information_does_not_count(elf: wheels.Elf, tmp_path: Path) -> None:
    """It names every source file's folder."""
    folder = tmp_path / "lib" / "etc"
    folder.mkdir(parents=True)
    (folder / "foo.h").write_text("struct foo { int x; };\n")
    source = f'#include "{folder}/foo.h"\nstruct foo foo;\n'
    (plain,) = read_wheel(elf.provider(tmp_path, elf.library("-g", source=source))).binaries
    assert plain.build_folders == ()
    library = elf.library(source=f'const char *foo_at = "/tmp/x/etc";\n{wheels.LIBRARY}')
    (found,) = read_wheel(elf.provider(tmp_path, library)).binaries
    assert found.build_folders == ("/tmp/x/etc",)
