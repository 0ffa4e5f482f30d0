"""What a binary of any platform says of itself, for tests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import lief

if TYPE_CHECKING:
    from pathlib import Path

# What zig's linker exports from every dylib, and Apple's does not.
ZIGS_OWN = {"__dso_handle", "_mh_dylib_header"}

lief.logging.disable()  # it complains of what it then leaves out


@dataclass(frozen=True)
class Binary:
    """What the operating system's loader reads in a file.

    Attributes:
        machine: the processor that it is for, in lief's word.
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
    parsed = lief.parse(str(file))
    if isinstance(parsed, lief.ELF.Binary):
        return _elf(parsed)
    if isinstance(parsed, lief.MachO.Binary):
        return _macho(parsed)
    assert isinstance(parsed, lief.PE.Binary), f"{file} is no library"
    return _pe(parsed)


def _elf(elf: lief.ELF.Binary) -> Binary:
    sonames, paths = [], []
    for entry in elf.dynamic_entries:
        if isinstance(entry, lief.ELF.DynamicSharedObject):
            sonames.append(entry.name)
        elif isinstance(entry, (lief.ELF.DynamicEntryRunPath, lief.ELF.DynamicEntryRpath)):
            paths += entry.paths
    versions = [
        version.name
        for requirement in elf.symbols_version_requirement
        for version in requirement.get_auxiliary_symbols()
    ]
    glibc = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", str(name)) for name in versions]
    return Binary(
        machine=elf.header.machine_type.name,
        runtime_name=str(sonames[0]) if sonames else "",
        needed=frozenset(str(name) for name in elf.libraries),
        search_paths=tuple(str(path) for path in paths),
        exports=frozenset(
            str(symbol.name) for symbol in elf.dynamic_symbols if symbol.exported and symbol.name
        ),
        minimum=max(((int(m[1]), int(m[2])) for m in glibc if m), default=()),
    )


def _macho(macho: lief.MachO.Binary) -> Binary:
    own = [
        command.name
        for command in macho.commands
        if isinstance(command, lief.MachO.DylibCommand)
        and command.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB
    ]
    version = macho.build_version
    return Binary(
        machine=macho.header.cpu_type.name,
        runtime_name=str(own[0]) if own else "",
        needed=frozenset(
            str(library.name) for library in macho.libraries if library.name not in own
        ),
        search_paths=tuple(str(path.path) for path in macho.rpaths),
        # In the trie, where dyld looks; the symbol table has more.
        exports=frozenset(
            str(symbol.name)[1:] for symbol in macho.symbols if symbol.has_export_info
        )
        - ZIGS_OWN,
        minimum=tuple(version.minos[:2]) if version else (),
        is_signed=macho.has_code_signature,
    )


def _pe(pe: lief.PE.Binary) -> Binary:
    export = pe.get_export()
    return Binary(
        machine=pe.header.machine.name,
        runtime_name=str(export.name) if export else "",
        needed=frozenset(str(library.name) for library in pe.imports),
        search_paths=(),
        exports=frozenset(str(entry.name) for entry in export.entries) if export else frozenset(),
    )
