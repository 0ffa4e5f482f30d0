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
_LINUX_C = re.compile(r"libc\.so(?:\.6(?:\.1)?)?|libc\.musl-\w+\.so\.1")
_LIBPYTHON = re.compile(r"libpython3[\w.]*\.(?:so|dylib)[\d.]*")
_APPLE = ("/usr/lib/", "/System/")
# On iOS, frameworks have no versions.
_APPLE_PYTHON = re.compile(r"(?:^|/)Python\.framework/(?:Versions/[^/]+/)?Python$")
_APPLE_C = ("/usr/lib/libSystem.", "/usr/lib/libc++", "/usr/lib/libobjc.")
_WINDOWS_FAMILIES = re.compile(
    r"(?:api|ext)-ms-.*\.dll|python3\w*\.dll|libpypy3[\w.-]*\.dll", re.IGNORECASE
)
# Versions of the libraries that manylinux promises.
_MANYLINUX_VERSION = re.compile(r"(?:GLIBC|GLIBCXX|CXXABI|GCC|LIBATOMIC|ZLIB)_\w[\w.]*")
_GLIBC_VERSION = re.compile(r"GLIBC_2\.(\d+)[.\d]*")
NEVER = 1 << 16
# Prefixes that one library has, and others hardly.
_PREFIXES = {
    **dict.fromkeys(("EVP_", "SSL_", "X509_", "ASN1_", "OPENSSL_"), "openssl"),
    **dict.fromkeys(("ZSTD_", "ZSTDMT_"), "zstd"),
    **dict.fromkeys(("LZ4_", "LZ4F_"), "lz4"),
    **dict.fromkeys(("BrotliDecoder", "BrotliEncoder"), "brotli"),
    "BZ2_": "bzip",
    "lzma_": "xz",
    "XXH64_": "xxhash",
    "sqlite3_": "sqlite",
    "png_": "png",
    "jpeg_": "jpeg",
    "TIFF": "tiff",
    "WebP": "webp",
    "opj_": "openjp",
    "FT_": "freetype",
    "hb_": "harfbuzz",
    "pcre2_": "pcre",
    "ffi_": "ffi",
    "curl_": "curl",
    "uv_": "uv",
    "nghttp2_": "nghttp",
    "yaml_": "yaml",
    "sodium_": "sodium",
    "zmq_": "zmq",
    "SDL_": "sdl",
}
_KNOWN = re.compile("|".join(map(re.escape, _PREFIXES)))
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


def is_always_loaded(needed: str) -> bool:
    """Tell whether every process on Linux has a library: the C library, or the loader itself."""
    return bool(_LINUX_LOADER.fullmatch(needed) or _LINUX_C.fullmatch(needed))


def manylinux_with(version: str, architecture: str, minor: int) -> int:
    """Return N of the first manylinux_2_N that has a version, if manylinux_2_<minor> lacks it.

    Args:
        version: of a symbol, as GLIBC_2.34.
        architecture: as in wheel tags.
        minor: what a wheel's tag says.

    Returns:
        0 if it is not lacking, `NEVER` if other files must not use the version.
    """
    if version == "GLIBC_PRIVATE":
        return NEVER
    known = _manylinux()
    first = known.get(f"{version}@{architecture}")
    if first is None and (glibc := _GLIBC_VERSION.fullmatch(version)):
        first, has = int(glibc[1]), minor
    elif not _MANYLINUX_VERSION.fullmatch(version):
        return 0
    else:
        # What is not listed is newer than the list.
        first = first or known.get(version, max(known.values()) + 1)
        # What systems between two versions have is not listed: as much as the later.
        has = min((n for n in known.values() if n >= minor), default=first)
    return first if first > has else 0


@cache
def _manylinux() -> dict[str, int]:
    content: dict[str, dict[str, int]] = json.loads((_DATA / "manylinux.json").read_bytes())
    return content["names"]


def library_of_symbol(name: str) -> str:
    """Return the well-known C library that a symbol is of, by its name; empty if none is known."""
    for table, library in (("zlib-symbols", "zlib"), ("expat-symbols", "expat")):
        if name in _names(table):
            return library
    found = _KNOWN.match(name)
    return _PREFIXES[found[0]] if found else ""


def interpreters_symbols() -> frozenset[str]:
    """Return the symbols that some interpreters have in the global scope, before any other library.

    Debian's python3 needs libz and libexpat.
    """
    return _names("zlib-symbols") | _names("expat-symbols")


@cache
def interpreters_functions() -> frozenset[str]:
    """Return symbols that CPython on Linux always has: the C library's, libm's, libdl's, libpthread's.

    It needs all of these, so modules work that are not linked with them.
    """
    return _names("libm-symbols") | _names("musl-symbols")


def has_versions_throughout(needed: str) -> bool:
    """Tell whether a symbol without a version cannot come from this library."""
    return needed in _names("glibc-versioned") or bool(_LINUX_LOADER.fullmatch(needed))


def may_have(needed: str, symbol: str, binary: Binary) -> bool:
    """Tell whether a symbol, for which a file names no library, can come from this library of a system."""
    if binary.format == "Mach-O":
        # Such a symbol had no library when the file was linked, unless none of its symbols has one.
        return not needed.startswith(_APPLE_C) and not any(each.library for each in binary.imports)
    if needed == "libz.so.1":
        return symbol in interpreters_symbols()  # newer symbols have versions
    if needed == "libexpat.so.1":
        return symbol.startswith("XML_")
    if binary.libc == "musl":
        # The others are the compiler's, whose names are reserved.
        is_libc = needed in _names("musl") or needed.startswith(("libc.musl-", "ld-musl-"))
        return symbol in _names("musl-symbols") if is_libc else symbol.startswith("_")
    return not has_versions_throughout(needed)


def has_no_libraries(distribution: str) -> bool:
    """Tell whether it is known that a distribution has no library that another's files can need."""
    return distribution in _names("without-libraries")


def is_taken(leaf: str, format: str) -> bool:
    """Tell whether a system or an interpreter has a library of this name."""
    name = leaf.lower() if format == "PE" else leaf
    return any(name in _names(table) for table in _TAKEN[format])
