"""Libraries and symbols that the operating system or the interpreter has, and who has none.

The lists are in `data/`, each with its source.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.tags import Tag

    from native_lib.check.binary import Binary

_DATA = Path(__file__).with_name("data")
_LINUX_LOADER = re.compile(r"ld-linux[-\w]*\.so\.\d+|ld64\.so\.\d+|ld-musl-\w+\.so\.1")
_LIBPYTHON = re.compile(r"libpython3[\w.]*\.(?:so|dylib)[\d.]*")
_APPLE = ("/usr/lib/", "/System/")
# On iOS, frameworks have no versions.
_APPLE_PYTHON = re.compile(r"(?:^|/)Python\.framework/(?:Versions/[^/]+/)?Python$")
_WINDOWS_FAMILIES = re.compile(
    r"(?:api|ext)-ms-.*\.dll|python3\w*\.dll|libpypy3[\w.-]*\.dll", re.IGNORECASE
)
# Lists of the names that a system or an interpreter may already use.
_TAKEN = {
    "ELF": ("glibc", "musl", "often-elf"),
    "Mach-O": ("often-macho",),
    "PE": ("windows", "often-pe"),
}


@cache
def _names(table: str) -> frozenset[str]:
    """Read a list of names in `data/`."""
    return frozenset(json.loads((_DATA / f"{table}.json").read_bytes())["names"])


def is_system_library(needed: str, binary: Binary, tags: Iterable[Tag] = ()) -> bool:
    """Tell whether the operating system or the interpreter provides a library.

    Args:
        needed: the name.
        binary: what needs it.
        tags: its wheel's; a wheel that may be published is judged more strictly.
    """
    if binary.format == "PE":
        return needed.lower() in _names("windows") or bool(_WINDOWS_FAMILIES.fullmatch(needed))
    if binary.format == "Mach-O":
        leaf = needed.rpartition("/")[2]
        return needed.startswith(_APPLE) or bool(
            _LIBPYTHON.fullmatch(leaf) or _APPLE_PYTHON.search(needed)
        )
    if _LINUX_LOADER.fullmatch(needed) or _LIBPYTHON.fullmatch(needed):
        return True
    if binary.libc == "bionic":
        return needed in _names("android")
    if binary.libc != "musl":
        return needed in _names("glibc")
    published = any(tag.platform.startswith("musllinux") for tag in tags)
    return (
        needed in _names("musl")
        or needed.startswith("libc.musl-")
        or (not published and needed in _names("musl-compiler"))
    )


def interpreters_symbols() -> frozenset[str]:
    """Return the symbols that some interpreters have in the global scope, before any other library.

    Debian's python3 needs libz and libexpat.
    """
    return _names("zlib-symbols") | _names("expat-symbols")


def interpreters_functions() -> frozenset[str]:
    """Return symbols that CPython on Linux always has: it needs libm, so modules work without it."""
    return _names("libm-symbols")


def has_versions_throughout(needed: str) -> bool:
    """Tell whether a symbol without a version cannot come from this library."""
    return needed in _names("glibc-versioned") or bool(_LINUX_LOADER.fullmatch(needed))


def may_have(needed: str, symbol: str) -> bool:
    """Tell whether a symbol without a version can come from this library of a system with glibc."""
    if needed == "libz.so.1":
        return symbol in interpreters_symbols()  # newer symbols have versions
    if needed == "libexpat.so.1":
        return symbol.startswith("XML_")
    return not has_versions_throughout(needed)


def has_no_libraries(distribution: str) -> bool:
    """Tell whether it is known that a distribution has no library that another's files can need."""
    return distribution in _names("without-libraries")


def is_taken(leaf: str, format: str) -> bool:
    """Tell whether a system or an interpreter has a library of this name."""
    name = leaf.lower() if format == "PE" else leaf
    return any(name in _names(table) for table in _TAKEN[format])
