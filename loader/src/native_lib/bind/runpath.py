"""Take search paths out of binaries: those that lead to where somebody built them.

No tool is needed, so a wheel of any platform can be changed on any machine. What goes leaves room,
which stays: no other byte moves.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from native_lib.bind import BindError
from native_lib.check.elf import RPATH, RUNPATH, File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Unwanted = Callable[[str], bool]

_MACHO = {b"\xcf\xfa\xed\xfe": 32, b"\xce\xfa\xed\xfe": 28}  # sizes of the header
_UNIVERSAL = b"\xca\xfe\xba\xbe"
_LC_RPATH, _LC_CODE_SIGNATURE = 0x8000001C, 0x1D
_SIGNATURE, _CODE_DIRECTORY, _CERTIFICATE = 0xFADE0CC0, 0xFADE0C02, 0xFADE0B01
_HASHES = {1: "sha1", 2: "sha256", 3: "sha256", 4: "sha384"}


def without_paths(path: str, content: bytes, unwanted: Unwanted) -> bytes:
    """Return a binary without some of its RPATH, RUNPATH or LC_RPATH entries.

    Args:
        path: for messages.
        content: an ELF or Mach-O file that `native_lib.check` can read.
        unwanted: tells whether an entry is to go.

    Raises:
        BindError: it cannot be changed safely.
    """
    changed = bytearray(content)
    if content.startswith(b"\x7fELF"):
        _elf(path, changed, File(content), unwanted)
    elif content.startswith((*_MACHO, _UNIVERSAL)):
        for start in _slices(content):
            _macho(path, changed, start, unwanted)
    return bytes(changed)


def _elf(path: str, changed: bytearray, file: File, unwanted: Unwanted) -> None:
    pair = struct.Struct(f"{'<' if file.is_little else '>'}{'QQ' if file.is_64 else 'II'}")
    kept = []
    for _, tag, number in file.entries:
        at = number
        if tag in (RPATH, RUNPATH):
            start = file.strings + number
            old = bytes(changed[start : changed.index(b"\0", start)])
            paths = [
                each for each in old.split(b":") if not unwanted(each.decode("utf-8", "replace"))
            ]
            new = b":".join(paths)
            if not new and old:
                continue
            if old.endswith(new):  # the tail of a text is a text
                at += len(old) - len(new)
            else:
                _shorten(path, changed, file, number, new)
        kept.append(pair.pack(tag, at))
    if kept and len(kept) <= len(file.entries):
        first = file.entries[0][0]
        table = b"".join(kept).ljust(len(file.entries) * pair.size, b"\0")
        changed[first : first + len(table)] = table


def _shorten(path: str, changed: bytearray, file: File, number: int, new: bytes) -> None:
    """Write a shorter text in the place of another."""
    end = changed.index(b"\0", file.strings + number) - file.strings
    # Linkers let a name that is the end of another share its bytes.
    inside = [at for at in file.names_at() if number < at < end]
    before = [at for at in file.names_at() if at < number]
    if inside or any(
        changed.index(b"\0", file.strings + at) - file.strings == end for at in before
    ):
        raise BindError(
            f"{path} has a search path that cannot be shortened in place, because another name shares its "
            "bytes: patchelf --set-rpath can"
        )
    start = file.strings + number
    changed[start : file.strings + end] = new.ljust(end - number, b"\0")


def _slices(content: bytes) -> Iterator[int]:
    """Return where the files of a universal binary begin."""
    if not content.startswith(_UNIVERSAL):
        yield 0
        return
    (count,) = struct.unpack_from(">I", content, 4)
    for number in range(count):
        (start,) = struct.unpack_from(">I", content, 8 + 20 * number + 8)
        yield start


def _macho(path: str, changed: bytearray, start: int, unwanted: Unwanted) -> None:
    header = _MACHO[bytes(changed[start : start + 4])]
    count, size = struct.unpack_from("<II", changed, start + 16)
    first = at = start + header
    kept, signature = [], 0
    for _ in range(count):
        command, length = struct.unpack_from("<II", changed, at)
        if command == _LC_CODE_SIGNATURE:
            (signature,) = struct.unpack_from("<I", changed, at + 8)
        whole = bytes(changed[at : at + length])
        at += length
        if command == _LC_RPATH:
            (text,) = struct.unpack_from("<I", whole, 8)
            if unwanted(whole[text:].split(b"\0")[0].decode("utf-8", "replace")):
                continue
        kept.append(whole)
    commands = b"".join(kept)
    if len(commands) == size:
        return
    changed[first : first + size] = commands.ljust(size, b"\0")
    struct.pack_into("<II", changed, start + 16, len(kept), len(commands))
    if signature:
        _sign(path, changed, start, start + signature)


def _sign(path: str, changed: bytearray, start: int, at: int) -> None:
    """Correct the page hashes of an ad-hoc signature, which arm64 insists on."""
    magic, _, count = struct.unpack_from(">III", changed, at)
    for number in range(count if magic == _SIGNATURE else 0):
        (offset,) = struct.unpack_from(">I", changed, at + 12 + 8 * number + 4)
        blob = at + offset
        kind, length = struct.unpack_from(">II", changed, blob)
        if kind == _CERTIFICATE and length > 8:
            raise BindError(
                f"{path} is signed with a certificate, and has a search path that must go: remove it "
                "before signing (install_name_tool -delete_rpath)"
            )
        if kind == _CODE_DIRECTORY:
            hashes, _, _, pages, limit = struct.unpack_from(">5I", changed, blob + 16)
            width, algorithm, _, page = struct.unpack_from("4B", changed, blob + 36)
            for each in range(pages):
                begin = each << page
                content = changed[start + begin : start + min(begin + (1 << page), limit)]
                digest = hashlib.new(_HASHES[algorithm], content).digest()[:width]
                place = blob + hashes + each * width
                changed[place : place + width] = digest
