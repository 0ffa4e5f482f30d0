"""What readelf says of an ELF file, to compare the checker's view with."""

from __future__ import annotations

import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import building
from native_lib.check.read import read_binary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from native_lib.check.binary import Binary


@dataclass(frozen=True)
class View:
    """Names and versions; of symbols, those that others can see or must bring.

    An import has the library too that a version is needed of. Of the versions, those that must be
    there.
    """

    needed: tuple[str, ...]
    soname: str
    paths: tuple[str, ...]
    versions: frozenset[tuple[str, str]]
    imports: frozenset[tuple[str, str, str]]
    exports: frozenset[tuple[str, str]]


def is_available() -> bool:
    """Tell whether readelf is installed, on a machine whose files it reads."""
    return sys.platform == "linux" and shutil.which("readelf") is not None


def by_readelf(file: Path) -> View:
    """Read a file with readelf."""
    dynamic = building.run("readelf", "-dW", file, env={"LC_ALL": "C"})

    def values(tag: str) -> list[str]:
        return re.findall(rf"\({tag}\).*?\[(.*)\]$", dynamic, re.MULTILINE)

    versions = building.run("readelf", "-VW", file, env={"LC_ALL": "C"})
    library_of = _libraries(versions)
    imports, exports = set(), set()
    for line in building.run("readelf", "--dyn-syms", "-W", file, env={"LC_ALL": "C"}).splitlines():
        # Num: Value Size Type Bind Vis Ndx Name, where Vis may be followed by [more].
        row = re.match(
            r"\s*\d+: [0-9a-f]+ +\S+ +\S+ +(\S+) +\S+ +(?:\[.*?\] +)?(\S+) (\S+)(?: \((\d+)\))?$",
            line,
        )
        if not row or row[1] == "LOCAL":
            continue
        name, _, version = row[3].replace("@@", "@").partition("@")
        if row[2] == "UND":
            imports.add((name, version, library_of.get(row[4], "")))
        else:
            exports.add((name, version))
    # Linkers define a symbol for each version; some releases of readelf give it no version.
    defined = re.findall(r"Flags: .*Name: (\S+)$", versions, re.MULTILINE)
    exports -= {(name, version) for name in defined for version in ("", name)}
    paths = tuple(part for text in values("RPATH") + values("RUNPATH") for part in text.split(":"))
    soname = next(iter(values("SONAME")), "")
    needs = frozenset(_version_needs(versions))
    return View(
        tuple(values("NEEDED")), soname, paths, needs, frozenset(imports), frozenset(exports)
    )


def _version_needs(versions: str) -> Iterator[tuple[str, str]]:
    library = ""
    for file, version, flags in re.findall(
        r"  File: (\S+)  Cnt|Name: (\S+)  Flags: (.+?)  Version: \d+$", versions, re.MULTILINE
    ):
        library = file or library
        if version and "WEAK" not in flags:
            yield library, version


def _libraries(versions: str) -> dict[str, str]:
    """Return the library that each version is needed of, by the version's number."""
    found, library = {}, ""
    for file, number in re.findall(
        r"  File: (\S+)  Cnt|Flags: .*  Version: (\d+)$", versions, re.MULTILINE
    ):
        if file:
            library = file
        else:
            found[number] = library
    return found


def by_us(binary: Binary) -> View:
    """Return the checker's view of the same."""
    return View(
        binary.needed,
        binary.runtime_name,
        binary.search_paths,
        binary.needed_versions,
        frozenset((symbol.name, symbol.version, symbol.library) for symbol in binary.imports),
        frozenset((symbol.name, symbol.version) for symbol in binary.exports),
    )


def differences(wheel_binaries: dict[Path, Binary]) -> list[str]:
    """Return what differs between the two, of files that lie unpacked."""
    return [
        f"{path}: {field}: readelf {theirs!r}, we {ours!r}"
        for path, binary in wheel_binaries.items()
        for field in View.__dataclass_fields__
        if (theirs := getattr(by_readelf(path), field)) != (ours := getattr(by_us(binary), field))
    ]


def differences_in_wheel(wheel: Path, folder: Path) -> list[str]:
    """Return what differs between the two, of the ELF files in a wheel; unpacks them to a folder."""
    read = {}
    with zipfile.ZipFile(wheel) as archive:
        for number, name in enumerate(archive.namelist()):
            content = archive.read(name)
            for binary in read_binary(name, content) if content.startswith(b"\x7fELF") else ():
                file = folder / f"{wheel.name}-{number}"
                file.write_bytes(content)
                read[file] = binary
    assert read, f"no ELF file in {wheel}"
    return differences(read)
