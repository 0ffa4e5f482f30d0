"""Read ELF."""

from __future__ import annotations

import lief

from native_lib.check.binary import Binary, Export, Import, require, text

_ARCHITECTURES = {
    lief.ELF.ARCH.X86_64: "x86_64",
    lief.ELF.ARCH.I386: "i686",
    lief.ELF.ARCH.AARCH64: "aarch64",
    lief.ELF.ARCH.ARM: "armv7l",
    lief.ELF.ARCH.PPC64: "ppc64le",
    lief.ELF.ARCH.S390: "s390x",
    lief.ELF.ARCH.RISCV: "riscv64",
    lief.ELF.ARCH.LOONGARCH: "loongarch64",
}
_DF_TEXTREL = 0x4


def read(path: str, content: bytes) -> tuple[Binary, ...]:
    """Read an ELF file; see `read_binary`."""
    config = lief.ELF.ParserConfig()
    config.parse_relocations = False
    config.parse_symtab_symbols = False
    config.parse_overlay = False
    config.parse_notes = False
    file = lief.ELF.parse(content, config)
    require(file is not None, "not readable as ELF")
    assert isinstance(file, lief.ELF.Binary)
    kind = file.header.file_type
    if kind not in (lief.ELF.Header.FILE_TYPE.DYN, lief.ELF.Header.FILE_TYPE.EXEC):
        # Object files are for linkers, core dumps for nobody.
        require(int(kind) in range(1, 5), "ELF file of no known type")
        return ()
    segments, promised = len(list(file.segments)), file.header.numberof_segments
    # What is loaded has segments.
    require(segments == promised > 0, f"{segments} of {promised} segments readable")
    for segment in file.segments:
        if segment.type == lief.ELF.Segment.TYPE.LOAD:
            end = segment.file_offset + segment.physical_size
            require(end <= len(content), f"cut off: {len(content)} bytes of at least {end}")
    texts, tags = _dynamic(file)
    needed = tuple(texts.get("NEEDED", ()))
    exports, imports = _symbols(file)
    return (
        Binary(
            path=path,
            format="ELF",
            architecture=_ARCHITECTURES.get(file.header.machine_type, "unknown"),
            runtime_name=next(iter(texts.get("SONAME", ())), ""),
            needed=needed,
            rpath=tuple(
                part for path_list in texts.get("RPATH", ()) for part in path_list.split(":")
            ),
            runpath=tuple(
                part for path_list in texts.get("RUNPATH", ()) for part in path_list.split(":")
            ),
            exports=exports,
            imports=imports,
            libc=_libc(needed),
            has_executable_stack=any(
                segment.type == lief.ELF.Segment.TYPE.GNU_STACK
                and segment.has(lief.ELF.Segment.FLAGS.X)
                for segment in file.segments
            ),
            has_text_relocations="TEXTREL" in tags or bool(tags.get("FLAGS", 0) & _DF_TEXTREL),
        ),
    )


def _dynamic(file: lief.ELF.Binary) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Return the texts and the numbers of the dynamic section, by tag."""
    texts: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for entry in file.dynamic_entries:
        if isinstance(entry, (lief.ELF.DynamicEntryLibrary, lief.ELF.DynamicSharedObject)):
            texts.setdefault(_tag(entry), []).append(text(entry.name))
        elif isinstance(entry, lief.ELF.DynamicEntryRpath):
            texts.setdefault("RPATH", []).append(text(entry.rpath))
        elif isinstance(entry, lief.ELF.DynamicEntryRunPath):
            texts.setdefault("RUNPATH", []).append(text(entry.runpath))
        elif entry.tag in (lief.ELF.DynamicEntry.TAG.TEXTREL, lief.ELF.DynamicEntry.TAG.FLAGS):
            numbers[_tag(entry)] = entry.value
    return texts, numbers


def _tag(entry: lief.ELF.DynamicEntry) -> str:
    return str(entry.tag).rpartition(".")[2]


def _symbols(file: lief.ELF.Binary) -> tuple[frozenset[Export], frozenset[Import]]:
    library_of = {
        auxiliary.name: requirement.name
        for requirement in file.symbols_version_requirement
        for auxiliary in requirement.get_auxiliary_symbols()
    }
    exports, imports = set(), set()
    for symbol in file.dynamic_symbols:
        name = text(symbol.name)
        if not name or symbol.binding == lief.ELF.Symbol.BINDING.LOCAL:
            continue
        version = ""
        given = symbol.symbol_version
        if given is not None and given.has_auxiliary_version:
            auxiliary = given.symbol_version_auxiliary
            version = text(auxiliary.name) if auxiliary is not None else ""
        weak = symbol.binding != lief.ELF.Symbol.BINDING.GLOBAL
        if symbol.shndx == 0:
            imports.add(Import(name, version, text(library_of.get(version, "")), weak))
        # A version's own name is a symbol of no size in the file.
        elif not (symbol.shndx == 0xFFF1 and name == version):
            exports.add(Export(name, version, weak))
    return frozenset(exports), frozenset(imports)


def _libc(needed: tuple[str, ...]) -> str:
    if any(name == "libc.so" or name.startswith("libc.musl-") for name in needed):
        return "musl"
    # ld-linux-x86-64.so.2 and the like are glibc's loader.
    return "glibc" if any(n.startswith(("libc.so.", "ld-linux")) for n in needed) else ""
