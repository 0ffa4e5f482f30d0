"""Where the rules on names begin and end; no file is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import models
import pytest
from models import FILE, NAME, PROVIDERS_WHEEL, binary, find, provider, wheel
from native_lib.check.records import imports_of
from native_lib.check.rule import Finding

if TYPE_CHECKING:
    from native_lib.check.binary import Binary

MANIFEST = "libfoo/_native_libs.py"


# soname-missing, soname-differs, install-name, dll-name -------------------------------------------


@pytest.mark.parametrize(
    ("rule", "soname", "value", "message"),
    [
        ("soname-missing", "", NAME, f"has no SONAME; consumers look for {NAME}"),
        (
            *("soname-differs", "libfoo.so.1", "libfoo.so.1"),
            f"the SONAME is libfoo.so.1, the file's name {NAME}",
        ),
    ],
)
def test_soname(rule: str, soname: str, value: str, message: str) -> None:
    """One of the two rules finds it, not both; and what is not in the manifest may have any name."""
    of = binary(FILE, soname)
    theirs = provider(
        of, binary("libfoo/lib/other", "x"), libraries=[models.library(binary(FILE, NAME))]
    )
    assert find(rule, theirs) == [Finding(PROVIDERS_WHEEL, FILE, value, message)]
    (other,) = {"soname-missing", "soname-differs"} - {rule}
    assert find(other, theirs) == []
    assert find(rule, wheel("libfoo", of)) == []
    assert find(rule, provider()) == []


@pytest.mark.parametrize("format", ["Mach-O", "PE"])
def test_soname_is_of_elf(format: str) -> None:
    for name in ("", "libfoo.so.1"):
        theirs = provider(binary(FILE, name, format=format))
        assert find("soname-missing", theirs) == []
        assert find("soname-differs", theirs) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("@rpath/libfoo.1.dylib", ""),
        ("", "missing"),
        ("libfoo.1.dylib", "libfoo.1.dylib"),
        ("@loader_path/libfoo.1.dylib", "@loader_path/libfoo.1.dylib"),
        ("@rpath/lib/libfoo.1.dylib", "@rpath/lib/libfoo.1.dylib"),
        ("@rpath/libfoo.2.dylib", "@rpath/libfoo.2.dylib"),
    ],
)
def test_install_name(name: str, said: str) -> None:
    path = "libfoo/lib/libfoo.1.dylib"
    message = f"the install name is {said}, not @rpath/libfoo.1.dylib"
    expected = [Finding(PROVIDERS_WHEEL, path, name, message)] if said else []
    assert find("install-name", provider(binary(path, name, format="Mach-O"))) == expected
    assert find("install-name", provider(binary(path, name))) == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("foo-1.dll", 0),
        ("FOO-1.DLL", 0),  # Windows does not tell them apart
        ("", 0),  # exports nothing, so nobody imports it by a name
        ("foo.dll", 1),
    ],
)
@pytest.mark.parametrize("leaf", ["foo-1.dll", "Foo-1.dll"])
def test_name_in_a_dll(name: str, found: int, leaf: str) -> None:
    path = f"libfoo/bin/{leaf}"
    message = f"the file is {leaf}; consumers import {name}"
    expected = [Finding(PROVIDERS_WHEEL, path, name, message)] * found
    assert find("dll-name", provider(binary(path, name, format="PE"))) == expected
    assert find("dll-name", provider(binary(path, name))) == []


@pytest.mark.parametrize(("imported", "found"), [(b"foo-1.dll", 0), (b"foo.dll", 1), (b"", 1)])
def test_name_in_a_finished_dll_is_that_of_its_import_library(imported: bytes, found: int) -> None:
    of = binary("libfoo/lib/foo-1.dll", "foo.dll", format="PE")
    link_file = "libfoo/lib/foo.lib"
    libraries = [models.library(of, link_files=(link_file,))]
    link_files = {link_file: b"!<arch>\n...\0" + imported + b"\0"}
    theirs = provider(of, libraries=libraries, link_files=link_files)
    assert len(find("dll-name", theirs)) == found


# manifest-differs ---------------------------------------------------------------------------------


def test_every_library_of_a_manifest_is_looked_at() -> None:
    """After one that is absent, too."""
    of = binary(FILE, NAME)
    absent = models.library(of, file="libfoo/lib/absent.so.1")
    wrong = models.library(of, runtime_name="libfoo.so.1")
    theirs = provider(of, libraries=[models.library(of), absent, wrong])
    assert find("manifest-differs", theirs) == [
        Finding(
            *(PROVIDERS_WHEEL, MANIFEST, "libfoo/lib/absent.so.1"),
            "names libfoo/lib/absent.so.1, which is not a library in the wheel",
        ),
        Finding(
            *(PROVIDERS_WHEEL, MANIFEST, "libfoo.so.1"),
            f"says that {FILE} is libfoo.so.1; it is {NAME}",
        ),
    ]


def test_programs_and_data_of_a_manifest_are_looked_at() -> None:
    others = (
        *(("PROGRAMS a", "libfoo/bin/a"), ("PROGRAMS b", "libfoo/bin/b")),
        *(("DATA_ENV X", "libfoo/share/x"), ("DATA_ENV Y", "libfoo/share/y")),
    )
    files = ("libfoo/bin/a", "libfoo/share/x/one", "libfoo/share/yes")
    manifest = replace(provider().manifests[0], others=others)
    theirs = provider(files=files, manifests=(manifest,))
    assert find("manifest-differs", theirs) == [
        Finding(
            *(PROVIDERS_WHEEL, MANIFEST, path), f"names {path} ({what}), which is not in the wheel"
        )
        for what, path in (others[1], others[3])
    ]


def test_file_that_is_no_library_is_absent() -> None:
    of = binary(FILE, NAME)
    theirs = provider(binary("libfoo/lib/other"), libraries=[models.library(of)], files=(FILE,))
    assert [f.value for f in find("manifest-differs", theirs)] == [FILE]


@pytest.mark.parametrize(
    ("format", "name", "said", "true"),
    [
        ("ELF", "", "libfoo.so.1", ""),  # that is soname-missing
        ("Mach-O", "@rpath/foo.dylib", "@rpath/foo.dylib", ""),
        ("Mach-O", "@rpath/foo.dylib", "foo.dylib", "@rpath/foo.dylib"),
        # Windows asks for the file's name, whatever the linker put into it.
        ("PE", "other.dll", NAME, ""),
        ("PE", "", NAME, ""),
        ("PE", "other.dll", "other.dll", NAME),
        ("PE", "", NAME.upper(), NAME),
    ],
)
def test_names_in_a_manifest(format: str, name: str, said: str, true: str) -> None:
    of = binary(FILE, name, format=format)
    theirs = provider(of, libraries=[models.library(of, runtime_name=said)])
    message = f"says that {FILE} is {said}; it is {true}"
    expected = [Finding(PROVIDERS_WHEEL, MANIFEST, said, message)] if true else []
    assert find("manifest-differs", theirs) == expected


# record-missing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("imports", "missing"),
    [
        ("from . import _native_requires\n", ["_native_requires"]),
        ("from . import (\n    _ext,\n    _native_libs as libs,\n)\n", ["_native_libs"]),
        ("from ._shared_lib_consumer import load_requirements\n", ["_shared_lib_consumer"]),
        ("from ._native_libs import VERSION\nfrom . import _native_libs\n", ["_native_libs"]),
        # Not this package's, or not needed.
        ("from .. import _native_requires\nfrom other import _native_requires\n", []),
        ("try:\n    from . import _native_requires\nexcept ImportError:\n    pass\n", []),
        ('"""from . import _native_requires"""\n# from . import _native_libs\n', []),
        # For another Python, or for none.
        ("from . import _native_requires\nprint 1\n", []),
        ("from . import _native_requires\n\0", []),
        ("from . import _native_requires\n" + "#" * 300_000, []),
    ],
)
@pytest.mark.parametrize("scheme", ["", "foo_ext-1.0.0.data/platlib/"])
def test_imports_of_what_the_build_installs(imports: str, missing: list[str], scheme: str) -> None:
    path = "foo_ext/__init__.py"
    found = {path: imports_of(imports.encode())}
    assert found == {path: tuple(missing)}
    files = (path, *(f"{scheme}foo_ext/{name}.py" for name in missing))
    assert find("record-missing", models.wheel("foo-ext", imports=found, files=files)) == []
    broken = find("record-missing", models.wheel("foo-ext", imports=found, files=(path,)))
    assert [(each.file, each.value) for each in broken] == [(path, name) for name in missing]


# link-file ----------------------------------------------------------------------------------------

LINK = "libfoo/lib/libfoo.so"


@pytest.mark.parametrize(
    ("files", "content", "message"),
    [
        ((FILE, LINK), f"INPUT({NAME})", ""),
        ((FILE, LINK), "INPUT(libother.so.1)", f"does not lead to {NAME}"),
        ((FILE,), "", f"is not in the wheel: builds that link {NAME} by name take the system's"),
        ((LINK,), f"INPUT({NAME})", f"leads to {NAME}, which is not in the wheel"),
    ],
)
def test_link_files(files: tuple[str, ...], content: str, message: str) -> None:
    of = binary(FILE, NAME)
    theirs = provider(
        of,
        libraries=[models.library(of, link_files=(LINK,))],
        files=files,
        link_files={LINK: content.encode()},
    )
    expected = [Finding(PROVIDERS_WHEEL, LINK, NAME, message)] if message else []
    assert find("link-file", theirs) == expected


@pytest.mark.parametrize(
    ("format", "symbol", "found"),
    [
        ("ELF", "foo_version", 1),
        ("ELF", "foo_one", 0),
        ("ELF", "foo_two", 0),  # with a version
        ("ELF", "", 0),
        # Only on ELF one library's symbol can answer for another's.
        ("Mach-O", "foo_version", 0),
        ("PE", "foo_version", 0),
    ],
)
def test_probe_symbol(format: str, symbol: str, found: int) -> None:
    of = binary(FILE, NAME, format=format, exports="foo_one foo_two@FOO_1")
    theirs = provider(of, libraries=[models.library(of, probe_symbol=symbol)])
    message = f"says that {FILE} exports {symbol}; it does not"
    expected = [Finding(PROVIDERS_WHEEL, MANIFEST, symbol, message)] * found
    assert find("manifest-differs", theirs) == expected


# name-taken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "leaf", "name", "found"),
    [
        ("ELF", "libz.so.1", "libz.so.1", "libz.so.1"),
        ("ELF", "libfoo.so.1", "libz.so.1", "libz.so.1"),
        ("ELF", "libz.so.1", "libfoo__z.so.1", ""),
        ("ELF", "libz.so.1", "", ""),  # answers to nothing
        ("ELF", "libz.1.dylib", "libz.1.dylib", ""),
        # With a folder of its own, on macOS, it meets no other.
        ("Mach-O", "libz.1.dylib", "/opt/foo/lib/libz.1.dylib", ""),
        ("Mach-O", "libz.1.dylib", "@loader_path/libz.1.dylib", ""),
        ("Mach-O", "libz.1.dylib", "@rpath/libz.1.dylib", "@rpath/libz.1.dylib"),
        ("Mach-O", "libz.1.dylib", "@rpath/lib/libz.1.dylib", "@rpath/lib/libz.1.dylib"),
        ("Mach-O", "libz.1.dylib", "@rpath/libfoo__z.1.dylib", ""),
        # On Windows the file's name counts, in any case.
        ("PE", "ZLIB1.dll", "foo.dll", "ZLIB1.dll"),
        ("PE", "foo__z.dll", "zlib1.dll", ""),
    ],
)
def test_taken_name(format: str, leaf: str, name: str, found: str) -> None:
    """In any wheel: one that only brings a copy along takes the name as well."""
    path = f"foo_ext.libs/{leaf}"
    message = f"has the name {found}, which operating systems and interpreters use"
    expected = [Finding(models.CONSUMERS_WHEEL, path, found, message)] if found else []
    first = binary("foo_ext.libs/libz.1.dylib", "/opt/libz.1.dylib", format="Mach-O")
    theirs = wheel("foo-ext", first, binary(path, name, format=format))
    assert find("name-taken", theirs) == expected


# library-twice ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format", "files", "found"),
    [
        # By the run-time name: files (path, name, content).
        ("ELF", [("a.so", "x", "1"), ("b.so", "x", "2")], ["a.so", "b.so"]),
        ("Mach-O", [("a.dylib", "x", "1"), ("b.dylib", "x", "2")], ["a.dylib", "b.dylib"]),
        ("ELF", [("a.so", "x", "1"), ("b.so", "y", "1")], []),
        ("ELF", [("a", "x", "1"), ("b", "x", "2"), ("c", "x", "3")], ["a", "b", "c"]),
        ("ELF", [("c", "x", "1"), ("a", "x", "2")], ["c", "a"]),
        # Each in a folder of its own, and different: the cupti's of triton 3.9.0.
        ("ELF", [("a/x.so", "x", "1"), ("b/x.so", "x", "2")], []),
        ("ELF", [("a/x.so", "x", "1"), ("b/x.so", "x", "1")], ["a/x.so", "b/x.so"]),
        ("ELF", [("a/x", "x", "1"), ("a/y", "x", "2"), ("b/x", "x", "3")], ["a/x", "a/y"]),
        # By the content, of what has no name and is a library by its file's.
        ("ELF", [("a.so.1", "", "1"), ("b.so", "", "1")], ["a.so.1", "b.so"]),
        ("Mach-O", [("a.dylib", "", "1"), ("b.dylib", "", "1")], ["a.dylib", "b.dylib"]),
        ("ELF", [("a.so", "", "1"), ("b.so", "", "2")], []),
        ("ELF", [("a", "", "1"), ("b", "", "1")], []),  # programs
        ("ELF", [("a.so", "x", "1"), ("b.so", "", "1")], []),  # a copy that answers to nothing
        # DLLs have their file's name; the one in them may be any.
        ("PE", [("a/x.dll", "x.dll", "1"), ("b/x.dll", "x.dll", "2")], []),
        ("PE", [("a.dll", "", "1"), ("b.dll", "", "1")], []),  # of texts and pictures
        ("PE", [("a.dll", "x.dll", "1"), ("b.dll", "y.dll", "1")], ["a.dll", "b.dll"]),
    ],
)
def test_library_twice(format: str, files: list[tuple[str, str, str]], found: list[str]) -> None:
    # What is no library hides none.
    binaries = [binary("program"), binary("_ext.so", "x", exports="PyInit__ext")]
    binaries += [binary(path, name, format=format) for path, name, _ in files]
    digests = {"program": "1"} | {path: content for path, _, content in files}
    expected = []
    if found:
        name = files[0][1] or found[0]
        message = f"is in the wheel again as {', '.join(found[1:])}: {len(found)} copies of {name}"
        expected = [Finding(PROVIDERS_WHEEL, found[0], name, message)]
    assert find("library-twice", wheel("libfoo", *binaries, digests=digests)) == expected
    # Extension modules may have one name, or one content: each is of a package of its own.
    modules = [binary(path, name, exports="PyInit_a") for path, name, _ in files]
    assert find("library-twice", wheel("libfoo", *modules, digests=digests)) == []


def test_symlinks() -> None:
    """Whatever they lead to."""
    links = ("libfoo/lib/libfoo.so", "libfoo/readme")
    assert find("library-twice", wheel("libfoo", symlinks=links)) == [
        Finding(
            *(PROVIDERS_WHEEL, path, path),
            f"{path} is a symlink: installers write a text file instead",
        )
        for path in links
    ]


def test_library_for_two_platforms_is_not_there_twice() -> None:
    """As in a universal file, or in a wheel for glibc and musl."""
    for more in ({"architecture": "aarch64"}, {"libc": "musl"}):
        both = wheel("libfoo", binary("a.so", NAME), binary("b.so", NAME, **more))
        assert find("library-twice", both) == []
    twice = wheel("libfoo", binary("a.so", NAME), binary("b.so", NAME))
    assert len(find("library-twice", twice)) == 1
    assert find("library-twice", provider(), provider(version="1.0.1")) == []


# Providers that were written by hand -----------------------------------------------------------------

LOADER = {"libfoo/_shared_lib_manager.py": b""}


@pytest.mark.parametrize(
    ("rule", "format", "path", "name", "more"),
    [
        ("soname-missing", "ELF", "libfoo/lib/libfoo.so.1", "", {}),
        ("soname-differs", "ELF", "libfoo/lib/libfoo.so", "libfoo.so.1", {}),
        ("install-name", "Mach-O", "libfoo/lib/libfoo.dylib", "/build/libfoo.dylib", {}),
        ("dll-name", "PE", "libfoo/bin/foo.dll", "foo-1.dll", {}),
        ("anchor-missing", "ELF", "libfoo/lib/libfoo.so.1", "libfoo.so.1", {"libc": "musl"}),
        (
            "symbols-interposed",
            "ELF",
            "libfoo/lib/libfoo.so.1",
            "libfoo.so.1",
            {"exports": "crc32"},
        ),
    ],
)
def test_libraries_without_a_manifest(
    rule: str, format: str, path: str, name: str, more: dict[str, str]
) -> None:
    """What a wheel with a loader has, it opens and is to be found."""
    more = {"exports": "foo_one"} | more
    of = binary(path, name, format=format, **more)
    assert [f.file for f in find(rule, wheel("libfoo", of, vendored=LOADER))] == [path]
    # It is none of a loader's business: without one, or beside what a manifest names.
    assert find(rule, wheel("libfoo", of)) == []
    assert find(rule, wheel("libfoo", of, vendored={"libfoo/_shared_lib_consumer.py": b""})) == []
    assert find(rule, provider(None, of, vendored=LOADER)) == []
    # No library, or a repair tool's.
    module = binary(
        "libfoo/_ext.so", name, format=format, **(more | {"exports": "PyInit__ext crc32"})
    )
    program = binary("libfoo/bin/foo", "", format=format, **more)
    copies = [
        binary(f"{folder}/{path.rpartition('/')[2]}", name, format=format, **more)
        for folder in ("libfoo.libs", "libfoo/.dylibs")
    ]
    assert find(rule, wheel("libfoo", module, program, *copies, vendored=LOADER)) == []


LIBFOO = binary("libfoo/lib/libfoo.so.1", "libfoo.so.1", libc="musl", exports="foo_one")
BESIDE = ("$ORIGIN",)
NEEDS = {"needed": ("libfoo.so.1",), "libc": "musl"}


@pytest.mark.parametrize(
    ("other", "found"),
    [
        # An anchor, with or without names of its own.
        (binary("libfoo/lib/libfoo-anchor.so", runpath=BESIDE, **NEEDS), []),
        (binary("libfoo/lib/libfoo-anchor.so.1", runpath=BESIDE, **NEEDS), []),
        (binary("libfoo/lib/libanchor.so", "libanchor.so", runpath=BESIDE, **NEEDS), []),
        (binary("libfoo/lib/anchor.so", exports="anchor", rpath=BESIDE, **NEEDS), []),
        # An extension module, for a helper of its own.
        (binary("libfoo/_ext.so", exports="PyInit__ext", runpath=("$ORIGIN/lib",), **NEEDS), []),
        # Who looks elsewhere, or for something else, finds nothing.
        (binary("libfoo/_ext.so", exports="PyInit__ext", runpath=BESIDE, **NEEDS), [LIBFOO.path]),
        (binary("libfoo/lib/anchor.so", runpath=BESIDE, libc="musl"), [LIBFOO.path]),
        (binary("libfoo/lib/anchor.so", **NEEDS), [LIBFOO.path]),
        # Another library does, and is to be found itself.
        (
            binary("libfoo/lib/libbar.so.1", "libbar.so.1", exports="bar", runpath=BESIDE, **NEEDS),
            ["libfoo/lib/libbar.so.1"],
        ),
    ],
)
def test_anchors_that_were_written_by_hand(other: Binary, found: list[str]) -> None:
    theirs = wheel("libfoo", LIBFOO, other, vendored=LOADER)
    assert [f.file for f in find("anchor-missing", theirs)] == found
    for rule in ("soname-missing", "soname-differs"):
        assert find(rule, theirs) == []


@pytest.mark.parametrize(
    ("leaf", "needed", "runpath", "found"),
    [
        ("plugin.so", (), (), 0),  # opened by its path, and looked for by nobody
        ("libhelp.so", (), (), 0),
        ("libhelp.so.1", ("libhelp.so.1",), BESIDE, 0),
        ("libhelp.so.1", ("libhelp.so.1",), (), 1),
        ("libhelp.so.1", (), BESIDE, 1),
    ],
)
def test_library_without_a_soname_that_nobody_misses(
    leaf: str, needed: tuple[str, ...], runpath: tuple[str, ...], found: int
) -> None:
    user = binary("libfoo/_ext.so", exports="PyInit__ext", needed=needed, runpath=runpath)
    theirs = wheel("libfoo", binary(f"libfoo/{leaf}", exports="a"), user, vendored=LOADER)
    assert len(find("soname-missing", theirs)) == found
