"""Read PE."""

from __future__ import annotations

import lief

from native_lib.check.binary import Binary, Export, Import, require, text
from native_lib.check.strings import build_folders

# lief would print its own lines about a damaged file.
lief.logging.disable()

_ARCHITECTURES = {
    lief.PE.Header.MACHINE_TYPES.AMD64: "x86_64",
    lief.PE.Header.MACHINE_TYPES.ARM64: "aarch64",
    lief.PE.Header.MACHINE_TYPES.I386: "i686",
}


def read(path: str, content: bytes) -> tuple[Binary, ...]:
    """Read a PE file; see `read_binary`."""
    header = int.from_bytes(content[0x3C:0x40], "little")
    if content[header : header + 4] != b"PE\0\0":
        # MZ alone may be a DOS program or a text. A truncated library must not pass as one of these.
        require(not path.lower().endswith((".dll", ".pyd")), "not readable as PE")
        return ()
    config = lief.PE.ParserConfig()
    config.parse_signature = config.parse_rsrc = config.parse_reloc = False
    file = lief.PE.parse(content, config)
    require(file is not None, "not readable as PE")
    assert isinstance(file, lief.PE.Binary)
    for section in file.sections:
        end = section.offset + section.sizeof_raw_data
        require(end <= len(content), f"cut off: {len(content)} bytes of at least {end}")
    imported = [*file.imports, *file.delay_imports]
    clr = file.data_directory(lief.PE.DataDirectory.TYPES.CLR_RUNTIME_HEADER)
    if clr and clr.size and {text(library.name).lower() for library in imported} <= {"mscoree.dll"}:
        return ()  # .NET only: for any processor, and without a library that Windows looks for
    directory = file.get_export()
    optional = file.optional_header
    return (
        Binary(
            path=path,
            format="PE",
            architecture=_ARCHITECTURES.get(file.header.machine, "unknown"),
            runtime_name=text(directory.name) if directory is not None else "",
            needed=tuple(text(library.name) for library in imported),
            optional=frozenset(text(library.name) for library in file.delay_imports),
            exports=frozenset(
                Export(text(entry.name))
                for entry in (directory.entries if directory is not None else ())
                if entry.name
            ),
            imports=frozenset(
                Import(text(entry.name), library=text(library.name))
                for library in imported
                for entry in library.entries
                if entry.name and not entry.is_ordinal
            ),
            build_folders=build_folders(
                b"".join(bytes(s.content) for s in file.sections if s.name == ".rdata")
            ),
            minimum_os=(optional.major_subsystem_version, optional.minor_subsystem_version),
        ),
    )
