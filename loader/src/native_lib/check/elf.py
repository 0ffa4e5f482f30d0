"""Read ELF as the operating system's loader does: by segments and the dynamic section.

Without lief: importing it takes longer than reading most wheels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from native_lib.check.binary import Binary, CorruptBinaryError, Export, Import, require, text
from native_lib.check.strings import build_folders

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator

# By machine, whether it is 64 bits wide, and whether it is little-endian.
_ARCHITECTURES = {
    (62, True, True): "x86_64",
    (3, False, True): "i686",
    (183, True, True): "aarch64",
    (40, False, True): "armv7l",
    (21, True, True): "ppc64le",
    (21, True, False): "ppc64",
    (22, True, False): "s390x",
    (243, True, True): "riscv64",
    (258, True, True): "loongarch64",
}
_EXECUTABLE_BY_DEFAULT = (62, 3, 40, 22)  # x86_64, i686, armv7l, s390x
_EXECUTABLE, _SHARED = 2, 3
_LOAD, _DYNAMIC, _NOTE, _GNU_STACK, _X = 1, 2, 4, 0x6474E551, 1
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, RPATH, _TEXTREL = 1, 4, 5, 6, 10, 14, 15, 22
RUNPATH, _FLAGS, _RELR, _DF_TEXTREL = 29, 30, 36, 4
_GNU_HASH, _VERSYM, _VERDEF, _VERNEED = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFE
# Tags whose number is a name: the last are filters and auditors.
_NAMES = (_NEEDED, _SONAME, RPATH, RUNPATH, *range(0x6FFFFEFA, 0x6FFFFEFD), 0x7FFFFFFD, 0x7FFFFFFF)
_SHT_PROGBITS, _SHT_DYNSYM, _SHN_ABS = 1, 11, 0xFFF1
_STB_LOCAL, _STB_GLOBAL, _STB_GNU_UNIQUE = 0, 1, 10
_MAX_DYNAMIC = 1 << 12  # libraries have some dozens of entries
_MAX_VERSIONS = 0x8000  # a symbol has 15 bits for its version
_VER_FLG_WEAK = 2
# Names may overlap in the string table, but more text than the file is large is an attack.
_MAX_NAMES = 2


def read(path: str, content: bytes, *, symbols_of: tuple[bytes, ...] = ()) -> tuple[Binary, ...]:
    """Read an ELF file; its symbols only if one has one of these parts, if given; see `read_binary`."""
    try:
        file = File(content)
        return _read(path, file, not symbols_of or any(map(file.has_name, symbols_of)))
    except (struct.error, OverflowError) as error:
        raise CorruptBinaryError("its tables point outside of the file") from error


def needed_of(content: bytes | mmap.mmap) -> tuple[str, ...]:
    """Return the names that an ELF file NEEDs, and read nothing else.

    Raises:
        CorruptBinaryError: its tables point outside of the file.
    """
    return _texts(content, _NEEDED)


def soname_of(content: bytes | mmap.mmap) -> str:
    """Return an ELF file's SONAME, if it has one; see `needed_of`."""
    return next(iter(_texts(content, _SONAME)), "")


def _texts(content: bytes | mmap.mmap, tag: int) -> tuple[str, ...]:
    try:
        return File(content).texts(tag)
    except (struct.error, OverflowError) as error:
        raise CorruptBinaryError("its tables point outside of the file") from error


def _read(path: str, file: File, symbols: bool) -> tuple[Binary, ...]:
    if file.kind not in (_EXECUTABLE, _SHARED):
        # Object files and core dumps are not loaded.
        require(file.kind in range(1, 5), "ELF file of no known type")
        return ()
    require(bool(file.segments), "ELF file without segments")
    for segment in file.segments:
        if segment.type == _LOAD:
            end, there = segment.offset + segment.size, len(file.content)
            require(end <= there, f"cut off: {there} bytes of at least {end}")
    needed = file.texts(_NEEDED)
    # Without a weak version, glibc only complains.
    versions = {(need.library, need.version) for need in file.version_needs if not need.is_weak}
    libc = "bionic" if _is_for_android(file) else _libc(needed, {v for _, v in versions})
    if libc == "glibc" and _RELR in file.dynamic:
        # Not every linker writes it. An older glibc leaves these relocations out then, and says nothing.
        versions.add(("libc.so.6", "GLIBC_ABI_DT_RELR"))
    exports, imports = _symbols(file) if symbols else (frozenset(), frozenset())
    return (
        Binary(
            path=path,
            format="ELF",
            architecture=_ARCHITECTURES.get((file.machine, file.is_64, file.is_little), "unknown"),
            runtime_name=next(iter(file.texts(_SONAME)), ""),
            needed=needed,
            rpath=tuple(part for paths in file.texts(RPATH) for part in paths.split(":")),
            runpath=tuple(part for paths in file.texts(RUNPATH) for part in paths.split(":")),
            exports=exports,
            imports=imports,
            needed_versions=frozenset(versions),
            libc=libc,
            has_executable_stack=_has_executable_stack(file),
            has_text_relocations=_TEXTREL in file.dynamic
            or any(flags & _DF_TEXTREL for flags in file.dynamic.get(_FLAGS, ())),
            build_folders=build_folders(file.constants()) if symbols else (),
        ),
    )


