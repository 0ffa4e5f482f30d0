"""What an ELF file says of itself, for tests."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, BinaryIO

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

if TYPE_CHECKING:
    from pathlib import Path


def dynamic(file: BinaryIO) -> dict[str, list[str]]:
    """Return the dynamic section: NEEDED, SONAME, RUNPATH and the rest, each with its texts."""
    section = ELFFile(file).get_section_by_name(".dynamic")
    assert isinstance(section, DynamicSection)
    found: dict[str, list[str]] = {}
    for tag in section.iter_tags():
        name = tag.entry.d_tag[3:]
        found.setdefault(name, []).append(getattr(tag, name.lower(), ""))
    return found


def names(archive: zipfile.ZipFile) -> list[str]:
    """Return the names of the ELF files in a wheel; a link file (libfoo.so) is text."""
    return [name for name in archive.namelist() if archive.read(name)[:4] == b"\x7fELF"]


def exports(file: BinaryIO) -> set[str]:
    """Return the names of the symbols that a file defines for others."""
    section = ELFFile(file).get_section_by_name(".dynsym")
    assert isinstance(section, SymbolTableSection)
    return {symbol.name for symbol in section.iter_symbols() if symbol["st_shndx"] != "SHN_UNDEF"}


def dynamic_in_wheel(wheel: Path, part: str = ".so") -> dict[str, list[str]]:
    """Return the dynamic section of the one ELF file in a wheel whose name has a part in it."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in names(archive) if part in name)
        with archive.open(name) as file:
            return dynamic(file)  # type: ignore[arg-type]
