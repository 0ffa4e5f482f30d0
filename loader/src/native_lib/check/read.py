"""Read binaries of every platform."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from native_lib.check import elf
from native_lib.check.binary import Binary, CorruptBinaryError, require

if TYPE_CHECKING:
    from collections.abc import Callable


# Real binaries need fewer than two hundred libraries.
_MAX_NAMES = 1000
# OpenSSL had libssl.so.1.1.1k. A framework's library is named as its folder.
_LIBRARY = re.compile(
    r"\.(?:so|dylib|dll|pyd)[.\d]*$|\.so\.\d[.\w]*$|(?:^|/)([^/]+)\.framework/(?:Versions/[^/]+/)?\1$",
    re.IGNORECASE,
)
# What a library may be that nothing here reads, by its first bytes.
_UNKNOWN = {
    b"\0asm": "WebAssembly",
    b"\xca\xfe\xba\xbf": "universal Mach-O with 64-bit offsets",
    b"\xfe\xed\xfa\xce": "big-endian Mach-O",
    b"\xfe\xed\xfa\xcf": "big-endian Mach-O",
}

_LFS = b"version "


def is_named_as_library(path: str) -> bool:
    """Tell whether a file's name is a library's or an extension module's."""
    return bool(_LIBRARY.search(path))


def unknown_kind(path: str, head: bytes) -> str:
    """Return what a library is that nothing here reads; empty if it is read, or is no library.

    Args:
        path: its path in the wheel.
        head: its first eight bytes.
    """
    return _UNKNOWN.get(head[:4], "") if is_named_as_library(path) else ""


def damage(path: str, head: bytes) -> str:
    """Return why a file cannot be the library that its name says; empty if it may be one.

    Other texts may be one: a linker's script, or a link that an installer wrote as a text.

    Args:
        path: its path in the wheel.
        head: its first eight bytes.
    """
    if not is_named_as_library(path):
        return ""
    if not head:
        return "it is empty"
    return "it is a text, a pointer of Git LFS" if head == _LFS else ""


def is_binary(head: bytes) -> bool:
    """Tell from a file's first eight bytes whether `read_binary` is to look at it."""
    return _reader(head) is not None


def read_binary(path: str, content: bytes) -> tuple[Binary, ...]:
    """Read a binary.

    Args:
        path: its path in the wheel.
        content: the whole file.

    Returns:
        One for each architecture in it; none for object files and for files that only start like a binary.

    Raises:
        CorruptBinaryError: it cannot be read, or is truncated.
    """
    reader = _reader(content[:8])
    if reader is None:
        return ()
    try:
        with warnings.catch_warnings():
            # lief's, of a processor that it does not know.
            warnings.simplefilter("ignore", RuntimeWarning)
            binaries = reader(path, content)
        for binary in binaries:
            most = max(len(binary.needed), len(binary.search_paths))
            require(most <= _MAX_NAMES, f"{most} libraries or search paths")
        return binaries
    # The last two are not the file's fault.
    except (CorruptBinaryError, MemoryError, ImportError):
        raise
    # What lief raises for damaged files is not documented.
    except Exception as error:
        raise CorruptBinaryError(f"{type(error).__name__}: {error}") from error


def _reader(head: bytes) -> Callable[[str, bytes], tuple[Binary, ...]] | None:
    if head.startswith(b"\x7fELF"):
        return elf.read
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe"):
        return _macho
    # Java's class files start with the same bytes, followed by a version above 44.
    if head[:4] == b"\xca\xfe\xba\xbe" and int.from_bytes(head[4:8], "big") < 45:
        return _macho
    return _pe if head.startswith(b"MZ") else None


# Importing lief takes most of a second, and a wheel with ELF files only does not need it.


def _macho(path: str, content: bytes) -> tuple[Binary, ...]:
    from native_lib.check import macho

    return macho.read(path, content)


def _pe(path: str, content: bytes) -> tuple[Binary, ...]:
    from native_lib.check import pe

    return pe.read(path, content)
