"""What a binary of any platform says of itself, for tests: a view of its own.

`native-lib check` reads the three formats itself. What the tests assert of binaries, and compare that
checker with, comes from other people's readers: pyelftools, macholib and pefile, which the repair tools
bring. macholib reads no export trie; the format is a page long (Apple's mach-o/loader.h, dyld).
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pefile  # type: ignore[import-untyped]
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection
from macholib import mach_o  # type: ignore[import-untyped]
from macholib.MachO import MachO  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from pathlib import Path

# What zig's linker exports from every dylib, and Apple's does not.
ZIGS_OWN = {"__dso_handle", "_mh_dylib_header"}
_MACHINES = {
    "EM_X86_64": "x86_64",
    "EM_AARCH64": "arm64",
    "EM_386": "i686",
    "EM_ARM": "armv7l",
    "EM_S390": "s390x",
    0x01000007: "x86_64",  # CPU_TYPE_X86_64
    0x0100000C: "arm64",  # CPU_TYPE_ARM64
    0x8664: "x86_64",  # IMAGE_FILE_MACHINE_AMD64
    0xAA64: "arm64",  # IMAGE_FILE_MACHINE_ARM64
}


@dataclass(frozen=True)
class Binary:
    """What the operating system's loader reads in a file.

    Attributes:
        machine: the processor that it is for, as in x86_64.
        runtime_name: SONAME, install name or the DLL's own name; empty if it has none.
        needed: the names of what must be loaded with it.
        search_paths: RPATH, RUNPATH and LC_RPATH.
        exports: the symbols that it defines for others, as C knows them.
        minimum: the oldest system: the highest GLIBC version, or macOS's; empty where none is said.
        is_signed: whether a Mach-O file has a signature.
    """

    machine: str
    runtime_name: str
    needed: frozenset[str]
    search_paths: tuple[str, ...]
    exports: frozenset[str]
    minimum: tuple[int, ...] = ()
    is_signed: bool = False

    def needs(self, part: str) -> set[str]:
        """Return the needed names that have a part in them."""
        return {name for name in self.needed if part in name}


def read(file: Path) -> Binary:
    """Read an ELF, Mach-O or PE file."""
    content = file.read_bytes()
    if content.startswith(b"\x7fELF"):
        return _elf(content)
    if content.startswith(b"\xcf\xfa\xed\xfe"):
        return _macho(file, content)
    assert content.startswith(b"MZ"), f"{file} is no library"
    return _pe(content)


def _elf(content: bytes) -> Binary:
    elf = ELFFile(io.BytesIO(content))
    dynamic = elf.get_section_by_name(".dynamic")
    symbols = elf.get_section_by_name(".dynsym")
    requirements = elf.get_section_by_name(".gnu.version_r")
    assert isinstance(dynamic, DynamicSection)
    assert isinstance(symbols, SymbolTableSection)
    texts: dict[str, list[str]] = {}
    for tag in dynamic.iter_tags():
        name = tag.entry.d_tag.removeprefix("DT_")
        if name in ("SONAME", "NEEDED", "RPATH", "RUNPATH"):
            texts.setdefault(name, []).append(getattr(tag, name.lower()))
    versions: list[str] = []
    if isinstance(requirements, GNUVerNeedSection):
        versions = [aux.name for _, found in requirements.iter_versions() for aux in found]
    glibc = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name) for name in versions]
    return Binary(
        machine=_MACHINES[elf["e_machine"]],
        runtime_name=texts.get("SONAME", [""])[0],
        needed=frozenset(texts.get("NEEDED", ())),
        search_paths=tuple(
            path
            for tag in ("RPATH", "RUNPATH")
            for text in texts.get(tag, ())
            for path in text.split(":")
        ),
        exports=frozenset(
            symbol.name
            for symbol in symbols.iter_symbols()
            if symbol["st_info"]["bind"] != "STB_LOCAL"
            # A version's own name is an absolute symbol.
            and symbol["st_shndx"] not in ("SHN_UNDEF", "SHN_ABS")
        ),
        minimum=max(((int(m[1]), int(m[2])) for m in glibc if m), default=()),
    )


def _macho(file: Path, content: bytes) -> Binary:
    (macho,) = MachO(str(file)).headers
    texts: dict[int, list[str]] = {}
    exports: frozenset[str] = frozenset()
    minimum: tuple[int, ...] = ()
    is_signed = False
    for load, command, data in macho.commands:
        if load.cmd in (mach_o.LC_ID_DYLIB, mach_o.LC_LOAD_DYLIB, mach_o.LC_RPATH):
            texts.setdefault(load.cmd, []).append(data.split(b"\0")[0].decode())
        elif load.cmd in (mach_o.LC_DYLD_INFO, mach_o.LC_DYLD_INFO_ONLY):
            exports = _trie(content[command.export_off :][: command.export_size])
        elif load.cmd == mach_o.LC_DYLD_EXPORTS_TRIE:
            exports = _trie(content[command.dataoff :][: command.datasize])
        elif load.cmd == mach_o.LC_BUILD_VERSION:
            minimum = (command.minos >> 16, command.minos >> 8 & 0xFF)
        elif load.cmd == mach_o.LC_CODE_SIGNATURE:
            is_signed = True
    return Binary(
        machine=_MACHINES[macho.header.cputype],
        runtime_name=texts.get(mach_o.LC_ID_DYLIB, [""])[0],
        needed=frozenset(texts.get(mach_o.LC_LOAD_DYLIB, ())),
        search_paths=tuple(texts.get(mach_o.LC_RPATH, ())),
        exports=exports - ZIGS_OWN,
        minimum=minimum,
        is_signed=is_signed,
    )


def _trie(data: bytes) -> frozenset[str]:
    """Return the names in an export trie, where dyld looks; the symbol table has more."""

    def number(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 0x80:
                return value, at

    names, nodes = set(), [(0, "")]
    while nodes and data:
        at, name = nodes.pop()
        size, at = number(at)
        if size:
            names.add(name[1:])  # C's names have one underscore more here
        at += size
        children, at = data[at], at + 1
        for _ in range(children):
            end = data.index(b"\0", at)
            part = data[at:end].decode()
            node, at = number(end + 1)
            nodes.append((node, name + part))
    return frozenset(names)


def _pe(content: bytes) -> Binary:
    pe = pefile.PE(data=content, fast_load=True)
    pe.parse_data_directories(
        [pefile.DIRECTORY_ENTRY[f"IMAGE_DIRECTORY_ENTRY_{kind}"] for kind in ("EXPORT", "IMPORT")]
    )
    exports = getattr(pe, "DIRECTORY_ENTRY_EXPORT", None)
    return Binary(
        machine=_MACHINES[pe.FILE_HEADER.Machine],
        runtime_name=exports.name.decode() if exports else "",
        needed=frozenset(entry.dll.decode() for entry in pe.DIRECTORY_ENTRY_IMPORT),
        search_paths=(),
        exports=frozenset(symbol.name.decode() for symbol in exports.symbols)
        if exports
        else frozenset(),
    )