def _has_executable_stack(file: File) -> bool:
    flags = [segment.flags for segment in file.segments if segment.type == _GNU_STACK]
    # Without a PT_GNU_STACK segment, the stack is executable on these processors.
    return bool(flags[0] & _X) if flags else file.machine in _EXECUTABLE_BY_DEFAULT


def _symbols(file: File) -> tuple[frozenset[Export], frozenset[Import]]:
    versions = file.versions()
    exports, imports = set(), set()
    for name, binding, section, index in file.symbols():
        if binding == _STB_LOCAL or not name:
            continue
        version, library = versions.get(index & 0x7FFF, ("", ""))
        weak = binding != _STB_GLOBAL
        if section == 0:
            imports.add(Import(name, version, library, weak))
        # Each version's own name is a symbol too, of size 0.
        elif not (section == _SHN_ABS and name == version):
            exports.add(Export(name, version, weak, binding == _STB_GNU_UNIQUE))
    return frozenset(exports), frozenset(imports)


def _is_for_android(file: File) -> bool:
    # Android's libc has the name of musl's, libc.so; its linkers write a note into every file.
    notes = (s for s in file.segments if s.type == _NOTE)
    return any(b"Android\0" in file.content[s.offset : s.offset + s.size] for s in notes)


def _libc(needed: tuple[str, ...], versions: set[str]) -> str:
    if any(name == "libc.so" or name.startswith("libc.musl-") for name in needed):
        return "musl"
    # ld-linux-x86-64.so.2 and the like belong to glibc. A file may need its libm alone.
    is_glibc = any(name.startswith(("libc.so.", "ld-linux")) for name in needed)
    return "glibc" if is_glibc or any(v.startswith("GLIBC_") for v in versions) else ""


@dataclass(frozen=True)
class _Segment:
    type: int
    flags: int
    offset: int
    address: int
    size: int


@dataclass(frozen=True)
class _VersionNeed:
    number: int
    version: str
    library: str
    is_weak: bool


