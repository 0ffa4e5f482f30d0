"""Where the rules on symbols of other libraries begin and end; no binary is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import models
import pytest
from models import (
    CONSUMERS_WHEEL,
    EXTENSION,
    NAME,
    binary,
    consumer,
    find,
    library,
    provider,
    wheel,
)
from native_lib.check.binary import Import
from native_lib.check.records import opens_for_all
from native_lib.check.rule import Finding

if TYPE_CHECKING:
    from native_lib.check.wheel import Wheel

# symbol-unlinked ----------------------------------------------------------------------------------

FOO_ONE = frozenset({Import("foo_one")})


def unlinked(user: Wheel, *more: Wheel, **theirs: Any) -> list[str]:
    """Return the symbols that a consumer is not linked with."""
    of = binary(models.FILE, NAME, exports="foo_one foo_two", **theirs)
    return [found.value for found in find("symbol-unlinked", provider(of), user, *more)]


def test_linked_by_headers_alone() -> None:
    user = consumer("libc.so.6", imports=frozenset({Import("foo_two"), Import("foo_one")}))
    of = binary(models.FILE, NAME, exports="foo_one foo_two")
    why = "needs foo_one, foo_two, which nothing that it is linked with has; "
    why += f"{NAME} of libfoo 1.0.0 exports them: "
    for link_files, how in (
        ((), "link foo, not its headers alone"),
        (("libfoo/lib/libfoo.so",), "link it (-lfoo)"),
        (("libfoo/lib/libfoo.dylib",), "link it (-lfoo)"),
    ):
        theirs = provider(of, libraries=[library(of, link_files=link_files)])
        assert find("symbol-unlinked", theirs, user) == [
            Finding(CONSUMERS_WHEEL, EXTENSION, "foo_one", why + how)
        ]


@pytest.mark.parametrize(
    ("symbol", "found"),
    [
        (Import("foo_one"), 1),
        (Import("foreign"), 0),
        (Import("foo_one", is_weak=True), 0),
        (Import("foo_one", "FOO_1", "libother.so.1"), 0),
    ],
)
def test_symbols_that_are_unlinked(symbol: Import, found: int) -> None:
    assert len(unlinked(consumer("libc.so.6", imports=frozenset({symbol})))) == found


@pytest.mark.parametrize("name", ["PyLong_AsLong", "_Py_Dealloc", "dlopen", "pow"])
def test_symbols_that_every_interpreter_has(name: str) -> None:
    of = binary(models.FILE, NAME, exports=name)
    user = consumer("libc.so.6", imports=frozenset({Import(name)}))
    assert find("symbol-unlinked", provider(of), user) == []


@pytest.mark.parametrize(
    ("needed", "libc", "found"),
    [
        ((), "", 1),
        (("libc.so.6", "libz.so.1", "libstdc++.so.6"), "glibc", 1),
        ((NAME,), "glibc", 0),
        (("libX11.so.6",), "glibc", 0),  # has no versions
        (("libunknown.so.1",), "glibc", 0),
        (("libc.musl-x86_64.so.1",), "musl", 1),
        (("libc.so", "libstdc++.so.6", "libgcc_s.so.1"), "musl", 1),
        (("libc.so", "libunknown.so.1"), "musl", 0),
    ],
)
def test_what_may_have_a_symbol(needed: tuple[str, ...], libc: str, found: int) -> None:
    assert len(unlinked(consumer(*needed, imports=FOO_ONE, libc=libc))) == found


def test_names_of_libraries_without_versions() -> None:
    """libz has the name itself; the compiler's libraries on musl have reserved names."""
    for name, needed, libc, found in (
        ("inflate", ("libz.so.1",), "glibc", 0),
        ("inflate", ("libz.so.1",), "musl", 0),
        ("inflate", ("libc.so.6",), "glibc", 1),
        ("_Unwind_Resume", ("libc.so", "libgcc_s.so.1"), "musl", 0),
        ("_Unwind_Resume", ("libc.so",), "musl", 1),
        ("malloc", ("libc.so",), "musl", 0),
    ):
        user = consumer(*needed, imports=frozenset({Import(name)}), libc=libc)
        theirs = provider(binary(models.FILE, NAME, exports=name))
        assert len(find("symbol-unlinked", theirs, user)) == found, (name, needed)


def test_the_wheels_own_files_may_have_it() -> None:
    """Whether it is linked with them or not: its code may open them for all."""
    user = consumer("libc.so.6", imports=FOO_ONE)
    for more, found in (
        (binary("foo_ext/libown.so", exports="foo_one"), 0),
        (binary("foo_ext/libown.so", exports="foreign"), 1),
        (binary("foo_ext/libown.so", exports="foo_one", architecture="aarch64"), 1),
    ):
        assert len(unlinked(replace(user, binaries=(*user.binaries, more)))) == found


