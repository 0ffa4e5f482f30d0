# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) the native-lib-template authors
# From native-lib-loader 0.2.0, https://github.com/org/native-lib-template
"""Write a macOS library's text stub (.tbd), by which a linker finds the library as -l<name>.

NativeLibraryProvider.cmake runs this file when it installs: native_library_stub.py LIBRARY STUB

The stub has the library's install name and the names of its exports, and no code. Xcode's `tapi` writes
such stubs, too; cross compilers come without it. ``native-lib vendor`` updates this file.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# From <mach-o/loader.h>, <mach-o/fat.h> and <mach-o/nlist.h>.
_FAT, _THIN = b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe"
_SYMTAB, _ID_DYLIB, _SEGMENT_64, _BUILD_VERSION = 0x02, 0x0D, 0x19, 0x32
_STAB, _PRIVATE_EXTERNAL, _TYPE, _EXTERNAL = 0xE0, 0x10, 0x0E, 0x01
_WEAK_DEFINITION = 0x80
_THREAD_LOCAL_VARIABLES = 0x13
# Each library has its own, which linkers make; some make them visible.
_LINKERS_OWN = {"__mh_dylib_header", "___dso_handle"}
_ARCHITECTURES = {(0x01000007, 3): "x86_64", (0x01000007, 8): "x86_64h", (0x0100000C, 2): "arm64e"}
_ARM64 = 0x0100000C
# Those that Python wheels are for.
_PLATFORMS = {1: "macos", 2: "ios", 7: "ios-simulator"}


@dataclass(frozen=True)
class Image:
    """A library's code for one architecture."""

    target: str
    install_name: str
    # What it exports, under the stub's words for the kinds.
    exports: dict[str, list[str]]


def images_of(content: bytes) -> list[Image]:
    """Return what is in a Mach-O library: one image, or one for each architecture.

    Raises:
        ValueError: it is not a 64-bit Mach-O library.
    """
    if content[:4] != _FAT:
        return [_image(content)]
    (count,) = struct.unpack_from(">I", content, 4)
    places = [struct.unpack_from(">5I", content, 8 + 20 * n)[2:4] for n in range(count)]
    return [_image(content[start : start + size]) for start, size in places]


def stub(images: list[Image]) -> str:
    """Return the stub's text, in version 4 of its format."""
    lines = [
        "--- !tapi-tbd",
        "tbd-version: 4",
        f"targets: [ {', '.join(image.target for image in images)} ]",
        f"install-name: '{images[0].install_name}'",
        "exports:",
    ]
    for image in images:
        lines.append(f"  - targets: [ {image.target} ]")
        for kind, names in image.exports.items():
            quoted = ", ".join(f"'{name}'" for name in sorted(names))
            lines += [f"    {kind}: [ {quoted} ]"] if names else []
    return "\n".join([*lines, "...", ""])


def _image(content: bytes) -> Image:
    if content[:4] != _THIN:
        raise ValueError("not a 64-bit Mach-O library")
    cpu, subtype, _, count = struct.unpack_from("<4I", content, 4)
    architecture = _ARCHITECTURES.get((cpu, subtype & 0xFF), "arm64" if cpu == _ARM64 else "x86_64")
    install_name, platform, symbols = "", 1, b""
    is_thread_local: list[bool] = []
    at = 32
    for _ in range(count):
        command, size = struct.unpack_from("<2I", content, at)
        if command == _ID_DYLIB:
            (offset,) = struct.unpack_from("<I", content, at + 8)
            install_name = content[at + offset : at + size].rstrip(b"\0").decode()
        elif command == _BUILD_VERSION:
            (platform,) = struct.unpack_from("<I", content, at + 8)
        elif command == _SEGMENT_64:
            (sections,) = struct.unpack_from("<I", content, at + 64)
            flags = [content[at + 72 + 80 * n + 64] for n in range(sections)]
            is_thread_local += [flag == _THREAD_LOCAL_VARIABLES for flag in flags]
        elif command == _SYMTAB:
            symbols = content[at : at + size]
        at += size
    if not install_name or not symbols:
        raise ValueError("a Mach-O file without an install name or without symbols")
    exports: dict[str, list[str]] = {"symbols": [], "weak-symbols": [], "thread-local-symbols": []}
    for name, section, is_weak in _exported(content, symbols):
        # Sections are counted from 1.
        if section and is_thread_local[section - 1]:
            kind = "thread-local-symbols"
        else:
            kind = "weak-symbols" if is_weak else "symbols"
        exports[kind].append(name)
    return Image(f"{architecture}-{_PLATFORMS.get(platform, 'macos')}", install_name, exports)


def _exported(content: bytes, symtab: bytes) -> Iterator[tuple[str, int, bool]]:
    at, count, names, _ = struct.unpack_from("<4I", symtab, 8)
    table = content[at : at + 16 * count]
    for start, kind, section, facts, _ in struct.iter_unpack("<IBBHQ", table):
        is_defined = kind & _TYPE and not kind & _STAB
        if is_defined and kind & _EXTERNAL and not kind & _PRIVATE_EXTERNAL:
            end = content.index(b"\0", names + start)
            name = content[names + start : end].decode()
            if name not in _LINKERS_OWN:
                yield name, section, bool(facts & _WEAK_DEFINITION)


if __name__ == "__main__":
    library, output = map(Path, sys.argv[1:])
    try:
        text = stub(images_of(library.read_bytes()))
    except (ValueError, struct.error, IndexError) as error:
        sys.exit(f"native_library_provider: {library}: {error}")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(text.encode())