class File:
    """The structures of an ELF file; raises `struct.error` where they point outside of it."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self.content = content
        require(content[4:5] in (b"\1", b"\2") and content[5:6] in (b"\1", b"\2"), "damaged header")
        self.is_64, self.is_little = content[4] == 2, content[5] == 1
        self._order = "<" if self.is_little else ">"
        self._word = "Q" if self.is_64 else "I"
        word = self._word
        header = self._unpack(f"HHI{word}{word}{word}IHHHHHH", 16)
        self.kind, self.machine, _, _, segments_at, self._sections_at = header[:6]
        _, _, size, count, self._section_size, self._section_count, self._section_names = header[6:]
        self.segments = [self._segment(segments_at + at * size) for at in range(count)]
        self._names: dict[int, str] = {}
        self._names_left = _MAX_NAMES * len(content)

    def _unpack(self, format: str, offset: int) -> tuple[int, ...]:
        # Unsigned: Python would count a negative offset from the end.
        return struct.unpack_from(self._order + format, self.content, offset)

    def _segment(self, offset: int) -> _Segment:
        if self.is_64:
            type, flags, at, address, _, size = self._unpack("IIQQQQ", offset)
        else:
            type, at, address, _, size, _, flags = self._unpack("IIIIIII", offset)
        return _Segment(type, flags, at, address, size)

    def _offset(self, address: int) -> int:
        """Return the offset in the file of what is loaded to an address."""
        for segment in self.segments:
            if segment.type == _LOAD and 0 <= address - segment.address < segment.size:
                return address - segment.address + segment.offset
        raise struct.error

    @cached_property
    def entries(self) -> list[tuple[int, int, int]]:
        """The entries of the dynamic section: where each is in the file, its tag, and its number."""
        found: list[tuple[int, int, int]] = []
        size = struct.calcsize(f"<2{self._word}")
        for segment in self.segments:
            if segment.type == _DYNAMIC:
                require(segment.size <= _MAX_DYNAMIC * size, "a dynamic section without end")
                for at in range(segment.offset, segment.offset + segment.size - size + 1, size):
                    tag, number = self._unpack(f"2{self._word}", at)
                    if tag == 0:
                        break
                    found.append((at, tag, number))
                break  # loaders look at one dynamic section only
        return found

    @cached_property
    def dynamic(self) -> dict[int, list[int]]:
        """The numbers of the dynamic section, by tag."""
        found: dict[int, list[int]] = {}
        for _, tag, number in self.entries:
            found.setdefault(tag, []).append(number)
        return found

    def _table(self, tag: int) -> int | None:
        """Return the offset of a tag's table, if there is one."""
        return self._offset(self.dynamic[tag][0]) if tag in self.dynamic else None

    @cached_property
    def strings(self) -> int:
        """Where the names are in the file."""
        at = self._table(_STRTAB)
        require(at is not None, "names, and no string table")
        assert at is not None
        return at

    def _name(self, offset: int) -> str:
        name = self._names.get(offset)
        if name is None:
            at = self.strings + offset
            end = self.content.find(b"\0", at)
            require(at <= end, "a name leads out of the file")
            self._names_left -= end - at
            require(self._names_left >= 0, "names without end")
            name = self._names[offset] = text(self.content[at:end])
        return name

    def has_name(self, part: bytes) -> bool:
        """Return whether the string table has a part of a name."""
        if _STRTAB not in self.dynamic:
            return False
        size = max(self.dynamic.get(_STRSZ, ()), default=0)
        return self.content.find(part, self.strings, self.strings + size) >= 0

    def texts(self, tag: int) -> tuple[str, ...]:
        """Return the texts of a tag of the dynamic section."""
        return tuple(self._name(offset) for offset in self.dynamic.get(tag, ()))

    def names_at(self) -> frozenset[int]:
        """Return where, in the string table, each name begins that the file's tables mention."""
        for tag in _NAMES:
            self.texts(tag)
        for _ in self.symbols():
            pass
        self.versions()
        return frozenset(self._names)

    @cached_property
    def version_needs(self) -> list[_VersionNeed]:
        """The versions that the file needs from libraries."""
        found: list[_VersionNeed] = []
        needed = self._table(_VERNEED)
        while needed is not None:
            _, count, library, first, following = self._unpack("HHIII", needed)
            entry = needed + first
            for _ in range(count):
                _, flags, number, name, step = self._unpack("IHHII", entry)
                is_weak = bool(flags & _VER_FLG_WEAK)
                names = self._name(name), self._name(library)
                found.append(_VersionNeed(number & 0x7FFF, *names, is_weak))
                entry += step
                require(len(found) < _MAX_VERSIONS, "versions without end")
            needed = needed + following if following else None
        return found

    def versions(self) -> dict[int, tuple[str, str]]:
        """Return, by version number, the version's name and the library that it is needed from."""
        found = {need.number: (need.version, need.library) for need in self.version_needs}
        steps = 0
        defined = self._table(_VERDEF)
        while defined is not None:
            _, _, number, _, _, first, following = self._unpack("HHHHIII", defined)
            # The first entry names the library itself.
            if number > 1:
                (name,) = self._unpack("I", defined + first)
                found[number & 0x7FFF] = (self._name(name), "")
            steps += 1
            require(steps < _MAX_VERSIONS, "versions without end")
            defined = defined + following if following else None
        return found

    def symbols(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield name, binding, section and number of the version of each dynamic symbol."""
        table, versions = self._table(_SYMTAB), self._table(_VERSYM)
        if table is None:
            return
        # name, info, section
        format = f"{self._order}{'IBxH16x' if self.is_64 else 'I8xBxH'}"
        size = struct.calcsize(format)
        count = self._symbol_count(table, size)
        if table + count * size > len(self.content):
            raise struct.error
        numbers = self._unpack(f"{count}H", versions) if versions is not None else (0,) * count
        rows = struct.iter_unpack(format, memoryview(self.content)[table : table + count * size])
        for (name, info, section), number in zip(rows, numbers):
            yield self._name(name), info >> 4, section, number

    def constants(self) -> bytes:
        """Return the section .rodata: constant texts are in it, debug information is not."""
        try:
            sections = [self._section(at) for at in range(self._section_count)]
            _, _, names, _ = sections[self._section_names]
            for name, type, start, size in sections:
                at = names + name
                if type == _SHT_PROGBITS and self.content[at : at + 8] == b".rodata\0":
                    return bytes(self.content[start : start + size])
        except (IndexError, struct.error):
            pass  # loaders do not look at sections
        return b""

    def _section(self, number: int) -> tuple[int, int, int, int]:
        """Return where a section's name is, its type, and where it is."""
        offset = self._sections_at + number * self._section_size
        if self.is_64:
            name, type, _, _, start, size = self._unpack("IIQQQQ", offset)
        else:
            name, type, _, _, start, size = self._unpack("IIIIII", offset)
        return name, type, start, size

    def _symbol_count(self, table: int, size: int) -> int:
        """Return how many dynamic symbols there are.

        No tag says it. GNU's hash table is incomplete if the file defines nothing, so the section
        header comes first; a file without sections has only its hash table.
        """
        for at in range(self._section_count):
            _, type, start, length = self._section(at)
            if type == _SHT_DYNSYM and start == table:
                return length // size
        hashes = self._table(_HASH)
        if hashes is not None:
            return self._unpack("II", hashes)[1]
        hashes = self._table(_GNU_HASH)
        if hashes is None:
            return 0
        buckets, first, words, _ = self._unpack("IIII", hashes)
        chains = hashes + 16 + words * struct.calcsize(f"<{self._word}")
        last = max(self._unpack(f"{buckets}I", chains), default=0)
        if last < first:
            return first
        chains += 4 * (buckets - first)
        while not self._unpack("I", chains + 4 * last)[0] & 1:
            last += 1
        return last + 1