def test_a_library_is_loaded_with_the_files_that_need_it() -> None:
    """It finds what these are linked with."""
    bundled = binary("foo_ext.libs/libbar.so", "libbar.so", imports=FOO_ONE)
    for needed, found in ((("libbar.so", NAME), 0), (("libbar.so",), 1), ((NAME,), 1)):
        user = consumer(*needed)
        assert len(unlinked(replace(user, binaries=(*user.binaries, bundled)))) == found
    # Through another one: the extension needs this, and this needs the library.
    between = binary("foo_ext.libs/libmid.so", "libmid.so", needed=("libbar.so",))
    user = consumer("libmid.so", NAME)
    assert unlinked(replace(user, binaries=(*user.binaries, bundled, between))) == []


def test_another_providers_library_needs_it() -> None:
    """The linker finds symbols in what a library needs; so does the loader."""
    for needed, found in (((NAME,), 0), ((), 1)):
        bar = binary("libbar/lib/libbar__bar.so.1", "libbar__bar.so.1", needed=needed)
        libbar = wheel("libbar", bar, libraries=[library(bar)], bounds=["libfoo>=1,<2"])
        user = consumer("libbar__bar.so.1", imports=FOO_ONE)
        assert len(unlinked(user, libbar)) == found


def test_libraries_that_need_each_other() -> None:
    a = binary("foo_ext.libs/liba.so", "liba.so", needed=("libb.so",), imports=FOO_ONE)
    b = binary("foo_ext.libs/libb.so", "libb.so", needed=("liba.so",))
    user = consumer("liba.so")
    assert len(unlinked(replace(user, binaries=(*user.binaries, a, b)))) == 1


@pytest.mark.parametrize(
    ("library_of", "needed", "found"),
    [
        ("", ("/usr/lib/libSystem.B.dylib", "/usr/lib/libz.1.dylib"), 1),
        ("/usr/lib/libz.1.dylib", ("/usr/lib/libz.1.dylib",), 0),
    ],
)
def test_on_macos_a_symbol_without_a_library(
    library_of: str, needed: tuple[str, ...], found: int
) -> None:
    symbols = {Import("foo_one", library=library_of), Import("malloc", library=needed[0])}
    user = consumer(*needed, format="Mach-O", imports=frozenset(symbols))
    assert len(unlinked(user, format="Mach-O")) == found


def test_on_macos_a_file_with_a_flat_namespace_names_no_library() -> None:
    symbols = frozenset({Import("foo_one"), Import("malloc")})
    for needed, found in ((), 1), (("/usr/lib/libz.1.dylib",), 0), ((f"@rpath/{NAME}",), 0):
        libraries = ("/usr/lib/libSystem.B.dylib", *needed)
        user = consumer(*libraries, format="Mach-O", imports=symbols)
        of = binary(models.FILE, f"@rpath/{NAME}", exports="foo_one", format="Mach-O")
        assert len(find("symbol-unlinked", provider(of), user)) == found


def test_on_windows_the_linker_finds_it() -> None:
    user = consumer("KERNEL32.dll", format="PE", imports=FOO_ONE)
    assert unlinked(user, format="PE") == []


@pytest.mark.parametrize(
    "other", [{"format": "Mach-O"}, {"architecture": "aarch64"}, {"libc": "musl"}]
)
def test_a_provider_for_another_platform_is_none(other: dict[str, str]) -> None:
    assert unlinked(consumer("libc.so.6", imports=FOO_ONE, libc="glibc"), **other) == []


def test_symbols_that_everybody_is_to_have() -> None:
    user = consumer("libc.so.6", imports=FOO_ONE)
    assert len(find("symbol-unlinked", provider(), user)) == 1
    assert find("symbol-unlinked", provider(opens_for_all=True), user) == []
    assert find("symbol-unlinked", provider(), replace(user, opens_for_all=True)) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)\n", True),
        (b"loader = LibraryLoader.from_manifest(_native_libs, LoadMode.GLOBAL)\n", True),
        (b"sys.setdlopenflags(258)\n", True),
        (b"GLOBAL_STATE = 1\n", False),
        (b"", False),
    ],
)
def test_sources_that_open_for_all(source: bytes, expected: bool) -> None:
    assert opens_for_all(source) is expected


def test_the_providers_own_files_and_other_wheels() -> None:
    """Own files count as linked; a wheel that is no provider offers nothing."""
    user = binary("libfoo/_other.so", imports=FOO_ONE)
    of = binary(models.FILE, NAME, exports="foo_one")
    assert find("symbol-unlinked", provider(of, user)) == []
    assert find("symbol-unlinked", wheel("libfoo", of), consumer(imports=FOO_ONE)) == []
