"""Read Mach-O, thin and universal."""

from __future__ import annotations

import lief

from native_lib.check.binary import Binary, Export, Import, require, text
from native_lib.check.strings import build_folders

# lief would print its own lines about a damaged file.
lief.logging.disable()

_ARCHITECTURES = {
    lief.MachO.Header.CPU_TYPE.X86_64: "x86_64",
    lief.MachO.Header.CPU_TYPE.ARM64: "aarch64",
    lief.MachO.Header.CPU_TYPE.X86: "i686",
}
_LOADED = (
    lief.MachO.LoadCommand.TYPE.LOAD_DYLIB,
    lief.MachO.LoadCommand.TYPE.LOAD_WEAK_DYLIB,
    lief.MachO.LoadCommand.TYPE.REEXPORT_DYLIB,
    lief.MachO.LoadCommand.TYPE.LAZY_LOAD_DYLIB,
    lief.MachO.LoadCommand.TYPE.LOAD_UPWARD_DYLIB,
)
_OPTIONAL = (
    lief.MachO.LoadCommand.TYPE.LOAD_WEAK_DYLIB,
    lief.MachO.LoadCommand.TYPE.LAZY_LOAD_DYLIB,
)
_KINDS = (
    lief.MachO.Header.FILE_TYPE.DYLIB,
    lief.MachO.Header.FILE_TYPE.BUNDLE,
    lief.MachO.Header.FILE_TYPE.EXECUTE,
)
_UNIVERSAL = b"\xca\xfe\xba\xbe"
# Bits of nlist's n_type and n_desc.
_N_STAB, _N_TYPE, _N_EXT, _N_WEAK_REF, _N_WEAK_DEF = 0xE0, 0x0E, 0x01, 0x40, 0x80


def read(path: str, content: bytes) -> tuple[Binary, ...]:
    """Read a Mach-O file; see `read_binary`."""
    config = lief.MachO.ParserConfig()
    # The symbol table says what is exported and imported.
    config.parse_dyld_exports = config.parse_dyld_bindings = config.parse_dyld_rebases = False
    universal = lief.MachO.parse(content, config)
    require(universal is not None, "not readable as Mach-O")
    assert isinstance(universal, lief.MachO.FatBinary)
    slices = list(universal)
    promised = int.from_bytes(content[4:8], "big") if content.startswith(_UNIVERSAL) else 1
    require(len(slices) == promised, f"{len(slices)} of {promised} architectures readable")
    return tuple(_slice(path, s, len(content)) for s in slices if s.header.file_type in _KINDS)


def _slice(path: str, file: lief.MachO.Binary, size: int) -> Binary:
    commands = len(list(file.commands))
    require(commands == file.header.nb_cmds, f"{commands} of {file.header.nb_cmds} load commands")
    for segment in file.segments:
        end = file.fat_offset + segment.file_offset + segment.file_size
        require(end <= size, f"cut off: {size} bytes of at least {end}")
    libraries = list(file.libraries)
    loaded = [library for library in libraries if library.command in _LOADED]
    needed = tuple(text(library.name) for library in loaded)
    exports, imports = _symbols(file, needed)
    return Binary(
        path=path,
        format="Mach-O",
        architecture=_ARCHITECTURES.get(file.header.cpu_type, "unknown"),
        runtime_name=next(
            (
                text(library.name)
                for library in libraries
                if library.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB
            ),
            "",
        ),
        needed=needed,
        optional=frozenset(
            text(library.name) for library in loaded if library.command in _OPTIONAL
        ),
        rpath=tuple(text(command.path) for command in file.rpaths),
        exports=exports,
        imports=imports,
        minimum_os=_minimum_os(file),
        is_signed=file.has_code_signature,
        build_folders=build_folders(_constants(file)),
    )


def _symbols(
    file: lief.MachO.Binary, needed: tuple[str, ...]
) -> tuple[frozenset[Export], frozenset[Import]]:
    exports, imports = set(), set()
    for symbol in file.symbols:
        name, kind, description = text(symbol.name), symbol.raw_type, symbol.description
        if kind & _N_STAB or not kind & _N_EXT or not name:
            continue
        name = name.removeprefix("_")  # C's foo is Mach-O's _foo
        if kind & _N_TYPE:
            exports.add(Export(name, is_weak=bool(description & _N_WEAK_DEF)))
        else:
            ordinal = (description >> 8) & 0xFF
            library = needed[ordinal - 1] if 1 <= ordinal <= len(needed) else ""
            imports.add(Import(name, library=library, is_weak=bool(description & _N_WEAK_REF)))
    return frozenset(exports), frozenset(imports)


def _constants(file: lief.MachO.Binary) -> bytes:
    """Return the constant texts."""
    return b"".join(bytes(s.content) for s in file.sections if s.name == "__cstring")


def _minimum_os(file: lief.MachO.Binary) -> tuple[int, ...]:
    if file.build_version is not None:
        return tuple(file.build_version.minos)
    return tuple(file.version_min.version) if file.version_min is not None else ()
